//! The batch pipeline.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use super::batch::{BatchItem, BatchRequest, ItemError, ItemOutcome, SignFailure};
use super::checking::Checking;
use super::failover::{Rebound, failover};
use super::keyring::LiveKeyring;
use super::on_record;
use super::pools::{Pools, between_items, map_each, pause, threads};
use super::prepare::{BatchContext, Prepared};
use super::replay::{self, Claimed, Held, Keeping, Placed, Task};
use super::route::Route;
use super::stage::Stage;
use crate::domain::{Clock, Lane, UvciMaker};
use crate::ledger::{Ledger, LedgerKeys, SignedItem};
use crate::token::{Order, Purpose, Signed};

/// Signs batches.
pub struct Signer {
    keyring: Arc<LiveKeyring>,
    clock: Arc<dyn Clock>,
    uvci_maker: UvciMaker,
    pools: Pools,
    settings: SignerSettings,
    ledger: Option<Arc<dyn Ledger>>,
}

/// What an operator may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerSettings {
    /// How long the signatures of a batch may take, with every second try on other tokens.
    pub sign_timeout: Duration,
    /// How every signature is checked before it leaves.
    pub checking: Checking,
    /// How many threads encode and check, for each lane.
    pub threads: usize,
}

/// Fewer items than this are not worth another thread.
const MIN_ITEMS_A_THREAD: usize = 8;

/// What goes through the pipeline together: one token signs a slice while the next is prepared, and a token that is slow or
/// fails costs a slice, not the batch. Each is an intent and an outcome in the ledger: smaller ones cost more of it.
const SLICE_ITEMS: usize = 512;

/// Slices of a batch are of one length: a short one at the end would cost as much of the ledger.
fn slice_length(items: usize) -> usize {
    items.div_ceil(items.div_ceil(SLICE_ITEMS).max(1)).max(1)
}

impl Signer {
    /// A signer over a keyring.
    ///
    /// # Errors
    /// Where the threads cannot be started.
    pub fn new(
        keyring: Arc<LiveKeyring>,
        clock: Arc<dyn Clock>,
        uvci_maker: UvciMaker,
        settings: SignerSettings,
    ) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pools = Pools::new(settings.threads)?;
        Ok(Self { keyring, clock, uvci_maker, pools, settings, ledger: None })
    }

    /// The same, with a ledger: what is signed is on record, and the same item of the same caller again gets the same
    /// certificate. Without one it is signed again.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Arc<dyn Ledger>) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// Where what is signed is put on record, and kept.
    pub(super) fn ledger(&self) -> Option<&dyn Ledger> {
        self.ledger.as_deref()
    }

    /// The keyring that batches take their snapshot of.
    #[must_use]
    pub const fn keyring(&self) -> &Arc<LiveKeyring> {
        &self.keyring
    }

    /// The clock of batches.
    #[must_use]
    pub const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Signs a batch: one outcome an item, in order. One item's failure leaves the others.
    pub async fn sign_batch(&self, request: BatchRequest) -> Vec<ItemOutcome> {
        let BatchRequest { caller, person, request, profile, lane, validate_only, permits, deadline, items } = request;
        let issued_at = match self.clock.signing_time() {
            Ok(now) => now,
            Err(stopped) => return items.iter().map(|_| Err(ItemError::Failed(stopped.clone().into()))).collect(),
        };
        let context = BatchContext {
            keyring: self.keyring.snapshot(),
            profile,
            caller,
            person,
            request,
            permits,
            uvci_maker: self.uvci_maker.clone(),
            issued_at,
        };
        // What is only looked at is neither claimed nor kept.
        let ledger = self.ledger.as_ref().filter(|_| !validate_only);
        let keeping = ledger.map(|ledger| Keeping::new(ledger, &context.profile.name));
        let latest = Instant::now() + self.settings.sign_timeout;
        let deadline = deadline.map_or(latest, |deadline| deadline.min(latest));
        let way = Way { lane, validate_only, context: Arc::new(context), deadline, keeping };
        let length = slice_length(items.len());
        let mut items = items.into_iter();
        let slices = std::iter::from_fn(|| {
            let slice: Vec<BatchItem> = items.by_ref().take(length).collect();
            (!slice.is_empty()).then_some(slice)
        });
        let slices: Vec<_> = slices.map(|slice| self.sign_slice(&way, slice)).collect();
        join_all(slices).await.into_iter().flatten().collect()
    }

    /// Has a slice claimed and signed. What is in work for another call waits until all else is done, and is claimed again.
    async fn sign_slice(&self, way: &Way, items: Vec<BatchItem>) -> Vec<ItemOutcome> {
        let mut outcomes = Outcomes::closing(items.len());
        let mut open: Vec<Placed> = items.into_iter().enumerate().map(|(place, item)| Placed { place, item }).collect();
        while !open.is_empty() {
            let Claimed { tasks, in_work } = replay::claim(way, open, &mut outcomes).await;
            self.sign_claimed(way, tasks, &mut outcomes).await;
            open = replay::wait(way, in_work, &mut outcomes).await;
        }
        outcomes.0
    }

    /// Has items prepared, signed, checked and put together.
    async fn sign_claimed(&self, way: &Way, tasks: Vec<(Placed, Task)>, outcomes: &mut Outcomes) {
        let all = tasks.len();
        let count = tasks.iter().filter(|(_, task)| matches!(task, Task::Sign(_))).count();
        let route = Arc::new(way.context.route(count));
        let (lane, context, shared_route) = (way.lane, Arc::clone(&way.context), Arc::clone(&route));
        let prepare = move || {
            let prepare = |(Placed { place, item }, task)| {
                between_items(lane);
                let outcome = match task {
                    Task::Sign(held) => match context.prepare(&item, &shared_route) {
                        Ok(item) => return Ok(Pending { place, item, tries: 0, held }),
                        Err(error) => Err(error),
                    },
                    Task::Replay(kept, left) => context.replay(&item, kept, left).map_err(ItemError::Refused),
                };
                Err((place, outcome))
            };
            map_each(tasks, MIN_ITEMS_A_THREAD, prepare)
        };
        let preparing = Stage::Prepare.begin(way.lane, all);
        let Some(prepared) = self.pools.run(way.lane, all, prepare).await else { return };
        drop(preparing);
        // What is prepared too late is not signed: nobody waits for it any more.
        let is_late = Instant::now() >= way.deadline;
        let mut good = Vec::with_capacity(count);
        for item in prepared {
            match item {
                Ok(pending) if way.validate_only => outcomes.set(pending.place, Ok(pending.item.preview())),
                Ok(pending) if is_late => outcomes.fail(pending.place, SignFailure::Timeout),
                Ok(pending) => good.push(pending),
                Err((place, outcome)) => outcomes.set(place, outcome),
            }
        }
        // Each group goes its own way: one that waits for its token holds up no other.
        let round = |again: Vec<Pending>, route: Arc<Route>| {
            group(again).into_iter().map(move |group| self.sign_round(way, group, Arc::clone(&route)))
        };
        let mut rounds: FuturesUnordered<_> = round(good, route).collect();
        while let Some(Round { done, again }) = rounds.next().await {
            done.into_iter().for_each(|(place, outcome)| outcomes.set(place, outcome));
            if let Some((again, route)) = again {
                rounds.extend(round(again, route));
            }
        }
    }

    /// Has a group signed once; what was not is bound anew. The route counts it as its token's work until then.
    async fn sign_round(&self, way: &Way, group: Vec<Pending>, route: Arc<Route>) -> Round {
        let (mut done, mut unsigned) = (Vec::with_capacity(group.len()), Vec::new());
        for item in self.sign_group(way, group).await {
            match item {
                Finished::Outcome { place, outcome, .. } => done.push((place, outcome)),
                Finished::Unsigned(item) => unsigned.push(item),
            }
        }
        let Rebound { failed, again } = failover(way, unsigned).await;
        drop(route);
        done.extend(failed.into_iter().map(|(place, failure)| (place, Err(ItemError::Failed(failure)))));
        Round { done, again }
    }

    /// Has items of one DSC signed by one token, and finishes them.
    async fn sign_group(&self, way: &Way, group: Vec<Pending>) -> Vec<Finished> {
        let intent = match on_record::intend(way, &group).await {
            Ok(intent) => intent,
            Err(error) => return group.iter().map(|pending| Finished::failed(pending.place, error.clone().into())).collect(),
        };
        let signing = Stage::Token.begin(way.lane, group.len());
        let signatures = self.signatures(way, &group).await;
        drop(signing);
        let places: Vec<usize> = group.iter().map(|pending| pending.place).collect();
        let (lane, checking) = (way.lane, self.settings.checking);
        let keys = way.keeping.as_ref().and_then(|keeping| keeping.ledger.keys()).cloned();
        let finish = move || {
            let length = checking.share(group.len(), threads());
            let mut answered = group.into_iter().enumerate().zip(signatures).peekable();
            let mut shares: Vec<Vec<_>> = Vec::new();
            while answered.peek().is_some() {
                shares.push(answered.by_ref().take(length).collect());
            }
            let finish = |share: Vec<((usize, Pending), Result<Signed, SignFailure>)>| {
                let signatures =
                    share.iter().map(|((_, pending), signed)| Some((&pending.item, &signed.as_ref().ok()?.signature)));
                let verdicts = checking.verdicts(signatures.collect(), || pause(lane));
                let finish = |(((index, pending), signature), verdict): (((usize, Pending), _), _)| {
                    between_items(lane);
                    pending.finish(index, signature, verdict, keys.as_ref())
                };
                share.into_iter().zip(verdicts).map(finish).collect::<Vec<_>>()
            };
            map_each(shares, 1, finish).into_iter().flatten().collect::<Vec<_>>()
        };
        let finishing = Stage::Finish.begin(lane, places.len());
        let closing = |place| Finished::failed(place, SignFailure::Closing);
        let finished = self.pools.run(way.lane, places.len(), finish).await;
        let mut finished = finished.unwrap_or_else(|| places.into_iter().map(closing).collect());
        drop(finishing);
        pause(lane);
        on_record::settle(way, intent, &mut finished).await;
        pause(lane);
        finished
    }

    /// One signature an item, in order.
    async fn signatures(&self, way: &Way, group: &[Pending]) -> Vec<Result<Signed, SignFailure>> {
        let binding = &group[0].item.binding;
        // A key that is stopped would be refused item by item.
        if let Some(error) = binding.refusal() {
            return group.iter().map(|_| Err(SignFailure::Token(error.clone()))).collect();
        }
        let order = Order { key: binding.token_key(), purpose: Purpose::Certificate, lane: way.lane };
        let digests = group.iter().map(|pending| pending.item.digest).collect();
        match timeout_at(way.deadline, binding.station().token().sign(order, digests)).await {
            Ok(results) => results.into_iter().map(|result| result.map_err(SignFailure::Token)).collect(),
            Err(_) => group.iter().map(|_| Err(SignFailure::Timeout)).collect(),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What the slices of a batch share on their way.
pub(super) struct Way {
    pub(super) lane: Lane,
    validate_only: bool,
    pub(super) context: Arc<BatchContext>,
    pub(super) deadline: Instant,
    /// Nothing where nothing is kept.
    pub(super) keeping: Option<Keeping>,
}

/// An item on its way to a signature, with its place in its slice.
pub(super) struct Pending {
    pub(super) place: usize,
    pub(super) item: Prepared,
    /// How often a token has failed it.
    pub(super) tries: u32,
    /// Its claim, which ends with it where it is not signed.
    held: Option<Held>,
}

/// An item that a token did not sign.
pub(super) struct Unsigned {
    pub(super) pending: Pending,
    pub(super) failure: SignFailure,
}

pub(super) enum Finished {
    Outcome {
        place: usize,
        outcome: ItemOutcome,
        /// What is to be written down and kept of it.
        signed: Option<Box<SignedItem>>,
    },
    Unsigned(Unsigned),
}

impl Finished {
    fn failed(place: usize, failure: SignFailure) -> Self {
        Self::Outcome { place, outcome: Err(ItemError::Failed(failure)), signed: None }
    }
}

impl Pending {
    /// Tells the token how its signature was, where it was checked, and puts the certificate together.
    fn finish(
        self,
        index: usize,
        signature: Result<Signed, SignFailure>,
        verdict: Option<bool>,
        keys: Option<&LedgerKeys>,
    ) -> Finished {
        let Signed { signature, session } = match signature {
            Ok(signed) => signed,
            Err(failure) => return Finished::Unsigned(Unsigned { pending: self, failure }),
        };
        if let Some(verifies) = verdict {
            self.item.binding.station().token().judge(session, verifies);
            if !verifies {
                return Finished::Unsigned(Unsigned { pending: self, failure: SignFailure::BadSignature });
            }
        }
        let signed = self.held.map(|held| Box::new(held.signed(index, &self.item, &signature, keys)));
        Finished::Outcome { place: self.place, outcome: Ok(self.item.assemble(signature)), signed }
    }
}

/// One outcome an item of a slice, in order.
pub(super) struct Outcomes(Vec<ItemOutcome>);

impl Outcomes {
    /// What an item hears whose work is dropped half-way.
    fn closing(count: usize) -> Self {
        Self((0..count).map(|_| Err(ItemError::Failed(SignFailure::Closing))).collect())
    }

    fn set(&mut self, place: usize, outcome: ItemOutcome) {
        self.0[place] = outcome;
    }

    pub(super) fn fail(&mut self, place: usize, failure: SignFailure) {
        self.set(place, Err(ItemError::Failed(failure)));
    }
}

/// What came of a group.
struct Round {
    done: Vec<(usize, ItemOutcome)>,
    /// What is tried again, by its new route.
    again: Option<(Vec<Pending>, Arc<Route>)>,
}

/// Sorts items by what they are bound to: mostly it is one DSC on one token.
fn group(items: Vec<Pending>) -> Vec<Vec<Pending>> {
    let mut groups: Vec<Vec<Pending>> = Vec::new();
    for item in items {
        match groups.iter_mut().find(|group| group[0].item.binding.is_same(&item.item.binding)) {
            Some(group) => group.push(item),
            None => groups.push(vec![item]),
        }
    }
    groups
}
