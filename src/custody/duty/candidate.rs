//! A key that is to sign, on its way into the keyring.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Post;
use crate::custody::register::Key;
use crate::domain::officers::Label;
use crate::domain::{Dsc, KeyUse};
use crate::sign::{Cause, KeyringError, Lacking, SigningKey};
use crate::token::TokenKey;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a change of puts another keyring in force: its place, its use, its trouble.
pub(super) type Print = (Option<TokenKey>, KeyUse, Option<Arc<str>>);

/// A key that is to sign.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) label: Label,
    pub(super) token: Label,
    dsc: Dsc,
    used: KeyUse,
    place: Option<TokenKey>,
    /// With its place, where it has one.
    signing: Arc<SigningKey>,
    trouble: Option<Arc<str>>,
    is_asked_for: bool,
    pause: Duration,
    next_try: Instant,
}

impl Candidate {
    /// A key that no token was asked for yet; nothing where it is not put in use.
    pub(super) fn new(key: &Key) -> Option<Result<Self, KeyringError>> {
        let (dsc, used) = (key.dsc()?, key.used()?);
        let signing = SigningKey::new(dsc.clone(), Vec::new()).and_then(|signing| signing.used_for(used.clone()));
        Some(signing.map(|signing| Self {
            label: key.label().clone(),
            token: key.token().clone(),
            dsc: dsc.clone(),
            used: used.clone(),
            place: None,
            signing: Arc::new(signing),
            trouble: None,
            is_asked_for: false,
            pause: FIRST_PAUSE,
            next_try: Instant::now(),
        }))
    }

    /// The key, which may have been given another window since.
    pub(super) fn follow(&mut self, used: &KeyUse, post: Option<&Post>) -> Result<(), KeyringError> {
        if self.used == *used {
            return Ok(());
        }
        self.used = used.clone();
        self.bind(post)
    }

    /// Whether its token is to be asked for it now. It counts as asked then.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let asks = self.place.is_none() && !self.is_asked_for && now >= self.next_try;
        self.is_asked_for |= asks;
        asks
    }

    /// Its token has it.
    pub(super) fn admitted(&mut self, place: TokenKey, post: &Post) -> Result<(), KeyringError> {
        (self.is_asked_for, self.place, self.trouble, self.pause) = (false, Some(place), None, FIRST_PAUSE);
        self.bind(Some(post))
    }

    /// It cannot sign; whether that is news. It is tried again, later each time.
    pub(super) fn refused(&mut self, reason: &str, now: Instant) -> bool {
        (self.is_asked_for, self.next_try) = (false, now + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        let is_news = self.trouble.as_deref() != Some(reason);
        if is_news {
            self.trouble = Some(reason.into());
        }
        is_news
    }

    fn bind(&mut self, post: Option<&Post>) -> Result<(), KeyringError> {
        let place = self.place.and_then(|place| Some((Arc::clone(&post?.station), place)));
        let signing = SigningKey::new(self.dsc.clone(), place.into_iter().collect())?;
        self.signing = Arc::new(signing.used_for(self.used.clone())?);
        Ok(())
    }

    /// The key, where it signs.
    pub(super) fn ready(&self) -> Option<&Arc<SigningKey>> {
        self.place.map(|_| &self.signing)
    }

    /// What it is used for.
    pub(super) const fn used(&self) -> &KeyUse {
        &self.used
    }

    /// Why it does not sign, where it does not.
    pub(super) fn lacking(&self) -> Option<Lacking> {
        self.place.is_none().then(|| Lacking { key: Arc::clone(&self.signing), cause: Cause::Token, reason: self.reason() })
    }

    /// It among keys none of which signs.
    pub(super) fn lacking_for(&self, reason: &Arc<str>) -> Lacking {
        Lacking { key: Arc::clone(&self.signing), cause: Cause::Register, reason: Arc::clone(reason) }
    }

    /// Why it has no place, in words.
    pub(super) fn reason(&self) -> Arc<str> {
        let (label, token) = (&self.label, &self.token);
        match &self.trouble {
            Some(trouble) => format!("the token {token} does not sign with the key {label}: {trouble}").into(),
            None => format!("the token {token} is being asked for the key {label}").into(),
        }
    }

    /// What a change of would put another keyring in force.
    pub(super) fn print(&self) -> Print {
        (self.place, self.used.clone(), self.trouble.clone())
    }
}
