//! A service that is killed again and again under a large job, which is resumed each time.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use sceau::domain::{Octets, RevocationHashes, Signature};
use sceau::encode::SignedHcert;
use sceau::ledger::archive::ExportReader;
use sceau::ledger::archive::line::Line;
use sceau::ledger::record::Entry;
use serde_json::Value;

use crate::alone;
use crate::kills::Lines;
use crate::service::{Service, softhsm};
use crate::shared::binary::{run, sceau};

const ITEMS: usize = 100_000;
const KILLS: usize = 20;

#[test]
fn twenty_kills_of_the_service_leave_no_certificate_off_the_record() {
    let _alone = alone();
    let home = softhsm();
    let files = Files::make(home.path());
    let (began, mut answered) = (Instant::now(), Lines::of(&files.out));
    for kill in 1..=KILLS {
        let service = Service::start(&files.config);
        let mut job = files.sign(&service);
        // Each at its share of the items, and anywhere in a batch's way.
        while answered.count() < (ITEMS / (KILLS + 1) * kill) as u64 {
            assert!(job.try_wait().unwrap().is_none(), "the job goes on until it is killed");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(rand::random_range(0..50)));
        // With SIGKILL, like the job.
        drop(service);
        job.kill().unwrap();
        job.wait().unwrap();
        println!("kill {kill} after {} certificates", answered.count());
    }
    let service = Service::start(&files.config);
    assert!(files.sign(&service).wait().unwrap().success());
    println!("{KILLS} kills and {ITEMS} certificates in {:.0} s", began.elapsed().as_secs_f64());
    let (on_record, doubts) = files.audited();
    let mut hashes = HashSet::new();
    let mut ids = Vec::with_capacity(ITEMS);
    for line in files.signed() {
        let line: Value = serde_json::from_str(&line).unwrap();
        let hash = signature_hash(line["hc1"].as_str().unwrap());
        assert!(on_record.contains(&hash), "{line} is on record");
        hashes.insert(hash);
        ids.push(line["id"].as_str().unwrap().to_owned());
    }
    assert!(ids == files.asked(), "each item once, in order");
    println!(
        "each item once in the output, in order; all on record, with {} that nobody received",
        on_record.len() - hashes.len()
    );
    println!("the chain is intact; {doubts} intents are in doubt, all listed");
    let verified = run(sceau().args(["verify", "--strict", "--trust"]).arg(&files.trust).arg("--in").arg(&files.out));
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
}

struct Files {
    config: PathBuf,
    trust: PathBuf,
    audit: PathBuf,
    input: PathBuf,
    out: PathBuf,
    export: PathBuf,
}

impl Files {
    fn make(home: &Path) -> Self {
        let file = |name: &str| home.join(name);
        let input = file("in.ndjson");
        let made = run(sceau().args(["sample", "--count", &ITEMS.to_string(), "--out"]).arg(&input));
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        File::create(file("out.ndjson")).unwrap();
        Self {
            config: file("sceau.toml"),
            trust: file("trust.pem"),
            audit: file("audit.pem"),
            input,
            out: file("out.ndjson"),
            export: file("export.ndjson"),
        }
    }

    /// Begins the job, or goes on with it.
    fn sign(&self, service: &Service) -> Child {
        let mut command = sceau();
        command.args(["sign", "--batch", "100", "--endpoint", &service.endpoint, "--in"]).arg(&self.input);
        command.arg("--out").arg(&self.out).stderr(Stdio::null()).spawn().unwrap()
    }

    /// What the caller has: whole lines.
    fn signed(&self) -> impl Iterator<Item = String> + use<> {
        lines(&self.out)
    }

    fn asked(&self) -> Vec<String> {
        let id = |line: String| serde_json::from_str::<Value>(&line).unwrap()["id"].as_str().unwrap().to_owned();
        lines(&self.input).map(id).collect()
    }

    /// An export that `sceau audit verify` finds intact: the signatures on record, and how many intents are in doubt, all of which
    /// it lists.
    fn audited(&self) -> (HashSet<Octets<16>>, usize) {
        let exported = run(sceau().args(["ledger", "export", "--config"]).arg(&self.config).arg("--out").arg(&self.export));
        assert_eq!(exported.code, Some(0), "{}", exported.stderr);
        let audited = run(sceau().args(["audit", "verify", "--json"]).arg(&self.export).arg("--certificate").arg(&self.audit));
        assert_eq!(audited.code, Some(0), "{}{}", audited.stdout, audited.stderr);
        let report: Value = serde_json::from_str(&audited.stdout).unwrap();
        let chain = &report["chains"][0];
        let doubts = chain["in_doubt"].as_array().unwrap().len();
        assert_eq!(chain["in_doubt_count"], doubts, "each is listed");
        assert_eq!(chain["open"], 0, "{chain}");
        (self.on_record(), doubts)
    }

    fn on_record(&self) -> HashSet<Octets<16>> {
        let mut reader = ExportReader::open(BufReader::new(File::open(&self.export).unwrap())).unwrap();
        let mut signatures = HashSet::new();
        while let Some((_, line)) = reader.next_line().unwrap() {
            if let Line::Record(line) = line.unwrap()
                && line.record.is_some_and(|record| is_outcome(&record.0))
            {
                signatures.extend(Entry::all(&line.detail.unwrap().0).map(|entry| entry.signature));
            }
        }
        signatures
    }
}

fn is_outcome(record: &[u8]) -> bool {
    use sceau::ledger::record::{Body, Record};
    matches!(Record::from_cbor(record).unwrap().body, Body::Outcome(_))
}

fn lines(path: &Path) -> impl Iterator<Item = String> + use<> {
    let text = fs::read(path).unwrap_or_default();
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    BufReader::new(std::io::Cursor::new(text[..whole].to_vec())).lines().map(Result::unwrap)
}

fn signature_hash(hc1: &str) -> Octets<16> {
    let hcert = SignedHcert::decode(hc1).unwrap();
    let signature = Signature::new(hcert.signature().to_vec());
    let hashes = RevocationHashes::of(hcert.algorithm(), &signature, hcert.uvci().unwrap(), hcert.issuer().unwrap());
    Octets(hashes.signature)
}
