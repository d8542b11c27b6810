//! Writes the custody chain: takes it for the moment of a change, reads what was not read, writes, and gives it back.
//!
//! A lease keeps other replicas out where the database has leases; fence and compare-and-swap give one order whatever the lease
//! does. Everything of a change is written at once, so that there is nothing half.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::sleep;

use super::CHAIN;
use super::error::OfficeError;
use super::reader::{Reader, Unreadable, seconds};
use super::standing::Published;
use crate::custody::register::Register;
use crate::domain::{Clock, NumericDate, Octets};
use crate::ledger::record::{Body, Head, Opened, Record, VERSION};
use crate::ledger::store::{Append, Lease, Row, Store, StoreError, Taken, ToKeep, Wanted};

/// How long the chain is taken for a change, where its writer dies.
const LEASE: Duration = Duration::from_secs(5);

/// How long a change waits for another replica's.
const PATIENCE: Duration = Duration::from_secs(4);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// The chain in its store, and what is known of it.
#[derive(Debug)]
pub(super) struct Chain {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// This process, as one that takes chains. It is not the one that holds the signer's own chain: whoever takes a chain from
    /// another holder ends that one's claims.
    holder: Octets<16>,
    /// SHA-256 of the certificate whose key seals the chain.
    audit: Option<Octets<32>>,
    /// One change at a time, and nobody who reads waits for it.
    turn: Mutex<()>,
    reader: Mutex<Reader>,
    published: Published,
}

/// What a change sees when it is about to be written.
pub(super) struct Moment<'r> {
    /// The register with all that stands before.
    pub(super) register: &'r Register,
    /// What is known of the chain beside it.
    pub(super) reader: &'r Reader,
    /// The time of the record, to the second.
    pub(super) at: NumericDate,
}

/// What was written.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    /// The register with it.
    pub(super) register: Arc<Register>,
    /// The end of the chain with it.
    pub(super) head: Head,
}

impl Chain {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, reader: Reader, audit: Option<Octets<32>>) -> Self {
        // It counts as read when it was: now nothing is known.
        let long_ago = Instant::now().checked_sub(Duration::from_secs(24 * 3_600)).unwrap_or_else(Instant::now);
        let published = Published::new(Arc::clone(reader.register()), long_ago);
        let (holder, turn, reader) = (Octets(rand::random()), Mutex::new(()), Mutex::new(reader));
        Self { store, clock, holder, audit, turn, reader, published }
    }

    pub(super) const fn published(&self) -> &Published {
        &self.published
    }

    pub(super) const fn holder(&self) -> &Octets<16> {
        &self.holder
    }

    pub(super) const fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What is known of it beside the register.
    pub(super) async fn known(&self) -> Reader {
        self.reader.lock().await.clone()
    }

    /// Reads what was written since, and tells everybody.
    pub(super) async fn refresh(&self) -> Result<Arc<Register>, Unreadable> {
        let mut reader = self.reader.lock().await;
        self.read(&mut reader).await
    }

    async fn read(&self, reader: &mut Reader) -> Result<Arc<Register>, Unreadable> {
        let began = Instant::now();
        let read = reader.catch_up(&*self.store).await;
        let register = Arc::clone(reader.register());
        match read {
            Ok(()) => self.published.was_read(&register, began),
            Err(trouble) => {
                self.published.was_not_read(&register, trouble.clone());
                return Err(trouble);
            }
        }
        Ok(register)
    }

    /// Writes what `draft` makes of the moment; nothing where it makes nothing. It is asked again where somebody else was faster.
    pub(super) async fn commit<E: From<OfficeError>>(
        &self,
        mut draft: impl FnMut(&Moment<'_>) -> Result<Vec<Body>, E>,
    ) -> Result<Committed, E> {
        let _turn = self.turn.lock().await;
        let until = Instant::now() + PATIENCE;
        loop {
            let taken = match self.take().await {
                Ok(taken) => taken,
                Err(StoreError::Held { left, .. }) if Instant::now() < until => {
                    sleep(left.min(PAUSE)).await;
                    continue;
                }
                Err(StoreError::Held { left, .. }) => {
                    return Err(OfficeError::Busy { doing: "changing custody", left }.into());
                }
                Err(error) => return Err(OfficeError::Store(error).into()),
            };
            let lease = taken.lease.clone();
            let written = self.write(taken, &mut draft).await;
            // It ends by itself; whoever comes next waits a little longer then.
            if let Err(error) = self.store.release(&lease).await {
                tracing::debug!(%error, "the custody chain's lease could not be given back");
            }
            match written {
                Ok(Some(committed)) => return Ok(committed),
                Ok(None) if Instant::now() < until => {}
                Ok(None) => return Err(OfficeError::Busy { doing: "changing custody", left: LEASE }.into()),
                Err(error) => return Err(error),
            }
        }
    }

    async fn take(&self) -> Result<Taken, StoreError> {
        self.store.take(Wanted { instance: CHAIN, holder: &self.holder, lasts: LEASE }).await
    }

    /// Nothing where somebody else has written meanwhile.
    async fn write<E: From<OfficeError>>(
        &self,
        taken: Taken,
        draft: &mut impl FnMut(&Moment<'_>) -> Result<Vec<Body>, E>,
    ) -> Result<Option<Committed>, E> {
        let mut reader = self.reader.lock().await;
        self.read(&mut reader).await.map_err(OfficeError::from)?;
        if reader.head() != taken.head {
            return if reader.head().seq > taken.head.seq {
                Ok(None)
            } else {
                Err(OfficeError::from(cut_off(&taken.head)).into())
            };
        }
        let now = self.clock.now().millis().max(reader.at());
        let moment = Moment { register: reader.register(), reader: &reader, at: seconds(now) };
        let mut bodies = draft(&moment)?;
        if bodies.is_empty() {
            return Ok(Some(Committed { register: Arc::clone(reader.register()), head: reader.head() }));
        }
        let opened = Opened { program: env!("CARGO_PKG_VERSION").to_owned(), keys: Vec::new(), audit: self.audit };
        if reader.opened() != Some(&opened) {
            bodies.insert(0, Body::Opened(opened));
        }
        let rows = rows(reader.head(), now, bodies);
        match self.append(&mut reader, &taken.lease, &rows).await {
            Ok(()) => {}
            Err(StoreError::Lost { .. }) => return Ok(None),
            Err(error) => return Err(OfficeError::Store(error).into()),
        }
        let (register, head) = (Arc::clone(reader.register()), reader.head());
        self.published.was_read(&register, Instant::now());
        Ok(Some(Committed { register, head }))
    }

    /// Durable when it is `Ok`. Where the answer did not come, the chain says whether it was written.
    async fn append(&self, reader: &mut Reader, lease: &Lease, rows: &[Row]) -> Result<(), StoreError> {
        let from = reader.head();
        let settled = rows.last().map_or(from.seq, |row| row.seq);
        let append = Append { from, rows, settled, kept: &ToKeep::NOTHING, lasts: LEASE };
        let Err(error) = self.store.append(lease, append).await else {
            let taken = rows.iter().try_for_each(|row| reader.take(row));
            return taken.map_err(|error| StoreError::Damaged { reason: error.to_string() });
        };
        let is_ours =
            |reader: &Reader| rows.last().is_some_and(|row| (row.seq, row.link) == (reader.head().seq, reader.head().link));
        match reader.catch_up(&*self.store).await {
            Ok(()) if is_ours(reader) => Ok(()),
            _ => Err(error),
        }
    }
}

fn cut_off(taken: &Head) -> Unreadable {
    Unreadable::Damaged { seq: taken.seq, reason: "the chain does not end with it, as its store says".to_owned() }
}

/// As they come to stand behind a head, all at one time (in milliseconds since 1970).
fn rows(mut head: Head, mut at: i64, bodies: Vec<Body>) -> Vec<Row> {
    let row = |body: Body| {
        let seq = head.seq + 1;
        at = if let Body::Seal(seal) = &body { at.max(seal.at) } else { at };
        let record = Record { v: VERSION, instance: CHAIN.to_owned(), seq, at, body }.to_cbor();
        let digest = Record::digest_of(&record);
        head = head.next(&digest);
        Row { seq, link: head.link, digest, record: Some(record), detail: Some(Vec::new()) }
    };
    bodies.into_iter().map(row).collect()
}
