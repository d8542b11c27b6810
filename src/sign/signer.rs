//! The batch pipeline.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rayon::prelude::*;
use tokio::sync::oneshot;

use super::batch::{BatchRequest, Certificate, ItemError, ItemOutcome, SignFailure};
use super::keyring::LiveKeyring;
use super::prepare::{BatchContext, Prepared};
use crate::domain::{Clock, Kid, Lane, Signature, UvciMaker};

/// Signs batches.
pub struct Signer {
    keyring: Arc<LiveKeyring>,
    clock: Arc<dyn Clock>,
    uvci_maker: UvciMaker,
    pools: Pools,
    settings: SignerSettings,
}

/// What an operator may set.
#[derive(Clone, Copy, Debug)]
pub struct SignerSettings {
    /// How long a token may take over a group.
    pub sign_timeout: Duration,
    /// Whether every signature is checked before it leaves.
    pub check_signatures: bool,
    /// How many threads encode and check, for each lane.
    pub threads: usize,
}

/// The encoding threads, a pool a lane: rayon's queue is first in, first out, and one certificate would wait behind every
/// bulk batch that came before it. The system shares the cores between them.
struct Pools {
    interactive: rayon::ThreadPool,
    bulk: rayon::ThreadPool,
}

fn pool(lane: &'static str, threads: usize) -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |number| format!("{lane}-{number}"))
        // A panic there would be a defect; it costs one batch and not the process.
        .panic_handler(|_| tracing::error!("a batch's work panicked; its items are answered with UNAVAILABLE"))
        .build()
}

/// Fewer items than this are not worth another thread.
const MIN_ITEMS_A_THREAD: usize = 8;

/// What waits for the token together: a token slower than `sign_timeout` costs a slice, not the batch.
const SLICE_ITEMS: usize = 64;

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
        let pools = Pools { interactive: pool("interactive", settings.threads)?, bulk: pool("bulk", settings.threads)? };
        Ok(Self { keyring, clock, uvci_maker, pools, settings })
    }

    /// The keyring that batches take their snapshot of.
    #[must_use]
    pub const fn keyring(&self) -> &Arc<LiveKeyring> {
        &self.keyring
    }

    /// Signs a batch: one outcome an item, in order. One item's failure leaves the others.
    pub async fn sign_batch(&self, request: BatchRequest) -> Vec<ItemOutcome> {
        let count = request.items.len();
        let (lane, validate_only) = (request.lane, request.validate_only);
        let Some(prepared) = self.prepare(request).await else { return closing(count) };
        let mut outcomes = Vec::with_capacity(count);
        outcomes.resize_with(count, || Err(ItemError::Failed(SignFailure::Closing)));
        let mut good = Vec::with_capacity(count);
        for (place, item) in prepared.into_iter().enumerate() {
            match item {
                Ok(item) if validate_only => outcomes[place] = Ok(item.preview()),
                Ok(item) => good.push((place, item)),
                Err(error) => outcomes[place] = Err(error),
            }
        }
        let signing = group(good.into_iter()).into_iter().map(|group| self.sign_group(lane, group));
        for (place, outcome) in join_all(signing).await.into_iter().flatten() {
            outcomes[place] = outcome;
        }
        outcomes
    }

    /// Reads and encodes all items on the encoding threads. Nothing where the threads are gone.
    async fn prepare(&self, request: BatchRequest) -> Option<Vec<Result<Prepared, ItemError>>> {
        let context = BatchContext {
            keyring: self.keyring.snapshot(),
            profile: request.profile,
            caller: request.caller,
            uvci_maker: self.uvci_maker.clone(),
            issued_at: self.clock.now(),
        };
        let items = request.items;
        self.compute(request.lane, move || {
            let prepare = |item| context.prepare(item).map_err(ItemError::Refused);
            items.par_iter().with_min_len(MIN_ITEMS_A_THREAD).map(prepare).collect()
        })
        .await
    }

    /// Has one DSC's items signed, and finishes them.
    async fn sign_group(&self, lane: Lane, group: Group) -> Vec<(usize, ItemOutcome)> {
        let Group { places, items } = group;
        let signatures = self.signatures(lane, &items).await;
        let check = self.settings.check_signatures;
        let finish = move |(item, signature): (Prepared, Result<Signature, SignFailure>)| {
            signature.and_then(|signature| item.finish(signature, check)).map_err(ItemError::Failed)
        };
        let finished: Option<Vec<Result<Certificate, ItemError>>> = self
            .compute(lane, move || items.into_par_iter().zip(signatures).with_min_len(MIN_ITEMS_A_THREAD).map(finish).collect())
            .await;
        let finished = finished.unwrap_or_else(|| closing(places.len()));
        places.into_iter().zip(finished).collect()
    }

    /// One signature an item, in order. What is late does not take with it what is there.
    async fn signatures(&self, lane: Lane, items: &[Prepared]) -> Vec<Result<Signature, SignFailure>> {
        let slices = items.chunks(SLICE_ITEMS).map(|slice| {
            let (token, key) = (slice[0].key.token(), slice[0].key.key());
            let signing = token.sign(key, lane, slice.iter().map(|item| item.digest).collect());
            let answer = tokio::time::timeout(self.settings.sign_timeout, signing);
            async move {
                match answer.await {
                    Ok(results) => results.into_iter().map(|result| result.map_err(SignFailure::Token)).collect(),
                    Err(_) => vec![Err(SignFailure::Timeout); slice.len()],
                }
            }
        });
        join_all(slices).await.into_iter().flatten().collect()
    }

    /// Runs CPU work on the encoding threads and waits without blocking a tokio worker.
    async fn compute<T: Send + 'static>(&self, lane: Lane, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, result) = oneshot::channel();
        let pool = match lane {
            Lane::Interactive => &self.pools.interactive,
            Lane::Bulk => &self.pools.bulk,
        };
        pool.spawn(move || {
            // The caller may have gone, and its place in the lane with it: nothing is worked off for nobody.
            if !done.is_closed() {
                let _ = done.send(work());
            }
        });
        result.await.ok()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Items of one DSC, and so of one token, with their places in the batch.
#[derive(Default)]
struct Group {
    places: Vec<usize>,
    items: Vec<Prepared>,
}

/// Sorts items by the DSC that they are bound to.
fn group(items: impl Iterator<Item = (usize, Prepared)>) -> Vec<Group> {
    let mut groups: HashMap<Kid, Group> = HashMap::new();
    for (place, item) in items {
        let group = groups.entry(item.key.dsc().kid()).or_default();
        group.places.push(place);
        group.items.push(item);
    }
    groups.into_values().collect()
}

fn closing(count: usize) -> Vec<ItemOutcome> {
    (0..count).map(|_| Err(ItemError::Failed(SignFailure::Closing))).collect()
}
