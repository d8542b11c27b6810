//! The office: what officers bring is judged, written into the custody chain, and carried out; what stands there is read by everybody.
//!
//! Every replica has one over the same store, and none is the first among them. Whoever changes something takes the chain for that
//! moment, reads what it had not read, has [`Register::admit`] judge, writes, and gives the chain back.
//!
//! ```text
//! propose -> Proposed                                   an emergency: Emergency, in force with its record
//! decide  -> Rejected
//!         -> Approved                                    more have to approve
//!         -> Approved, Executed                          the record is the change itself: both at once
//!         -> Approved, then a token or the ledger works, then Executed
//! execute -> Executed                                    where whoever was to execute it died, or its token did not answer
//! ```
//! Only one replica carries out at a time ([`HANDS`] is leased for it), and it looks again whether the proposal is still to be done;
//! so what was executed is not executed again. An emergency does not wait for that.
//!
//! A replica that has not read the chain for longer than `lead` knows nothing: [`Office::fresh`] says so, and the keyring goes by it.

mod canary;
mod chain;
mod checks;
mod error;
mod execution;
mod hands;
mod reader;
mod sealing;
mod standing;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinHandle;

pub use canary::{Canary, Specimen};
pub use checks::Against;
pub use error::OfficeError;
pub use execution::{Carried, Decided};
pub use hands::{Hands, HandsFuture, NotDone};
pub use reader::Unreadable;
pub use standing::{Stale, Standing};

use super::import::{ImportWarning, KnownKids};
use super::register::{Effect, Register};
use super::revocation::Revoker;
use crate::domain::officers::{Change, Decision, Event, Proposal, ProposalId, Roster, SignedText, Verdict};
use crate::domain::{Clock, NumericDate};
use crate::ledger::record::{Body, Head};
use crate::ledger::store::Store;
use crate::sign::AuditKey;
use chain::{Chain, Moment};
use reader::Reader;

/// The custody chain's name among the chains of a store. No signer may have it.
pub const CHAIN: &str = "custody";

/// What is leased while a replica carries something out. Nothing is ever written under it.
pub const HANDS: &str = "custody.hands";

/// How many proposals may be open at a time.
pub const MOST_OPEN: usize = 64;

/// How often the chain is read, at the least, whatever the lead.
const RARELY: Duration = Duration::from_secs(5);

/// Reads that are begun in a lead.
const READS_A_LEAD: u32 = 4;

/// What an office is made of.
#[derive(Debug)]
pub struct OfficeParts {
    /// Where the chain is.
    pub store: Arc<dyn Store>,
    /// What the time is.
    pub clock: Arc<dyn Clock>,
    /// The roster that custody begins with.
    pub first_roster: Roster,
    /// How long a change takes to reach every replica.
    pub lead: Duration,
    /// The tokens.
    pub hands: Arc<dyn Hands>,
    /// What revokes; nothing where no record of certificates is kept.
    pub revoker: Option<Arc<Revoker>>,
    /// What seals the chain; nothing where nothing does.
    pub audit: Option<Arc<AuditKey>>,
    /// The kids of the DSCs that are in the configuration.
    pub known: KnownKids,
}

/// Officers' changes, and the register that comes of them.
#[derive(Debug)]
pub struct Office {
    chain: Chain,
    clock: Arc<dyn Clock>,
    lead: Duration,
    hands: Arc<dyn Hands>,
    revoker: Option<Arc<Revoker>>,
    audit: Option<Arc<AuditKey>>,
    known: KnownKids,
    /// One change is carried out at a time.
    turn: Mutex<()>,
    /// Something was written that is to be sealed.
    written: Notify,
}

/// What keeps an office going.
#[derive(Debug)]
pub struct OfficeTask {
    office: Arc<Office>,
    chores: Vec<JoinHandle<()>>,
}

impl OfficeTask {
    /// Seals what was written, and ends.
    pub async fn end(self) {
        self.chores.iter().for_each(JoinHandle::abort);
        self.office.seal_if_unsealed().await;
    }
}

/// What was proposed.
#[derive(Debug)]
pub struct Proposed {
    /// The proposal's name.
    pub id: ProposalId,
    /// What it will do.
    pub effect: Effect,
    /// How many officers have to approve it; none where it is in force.
    pub approvals_needed: u32,
    /// The end of the chain with it; nothing where nothing was written.
    pub head: Option<Head>,
    /// What is unusual about a certificate.
    pub warnings: Vec<ImportWarning>,
}

impl Office {
    /// Reads the chain, and goes on reading it.
    pub async fn start(parts: OfficeParts) -> (Arc<Self>, OfficeTask) {
        let OfficeParts { store, clock, first_roster, lead, hands, revoker, audit, known } = parts;
        let fingerprint = audit.as_ref().map(|key| key.fingerprint());
        let chain = Chain::new(store, Arc::clone(&clock), Reader::new(first_roster), fingerprint);
        let (turn, written) = (Mutex::new(()), Notify::new());
        let office = Arc::new(Self { chain, clock, lead, hands, revoker, audit, known, turn, written });
        // What is wrong is told where it is published; the keys of the configuration sign all the same.
        let _ = office.chain.refresh().await;
        let chores = vec![tokio::spawn(Arc::clone(&office).keep_read()), tokio::spawn(Arc::clone(&office).keep_sealed())];
        (Arc::clone(&office), OfficeTask { office, chores })
    }

    /// How long a change takes to reach every replica.
    #[must_use]
    pub const fn lead(&self) -> Duration {
        self.lead
    }

    /// The register, where this replica may sign by it.
    ///
    /// # Errors
    /// [`Stale`] where it was not read for longer than the lead, or is damaged.
    pub fn fresh(&self) -> Result<Arc<Register>, Stale> {
        self.chain.published().current().fresh(self.lead).map(Arc::clone)
    }

    /// What is known now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.chain.published().current()
    }

    /// Hears of every other register, and of trouble that comes or goes. That it grows old, nobody says: ask [`Self::fresh`].
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Standing> {
        self.chain.published().subscribe()
    }

    /// The register as the store has it at this moment.
    ///
    /// # Errors
    /// Where the chain cannot be read.
    pub async fn read(&self) -> Result<Arc<Register>, OfficeError> {
        Ok(self.chain.refresh().await?)
    }

    /// The time by which texts are judged.
    #[must_use]
    pub fn now(&self) -> NumericDate {
        self.clock.now()
    }

    /// Whether a token is among this replica's.
    #[must_use]
    pub fn has_token(&self, token: &crate::domain::officers::Label) -> bool {
        self.hands.has(token)
    }

    async fn keep_read(self: Arc<Self>) {
        let mut ticks = tokio::time::interval((self.lead / READS_A_LEAD).min(RARELY));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // What went wrong is published.
            let _ = self.chain.refresh().await;
        }
    }

    /// Files a proposal; an emergency is in force when this is `Ok`.
    ///
    /// # Errors
    /// [`OfficeError`] says which rule is broken, or why it cannot be written.
    pub async fn propose(self: &Arc<Self>, signed: SignedText, against: Option<Against>) -> Result<Proposed, OfficeError> {
        let office = Arc::clone(self);
        uncancelled(async move { office.file(signed, against).await }).await
    }

    async fn file(&self, signed: SignedText, against: Option<Against>) -> Result<Proposed, OfficeError> {
        let proposal = Proposal::read(signed.clone())?;
        if proposal.change().is_emergency() {
            return self.stop(&proposal).await;
        }
        self.clock.signing_time()?;
        let warnings = self.check_proposed(proposal.change(), against.as_ref()).await?;
        let mut filed = None;
        let committed = self
            .chain
            .commit(|moment| {
                let event = Event::Proposed(signed.clone());
                moment.register.admit(&event, moment.at, self.lead_seconds())?;
                check_room(moment)?;
                filed = Some((self.effect(moment, proposal.change())?, moment.register.roster().approvals_needed(&proposal)));
                Ok::<_, OfficeError>(vec![Body::Custody(event)])
            })
            .await?;
        self.written.notify_one();
        let (effect, approvals_needed) = filed.ok_or(OfficeError::Ending)?;
        let (id, command) = (proposal.id(), proposal.change().name());
        tracing::warn!(officer = %proposal.text().officer, proposal = %id, command, "an officer has proposed a change");
        Ok(Proposed { id, effect, approvals_needed, head: Some(committed.head), warnings })
    }

    /// One officer is enough, and no clock: it only stops.
    async fn stop(&self, proposal: &Proposal) -> Result<Proposed, OfficeError> {
        let mut filed = None;
        let committed = self
            .chain
            .commit(|moment| {
                let event = Event::Emergency(proposal.signed().clone());
                moment.register.admit(&event, moment.at, 0)?;
                filed = Some(self.effect(moment, proposal.change())?);
                Ok::<_, OfficeError>(vec![Body::Custody(event)])
            })
            .await?;
        self.written.notify_one();
        let (id, officer) = (proposal.id(), &proposal.text().officer);
        tracing::error!(%officer, proposal = %id, "an officer has stopped a key, alone: it is an emergency");
        let effect = filed.ok_or(OfficeError::Ending)?;
        Ok(Proposed { id, effect, approvals_needed: 0, head: Some(committed.head), warnings: Vec::new() })
    }

    /// Says what a proposal would do, and writes nothing. A text that is not signed yet is judged by its change alone.
    ///
    /// # Errors
    /// As [`Self::propose`].
    pub async fn try_proposal(
        &self,
        text: &SignedText,
        is_signed: bool,
        against: Option<&Against>,
    ) -> Result<Proposed, OfficeError> {
        let proposal = Proposal::read(text.clone())?;
        let warnings = self.check_proposed(proposal.change(), against).await?;
        let (register, now) = (self.read().await?, self.clock.now());
        if is_signed {
            let signed = proposal.signed().clone();
            let event = if proposal.change().is_emergency() { Event::Emergency(signed) } else { Event::Proposed(signed) };
            register.admit(&event, now, self.lead_seconds())?;
        }
        let effect = register.check(proposal.change(), now, self.lead_seconds())?;
        let approvals_needed = register.roster().approvals_needed(&proposal);
        Ok(Proposed { id: proposal.id(), effect, approvals_needed, head: None, warnings })
    }

    /// Files a verdict. The last approval that is needed has the change carried out.
    ///
    /// # Errors
    /// [`OfficeError`] says which rule is broken, or why it cannot be written: then nothing is. Where the verdict stands, and the
    /// change could not be carried out, [`Decided`] says why.
    pub async fn decide(self: &Arc<Self>, signed: SignedText, against: Option<Against>) -> Result<Decided, OfficeError> {
        let office = Arc::clone(self);
        uncancelled(async move { office.judge(signed, against).await }).await
    }

    async fn judge(&self, signed: SignedText, against: Option<Against>) -> Result<Decided, OfficeError> {
        let verdict = Verdict::read(signed.clone())?;
        let (id, officer, decision) = (verdict.text().proposal, &verdict.text().officer, verdict.text().decision);
        self.clock.signing_time()?;
        if decision == Decision::Approve {
            self.check_again(id, against.as_ref()).await?;
        }
        let mut next = Next::Nothing;
        let committed = self
            .chain
            .commit(|moment| {
                let events;
                (events, next) = self.steps(moment, &signed, id, decision)?;
                Ok::<_, OfficeError>(events.into_iter().map(Body::Custody).collect())
            })
            .await?;
        self.written.notify_one();
        tracing::warn!(%officer, proposal = %id, ?decision, "an officer has decided");
        match next {
            Next::CarryOut => self.carry_out_if_possible(id).await,
            Next::Done(effect) => {
                tracing::warn!(proposal = %id, "what officers agreed on was done");
                let done = Some(Carried::record(&effect));
                Ok(Decided { register: committed.register, head: committed.head, id, done, pending_because: None })
            }
            Next::Nothing => {
                Ok(Decided { register: committed.register, head: committed.head, id, done: None, pending_because: None })
            }
        }
    }

    /// The verdict, and what it brings about at once.
    fn steps(
        &self,
        moment: &Moment<'_>,
        signed: &SignedText,
        id: ProposalId,
        decision: Decision,
    ) -> Result<(Vec<Event>, Next), OfficeError> {
        let lead = self.lead_seconds();
        if decision == Decision::Reject {
            let event = Event::Rejected(signed.clone());
            moment.register.admit(&event, moment.at, lead)?;
            return Ok((vec![event], Next::Nothing));
        }
        let event = Event::Approved(signed.clone());
        moment.register.admit(&event, moment.at, lead)?;
        let mut with = moment.register.clone();
        with.apply(&event, moment.at)?;
        let Ok(approved) = with.approved(id, moment.at, lead) else { return Ok((vec![event], Next::Nothing)) };
        if !is_record(approved.change()) {
            return Ok((vec![event], Next::CarryOut));
        }
        let effect = with.check(approved.change(), moment.at, lead)?;
        let executed = Event::Executed { proposal: id, outcome: crate::domain::officers::Outcome::Done };
        with.admit(&executed, moment.at, lead)?;
        Ok((vec![event, executed], Next::Done(effect)))
    }

    /// Says what a verdict would do, and writes nothing: the effect, where it would be the last approval.
    ///
    /// # Errors
    /// As [`Self::decide`].
    pub async fn try_verdict(&self, signed: &SignedText, against: Option<&Against>) -> Result<Decided, OfficeError> {
        let verdict = Verdict::read(signed.clone())?;
        let id = verdict.text().proposal;
        if verdict.text().decision == Decision::Approve {
            self.check_again(id, against).await?;
        }
        let known = self.known().await?;
        let moment = Moment { register: known.register(), reader: &known, at: self.clock.now() };
        self.steps(&moment, signed, id, verdict.text().decision)?;
        Ok(Decided { register: Arc::clone(known.register()), head: known.head(), id, done: None, pending_because: None })
    }

    /// Carries out what enough officers approved and nobody carried out. What was, is told.
    ///
    /// # Errors
    /// Where it is not approved, over, or cannot be written.
    pub async fn execute(self: &Arc<Self>, id: ProposalId) -> Result<Decided, OfficeError> {
        let office = Arc::clone(self);
        uncancelled(async move {
            office.clock.signing_time()?;
            office.carry_out(id).await
        })
        .await
    }

    /// The chain as it was read at this moment.
    async fn known(&self) -> Result<Reader, OfficeError> {
        self.chain.refresh().await?;
        Ok(self.chain.known().await)
    }

    fn effect(&self, moment: &Moment<'_>, change: &Change) -> Result<Effect, OfficeError> {
        Ok(moment.register.check(change, moment.at, self.lead_seconds())?)
    }

    fn lead_seconds(&self) -> u32 {
        u32::try_from(self.lead.as_secs() + u64::from(self.lead.subsec_nanos() > 0)).unwrap_or(u32::MAX)
    }
}

/// What comes after a verdict.
enum Next {
    Nothing,
    /// It was done with its record.
    Done(Effect),
    /// A token or the ledger has to work.
    CarryOut,
}

/// Whether a change is done when it stands in the chain.
const fn is_record(change: &Change) -> bool {
    match change {
        Change::Certify(_)
        | Change::Publish { .. }
        | Change::Activate(_)
        | Change::Retire { .. }
        | Change::Compromise { .. }
        | Change::Roster(_) => true,
        Change::Generate(_)
        | Change::Destroy(_)
        | Change::ChangePin { .. }
        | Change::InitialiseToken { .. }
        | Change::Revoke(_) => false,
    }
}

/// There is room for another proposal. An officer who floods is seen, and keeps nobody from an emergency.
fn check_room(moment: &Moment<'_>) -> Result<(), OfficeError> {
    let open = moment.register.pending(moment.at).len();
    if open < MOST_OPEN { Ok(()) } else { Err(OfficeError::TooManyOpen { open, most: MOST_OPEN }) }
}

/// Goes on where whoever asked has gone: what is begun is written to its end.
async fn uncancelled<T: Send + 'static>(
    work: impl Future<Output = Result<T, OfficeError>> + Send + 'static,
) -> Result<T, OfficeError> {
    tokio::spawn(work).await.unwrap_or(Err(OfficeError::Ending))
}
