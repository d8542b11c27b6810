//! The issuer's keys as they are now: kept while they may be, read again before that ends, once for all who wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::jwks::{self, Jwks};
use super::{KeySource, Pace, PersonError, SourceError};

/// Keys of one source. A call has them read where it finds that they should be; there is no timer.
#[derive(Debug)]
pub(super) struct LiveJwks {
    source: KeySource,
    pace: Pace,
    max_stale: Duration,
    state: ArcSwap<State>,
    /// Held while the source is read.
    reading: tokio::sync::Mutex<()>,
    /// The number of the reading that was last asked for in the background.
    asked: AtomicU64,
    unknown: Mutex<Option<Asked>>,
}

/// What is known of the source.
#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    /// How often it was read, or tried to.
    readings: u64,
    failed_at: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Held {
    jwks: Arc<Jwks>,
    /// From here on they are read again while calls still take them.
    refresh_at: Instant,
    /// From here on a call waits for them to be read again.
    fresh_until: Instant,
}

/// An asking for the sake of an unknown kid.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    /// How often the source had been read until then.
    readings: u64,
}

/// How urgently keys have to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    Aside,
    First,
}

impl LiveJwks {
    pub(super) fn new(source: KeySource, pace: Pace, max_stale: Duration) -> Self {
        Self {
            source,
            pace,
            max_stale,
            state: ArcSwap::default(),
            reading: tokio::sync::Mutex::default(),
            asked: AtomicU64::new(0),
            unknown: Mutex::default(),
        }
    }

    /// The keys under other settings. Those of the same source are held on to for as long as they were to be; of another source
    /// nothing is known yet.
    pub(super) fn for_settings(self: &Arc<Self>, source: &KeySource, pace: Pace, max_stale: Duration) -> Arc<Self> {
        let next = Self::new(source.clone(), pace, max_stale);
        if self.source.is_same(source) {
            let held = self.state.load().held.clone();
            next.state.store(Arc::new(State { held, ..State::default() }));
        }
        Arc::new(next)
    }

    /// The keys, fresh where the source answers.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<Jwks>, PersonError> {
        let state = self.state.load_full();
        match self.need(&state, Instant::now()) {
            Need::Nothing => {}
            Need::Aside => self.refresh_aside(state.readings),
            Need::First => self.refresh(state.readings).await,
        }
        self.usable().ok_or(PersonError::NoKeys)
    }

    /// The keys after a JWT has named one that is not among them: the issuer may have a new one. The source is read again,
    /// unless it was for the same reason a moment ago.
    pub(super) async fn after_unknown_kid(self: &Arc<Self>) -> Result<Arc<Jwks>, PersonError> {
        if let Some(readings) = self.ask_for_unknown(Instant::now()) {
            self.refresh(readings).await;
        }
        self.usable().ok_or(PersonError::NoKeys)
    }

    /// Reads the source now, as at the start and on a reload; says how many keys there are.
    pub(super) async fn read_now(self: &Arc<Self>) -> Result<usize, PersonError> {
        self.refresh(self.state.load().readings).await;
        self.usable().map(|jwks| jwks.len()).ok_or(PersonError::NoKeys)
    }

    fn need(&self, state: &State, now: Instant) -> Need {
        let failed = state.failed_at.map(|at| now.saturating_duration_since(at));
        if failed.is_some_and(|ago| ago < self.pace.retry) {
            return Need::Nothing;
        }
        match &state.held {
            None => Need::First,
            Some(held) if now >= held.fresh_until + self.max_stale => Need::First,
            // The source is away: nobody waits for it while the old keys may be taken.
            Some(held) if now >= held.fresh_until => failed.map_or(Need::First, |_| Need::Aside),
            Some(held) if now >= held.refresh_at => Need::Aside,
            Some(_) => Need::Nothing,
        }
    }

    fn usable(&self) -> Option<Arc<Jwks>> {
        let state = self.state.load();
        let held = state.held.as_ref()?;
        (Instant::now() < held.fresh_until + self.max_stale).then(|| Arc::clone(&held.jwks))
    }

    /// The number of readings after which to read, if it may be read, or is being read, for an unknown kid.
    fn ask_for_unknown(&self, now: Instant) -> Option<u64> {
        let readings = self.state.load().readings;
        let mut last = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = self.source.unknown_kid_pause(&self.pace);
        match *last {
            // Asked for, and not answered yet: wait with the one who asked.
            Some(asked) if asked.readings == readings => Some(readings),
            Some(asked) if now.saturating_duration_since(asked.at) < pause => None,
            _ => {
                *last = Some(Asked { at: now, readings });
                Some(readings)
            }
        }
    }

    fn refresh_aside(self: &Arc<Self>, readings: u64) {
        if self.asked.swap(readings + 1, Ordering::Relaxed) != readings + 1 {
            let live = Arc::clone(self);
            tokio::spawn(async move { live.read_after(readings).await });
        }
    }

    /// Waits until the source has been read once more. The reading is a task of its own: a call that is cancelled does not end
    /// it for those who wait as well.
    async fn refresh(self: &Arc<Self>, readings: u64) {
        let live = Arc::clone(self);
        if tokio::spawn(async move { live.read_after(readings).await }).await.is_err() {
            tracing::debug!("the reading of the issuer's keys was ended");
        }
    }

    /// Reads the source, unless another has since.
    async fn read_after(&self, readings: u64) {
        let _reading = self.reading.lock().await;
        let before = self.state.load_full();
        if before.readings != readings {
            return;
        }
        let outcome = self.read(before.held.as_ref()).await;
        let readings = readings + 1;
        let state = match outcome {
            Ok(held) => State { held: Some(held), readings, failed_at: None },
            Err(error) => {
                let stale = before.held.is_some();
                tracing::warn!(source = %self.source, %error, stale, "the keys that JWTs are verified with cannot be read");
                State { held: before.held.clone(), readings, failed_at: Some(Instant::now()) }
            }
        };
        self.state.store(Arc::new(state));
    }

    async fn read(&self, held: Option<&Held>) -> Result<Held, SourceError> {
        let (text, fresh) = self.source.read(&self.pace).await?;
        let same = held.filter(|held| held.jwks.fingerprint() == jwks::fingerprint(&text));
        let jwks = match same {
            Some(held) => Arc::clone(&held.jwks),
            None => {
                let jwks = Jwks::parse(&text)?;
                tracing::info!(source = %self.source, keys = jwks.len(), "keys that JWTs are verified with");
                Arc::new(jwks)
            }
        };
        let now = Instant::now();
        Ok(Held { jwks, refresh_at: now + fresh.mul_f64(0.8), fresh_until: now + fresh })
    }
}
