//! What a token is and how fast it signs, for whoever connects an HSM: `sceau token probe`.
//!
//! [`Probe::open`] logs in once, as a worker does, and reads the facts; [`Probe::measure`] signs at so many sessions;
//! [`next_step`] says how many are to be tried next, and [`advise`] what follows for the configuration.

mod advice;
mod facts;
mod signer;
mod step;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use super::login::Login;
use super::session::SigningSession;
use super::{TokenError, TokenKey, TokenSpec, WantedKey, module};
use crate::domain::{Digest, Signature};
use signer::{Order, Run, Signer};

pub use advice::{Advice, Curve, End, advise, next_step};
pub use facts::{KeyFacts, KeyFlag, MechanismFacts, PinFacts, TokenFacts};
pub use step::{Failure, Latency, Step};

/// Reads what a token says of itself, without a login.
///
/// # Errors
/// [`TokenError::Absent`] where no slot holds it; else of the call that failed.
pub fn look(spec: &TokenSpec) -> Result<TokenFacts, TokenError> {
    let module = module::load(&spec.module)?;
    let (slot, info) = module::find_token(&module, spec)?;
    TokenFacts::read(&module, slot, &info)
}

/// A token that one process has logged in to, to look at it and to measure it.
#[derive(Debug)]
pub struct Probe {
    login: Login,
    token: TokenFacts,
    keys: Vec<KeyFacts>,
    /// The keys without a problem; [`TokenKey`] counts among these.
    usable: Vec<WantedKey>,
    /// Sessions that are open, each on its thread; they stay for the steps that follow.
    signers: Vec<Signer>,
    opened: usize,
    patience: Duration,
}

impl Probe {
    /// Loads the module, reads the token's facts, logs in once, and looks at each key. A key that is not as it should be is no
    /// failure here: [`KeyFacts`] keeps what a worker would say of it.
    ///
    /// # Errors
    /// [`TokenError`] names the module, the token, or the PIN's place; as for a worker, a PIN that was refused is latched.
    pub fn open(spec: &TokenSpec, wanted: Vec<WantedKey>) -> Result<Self, TokenError> {
        spec.latch.check()?;
        let module = module::load(&spec.module)?;
        let (slot, info) = module::find_token(&module, spec)?;
        // Before the login: it takes back that wrong PINs were counted.
        let token = TokenFacts::read(&module, slot, &info)?;
        let login = Login::open(spec)?;
        let session = login.session()?;
        let (mut keys, mut usable) = (Vec::new(), Vec::new());
        for wanted in wanted {
            let facts = KeyFacts::read(&session, &wanted, spec, &token, TokenKey(usable.len()));
            if facts.key.is_ok() {
                usable.push(wanted);
            }
            keys.push(facts);
        }
        // Longer than a worker's patience, which covers one signature and what waits before it.
        let patience = spec.hang_timeout * 2;
        Ok(Self { login, token, keys, usable, signers: Vec::new(), opened: 0, patience })
    }

    /// What the token says of itself.
    #[must_use]
    pub const fn token(&self) -> &TokenFacts {
        &self.token
    }

    /// What it says of each key, in the order in which they were wanted.
    #[must_use]
    pub fn keys(&self) -> &[KeyFacts] {
        &self.keys
    }

    /// Signs at so many sessions for a time, one digest again and again, which is of this purpose alone. `count_wrong` says how
    /// many signatures do not verify; it is asked when the time is over, so that its work does not slow the signing.
    ///
    /// A session that cannot be opened, or that fails, is a [`Failure`] of the step; it signs no more.
    ///
    /// # Errors
    /// [`TokenError::Hung`] where a session gives no answer; nothing can be measured after that.
    pub fn measure(
        &mut self,
        key: TokenKey,
        sessions: usize,
        time: Duration,
        count_wrong: impl FnOnce(&Digest, &[Signature]) -> u64,
    ) -> Result<Step, TokenError> {
        if let Err(error) = self.open_sessions(sessions) {
            return Ok(Step::failed(sessions, error));
        }
        let name = self.usable.get(key.0).map_or("", |key| key.name.as_str());
        let digest = Digest::of_parts(&[b"sceau token probe ", name.as_bytes()]);
        let runs = self.run(key, digest, sessions, time)?;
        self.signers.retain(|signer| !runs.iter().any(|run| run.failure.is_some() && run.signer == signer.number()));
        let mut step = Step::of(time, &runs);
        let signatures: Vec<Signature> = runs.into_iter().flat_map(|run| run.signatures).collect();
        step.wrong = count_wrong(&digest, &signatures);
        Ok(step)
    }

    /// One after another: what hurts tokens is opening sessions, not using them.
    fn open_sessions(&mut self, sessions: usize) -> Result<(), TokenError> {
        while self.signers.len() < sessions {
            let session = SigningSession::open_with(&self.login, (0..).map(TokenKey).zip(&self.usable))?;
            self.signers.push(Signer::start(self.opened, session)?);
            self.opened += 1;
        }
        Ok(())
    }

    fn run(&mut self, key: TokenKey, digest: Digest, sessions: usize, time: Duration) -> Result<Vec<Run>, TokenError> {
        let (done, runs) = mpsc::channel();
        let start = Arc::new(Barrier::new(sessions));
        for signer in &self.signers[..sessions] {
            signer.order(Order { key, digest, time, start: Arc::clone(&start), done: done.clone() });
        }
        drop(done);
        let patience = time + self.patience;
        collect(&runs, sessions, Instant::now() + patience).map_err(|_| {
            // A thread inside the module cannot be waited for.
            self.signers.drain(..).for_each(Signer::abandon);
            TokenError::Hung { seconds: patience.as_secs() }
        })
    }
}

fn collect(runs: &Receiver<Run>, count: usize, until: Instant) -> Result<Vec<Run>, RecvTimeoutError> {
    (0..count).map(|_| runs.recv_timeout(until.saturating_duration_since(Instant::now()))).collect()
}
