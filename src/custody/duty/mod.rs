//! Which keys are on duty: the keyring follows the register.
//!
//! ```text
//! Standing (register, read_at) -> Duty --> LiveKeyring        keys of the file, and of the register: certificate, place, window
//!                                  |  \--> Lease              held for `lead` after the last reading; over: the file's keys alone
//!                                  \-----> KeyHolder          admit each key that is to sign, stop each that is compromised
//! ```
//! - **No timer switches a key.** Keys stand in the keyring before their window and a while after it; the `iat` of the batch decides.
//!   Nor does one take keys away that may have been stopped elsewhere: the lease is looked at when a batch begins.
//! - A key that is compromised leaves the keyring first, and is stopped in its token then; that is tried until it is done.
//! - A key that its token does not take leaves the others, is told of, and is tried again.

mod candidate;
mod post;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

pub use post::{Holding, KeyHolder, Post};
pub use view::{Absent, DutyView};

use self::candidate::Candidate;
use crate::custody::office::Standing;
use crate::custody::register::{Key, Register};
use crate::domain::officers::Label;
use crate::domain::{Clock, KeyUse, Kid, NumericDate};
use crate::sign::{Keyring, Lacking, Lease, LiveKeyring, SigningKey};
use crate::token::{TokenError, TokenKey};

/// For so long after its window a key stays in the keyring: a batch may have read the clock a moment before.
const GRACE_SECONDS: i64 = 60;

/// How long a token may take over an admission, or a stop, before it is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two tries to stop a key.
const STOP_PAUSE: Duration = Duration::from_secs(1);

/// What a duty works with.
#[derive(Debug)]
pub struct Settings {
    /// The register, as often as it is read.
    pub standings: watch::Receiver<Standing>,
    /// The tokens that take keys, by their names in the configuration.
    pub posts: BTreeMap<Label, Post>,
    /// The keys of the configuration, which sign whatever the register says, unless it has them.
    pub fixed: Vec<Arc<SigningKey>>,
    /// For how long after a reading its keys sign.
    pub lead: Duration,
}

/// Keeps the keyring as the register wants it.
#[derive(Debug)]
pub struct Duty {
    settings: Settings,
    live: Arc<LiveKeyring>,
    clock: Arc<dyn Clock>,
    lease: Arc<Lease>,
    view: DutyView,
    candidates: BTreeMap<Kid, Candidate>,
    stops: BTreeMap<Kid, Stopping>,
    in_force: Option<Print>,
    work: FuturesUnordered<BoxFuture<'static, Answer>>,
}

/// What a change of puts another keyring in force.
#[derive(Debug, PartialEq, Eq)]
struct Print {
    candidates: Vec<(Kid, candidate::Print)>,
    doubled: Vec<Kid>,
    stopped: Arc<BTreeSet<Kid>>,
    why_not: Arc<str>,
}

/// What a token answered, about which key.
#[derive(Debug)]
enum Answer {
    Admitted(Kid, Result<TokenKey, String>),
    Stopped(Kid, Result<(), String>),
}

/// How far a compromised key is stopped in its token.
#[derive(Debug)]
enum Stopping {
    /// Its token is to be asked at that instant.
    At(Instant),
    Asked,
    Done,
}

impl Duty {
    /// Puts the keys of the configuration in force; those of the register follow when it runs.
    #[must_use]
    pub fn new(settings: Settings, live: Arc<LiveKeyring>, clock: Arc<dyn Clock>) -> Self {
        let view = DutyView::new(settings.standings.clone(), settings.lead);
        let (candidates, stops, work) = (BTreeMap::new(), BTreeMap::new(), FuturesUnordered::new());
        let mut duty = Self { settings, live, clock, lease: Arc::default(), view, candidates, stops, in_force: None, work };
        duty.look();
        duty
    }

    /// How custody's keys are, for whoever watches.
    #[must_use]
    pub fn view(&self) -> DutyView {
        self.view.clone()
    }

    /// Follows the register until it is dropped.
    pub async fn run(mut self) {
        // Some looks within the lead, so that a late one costs nothing.
        let pace = (self.settings.lead / 10).clamp(Duration::from_millis(20), Duration::from_secs(1));
        let mut ticks = interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_read = true;
        loop {
            tokio::select! {
                // Where nobody reads any more the lease ends by itself.
                changed = self.settings.standings.changed(), if is_read => is_read = changed.is_ok(),
                Some(answer) = self.work.next(), if !self.work.is_empty() => self.take(answer),
                _ = ticks.tick() => {}
            }
            self.look();
        }
    }

    /// Brings everything up to date. The lease is held last: it vouches for the keyring that is in force then.
    fn look(&mut self) {
        let standing = self.settings.standings.borrow_and_update().clone();
        let now = self.clock.now();
        self.choose(&standing.register, now);
        self.put_in_force(&standing);
        if standing.is_good() {
            self.lease.hold(standing.read_at, self.settings.lead);
        } else {
            self.lease.end();
        }
        self.ask(&standing.register);
    }

    /// The keys that are to sign: from when officers have put them in use until their window is over, or they are stopped.
    fn choose(&mut self, register: &Register, now: NumericDate) {
        let chosen: BTreeMap<Kid, &Key> = register.keys().filter_map(|key| Some((is_to_sign(key, now)?, key))).collect();
        self.candidates.retain(|kid, candidate| {
            let stays = chosen.contains_key(kid);
            if !stays {
                tracing::info!(%kid, label = %candidate.label, "the key is off duty");
            }
            stays
        });
        for (kid, key) in chosen {
            self.consider(kid, key);
        }
    }

    fn consider(&mut self, kid: Kid, key: &Key) {
        let post = self.settings.posts.get(key.token());
        let outcome = match (self.candidates.get_mut(&kid), key.used()) {
            (Some(candidate), Some(used)) => candidate.follow(used, post),
            _ => match Candidate::new(key) {
                Some(Ok(mut candidate)) => {
                    if post.is_none() && candidate.refused("it is not among the tokens of this configuration", Instant::now()) {
                        tracing::warn!(%kid, label = %key.label(), reason = %candidate.reason(), "a key is not on duty");
                    }
                    self.candidates.insert(kid, candidate);
                    Ok(())
                }
                Some(Err(error)) => Err(error),
                None => Ok(()),
            },
        };
        if let Err(error) = outcome {
            // What the register took is a DSC, and its use fits it.
            tracing::error!(%kid, label = %key.label(), %error, "a key of the register cannot sign");
            self.candidates.remove(&kid);
        }
    }

    /// Has tokens asked for keys that they do not have, and told which ones to stop.
    fn ask(&mut self, register: &Register) {
        let now = Instant::now();
        for key in register.keys() {
            let (Some(kid), Some(post)) = (key.kid(), self.settings.posts.get(key.token())) else { continue };
            let holder = Arc::clone(&post.holder);
            if let Some(candidate) = self.candidates.get_mut(&kid) {
                if !candidate.ask(now) {
                    continue;
                }
                match register.papers(key) {
                    Some(papers) => {
                        self.work.push(Box::pin(async move { Answer::Admitted(kid, in_time(holder.admit(papers)).await) }));
                    }
                    None => _ = candidate.refused("the chain does not say who put it in use", now),
                }
            } else if key.compromised_at().is_some() && key.destroyed_at().is_none() {
                let stopping = self.stops.entry(kid).or_insert(Stopping::At(now));
                if matches!(stopping, Stopping::At(instant) if *instant <= now)
                    && let Some(order) = register.stop_order(key)
                {
                    *stopping = Stopping::Asked;
                    self.work.push(Box::pin(async move { Answer::Stopped(kid, in_time(holder.stop(order)).await) }));
                }
            }
        }
    }

    fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Admitted(kid, answer) => self.take_admission(kid, answer),
            Answer::Stopped(kid, Ok(())) => {
                tracing::warn!(%kid, "the compromised key is stopped in its token");
                self.stops.insert(kid, Stopping::Done);
            }
            Answer::Stopped(kid, Err(error)) => {
                tracing::error!(%kid, error, "the compromised key is not stopped in its token yet; nothing is sent to it");
                self.stops.insert(kid, Stopping::At(Instant::now() + STOP_PAUSE));
            }
        }
    }

    fn take_admission(&mut self, kid: Kid, answer: Result<TokenKey, String>) {
        // It may have been stopped meanwhile.
        let Some(candidate) = self.candidates.get_mut(&kid) else { return };
        let Some(post) = self.settings.posts.get(&candidate.token) else { return };
        let outcome = answer.and_then(|place| candidate.admitted(place, post).map_err(|error| error.to_string()));
        let (label, token) = (&candidate.label, &candidate.token);
        match outcome {
            Ok(()) => {
                let KeyUse { window, types, weight } = candidate.used();
                let (from, to) = (window.from, window.to);
                tracing::info!(%kid, %label, %token, ?types, weight, %from, %to, "the key is on duty");
            }
            Err(error) => {
                if candidate.refused(&error, Instant::now()) {
                    tracing::warn!(%kid, reason = %candidate.reason(), "a key is not on duty; it is tried again");
                }
            }
        }
    }

    /// Puts the keyring in force that the candidates make, where it is another.
    fn put_in_force(&mut self, standing: &Standing) {
        let why_not = standing.why_not(self.settings.lead);
        let known: BTreeSet<Kid> = standing.register.keys().filter_map(Key::kid).collect();
        // A key that the register has is the register's, whatever else names it.
        let (doubled, fixed): (Vec<_>, Vec<_>) =
            self.settings.fixed.iter().cloned().partition(|key| known.contains(&key.dsc().kid()));
        let doubled: Vec<Kid> = doubled.iter().map(|key| key.dsc().kid()).collect();
        let is_stopped = |key: &&Key| key.compromised_at().is_some();
        let stopped = Arc::new(standing.register.keys().filter(is_stopped).filter_map(Key::kid).collect());
        let candidates = self.candidates.iter().map(|(kid, candidate)| (*kid, candidate.print())).collect();
        let print = Print { candidates, doubled, stopped, why_not };
        if self.in_force.as_ref() == Some(&print) {
            return;
        }
        for kid in &print.doubled {
            tracing::warn!(%kid, "a [[dsc]] of the configuration is in the register too, which decides; take it out of the file");
        }
        let keyring = self.keyring(fixed, &print);
        self.live.replace(keyring);
        let absent = self.candidates.iter().filter(|(_, candidate)| candidate.ready().is_none());
        let absent =
            absent.map(|(kid, candidate)| Absent { label: candidate.label.clone(), kid: *kid, reason: candidate.reason() });
        self.view.tell(absent.collect());
        self.in_force = Some(print);
    }

    fn keyring(&self, fixed: Vec<Arc<SigningKey>>, Print { stopped, why_not, .. }: &Print) -> Keyring {
        let withheld: Vec<Lacking> = self.candidates.values().map(|candidate| candidate.lacking_for(why_not)).collect();
        let lacking: Vec<Lacking> = self.candidates.values().filter_map(Candidate::lacking).collect();
        let ready = self.candidates.values().filter_map(Candidate::ready).cloned();
        let otherwise = keyring_of(fixed.clone()).lacking(withheld).stopped(Arc::clone(stopped)).unknown(Arc::clone(why_not));
        let keyring = keyring_of(fixed.into_iter().chain(ready).collect()).lacking(lacking).stopped(Arc::clone(stopped));
        keyring.while_held(Arc::clone(&self.lease), otherwise)
    }
}

/// The kid of a key that is to sign at some time that has not long passed.
fn is_to_sign(key: &Key, now: NumericDate) -> Option<Kid> {
    let used = key.used()?;
    let is_stopped = key.compromised_at().is_some() || key.destroyed_at().is_some();
    key.kid().filter(|_| !is_stopped && now < used.window.to.plus_seconds(GRACE_SECONDS) && used.window.from < used.window.to)
}

/// Kids differ in the configuration and in the register, each by itself; what is in both is the register's alone.
fn keyring_of(keys: Vec<Arc<SigningKey>>) -> Keyring {
    Keyring::new(keys).unwrap_or_else(|error| {
        tracing::error!(%error, "no key signs");
        Keyring::default()
    })
}

async fn in_time<T>(answer: Holding<T>) -> Result<T, String> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error: TokenError| error.to_string()),
        Err(_) => Err(format!("it did not answer within {} s", PATIENCE.as_secs())),
    }
}
