//! Carries out what officers agreed on: a token makes or forgets a key, or the ledger revokes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::checks::names;
use super::error::OfficeError;
use super::hands::NotDone;
use super::{HANDS, Office};
use crate::custody::register::{Effect, End, Filed, Misfit, Register};
use crate::custody::revocation::Revoked;
use crate::domain::officers::{Approved, Change, Event, KeyName, Label, Outcome, ProposalId, Words};
use crate::ledger::record::{Body, Head};
use crate::ledger::store::{Append, StoreError, Taken, ToKeep, Wanted};
use crate::token::{Managed, Management, Task};

/// How long a token may take: an RSA key of 3072 bits takes some HSMs half a minute.
const TOKEN_PATIENCE: Duration = Duration::from_secs(120);

/// How long a proposal has to be valid yet when a token begins, in seconds: what it did is written down before that.
const TIME_LEFT: i64 = 150;

/// How long the right to carry out lasts where its holder dies, and how often it is renewed.
const LEASE: Duration = Duration::from_secs(6);
const RENEW: Duration = Duration::from_secs(2);

/// How often what was done is tried to be written down.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// How a proposal stands after something was done about it.
#[derive(Debug)]
pub struct Decided {
    /// The register with it.
    pub register: Arc<Register>,
    /// The end of the chain.
    pub head: Head,
    /// The proposal.
    pub id: ProposalId,
    /// What was done; nothing where nothing was yet, or it failed.
    pub done: Option<Carried>,
    /// Why it is approved, and could not be carried out for now.
    pub pending_because: Option<String>,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// The key that it is about.
    pub key: Option<Label>,
    /// What comes next.
    pub next: &'static str,
    /// Of a generated key: the request to the CSCA, PKCS#10 in DER.
    pub request: Option<Vec<u8>>,
    /// Of a revocation: what is revoked.
    pub revoked: Option<Revoked>,
}

impl Carried {
    pub(super) fn record(effect: &Effect) -> Self {
        Self { key: effect.key.clone(), next: effect.next, ..Self::default() }
    }
}

/// What is to be written of what was done.
enum Came {
    /// It is over.
    To(Box<(Outcome, Carried)>),
    /// It is still to be done.
    ToNothing(String),
}

impl Came {
    fn to(outcome: Outcome, carried: Carried) -> Self {
        Self::To(Box::new((outcome, carried)))
    }
}

impl Office {
    /// After the last approval: that one stands, whatever comes of this.
    pub(super) async fn carry_out_if_possible(&self, id: ProposalId) -> Result<Decided, OfficeError> {
        let error = match self.carry_out(id).await {
            Ok(decided) => return Ok(decided),
            Err(error) => error,
        };
        tracing::error!(proposal = %id, %error, "what officers agreed on could not be done; it is to be executed again");
        let known = self.chain.known().await;
        let (register, head) = (Arc::clone(known.register()), known.head());
        Ok(Decided { register, head, id, done: None, pending_because: Some(error.to_string()) })
    }

    /// Carries out a proposal that is approved and not over; only one replica does so at a time.
    pub(super) async fn carry_out(&self, id: ProposalId) -> Result<Decided, OfficeError> {
        let _turn = self.turn.lock().await;
        let right = self.take_the_right().await?;
        let carried = tokio::select! {
            carried = self.carry_out_alone(id) => carried,
            lost = self.keep_the_right(&right) => Err(OfficeError::Store(lost)),
        };
        if let Err(error) = self.chain.store().release(&right.lease).await {
            tracing::debug!(%error, "the lease to carry out could not be given back");
        }
        carried
    }

    async fn take_the_right(&self) -> Result<Taken, OfficeError> {
        let wanted = Wanted { instance: HANDS, holder: self.chain.holder(), lasts: LEASE };
        self.chain.store().take(wanted).await.map_err(|error| match error {
            StoreError::Held { left, .. } => OfficeError::Busy { doing: "carrying out what officers agreed on", left },
            error => OfficeError::Store(error),
        })
    }

    /// Ends where another has it.
    async fn keep_the_right(&self, right: &Taken) -> StoreError {
        loop {
            sleep(RENEW).await;
            let append = Append { from: right.head, rows: &[], settled: right.settled, kept: &ToKeep::NOTHING, lasts: LEASE };
            match self.chain.store().append(&right.lease, append).await {
                Err(error @ StoreError::Lost { .. }) => return error,
                // It lasts for two more tries.
                Err(error) => tracing::warn!(%error, "the lease to carry out could not be renewed"),
                Ok(_) => {}
            }
        }
    }

    async fn carry_out_alone(&self, id: ProposalId) -> Result<Decided, OfficeError> {
        let known = self.known().await?;
        let register = known.register();
        if let Some(carried) = was_carried_out(register, id) {
            let (register, head) = (Arc::clone(register), known.head());
            return Ok(Decided { register, head, id, done: Some(carried), pending_because: None });
        }
        let now = self.clock.signing_time()?;
        let approved = register.approved(id, now, self.lead_seconds())?;
        let effect = register.check(approved.change(), now, self.lead_seconds())?;
        match self.do_it(register, &approved, &effect).await? {
            Came::To(came) => {
                let (outcome, carried) = *came;
                self.write_down(id, outcome, carried).await
            }
            Came::ToNothing(reason) => {
                tracing::warn!(proposal = %id, reason, "what officers agreed on is still to be done");
                let (register, head) = (Arc::clone(register), known.head());
                Ok(Decided { register, head, id, done: None, pending_because: Some(reason) })
            }
        }
    }

    async fn do_it(&self, register: &Register, approved: &Approved, effect: &Effect) -> Result<Came, OfficeError> {
        let carried = Carried::record(effect);
        match approved.change() {
            Change::Revoke(revocation) => {
                let by = names(&approved.proposal().text().officer, approved.approvers());
                let plan = match self.plan(revocation, by).await {
                    Ok(plan) => plan,
                    Err(OfficeError::Revoke(error)) if error.is_final() => return Ok(failed(&error.to_string())),
                    Err(error) => return Err(error),
                };
                let revoker = self.revoker.as_ref().ok_or(OfficeError::NoRecord)?;
                let revoked = revoker.revoke(plan).await?;
                let instance = revoked.instance.parse().map_err(|_| OfficeError::NoRecord)?;
                let outcome = Outcome::Revoked { instance, seq: revoked.seq };
                Ok(Came::to(outcome, Carried { revoked: Some(revoked), ..carried }))
            }
            change => {
                let Some(token) = token_of(register, change) else { return Ok(Came::to(Outcome::Done, carried)) };
                let (now, until) = (approved.at(), approved.proposal().text().valid_until);
                if now.plus_seconds(TIME_LEFT) >= until {
                    return Err(OfficeError::TooLate { until, seconds: TIME_LEFT });
                }
                self.have_done(register, approved, &token, carried).await
            }
        }
    }

    async fn have_done(
        &self,
        register: &Register,
        approved: &Approved,
        token: &Label,
        carried: Carried,
    ) -> Result<Came, OfficeError> {
        let consent = register.proposal(approved.proposal().id()).map(Filed::consent);
        let consent = consent.ok_or(OfficeError::Ending)?;
        let order =
            Management { history: register.roster_history().clone(), consent, task: task_of(register, approved.change()) };
        Ok(match (self.ask(token, order).await, approved.change()) {
            (Ok(Managed::Generated { key, request }), Change::Generate(_)) => {
                Came::to(Outcome::Generated(key), Carried { request: Some(request), ..carried })
            }
            (Ok(Managed::Destroyed), Change::Destroy(_))
            | (Ok(Managed::PinChanged), Change::ChangePin { .. })
            | (Ok(Managed::Initialised), Change::InitialiseToken { .. }) => Came::to(Outcome::Done, carried),
            (Ok(_), _) => Came::ToNothing(format!("the token {token} says that it did something else")),
            (Err(NotDone { reason, may_retry: true }), _) => Came::ToNothing(format!("the token {token}: {reason}")),
            (Err(NotDone { reason, may_retry: false }), _) => failed(&reason),
        })
    }

    /// Has a token do something, in time.
    pub(super) async fn ask(&self, token: &Label, order: Management) -> Result<Managed, NotDone> {
        let later = |reason: String| NotDone { reason, may_retry: true };
        if !self.hands.has(token) {
            return Err(later("it is not in this replica's configuration; ask one that has it".to_owned()));
        }
        let answer = timeout(TOKEN_PATIENCE, self.hands.manage(token, order)).await;
        answer.unwrap_or_else(|_| Err(later(format!("it did not answer in {} s", TOKEN_PATIENCE.as_secs()))))
    }

    /// It was done: that has to stand in the chain, so it is tried for a while.
    async fn write_down(&self, id: ProposalId, outcome: Outcome, carried: Carried) -> Result<Decided, OfficeError> {
        let event = Event::Executed { proposal: id, outcome };
        let mut tries = 0;
        let committed = loop {
            tries += 1;
            let written = self.chain.commit(|moment| {
                // What a change takes to reach others was judged when it was begun.
                moment.register.admit(&event, moment.at, 0)?;
                Ok::<_, OfficeError>(vec![Body::Custody(event.clone())])
            });
            match written.await {
                Ok(committed) => break committed,
                Err(OfficeError::Store(_) | OfficeError::Busy { .. } | OfficeError::Unreadable(_)) if tries < TRIES => {
                    sleep(PAUSE).await;
                }
                // Whoever else had the right to carry it out has written it.
                Err(OfficeError::Misfit(Misfit::Over { .. })) => {
                    let known = self.chain.known().await;
                    let (register, head) = (Arc::clone(known.register()), known.head());
                    let done = was_carried_out(&register, id).map(|_| carried);
                    return Ok(Decided { register, head, id, done, pending_because: None });
                }
                Err(error) => {
                    tracing::error!(proposal = %id, %error, "what officers agreed on was DONE AND IS NOT ON RECORD");
                    return Err(error);
                }
            }
        };
        self.written.notify_one();
        let has_failed = matches!(&event, Event::Executed { outcome: Outcome::Failed { .. }, .. });
        match has_failed {
            true => tracing::error!(proposal = %id, "what officers agreed on was tried, and failed"),
            false => tracing::warn!(proposal = %id, "what officers agreed on was done"),
        }
        let done = if has_failed { None } else { Some(carried) };
        Ok(Decided { register: committed.register, head: committed.head, id, done, pending_because: None })
    }
}

/// What a token is to do: where a text names a key by its kid, the worker is shown the certificate with it.
fn task_of(register: &Register, change: &Change) -> Task {
    let Change::Destroy(KeyName::Kid(kid)) = change else { return Task::Execute };
    let certification = register.key_of(*kid).and_then(|key| register.certification(key.label()));
    certification.map_or(Task::Execute, |certification| Task::ExecuteOn { certification })
}

/// The token that has to do a change; none where nobody has to.
fn token_of(register: &Register, change: &Change) -> Option<Label> {
    match change {
        Change::Generate(generation) => Some(generation.token.clone()),
        Change::ChangePin { token } | Change::InitialiseToken { token } => Some(token.clone()),
        Change::Destroy(KeyName::Label(label)) => Some(register.key(label)?.token().clone()),
        Change::Destroy(KeyName::Kid(kid)) => Some(register.key_of(*kid)?.token().clone()),
        _ => None,
    }
}

fn was_carried_out(register: &Register, id: ProposalId) -> Option<Carried> {
    let filed = register.proposal(id).filter(|filed| filed.is_carried_out())?;
    let key = match (filed.proposal().change(), filed.end()) {
        (Change::Generate(generation), Some(End::Executed(_))) => Some(generation.label.clone()),
        _ => None,
    };
    Some(Carried { key, next: "nothing: it was done before", ..Carried::default() })
}

fn failed(reason: &str) -> Came {
    Came::to(Outcome::Failed { reason: in_words(reason) }, Carried::default())
}

/// A reason as it may stand in the chain: one line, of visible characters, not too long.
fn in_words(reason: &str) -> Words<500> {
    let plain: String = reason.chars().map(|character| if character.is_ascii_graphic() { character } else { ' ' }).collect();
    let short: String = plain.trim().chars().take(500).collect();
    short.trim().parse().unwrap_or_else(|_| "no reason was given".parse().expect("these are plain words"))
}
