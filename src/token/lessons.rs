//! What every worker of a token has to be told of officers' keys, those too that start later: which sign, and which do no more.

use std::sync::Arc;

use super::keys::MOST_PLACES;
use super::manage::CertifiedKey;
use super::proof::Proof;
use super::{Admission, Stop, TokenError, TokenKey, wire};
use crate::domain::Kid;
use crate::domain::officers::KeyName;
use crate::domain::officers::Label;

/// What a worker is told, in this order.
#[derive(Debug)]
pub(super) struct Lessons {
    /// One that no longer counts is gone, and its number stays.
    told: Vec<Option<Lesson>>,
    /// Keys that the token was started with; the places of the others follow.
    configured: Vec<(String, Proof)>,
    places: Vec<Place>,
}

/// One thing that a worker is told.
#[derive(Clone, Debug)]
pub(super) enum Lesson {
    /// A key signs, at its place.
    Admit(TokenKey, Arc<Admission>),
    /// A key signs no more.
    Stop(Arc<Stop>),
}

/// A key that officers brought. Its place is its own for good, also where a worker refused it.
#[derive(Debug)]
struct Place {
    kid: Kid,
    label: Label,
    proof: Proof,
    is_admitted: bool,
}

impl Lesson {
    /// Appends its frame.
    pub(super) fn encode(&self, id: u64, out: &mut Vec<u8>) {
        match self {
            Self::Admit(place, admission) => wire::encode_admit(id, *place, admission, out),
            Self::Stop(stop) => wire::encode_stop(id, stop, out),
        }
    }
}

impl Lessons {
    pub(super) const fn new(configured: Vec<(String, Proof)>) -> Self {
        Self { told: Vec::new(), configured, places: Vec::new() }
    }

    /// The place of a key, the next one where it has none yet.
    pub(super) fn place(&mut self, key: &CertifiedKey) -> Result<TokenKey, TokenError> {
        let kid = key.dsc.kid();
        let known = self.places.iter().position(|place| place.kid == kid);
        let number = self.configured.len() + known.unwrap_or(self.places.len());
        if number >= MOST_PLACES {
            return Err(TokenError::KeyPlace { number });
        }
        if known.is_none() {
            let proof = Proof::of(key.dsc.public_key())?;
            self.places.push(Place { kid, label: key.label.clone(), proof, is_admitted: false });
        }
        Ok(TokenKey(number))
    }

    /// Whether every worker that was alive has taken a key.
    pub(super) fn is_admitted(&self, key: TokenKey) -> bool {
        self.admitted(key).is_some_and(|place| place.is_admitted)
    }

    /// They have.
    pub(super) fn note_admitted(&mut self, key: TokenKey) {
        let place = key.0.checked_sub(self.configured.len()).and_then(|index| self.places.get_mut(index));
        if let Some(place) = place {
            place.is_admitted = true;
        }
    }

    /// The proof of a key.
    pub(super) fn proof(&self, key: TokenKey) -> Option<&Proof> {
        self.configured.get(key.0).map(|(_, proof)| proof).or_else(|| self.admitted(key).map(|place| &place.proof))
    }

    fn admitted(&self, key: TokenKey) -> Option<&Place> {
        self.places.get(key.0.checked_sub(self.configured.len())?)
    }

    /// Every key that officers call so.
    pub(super) fn named(&self, name: &KeyName) -> Vec<TokenKey> {
        let configured = self.configured.iter().map(|(kid, _)| matches!(name, KeyName::Kid(named) if named.to_string() == *kid));
        let places = self.places.iter().map(|place| match name {
            KeyName::Kid(kid) => place.kid == *kid,
            KeyName::Label(label) => place.label == *label,
        });
        configured.chain(places).enumerate().filter(|(_, is_meant)| *is_meant).map(|(number, _)| TokenKey(number)).collect()
    }

    /// Adds what each worker hears from now on; its number.
    pub(super) fn add(&mut self, lesson: Lesson) -> usize {
        self.told.push(Some(lesson));
        self.told.len() - 1
    }

    /// It does not count.
    pub(super) fn forget(&mut self, lesson: usize) {
        self.told[lesson] = None;
    }

    /// Keys that nobody is to be told of any more. Who wants one of them admitted hears again what the workers say.
    pub(super) fn forget_keys(&mut self, keys: &[TokenKey]) {
        let configured = self.configured.len();
        for (number, place) in self.places.iter_mut().enumerate() {
            place.is_admitted &= !keys.contains(&TokenKey(configured + number));
        }
        for lesson in &mut self.told {
            if matches!(lesson, Some(Lesson::Admit(place, _)) if keys.contains(place)) {
                *lesson = None;
            }
        }
    }

    /// The first thing to be told from a number on, with its number.
    pub(super) fn from(&self, number: usize) -> Option<(usize, Lesson)> {
        self.told.iter().enumerate().skip(number).find_map(|(number, lesson)| Some((number, lesson.clone()?)))
    }
}
