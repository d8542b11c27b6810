//! What is known of a token from outside: whether it signs, since when not, and which of its keys are stopped.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{TokenError, TokenKey};

/// Whether a key signs at present.
#[derive(Clone, Debug)]
pub enum Readiness {
    /// It does.
    Ready,
    /// It does not at this moment, and may in the next: a worker is being replaced, or sessions prove themselves.
    Unsettled,
    /// It does not until something changes; waiting is of no use.
    Down(TokenError),
}

/// How long callers wait for a token to come back before they hear that it is down.
const UNSETTLED: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Standing {
    token: String,
    /// Workers that sign.
    usable: usize,
    away: Option<Away>,
    stopped: HashMap<TokenKey, Stop>,
    /// Since when the outage lasts that has been told of.
    told: Option<Instant>,
}

/// No worker signs.
#[derive(Debug)]
struct Away {
    since: Instant,
    reason: String,
    /// A worker was started, and could not open the token.
    is_certain: bool,
}

/// A key that the token refuses to sign with.
#[derive(Debug)]
struct Stop {
    since: Instant,
    error: TokenError,
    /// By officers: it does not come back.
    is_final: bool,
}

impl Standing {
    /// A token of which no worker has started yet.
    pub(super) fn new(token: &str, now: Instant) -> Self {
        let away = Away { since: now, reason: "its first worker is being started".to_owned(), is_certain: false };
        Self { token: token.to_owned(), usable: 0, away: Some(away), stopped: HashMap::new(), told: None }
    }

    /// Whether a key signs.
    pub(super) fn readiness(&self, key: TokenKey, now: Instant) -> Readiness {
        let is_recent = |since: Instant| now.saturating_duration_since(since) < UNSETTLED;
        match (&self.away, self.stopped.get(&key)) {
            (Some(away), _) if !away.is_certain && is_recent(away.since) => Readiness::Unsettled,
            (Some(away), _) => Readiness::Down(self.down(&away.reason)),
            (None, Some(stop)) if !stop.is_final && is_recent(stop.since) => Readiness::Unsettled,
            (None, Some(stop)) => Readiness::Down(stop.error.clone()),
            (None, None) => Readiness::Ready,
        }
    }

    /// Why nothing is signed, as long as no worker signs.
    pub(super) fn refusal(&self) -> Option<TokenError> {
        self.away.as_ref().map(|away| self.down(&away.reason))
    }

    /// One more worker signs; whether it is the only one.
    pub(super) fn gain(&mut self) -> bool {
        self.usable += 1;
        self.away = None;
        self.usable == 1
    }

    /// One worker fewer signs; whether none is left.
    pub(super) fn lose(&mut self, reason: &str, now: Instant) -> bool {
        self.usable = self.usable.saturating_sub(1);
        if self.usable == 0 {
            self.away = Some(Away { since: now, reason: reason.to_owned(), is_certain: false });
        }
        self.usable == 0
    }

    /// A worker could not open the token; whether that is news while none signs.
    pub(super) fn note_failed_start(&mut self, reason: &str) -> bool {
        let Some(away) = &mut self.away else { return false };
        let is_news = !away.is_certain || away.reason != reason;
        reason.clone_into(&mut away.reason);
        away.is_certain = true;
        is_news
    }

    /// The token refuses a key; whether that is news.
    pub(super) fn stop(&mut self, key: TokenKey, error: &TokenError, now: Instant) -> bool {
        let is_news = !self.stopped.contains_key(&key);
        self.stopped.entry(key).or_insert_with(|| Stop { since: now, error: error.clone(), is_final: false });
        is_news
    }

    /// Officers stopped a key: it is not asked to prove itself.
    pub(super) fn stop_for_good(&mut self, key: TokenKey, error: &TokenError, now: Instant) {
        self.stopped.insert(key, Stop { since: now, error: error.clone(), is_final: true });
    }

    /// A key has proven itself; whether it was stopped.
    pub(super) fn resume(&mut self, key: TokenKey) -> bool {
        let is_final = self.stopped.get(&key).is_some_and(|stop| stop.is_final);
        !is_final && self.stopped.remove(&key).is_some()
    }

    /// What is to be told of an outage: once, when waiting has become of no use, why; and how long it lasted, when it is over.
    pub(super) fn outage(&mut self, now: Instant) -> Option<Result<Duration, String>> {
        match (&self.away, self.told) {
            (Some(away), None) if away.is_certain || now.saturating_duration_since(away.since) >= UNSETTLED => {
                self.told = Some(away.since);
                Some(Err(away.reason.clone()))
            }
            (None, Some(since)) => {
                self.told = None;
                Some(Ok(now.saturating_duration_since(since)))
            }
            _ => None,
        }
    }

    /// Why nothing, or not everything, is signed.
    pub(super) fn trouble(&self) -> Option<String> {
        let stopped = || self.stopped.values().find(|stop| !stop.is_final).map(|stop| stop.error.to_string());
        self.away.as_ref().map(|away| away.reason.clone()).or_else(stopped)
    }

    /// The keys that are stopped until they prove themselves.
    pub(super) fn stopped(&self) -> Vec<TokenKey> {
        self.stopped.iter().filter(|(_, stop)| !stop.is_final).map(|(key, _)| *key).collect()
    }

    fn down(&self, reason: &str) -> TokenError {
        TokenError::Down { token: self.token.clone(), reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: TokenKey = TokenKey(0);

    fn is_unsettled(standing: &Standing, now: Instant) -> bool {
        matches!(standing.readiness(KEY, now), Readiness::Unsettled)
    }

    fn is_ready(standing: &Standing, now: Instant) -> bool {
        matches!(standing.readiness(KEY, now), Readiness::Ready)
    }

    fn reason(standing: &Standing, now: Instant) -> String {
        match standing.readiness(KEY, now) {
            Readiness::Down(error) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_is_ready_while_one_worker_signs() {
        let now = Instant::now();
        let mut standing = Standing::new("hsm", now);
        assert!(is_unsettled(&standing, now));
        assert!(standing.gain() && !standing.gain());
        assert!(!standing.lose("killed", now) && is_ready(&standing, now));
        assert!(standing.refusal().is_none());
    }

    #[test]
    fn the_last_worker_that_goes_leaves_two_seconds_to_be_replaced() {
        let now = Instant::now();
        let mut standing = Standing::new("hsm", now);
        standing.gain();
        assert!(standing.lose("killed", now));
        assert!(is_unsettled(&standing, now + UNSETTLED / 2));
        assert!(reason(&standing, now + UNSETTLED).contains("killed"));
        standing.gain();
        assert!(is_ready(&standing, now + UNSETTLED));
    }

    #[test]
    fn a_start_that_failed_settles_it_and_is_news_once() {
        let now = Instant::now();
        let mut standing = Standing::new("hsm", now);
        assert!(standing.note_failed_start("no token"));
        assert!(!standing.note_failed_start("no token"));
        assert!(standing.note_failed_start("the PIN was refused"));
        assert!(reason(&standing, now).contains("the PIN was refused"));
        standing.gain();
        assert!(!standing.note_failed_start("no token"), "others sign");
    }

    #[test]
    fn an_outage_is_told_once_and_its_end_too() {
        let now = Instant::now();
        let mut standing = Standing::new("hsm", now);
        assert_eq!(standing.outage(now), None, "it is still being started");
        let late = now + UNSETTLED;
        assert!(matches!(standing.outage(late), Some(Err(_))));
        standing.note_failed_start("no token");
        assert_eq!(standing.outage(late), None);
        standing.gain();
        assert_eq!(standing.outage(late), Some(Ok(UNSETTLED)));
        assert_eq!(standing.outage(late), None);
        standing.lose("killed", late);
        standing.note_failed_start("no token");
        assert_eq!(standing.outage(late), Some(Err("no token".to_owned())));
    }

    #[test]
    fn a_stopped_key_is_down_and_others_sign() {
        let now = Instant::now();
        let mut standing = Standing::new("hsm", now);
        standing.gain();
        assert!(standing.stop(KEY, &TokenError::BadSignature, now));
        assert!(!standing.stop(KEY, &TokenError::BadSignature, now), "news once");
        assert!(is_unsettled(&standing, now));
        assert!(matches!(standing.readiness(TokenKey(1), now), Readiness::Ready));
        assert!(matches!(standing.readiness(KEY, now + UNSETTLED), Readiness::Down(TokenError::BadSignature)));
        assert!(standing.resume(KEY) && is_ready(&standing, now));
    }

    #[test]
    fn a_key_that_officers_stopped_is_down_at_once_and_for_good() {
        let now = Instant::now();
        let mut standing = Standing::new("hsm", now);
        standing.gain();
        standing.stop(KEY, &TokenError::BadSignature, now);
        standing.stop_for_good(KEY, &TokenError::KeyStopped { name: "870aaa4460b56d17".to_owned() }, now);
        assert!(reason(&standing, now).contains("870aaa4460b56d17 was stopped"));
        assert!(standing.stopped().is_empty() && !standing.resume(KEY) && standing.trouble().is_none());
        assert!(reason(&standing, now).contains("stopped by an officer"));
    }
}
