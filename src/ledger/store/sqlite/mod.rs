//! A ledger in a file of its own: one process writes it, others may read.
//!
//! WAL with a sync at each commit, so that what is committed is there after a power cut. A lock on a file beside it, which ends
//! with the process that holds it, says who writes.

mod append;
mod checkpoints;
mod copy;
mod index;
mod index_file;
mod kept;
mod pruning;

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row as _, SqliteConnection};
use tokio::sync::Mutex;

use super::{Append, ChainState, Lease, Row, Store, StoreError, StoreFuture, Taken, ToKeep, Wanted};
use crate::domain::{NumericDate, Octets};
use crate::ledger::record::Head;
use crate::ledger::store::steps::{Step, migrator};
use checkpoints::Checkpoints;
use index_file::IndexFile;
#[cfg(test)]
pub(super) use index_file::STEPS as INDEX_STEPS;

/// How long one connection waits for another's write.
const BUSY: Duration = Duration::from_secs(5);

/// The size of the pages of a file that is made here; one that is there keeps its own. Twice SQLite's: what is written of a group
/// comes in half as many pieces, each of them two system calls in the log and two more at a checkpoint. Twice again would make a
/// commit of one certificate, five pages, longer than it saves a group.
const PAGE_BYTES: u32 = 8 * 1024;

/// Connections for questions.
const READERS: u32 = 4;

/// What each of them holds of the file, in KiB, with SQLite's minus. Most is asked once, and the system keeps the file's pages too.
const READER_CACHE: &str = "-256";

/// Between two steps of forgetting what was kept, so many times what the first took: commits and questions have the disk meanwhile.
/// No more than keeps up with what is written, one row a commit at most: a step forgets eight rows, in an eighth of the time.
const FORGETTING_GIVES_WAY: u32 = 7;

/// At most: a disk that stood still once says nothing of the next step.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Of the write-ahead log, how much is kept on disk between checkpoints, in bytes.
const LOG_LIMIT: u32 = 64 * 1024 * 1024;

/// How the tables of chains came to be.
pub(super) const CHAIN_STEPS: [Step; 4] = [
    ("chains", include_str!("1_chains.sql")),
    ("pruning", include_str!("2_pruning.sql")),
    ("kept groups", include_str!("3_kept_groups.sql")),
    ("append", include_str!("4_append.sql")),
];

/// A ledger in SQLite.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    options: SqliteConnectOptions,
    readers: SqlitePool,
    /// Held as long as this lives.
    _lock: Option<File>,
    writer: Mutex<Option<Writer>>,
    checkpoints: Arc<Checkpoints>,
    index: IndexFile,
}

#[derive(Debug)]
struct Writer {
    connection: SqliteConnection,
    inode: u64,
}

impl SqliteStore {
    /// Opens a file for writing; makes it (mode 0600) where there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError::Held`] where another process writes it.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        make_private(path).map_err(|error| unreachable_file(path, &error))?;
        let store = Self::reading(path, Some(lock));
        let mut connection = store.connect().await?;
        migrate(&mut connection.connection, &CHAIN_STEPS).await?;
        *store.writer.lock().await = Some(connection);
        store.index.prepare(&store).await?;
        Ok(store)
    }

    /// Opens a file for questions, also while a process writes it.
    #[must_use]
    pub fn open_to_read(path: &Path) -> Self {
        Self::reading(path, None)
    }

    /// Ends its connections; the last one takes the write-ahead log with it.
    pub async fn close(self) {
        self.readers.close().await;
        self.index.close().await;
        self.checkpoints.close().await;
        if let Some(writer) = self.writer.into_inner() {
            // What is committed is durable, whether it closes or not.
            let _ = writer.connection.close().await;
        }
    }

    fn reading(path: &Path, lock: Option<File>) -> Self {
        // A file that is missing is never made anew: its chain would begin again, and nobody would see that the old one is gone.
        let options =
            options(path).page_size(PAGE_BYTES).synchronous(SqliteSynchronous::Full).thread_name(|_| "ledger-write".to_owned());
        let reading = options.clone().pragma("cache_size", READER_CACHE).thread_name(|_| "ledger-read".to_owned());
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(reading);
        let (index, checkpoints) = (IndexFile::beside(path), Checkpoints::new(options.clone()));
        let options = options.pragma("wal_autocheckpoint", (checkpoints::WRITERS_OWN_BYTES / PAGE_BYTES).to_string());
        Self { path: path.to_owned(), options, readers, _lock: lock, writer: Mutex::new(None), checkpoints, index }
    }

    async fn connect(&self) -> Result<Writer, StoreError> {
        let connection = SqliteConnection::connect_with(&self.options).await.map_err(of_sqlx)?;
        Ok(Writer { connection, inode: self.inode()? })
    }

    /// The file's number: a file that was moved away would go on taking what nobody finds again.
    fn inode(&self) -> Result<u64, StoreError> {
        std::fs::metadata(&self.path).map(|metadata| metadata.ino()).map_err(|error| unreachable_file(&self.path, &error))
    }

    /// The connection that writes. It is put back only by a work that went well.
    async fn writing<T>(&self, work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut slot = self.writer.lock().await;
        let mut writer = match slot.take() {
            Some(writer) => writer,
            None => self.connect().await?,
        };
        if self.inode()? != writer.inode {
            return Err(StoreError::Database { reason: format!("{} is another file than it was", self.path.display()) });
        }
        let done = work(&mut writer.connection).await?;
        *slot = Some(writer);
        Ok(done)
    }
}

/// How both files are opened; one that is missing is not made.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(BUSY)
        .pragma("journal_size_limit", LOG_LIMIT.to_string())
        .disable_statement_logging()
}

impl Store for SqliteStore {
    fn take<'s>(&'s self, Wanted { instance, .. }: Wanted<'s>) -> StoreFuture<'s, Taken> {
        Box::pin(self.writing(async move |connection| {
            // The end of a transaction of its own would go unheard, and with it that there is no room.
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(of_sqlx)?;
            let add = "INSERT INTO chain (instance, seq, link, settled, fence) VALUES (?, 0, ?, 0, 0) ON CONFLICT DO NOTHING";
            sqlx::query(add)
                .bind(instance)
                .bind(Head::EMPTY.link.0.as_slice())
                .execute(&mut *transaction)
                .await
                .map_err(of_sqlx)?;
            let take = "UPDATE chain SET fence = fence + 1 WHERE instance = ? RETURNING id, seq, link, settled, fence";
            let row = sqlx::query(take).bind(instance).fetch_one(&mut *transaction).await.map_err(of_sqlx)?;
            transaction.commit().await.map_err(of_sqlx)?;
            let lease = Lease { chain: column(&row, 0)?, instance: instance.to_owned(), fence: column(&row, 4)? };
            Ok(Taken { lease, head: head(&row, 1)?, settled: place(&row, 3)? })
        }))
    }

    fn append<'s>(&'s self, lease: &'s Lease, append: Append<'s>) -> StoreFuture<'s, Vec<usize>> {
        Box::pin(self.writing(async move |connection| {
            self.checkpoints.wrote(append::append(connection, lease, append).await?);
            Ok(Vec::new())
        }))
    }

    fn release<'s>(&'s self, _lease: &'s Lease) -> StoreFuture<'s, ()> {
        // The lock ends with the store.
        Box::pin(async { Ok(()) })
    }

    fn kept(&self, now: NumericDate, most: usize) -> StoreFuture<'_, ToKeep> {
        Box::pin(kept::load(&self.readers, now, most))
    }

    fn forget_kept(&self, now: NumericDate) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let step = self.writing(async |connection| {
                    let began = Instant::now();
                    let are_more = kept::forget_some(connection, now).await?;
                    Ok(are_more.then(|| began.elapsed()))
                });
                let Some(took) = step.await? else { return Ok(()) };
                tokio::time::sleep((took * FORGETTING_GIVES_WAY).min(LONGEST_PAUSE)).await;
            }
        })
    }

    fn chains(&self) -> StoreFuture<'_, Vec<ChainState>> {
        Box::pin(async {
            let rows = sqlx::query(CHAINS).fetch_all(&self.readers).await.map_err(of_sqlx)?;
            rows.iter().map(state_of).collect()
        })
    }

    fn rows(&self, chain: i64, from: u64, most: usize) -> StoreFuture<'_, Vec<Row>> {
        Box::pin(async move {
            let select = "SELECT id, link, digest, record, detail FROM record WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?";
            let query = sqlx::query(select).bind(id(chain, from)).bind(id(chain, MOST_RECORDS));
            let rows = query.bind(i64::try_from(most).unwrap_or(i64::MAX)).fetch_all(&self.readers).await.map_err(of_sqlx)?;
            rows.iter().map(row_of).collect()
        })
    }
}

const CHAINS: &str = "SELECT id, instance, seq, link, pruned_before FROM chain WHERE seq > 0 ORDER BY instance";

/// Records of a chain, at most: with the chain's number they share an integer.
const MOST_RECORDS: u64 = (1 << 40) - 1;

fn id(chain: i64, seq: u64) -> i64 {
    chain << 40 | i64::try_from(seq.min(MOST_RECORDS)).unwrap_or(i64::MAX)
}

fn state_of(row: &SqliteRow) -> Result<ChainState, StoreError> {
    let pruned_before = column::<Option<i64>>(row, 4)?.map(NumericDate::from_seconds);
    Ok(ChainState { chain: column(row, 0)?, instance: column(row, 1)?, head: head(row, 2)?, pruned_before })
}

fn row_of(row: &SqliteRow) -> Result<Row, StoreError> {
    Ok(Row {
        seq: place(row, 0)? & MOST_RECORDS,
        link: octets(row, 1)?,
        digest: octets(row, 2)?,
        record: column(row, 3)?,
        detail: column(row, 4)?,
    })
}

fn head(row: &SqliteRow, index: usize) -> Result<Head, StoreError> {
    Ok(Head { seq: place(row, index)?, link: octets(row, index + 1)? })
}

fn column<'r, T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>>(
    row: &'r SqliteRow,
    index: usize,
) -> Result<T, StoreError> {
    row.try_get(index).map_err(of_sqlx)
}

fn place(row: &SqliteRow, index: usize) -> Result<u64, StoreError> {
    column::<i64>(row, index)?.try_into().map_err(|_| StoreError::Damaged { reason: "a place is negative".to_owned() })
}

fn octets<const N: usize>(row: &SqliteRow, index: usize) -> Result<Octets<N>, StoreError> {
    let bytes: &[u8] = column(row, index)?;
    bytes.try_into().map(Octets).map_err(|_| StoreError::Damaged { reason: format!("a hash has {} bytes", bytes.len()) })
}

/// SQLite has signed integers alone.
fn integer(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

/// SQLite's own numbers: the disk is full, or a write failed, which mostly means the same.
const FULL: u32 = 13;

fn of_sqlx(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    let reason = error.to_string();
    if code.is_some_and(|code| code & 0xff == FULL) { StoreError::Full { reason } } else { StoreError::Database { reason } }
}

fn unreachable_file(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Database { reason: format!("{}: {error}", path.display()) }
}

async fn migrate(connection: &mut SqliteConnection, steps: &[Step]) -> Result<(), StoreError> {
    migrator(steps).run(connection).await.map_err(|error| StoreError::Database { reason: error.to_string() })
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = make_private(&name).map_err(|error| unreachable_file(&name, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let reason = format!("another process writes {}; only one may", path.display());
            Err(StoreError::Database { reason })
        }
        Err(TryLockError::Error(error)) => Err(unreachable_file(&name, &error)),
    }
}

fn private() -> std::fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.create(true).truncate(false).write(true).mode(0o600);
    options
}

/// SQLite would make the file readable for all. What root makes is the owner's of the folder: a command that root runs leaves
/// nothing that the service could not open.
fn make_private(path: &Path) -> std::io::Result<File> {
    let file = private().open(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (owner, made) = (std::fs::metadata(folder)?, file.metadata()?);
    if made.uid() == 0 && owner.uid() != 0 {
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(file)
}
