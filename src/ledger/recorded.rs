//! A ledger that writes down what is signed, and keeps it for retries.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::intent::Abandon;
use super::record::{Body, Entry, Outcome};
use super::retries::{Claims, KeptOf, SharedClaims, open_kept};
use super::store::{ItemStore, Store, StoreError, ToKeep};
use super::writer::{ChainWriter, WriterStatus};
use super::{
    Claim, EachItem, Group, Held, ItemKey, Kept, Ledger, LedgerError, LedgerFuture, LedgerKeys, MemoryLedger, OpenIntent,
    Retention, SharedRetention, SignedItem, Ticket, merkle,
};
use crate::domain::Clock;

/// Writes intents and outcomes to a chain, and keeps items: in memory, and beside the chain for the next start; or in the database,
/// for all who share it.
pub struct RecordedLedger(Arc<Inner>);

struct Inner {
    writer: ChainWriter,
    keys: LedgerKeys,
    clock: Arc<dyn Clock>,
    retries: Option<Retries>,
}

struct Retries {
    claims: Box<dyn Claims>,
    keep: Duration,
}

impl RecordedLedger {
    /// A ledger over a chain; what is kept of items goes on from where the last process was. Without `retention` every retry is
    /// signed again.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn resume(
        store: &dyn Store,
        writer: ChainWriter,
        keys: LedgerKeys,
        clock: Arc<dyn Clock>,
        retention: Option<Retention>,
    ) -> Result<Self, StoreError> {
        let retries = match retention {
            Some(retention) => {
                let memory = load(store, &keys, &*clock, retention).await?;
                Some(Retries { claims: Box::new(memory), keep: retention.keep })
            }
            None => None,
        };
        Ok(Self(Arc::new(Inner { writer, keys, clock, retries })))
    }

    /// A ledger over a chain; what is kept of items is shared with all other processes that keep theirs in the same store.
    ///
    /// # Errors
    /// Where the store does not answer, or others share it under other ledger keys.
    pub async fn share(
        items: Arc<dyn ItemStore>,
        writer: ChainWriter,
        keys: LedgerKeys,
        clock: Arc<dyn Clock>,
        retention: SharedRetention,
    ) -> Result<Self, StoreError> {
        let SharedRetention { keep, claim } = retention;
        let claims = SharedClaims::start(items, keys.clone(), Arc::clone(&clock), *writer.holder(), claim).await?;
        let retries = Some(Retries { claims: Box::new(claims), keep });
        Ok(Self(Arc::new(Inner { writer, keys, clock, retries })))
    }

    /// How the writer is.
    #[must_use]
    pub fn status(&self) -> &Arc<WriterStatus> {
        self.0.writer.status()
    }

    /// How many items are held for retries; nothing where none are, or only the database knows.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        self.0.retries.as_ref()?.claims.held()
    }

    /// Writes other records to the same chain.
    #[must_use]
    pub fn writer(&self) -> &ChainWriter {
        &self.0.writer
    }
}

/// What the last process kept.
async fn load(store: &dyn Store, keys: &LedgerKeys, clock: &dyn Clock, retention: Retention) -> Result<MemoryLedger, StoreError> {
    let now = clock.now();
    let memory = MemoryLedger::new(retention);
    let written = store.kept(now, retention.max_items.get()).await?;
    let unreadable = open_kept(keys, written, |KeptOf { key, kept, due }| {
        let left = u64::try_from(due.seconds() - now.seconds()).unwrap_or_default();
        memory.resume(key, kept, Duration::from_secs(left).min(retention.keep));
    });
    if unreadable > 0 {
        tracing::warn!(items = unreadable, "kept items cannot be read under the ledger's keys; they would be signed again");
    }
    Ok(memory)
}

impl Ledger for RecordedLedger {
    fn claim(&self, keys: Vec<ItemKey>) -> LedgerFuture<EachItem<Claim>> {
        if let Err(error) = self.status().check() {
            return Box::pin(std::future::ready(keys.iter().map(|_| Err(error.clone())).collect()));
        }
        match &self.0.retries {
            None => Box::pin(std::future::ready(keys.into_iter().map(|key| Ok(Claim::Free(Ticket::unclaimed(key)))).collect())),
            Some(retries) => retries.claims.claim(keys.into_iter().map(|key| self.0.keys.claim(key)).collect()),
        }
    }

    fn intend(&self, group: Group) -> LedgerFuture<Result<OpenIntent, LedgerError>> {
        let ledger = Arc::clone(&self.0);
        Box::pin(async move {
            let (intent, detail) = group.to_record();
            let count = intent.count;
            let written = ledger.writer.write(Body::Intent(intent), detail).await?;
            Ok(OpenIntent::new(written.head.seq, count, Arc::clone(ledger.writer.status()) as Arc<dyn Abandon>))
        })
    }

    /// It goes on where the caller has gone: what was signed is on record all the same.
    fn settle(&self, intent: OpenIntent, signed: Vec<SignedItem>) -> LedgerFuture<EachItem<()>> {
        let (ledger, count) = (Arc::clone(&self.0), signed.len());
        let settling = tokio::spawn(async move { ledger.settle(intent, signed).await });
        Box::pin(async move {
            let failed = |_| (0..count).map(|_| Err(LedgerError::new("the service is ending"))).collect();
            settling.await.unwrap_or_else(failed)
        })
    }

    fn trouble(&self) -> Option<LedgerError> {
        self.status().check().err()
    }

    fn keys(&self) -> Option<&LedgerKeys> {
        Some(&self.0.keys)
    }
}

/// What is written of a group that was signed, and what its claims end with when that is durable.
struct Settlement {
    tickets: Vec<(Ticket, Kept)>,
    to_keep: ToKeep,
    body: Body,
    detail: Vec<u8>,
}

impl Inner {
    async fn settle(&self, intent: OpenIntent, signed: Vec<SignedItem>) -> EachItem<()> {
        let count = signed.len();
        let Settlement { tickets, to_keep, body, detail } = self.outcome(intent, signed);
        match self.writer.write_and_keep(body, detail, to_keep).await {
            // The tickets are dropped: their claims are free.
            Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
            Ok(written) => {
                let results = match &self.retries {
                    Some(retries) => retries.claims.keep(tickets),
                    None => (0..count).map(|_| Ok(())).collect(),
                };
                let lost = |place| written.lost.contains(&place).then(|| LedgerError::new("the claim of the item has run out"));
                results.into_iter().enumerate().map(|(place, result)| lost(place).map_or(result, Err)).collect()
            }
        }
    }

    fn outcome(&self, intent: OpenIntent, signed: Vec<SignedItem>) -> Settlement {
        let (intent, asked) = intent.redeem();
        let mut detail = Vec::with_capacity(signed.len() * Entry::BYTES);
        let mut tickets = Vec::with_capacity(signed.len());
        for item in signed {
            if let Some(entry) = item.entry {
                entry.write(&mut detail);
            }
            tickets.extend(item.keep);
        }
        let to_keep = match &self.retries {
            Some(retries) => {
                let keep = i64::try_from(retries.keep.as_secs()).unwrap_or(i64::MAX);
                retries.claims.seal(&self.keys, &tickets, self.clock.now().plus_seconds(keep))
            }
            None => ToKeep::NOTHING,
        };
        let signed = u32::try_from(detail.len() / Entry::BYTES).unwrap_or(u32::MAX);
        let root = merkle::root(detail.chunks(Entry::BYTES));
        let outcome = Outcome { intent, signed, unsigned: asked.saturating_sub(signed), key: self.keys.current(), root };
        Settlement { tickets, to_keep, body: Body::Outcome(outcome), detail }
    }
}

impl fmt::Debug for RecordedLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedLedger").field("status", self.status()).finish_non_exhaustive()
    }
}
