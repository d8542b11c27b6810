//! The one writer of a chain: what calls want written at the same time is written at once, in one commit.
//!
//! When the database fails, whoever waits hears it, and whoever comes hears it at once; the writer takes its chain anew, with a
//! longer and longer pause up to two seconds, until it has it. Intents that were lost from sight meanwhile are then in doubt.

mod draft;
mod past;
mod recent;
mod status;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::histogram;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::intent::Abandon;
use super::record::{Body, Head, Opened, Outcome};
use super::store::{Append, Row, Store, StoreError, Taken, ToKeep, Wanted};
use super::{LedgerError, LedgerKeyId, merkle};
use crate::domain::{Clock, NumericDate, Octets};
use draft::Chain;
use past::Past;
pub use recent::Recent;
use status::{End, Loose};
pub use status::{Tally, Unsealed, WriterStatus};

/// The histogram of the time that commits take, in seconds, with what lies before them on the way to the database.
pub const COMMIT_SECONDS: &str = "sceau_ledger_commit_seconds";

/// How long a lease holds without a word. A writer that writes nothing renews it three times in that.
const LEASE: Duration = Duration::from_secs(6);

/// The most that is written at once, so that no answer waits for a commit without end.
const MOST_AT_ONCE: usize = 512;

/// The most that waits; the lanes' own bounds come first, but those whose calls have gone wait on.
const MOST_WAITING: usize = 16 * 1024;

/// Between two tries to take a chain back, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Has records written. Clones write to the same chain.
#[derive(Clone, Debug)]
pub struct ChainWriter {
    instance: Arc<str>,
    number: i64,
    holder: Octets<16>,
    commands: mpsc::Sender<Command>,
    status: Arc<WriterStatus>,
    recent: Arc<Recent>,
}

/// What a chain is written with.
#[derive(Clone, Debug)]
pub struct WriterSettings {
    /// Whose chain it is.
    pub instance: String,
    /// A commit that takes longer makes the ledger fail until it is done.
    pub patience: Duration,
    /// Under which key entries are hashed, and those before it.
    pub keys: Vec<LedgerKeyId>,
    /// SHA-256 of the certificate whose key seals the chain.
    pub audit: Option<Octets<32>>,
}

#[derive(Debug)]
struct Command {
    body: Body,
    detail: Vec<u8>,
    kept: ToKeep,
    done: oneshot::Sender<Result<Written, LedgerError>>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The chain's end with this record.
    pub head: Head,
    /// Of what was to be kept, the places of items whose claims had run out.
    pub lost: Vec<usize>,
}

impl ChainWriter {
    /// Takes a chain and begins to write it; waits as long as another process's lease lasts.
    ///
    /// # Errors
    /// Where the store does not answer, or the end of the chain is damaged.
    pub async fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: WriterSettings,
    ) -> Result<(Self, WriterTask), StoreError> {
        let (commands, waiting) = mpsc::channel(MOST_WAITING);
        let (status, recent) = (Arc::new(WriterStatus::new(settings.patience)), Arc::new(Recent::default()));
        let (holder, instance) = (Octets(rand::random()), settings.instance.clone());
        let mut actor = Actor {
            store,
            clock,
            settings,
            holder,
            status: Arc::clone(&status),
            recent: Arc::clone(&recent),
            held: BTreeMap::new(),
            chain: None,
            is_behind: false,
        };
        let number = actor.take_at_start().await?;
        let writer = Self { instance: instance.into(), number, holder, commands, status, recent };
        let stop = Arc::clone(&writer.status);
        let task = tokio::spawn(actor.run(waiting));
        Ok((writer, WriterTask { task, status: stop }))
    }

    /// Writes a record durably.
    ///
    /// # Errors
    /// At once where the database is known to fail. An outcome that is not written leaves its intent in doubt.
    pub async fn write(&self, body: Body, detail: Vec<u8>) -> Result<Written, LedgerError> {
        self.write_and_keep(body, detail, ToKeep::NOTHING).await
    }

    /// The same; and beside the record what is kept of the items in it.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub async fn write_and_keep(&self, body: Body, detail: Vec<u8>, kept: ToKeep) -> Result<Written, LedgerError> {
        let (done, written) = oneshot::channel();
        let outcome_of = if let Body::Outcome(outcome) = &body { Some(outcome.intent) } else { None };
        let full = |_| LedgerError::new("too much waits to be written");
        let sent = self.status.check().and_then(|()| self.commands.try_send(Command { body, detail, kept, done }).map_err(full));
        if let (Err(_), Some(intent)) = (&sent, outcome_of) {
            self.status.doubt(intent);
        }
        sent?;
        written.await.unwrap_or_else(|_| Err(LedgerError::new("the service is ending")))
    }

    /// Whose chain it is.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The chain's number in its store.
    #[must_use]
    pub const fn chain(&self) -> i64 {
        self.number
    }

    /// Who holds the chain: what it is leased to as long as this process lives.
    pub(in crate::ledger) const fn holder(&self) -> &Octets<16> {
        &self.holder
    }

    /// The rows that were written last.
    #[must_use]
    pub const fn recent(&self) -> &Arc<Recent> {
        &self.recent
    }

    /// How the writer is.
    #[must_use]
    pub const fn status(&self) -> &Arc<WriterStatus> {
        &self.status
    }
}

/// The writer at work.
#[derive(Debug)]
pub struct WriterTask {
    task: JoinHandle<()>,
    status: Arc<WriterStatus>,
}

impl WriterTask {
    /// Writes what waits, gives the chain free, and ends.
    pub async fn end(self) {
        self.status.stop();
        // A panic there was told when it happened.
        let _ = self.task.await;
    }
}

struct Actor {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    settings: WriterSettings,
    holder: Octets<16>,
    status: Arc<WriterStatus>,
    recent: Arc<Recent>,
    /// Intents on record whose outcome this process will write, with the number of their items.
    held: BTreeMap<u64, u32>,
    /// Nothing while the database fails.
    chain: Option<Chain>,
    /// Whether the clock is behind the last record.
    is_behind: bool,
}

/// How far the clock may be behind the last record until that is worth a line, in milliseconds.
const BEHIND: i64 = 1_000;

impl Actor {
    /// Gives the chain's number.
    async fn take_at_start(&mut self) -> Result<i64, StoreError> {
        loop {
            match self.take().await {
                Err(StoreError::Held { instance, left }) => {
                    tracing::warn!(
                        instance,
                        seconds = left.as_secs(),
                        "another process holds the chain; waiting for its lease to end"
                    );
                    sleep(left + PAUSES.0).await;
                }
                taken => return taken,
            }
        }
    }

    /// Takes the chain, and puts down what is in doubt.
    async fn take(&mut self) -> Result<i64, StoreError> {
        let wanted = Wanted { instance: &self.settings.instance, holder: &self.holder, lasts: LEASE };
        let Taken { lease, head, settled } = self.store.take(wanted).await?;
        // What nobody will settle is in doubt with the rest.
        self.loose();
        let Past { open, at } = Past::read(&*self.store, &lease, head, settled).await?;
        let doubt: Vec<u64> = open.into_iter().filter(|seq| !self.held.contains_key(seq)).collect();
        let mut chain = Chain { lease, head, written: head, at };
        let now = self.now(at);
        let settings = &self.settings;
        let opened = Opened { program: env!("CARGO_PKG_VERSION").to_owned(), keys: settings.keys.clone(), audit: settings.audit };
        let mut rows = vec![chain.row(settings, now, Body::Opened(opened), Vec::new())];
        let doubts = doubt.len() as u64;
        if !doubt.is_empty() {
            tracing::warn!(intents = doubt.len(), "intents without an outcome were found; they are in doubt");
            rows.push(chain.row(settings, now, Body::Doubt { intents: doubt }, Vec::new()));
        }
        self.append(&mut chain, &rows, &ToKeep::NOTHING).await?;
        self.status.count(Tally { doubts, ..Tally::default() });
        self.status.is_up(&chain);
        let number = chain.lease.chain;
        self.chain = Some(chain);
        Ok(number)
    }

    /// The time; says once that it is before that of the last record.
    fn now(&mut self, last: i64) -> NumericDate {
        let now = self.clock.now();
        let behind = last.saturating_sub(now.millis());
        if behind > BEHIND && !self.is_behind {
            let seconds = behind / 1_000;
            tracing::warn!(seconds, "the clock is behind the ledger's last record; records have that one's time until it is not");
        }
        self.is_behind = behind > BEHIND;
        now
    }

    async fn append(&self, chain: &mut Chain, rows: &[Row], kept: &ToKeep) -> Result<Vec<usize>, StoreError> {
        let settled = self.held.keys().next().map_or(chain.head.seq, |first| first - 1);
        let lasts = LEASE;
        let lost = self.store.append(&chain.lease, Append { from: chain.written, rows, settled, kept, lasts }).await?;
        chain.written = chain.head;
        Ok(lost)
    }

    async fn run(mut self, mut waiting: mpsc::Receiver<Command>) {
        let mut commands = Vec::with_capacity(MOST_AT_ONCE);
        loop {
            let is_ending = self.wait(&mut waiting, &mut commands).await;
            let loose = self.loose();
            let written = self.commit(std::mem::take(&mut commands), &loose).await;
            if let Err(error) = written {
                tracing::error!(%error, "the ledger cannot be written; nothing is signed until it can");
                self.chain = None;
                self.status.is_down(&error.to_string());
                self.recover(&mut waiting).await;
            }
            if is_ending && waiting.is_empty() {
                break;
            }
        }
        if let Some(chain) = &self.chain
            && let Err(error) = self.store.release(&chain.lease).await
        {
            tracing::warn!(%error, "the chain's lease could not be given back; it ends by itself");
        }
    }

    /// Waits for something to write, or for the lease to want a word; says whether the writer is to end.
    async fn wait(&self, waiting: &mut mpsc::Receiver<Command>, commands: &mut Vec<Command>) -> bool {
        tokio::select! {
            biased;
            received = waiting.recv_many(commands, MOST_AT_ONCE) => received == 0,
            () = self.status.woken() => self.status.is_stopping(),
            () = sleep_until(Instant::now() + LEASE / 3) => false,
        }
    }

    /// Writes what is wanted, durably, and answers.
    async fn commit(&mut self, commands: Vec<Command>, loose: &[Loose]) -> Result<(), StoreError> {
        let Some(mut chain) = self.chain.take() else { return Ok(()) };
        let now = self.now(chain.at);
        let mut tally = Tally::default();
        let mut rows = Vec::with_capacity(commands.len() + loose.len());
        let (mut kept, mut answers) = (ToKeep::NOTHING, Vec::with_capacity(commands.len()));
        // Whoever has gone needs no intent: nothing will be signed under it.
        for command in
            commands.into_iter().filter(|command| !(command.done.is_closed() && matches!(command.body, Body::Intent(_))))
        {
            self.note(chain.head.seq + 1, &command.body);
            tally.certificates += if let Body::Outcome(outcome) = &command.body { u64::from(outcome.signed) } else { 0 };
            rows.push(chain.row(&self.settings, now, command.body, command.detail));
            let from = kept.items.len();
            kept.extend(command.kept);
            answers.push((command.done, chain.head, from..kept.items.len()));
        }
        for Loose { seq, end } in loose {
            let body = match end {
                End::Unsigned(count) => Body::Outcome(self.nothing_signed(*seq, *count)),
                End::Doubt => Body::Doubt { intents: vec![*seq] },
            };
            tally.doubts += u64::from(matches!(body, Body::Doubt { .. }));
            rows.push(chain.row(&self.settings, now, body, Vec::new()));
        }
        self.status.begins();
        let appended = self.append(&mut chain, &rows, &kept).await;
        let took = self.status.ends();
        let lost = match appended {
            Ok(lost) => lost,
            Err(error) => {
                // Before anybody hears of it, so that whoever comes back at once hears the same.
                self.status.is_down(&error.to_string());
                // Those intents are nobody's: where they were written all the same, they are in doubt.
                self.held.retain(|seq, _| *seq <= chain.written.seq);
                answers.into_iter().for_each(|(done, ..)| drop(done.send(Err(LedgerError::new(error.to_string())))));
                return Err(error);
            }
        };
        if !rows.is_empty() {
            histogram!(COMMIT_SECONDS).record(took);
            self.status.count(Tally { commits: 1, records: rows.len() as u64, ..tally });
            self.recent.add(rows);
        }
        self.status.is_up(&chain);
        self.chain = Some(chain);
        for (done, head, kept) in answers {
            let lost = lost.iter().filter(|place| kept.contains(place)).map(|place| place - kept.start).collect();
            // An intent that nobody hears of is nobody's to settle.
            if let Err(Ok(unheard)) = done.send(Ok(Written { head, lost }))
                && let Some(count) = self.held.get(&unheard.head.seq)
            {
                self.status.abandon(unheard.head.seq, *count);
            }
        }
        Ok(())
    }

    /// The intents that nobody will settle; they are held no more.
    fn loose(&mut self) -> Vec<Loose> {
        let mut loose = self.status.take_loose();
        loose.retain(|loose| self.held.remove(&loose.seq).is_some());
        loose
    }

    fn nothing_signed(&self, intent: u64, unsigned: u32) -> Outcome {
        let key = self.settings.keys.first().copied().unwrap_or(Octets([0; 4]));
        Outcome { intent, signed: 0, unsigned, key, root: merkle::root([].into_iter()) }
    }

    /// Remembers what is open.
    fn note(&mut self, seq: u64, body: &Body) {
        match body {
            Body::Intent(intent) => {
                self.held.insert(seq, intent.count);
            }
            Body::Outcome(outcome) => {
                self.held.remove(&outcome.intent);
            }
            _ => {}
        }
    }

    /// Takes the chain back; whoever waits meanwhile hears why.
    async fn recover(&mut self, waiting: &mut mpsc::Receiver<Command>) {
        let mut pause = PAUSES.0;
        loop {
            let until = Instant::now() + pause;
            loop {
                tokio::select! {
                    biased;
                    Some(command) = waiting.recv() => self.refuse(command),
                    () = sleep_until(until) => break,
                }
            }
            if self.status.is_stopping() {
                return;
            }
            match self.take().await {
                Ok(_) => {
                    tracing::info!("the ledger can be written again");
                    return;
                }
                Err(error) => {
                    self.status.is_down(&error.to_string());
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    /// An outcome that cannot be written leaves its intent in doubt.
    fn refuse(&mut self, command: Command) {
        if let Body::Outcome(outcome) = &command.body {
            self.held.remove(&outcome.intent);
        }
        let error = self.status.check().err().unwrap_or_else(|| LedgerError::new("it cannot be written"));
        let _ = command.done.send(Err(error));
    }
}
