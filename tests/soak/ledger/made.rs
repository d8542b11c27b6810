//! A ledger of ten million certificates, made once and used by every run.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use sceau::domain::{Clock, Digest, NumericDate};
use sceau::ledger::LedgerKeys;
use sceau::ledger::index::{Found, Question, Records};
use sceau::ledger::record::{Body, Revocation, RevokedOf};
use sceau::ledger::store::Store as _;
use sceau::ledger::store::sqlite::SqliteStore;

use super::written::{Certificates, LedgerAtWork};
use crate::proc;
use crate::shared::binary::edit;

/// Guards against hanging; nothing here is about speed.
pub(crate) const BOUND: Duration = Duration::from_secs(300);
/// How many certificates are on record in it, before runs add theirs.
pub(crate) const CERTIFICATES: u64 = 10_000_000;
/// An intent and an outcome a group, and half as many again: with more than that it is no ledger of ten million any more, and is
/// made anew.
const MOST_RECORDS: u64 = CERTIFICATES / GROUP as u64 * 3;
/// The first group of a caller all of whose certificates are revoked.
pub(crate) const REVOKED: u64 = 7;
/// A group that is revoked certificate by certificate, and the next one too.
pub(crate) const REVOKED_ONE_BY_ONE: u64 = 8;
/// Certificates of a group.
pub(crate) const GROUP: usize = 500;
/// Groups that are written at the same time, as many as a busy service's.
const IN_FLIGHT: u64 = 8;
/// Between two groups, so that times tell them apart: ten million are a week.
const SECONDS_A_GROUP: i64 = 30;

/// A folder with such a ledger and its keys. It stays for the next run.
pub(crate) struct MadeLedger {
    folder: PathBuf,
    pub(crate) keys: LedgerKeys,
}

impl MadeLedger {
    /// The one that is there; it is made where none is, or runs have added too much.
    pub(crate) fn open() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ledger-ten-million");
        let key = "ab".repeat(32);
        let made = Self { folder, keys: LedgerKeys::parse(&key).unwrap() };
        let done = made.folder.join("done-with-revocations");
        if !done.exists() || made.has_grown() {
            let _ = fs::remove_dir_all(&made.folder);
            fs::create_dir_all(&made.folder).unwrap();
            let mut private = fs::OpenOptions::new();
            Write::write_all(
                &mut private.write(true).create_new(true).mode(0o600).open(made.key_file()).unwrap(),
                key.as_bytes(),
            )
            .unwrap();
            made.write();
            fs::write(done, "").unwrap();
        }
        made
    }

    fn has_grown(&self) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let chains = runtime.block_on(async { SqliteStore::open_to_read(&self.file()).chains().await }).unwrap();
        chains.iter().any(|chain| chain.head.seq > MOST_RECORDS)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("ledger.db")
    }

    fn key_file(&self) -> PathBuf {
        self.folder.join("ledger.keys")
    }

    /// Has a service use it.
    pub(crate) fn configure(&self, config: &Path) {
        let section = format!("[ledger]\npath = {:?}\nkey_file = {:?}\n\n[ledger.audit]", self.file(), self.key_file());
        edit(config, "[ledger.audit]", &section);
    }

    /// The instant at which so much of it was written, from 0 to 1.
    pub(crate) fn time(share: f64) -> NumericDate {
        let groups = (CERTIFICATES / GROUP as u64) as f64;
        start().plus_seconds((groups * share) as i64 * SECONDS_A_GROUP)
    }

    fn write(&self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = Arc::new(GroupClock(AtomicI64::new(0)));
        let began = Instant::now();
        let ledger = runtime.block_on(LedgerAtWork::open(&self.file(), &self.keys, Arc::clone(&clock) as _, None));
        let ledger = Arc::new(ledger);
        let share = CERTIFICATES / IN_FLIGHT;
        let tasks: Vec<_> = (0..IN_FLIGHT)
            .map(|number| {
                let (ledger, clock) = (Arc::clone(&ledger), Arc::clone(&clock));
                let mut certificates = Certificates::from(self.keys.clone(), number * share);
                runtime.spawn(async move {
                    for _ in 0..share / GROUP as u64 {
                        let batch = certificates.batch(GROUP, clock.tick());
                        ledger.record(batch).await;
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| runtime.block_on(task).unwrap());
        say(&format!("{CERTIFICATES} certificates on record"), began);
        let began = Instant::now();
        runtime.block_on(async { ledger.indexer().await.catch_up().await }).unwrap();
        say("indexed", began);
        let began = Instant::now();
        runtime.block_on(self.revoke(&ledger));
        say("revoked", began);
        runtime.block_on(Arc::into_inner(ledger).unwrap().end());
    }

    /// All of a caller by one revocation, and a thousand others one by one, which stay behind the index.
    async fn revoke(&self, ledger: &LedgerAtWork) {
        let store = Arc::new(SqliteStore::open_to_read(&self.file()));
        let records = Records::new(Arc::clone(&store) as _, store as _);
        let first = REVOKED_ONE_BY_ONE * GROUP as u64;
        let items = (first..first + 1_000).map(|number| self.keys.item(&Certificates::item_id(number))).collect();
        let of_caller = Question { caller: Some(Certificates::caller(REVOKED)), ..Question::default() };
        let those = Question { item: Some(items), ..Question::default() };
        for (question, together) in [(of_caller, usize::MAX), (those, 1)] {
            let (mut search, mut places) = (records.search(question).await.unwrap(), Vec::new());
            while let Some(found) = search.next().await.unwrap() {
                places.extend(found.iter().map(Found::place));
            }
            for places in places.chunks(together) {
                let detail: Vec<u8> = places.iter().flat_map(|place| place.to_bytes()).collect();
                let body = Body::Revocation(revocation(u32::try_from(places.len()).unwrap(), &detail));
                ledger.ledger.writer().write(body, detail).await.unwrap();
            }
            ledger.indexer().await.catch_up().await.unwrap();
        }
    }
}

fn revocation(certificates: u32, places: &[u8]) -> Revocation {
    Revocation {
        by: "ada".to_owned(),
        reason: "its key was stolen".to_owned(),
        question: "{}".to_owned(),
        hash_type: "UCI".to_owned(),
        certificates,
        places: Digest::of(places).into(),
        chains: vec![RevokedOf { instance: "sceau".to_owned(), certificates }],
        lists: Vec::new(),
    }
}

fn say(what: &str, began: Instant) {
    let cpu = proc::cpu_time(std::process::id());
    println!("{what} in {:.0} s; CPU time of the process so far {:.0} s", began.elapsed().as_secs_f64(), cpu.as_secs_f64());
}

fn start() -> NumericDate {
    NumericDate::from_rfc3339("2021-11-01T00:00:00Z").unwrap()
}

/// Goes on with each group.
#[derive(Debug)]
struct GroupClock(AtomicI64);

impl GroupClock {
    fn tick(&self) -> NumericDate {
        start().plus_seconds(self.0.fetch_add(1, Ordering::Relaxed) * SECONDS_A_GROUP)
    }
}

impl Clock for GroupClock {
    fn now(&self) -> NumericDate {
        start().plus_seconds(self.0.load(Ordering::Relaxed) * SECONDS_A_GROUP)
    }
}
