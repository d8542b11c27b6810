//! Exports with keys in memory, and what becomes of them.

mod classes;
mod form;
mod older;
mod proofs;
mod pruned;
mod tampering;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::line::{Header, Line, RecordLine};
use super::*;
use crate::domain::time::FixedClock;
use crate::domain::{CertificateType, Digest, NumericDate, Octets};
use crate::ledger::merkle;
use crate::ledger::record::{
    Blob, Body, Entry, Head, Intent, Opened, Outcome, Place, Pruning, Record, Revocation, RevokedOf, Seal, VERSION,
};
use crate::ledger::store::sqlite::SqliteStore;
use crate::ledger::store::{Append, Row, Store, ToKeep, Wanted as WantedChain};
use crate::ledger::writer::{ChainWriter, WriterSettings};

/// 2021-11-15T18:13:20Z, in milliseconds.
const START: i64 = 1_637_000_000_000;

/// An audit key with its certificate, valid in 2021 and 2022.
struct Auditor {
    key: EcdsaKeyPair,
    certificate: AuditCertificate,
}

impl Auditor {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let der = self_signed(&key);
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der()).unwrap();
        Self { key, certificate: AuditCertificate::from_der(&der).unwrap() }
    }

    fn sign(&self, digest: &Digest) -> Vec<u8> {
        let digest = digest::Digest::import_less_safe(digest.as_bytes(), &digest::SHA256).unwrap();
        self.key.sign_digest(&digest).unwrap().as_ref().to_vec()
    }

    fn trusted(&self) -> TrustedAuditors {
        TrustedAuditors::new(vec![self.certificate.clone()])
    }
}

fn self_signed(key: &KeyPair) -> Vec<u8> {
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2021, 1, 1), rcgen::date_time_ymd(2023, 1, 1));
    params.self_signed(key).unwrap().der().to_vec()
}

/// A chain that is being written.
#[derive(Clone)]
struct Chain {
    instance: String,
    rows: Vec<Row>,
    /// The next certificate's number.
    number: u32,
}

impl Chain {
    fn open(instance: &str) -> Self {
        let mut chain = Self { instance: instance.to_owned(), rows: Vec::new(), number: 0 };
        chain.write(Body::Opened(Opened { program: "1".to_owned(), keys: vec![Octets([1; 4])], audit: None }), Vec::new());
        chain
    }

    fn head(&self) -> Head {
        self.rows.last().map_or(Head::EMPTY, |row| Head { seq: row.seq, link: row.link })
    }

    fn now(&self) -> i64 {
        START + i64::try_from(self.rows.len()).unwrap() * 1_000
    }

    fn write(&mut self, body: Body, detail: Vec<u8>) -> u64 {
        self.write_at(body, detail, self.now())
    }

    fn write_at(&mut self, body: Body, detail: Vec<u8>, at: i64) -> u64 {
        let head = self.head();
        let seq = head.seq + 1;
        let record = Record { v: VERSION, instance: self.instance.clone(), seq, at, body };
        assert!(record.has_detail(&detail));
        let record = record.to_cbor();
        let digest = Record::digest_of(&record);
        self.rows.push(Row { seq, link: head.next(&digest).link, digest, record: Some(record), detail: Some(detail) });
        seq
    }

    fn intend(&mut self, count: u32) -> u64 {
        let detail: Vec<u8> = (0..count).flat_map(|number| *Digest::of(&number.to_be_bytes()).as_bytes()).collect();
        let intent = Intent {
            caller: "clinic".to_owned(),
            person: None,
            request: "r1".to_owned(),
            profile: "dcc".to_owned(),
            kid: Octets([7; 8]),
            algorithm: "ES256".to_owned(),
            issuer: "FR".to_owned(),
            issued_at: START / 1_000,
            count,
            digests: Digest::of(&detail).into(),
        };
        self.write(Body::Intent(intent), detail)
    }

    fn settle(&mut self, intent: u64, signed: u32) -> u64 {
        let mut detail = Vec::new();
        for place in 0..signed {
            self.number += 1;
            entry(&self.instance, self.number, place.try_into().unwrap()).write(&mut detail);
        }
        let root = merkle::root(detail.chunks(Entry::BYTES));
        let count = self.rows[usize::try_from(intent).unwrap() - 1].detail.as_ref().unwrap().len() / 32;
        let unsigned = u32::try_from(count).unwrap() - signed;
        self.write(Body::Outcome(Outcome { intent, signed, unsigned, key: Octets([1; 4]), root }), detail)
    }

    fn batch(&mut self, count: u32) -> u64 {
        let intent = self.intend(count);
        self.settle(intent, count)
    }

    fn seal(&mut self, auditor: &Auditor, behind: usize) {
        let row = &self.rows[self.rows.len() - 1 - behind];
        let (head, at) = (Head { seq: row.seq, link: row.link }, self.now());
        let signature = Blob(auditor.sign(&head.sealed_digest(&self.instance, at)));
        let certificate = *auditor.certificate.sha256();
        self.write(Body::Seal(Seal { head: head.seq, link: head.link, at, certificate, signature }), Vec::new());
    }

    fn revoke(&mut self, places: &[Place]) {
        let detail: Vec<u8> = places.iter().flat_map(|place| place.to_bytes()).collect();
        let revocation = Revocation {
            by: "officer".to_owned(),
            reason: "stolen".to_owned(),
            question: "caller=clinic".to_owned(),
            hash_type: "SIGNATURE".to_owned(),
            certificates: places.len().try_into().unwrap(),
            places: Digest::of(&detail).into(),
            chains: vec![RevokedOf { instance: self.instance.clone(), certificates: places.len().try_into().unwrap() }],
            lists: Vec::new(),
        };
        self.write(Body::Revocation(revocation), detail);
    }

    /// Forgets what is between two places, and says so.
    fn prune(&mut self, from: u64, to: u64) {
        self.write(Body::Pruning(Pruning { ranges: vec![(from, to)], certificates: 0, before: 0 }), Vec::new());
        let body = |row: &Row| row.record.as_ref().map(|record| Record::from_cbor(record).unwrap().body);
        let settled: Vec<u64> = self
            .rows
            .iter()
            .filter_map(|row| if let Some(Body::Outcome(outcome)) = body(row) { Some(outcome.intent) } else { None })
            .collect();
        for row in self.rows.iter_mut().filter(|row| (from..=to).contains(&row.seq)) {
            match body(row).unwrap() {
                Body::Intent(_) if settled.contains(&row.seq) => (row.record, row.detail) = (None, None),
                Body::Outcome(_) => row.detail = None,
                _ => {}
            }
        }
    }
}

fn uvci(instance: &str, number: u32) -> String {
    format!("URN:UVCI:01:FR:{}{number}#1", instance.to_uppercase())
}

fn entry(instance: &str, number: u32, place: u16) -> Entry {
    Entry {
        place,
        kind: CertificateType::Vaccination,
        expires_at: NumericDate::from_seconds(START / 1_000 + 1),
        item: Octets([3; 16]),
        payload: Octets([4; 16]),
        uci: Digest::of(uvci(instance, number).as_bytes()).into(),
        country_uci: Octets([5; 32]),
        signature: Octets::head_of(Digest::of(&r_of(number)).as_bytes()).unwrap(),
    }
}

/// The r of a certificate's signature.
fn r_of(number: u32) -> Vec<u8> {
    number.to_be_bytes().repeat(8)
}

/// A chain with some of everything in it, of so many records.
fn chain(instance: &str, auditor: &Auditor, records: usize) -> Chain {
    let mut chain = Chain::open(instance);
    let (mut round, mut old) = (0, 0);
    while chain.rows.len() < records {
        round += 1;
        match round % 12 {
            3 => {
                // Two at once, settled the other way round, of which one is signed in part.
                let (one, other) = (chain.intend(3), chain.intend(2));
                chain.settle(other, 2);
                chain.settle(one, 1);
            }
            5 => {
                let intent = chain.intend(2);
                chain.write(Body::Doubt { intents: vec![intent] }, Vec::new());
            }
            7 => chain.revoke(&[Place { seq: 3, index: 0 }]),
            11 => chain.seal(auditor, round % 3),
            _ => {
                chain.batch(1 + u32::try_from(round % 4).unwrap());
            }
        }
        match round {
            10 => old = chain.head().seq,
            30 => chain.prune(2, old),
            _ => {}
        }
    }
    chain.rows.truncate(records);
    chain
}

/// An export of chains, made at an instant, as lines.
fn lines_at(chains: &[&Chain], auditor: &Auditor, at: i64) -> Vec<String> {
    let instances: Vec<String> = chains.iter().map(|chain| chain.instance.clone()).collect();
    let mut writer = ExportWriter::begin(Vec::new(), &instances).unwrap();
    for chain in chains {
        chain.rows.iter().for_each(|row| writer.write(&chain.instance, row).unwrap());
    }
    let unsigned = writer.end(at);
    let signature = auditor.sign(&unsigned.digest());
    let text = String::from_utf8(unsigned.finish(*auditor.certificate.sha256(), signature).unwrap()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn lines(chains: &[&Chain], auditor: &Auditor) -> Vec<String> {
    let at = chains.iter().map(|chain| chain.now()).max().unwrap();
    lines_at(chains, auditor, at)
}

fn audit(lines: &[String], auditor: &Auditor, expectations: Expectations) -> Report {
    verify(lines.join("\n").as_bytes(), &auditor.trusted(), expectations).unwrap()
}

fn found(report: &Report) -> Vec<String> {
    report.findings.listed().iter().map(ToString::to_string).collect()
}

fn pin(instance: &str, head: Head) -> PinnedHead {
    PinnedHead { instance: instance.to_owned(), head }
}

fn record_line(line: &str) -> RecordLine {
    serde_json::from_str(line).unwrap()
}

fn text(line: &RecordLine) -> String {
    serde_json::to_string(line).unwrap()
}

/// Another record in the place of one, and its links and those after it made anew, as whoever has no key can.
fn relink(lines: &mut [String]) {
    let mut head: Option<(String, Head)> = None;
    for line in lines.iter_mut().filter(|line| line.starts_with("{\"chain\"")) {
        let mut record = record_line(line);
        let before = head.take().filter(|(chain, _)| *chain == record.chain).map_or(Head::EMPTY, |(_, head)| head);
        let next = before.next(&record.record_digest().unwrap());
        (record.seq, record.link) = (next.seq, next.link);
        head = Some((record.chain.clone(), next));
        *line = text(&record);
    }
}

#[test]
fn a_whole_export_is_intact_and_says_what_is_in_it() {
    let auditor = Auditor::new();
    let (north, south) = (chain("north", &auditor, 700), chain("south", &auditor, 300));
    let expectations = Expectations { heads: vec![pin("north", north.head())], not_before: Some(instant(START)) };
    let report = audit(&lines(&[&north, &south], &auditor), &auditor, expectations);
    assert_eq!(found(&report), [""; 0]);
    let summary = &report.chains[0];
    assert_eq!((summary.head, summary.records + summary.forgotten), (north.head(), 700));
    assert!(summary.forgotten > 0 && summary.in_doubt_count > 0 && summary.seals > 0 && summary.revoked > 0, "{summary:?}");
    assert_eq!(summary.first_at, Some(START));
    assert!(summary.certificates > u64::from(north.number) - 6, "{summary:?}");
    assert_eq!(report.signed_by.as_deref(), Some(auditor.certificate.subject()));
}

/// What the writer of a chain wrote, over two lives, the first of which ended in the middle of an intent, and the second with a clock
/// that was set back by an hour.
#[tokio::test]
async fn a_chain_as_it_is_written_is_intact() {
    let (auditor, folder) = (Auditor::new(), tempfile::tempdir().unwrap());
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap());
    for begun in [START, START - 3_600_000] {
        let clock = Arc::new(FixedClock(instant(begun)));
        let (keys, patience) = (vec![Octets([1; 4])], Duration::from_secs(5));
        let settings = WriterSettings { instance: "north".to_owned(), patience, keys, audit: None };
        let (writer, task) = ChainWriter::start(Arc::clone(&store), clock, settings).await.unwrap();
        // The bodies of a chain that was written here, at the places that they come to.
        let mut model = chain("north", &auditor, 1);
        for _ in 0..3 {
            let newest =
                |model: &Chain| model.rows.last().map(|row| (row.record.clone().unwrap(), row.detail.clone().unwrap())).unwrap();
            model.intend(2);
            let (record, detail) = newest(&model);
            let written = writer.write(Record::from_cbor(&record).unwrap().body, detail).await.unwrap();
            model.settle(model.head().seq, 1);
            let (record, detail) = newest(&model);
            let Body::Outcome(outcome) = Record::from_cbor(&record).unwrap().body else { panic!("it is an outcome") };
            let outcome = Outcome { intent: written.head.seq, ..outcome };
            writer.write(Body::Outcome(outcome), detail).await.unwrap();
        }
        model.intend(1);
        let last = model.rows.pop().unwrap();
        let body = Record::from_cbor(&last.record.unwrap()).unwrap().body;
        writer.write(body, last.detail.unwrap()).await.unwrap();
        task.end().await;
    }
    let unsigned = exported(&*store).await.end(START);
    let signature = auditor.sign(&unsigned.digest());
    let text = unsigned.finish(*auditor.certificate.sha256(), signature).unwrap();
    let report = verify(text.as_slice(), &auditor.trusted(), Expectations::default()).unwrap();
    assert_eq!(found(&report), [""; 0]);
    let chain = &report.chains[0];
    assert_eq!((chain.certificates, chain.in_doubt_count, chain.open), (6, 1, 1), "{chain:?}");
}

async fn exported(store: &dyn Store) -> Export<'_, Vec<u8>> {
    let mut export = Export::begin(store, Vec::new()).await.unwrap();
    while export.step().await.unwrap() {}
    export
}

#[test]
fn a_store_is_exported_as_it_is() {
    let auditor = Auditor::new();
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = runtime.block_on(async {
        let store = SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap();
        for chain in [chain("north", &auditor, 600), chain("south", &auditor, 20)] {
            append(&store, &chain).await;
        }
        let unsigned = exported(&store).await.end(START + 700_000);
        let signature = auditor.sign(&unsigned.digest());
        unsigned.finish(*auditor.certificate.sha256(), signature).unwrap()
    });
    let report = verify(text.as_slice(), &auditor.trusted(), Expectations::default()).unwrap();
    assert_eq!(found(&report), [""; 0]);
    assert_eq!(report.chains.iter().map(|chain| chain.head.seq).collect::<Vec<_>>(), [600, 20]);
}

/// Appends a chain whole: a store takes nothing that is forgotten already.
async fn append(store: &SqliteStore, chain: &Chain) {
    let lasts = Duration::from_secs(60);
    let holder = Octets([1; 16]);
    let taken = store.take(WantedChain { instance: &chain.instance, holder: &holder, lasts }).await.unwrap();
    let rows = &chain.rows;
    store.append(&taken.lease, Append { from: taken.head, rows, settled: 0, kept: &ToKeep::NOTHING, lasts }).await.unwrap();
    store.release(&taken.lease).await.unwrap();
}
