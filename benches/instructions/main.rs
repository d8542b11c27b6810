//! `cargo bench --features software-token --bench instructions`: how many instructions a certificate takes, stage by stage,
//! counted by callgrind and held against recorded.toml. A noisy machine does not move them.
//!
//! Each stage is run by this program itself under valgrind, over all payloads once and twice; the difference is theirs alone.
//! `-- --record` writes what was found into recorded.toml. Valgrind is a package of every distribution.

#[path = "../suite/line.rs"]
mod line;
#[path = "../suite/payloads.rs"]
mod payloads;

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};

use sceau::encode::{ClaimsSet, Hc1};

use line::Line;
use payloads::payloads;

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/recorded.toml");
/// What another compiler, C library or processor may change. Less than this is seen by eye.
const TOLERANCE: f64 = 0.05;
const STAGES: [&str; 5] = ["parse_and_validate", "claims", "digest", "assemble", "json_to_hc1"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["stage", stage, passes] => {
            run(stage, passes.parse().expect("a number of passes"));
            ExitCode::SUCCESS
        }
        // Without it cargo only tries whether the bench runs.
        arguments if !arguments.contains(&"--bench") => {
            STAGES.iter().for_each(|stage| run(stage, 1));
            ExitCode::SUCCESS
        }
        arguments => compare(arguments.contains(&"--record")),
    }
}

/// What a stage works on is made ahead of the counted passes, so that each is alone.
fn run(stage: &str, passes: usize) {
    let (payloads, line) = (payloads(), Line::new());
    let hcerts: Vec<_> = payloads.iter().map(|json| line.setting.parse(json)).collect();
    let claims: Vec<Vec<u8>> = payloads.iter().map(|json| line.prepare(json).0).collect();
    for _ in 0..passes {
        for ((json, hcert), claims) in payloads.iter().zip(&hcerts).zip(&claims) {
            match stage {
                "parse_and_validate" => drop(black_box(line.setting.parse(black_box(json)))),
                "claims" => {
                    let (issued_at, payload) = (line.setting.now, black_box(hcert));
                    black_box(ClaimsSet { issuer: "FR", issued_at, expires_at: line.expires_at(), payload }.to_cbor());
                }
                "digest" => {
                    black_box(line.header.digest(black_box(claims)));
                }
                "assemble" => drop(black_box(Hc1::encode(&line.message(black_box(claims).clone())))),
                "json_to_hc1" => {
                    let (claims, digest) = line.prepare(black_box(json));
                    black_box(digest);
                    drop(black_box(Hc1::encode(&line.message(claims))));
                }
                other => panic!("no stage {other}"),
            }
        }
    }
}

/// Counts every stage, and says which takes more or fewer than recorded.
#[expect(clippy::print_stdout, reason = "a program for a terminal")]
fn compare(records: bool) -> ExitCode {
    let text = fs::read_to_string(RECORDED).unwrap_or_default();
    let recorded: BTreeMap<String, u64> = toml::from_str(&text).expect("recorded.toml has a number a stage");
    let mut found = String::from("# Instructions a certificate; written by `cargo bench … --bench instructions -- --record`.\n");
    let mut is_as_recorded = true;
    for stage in STAGES {
        let count = a_certificate(stage);
        let before = recorded.get(stage).copied().unwrap_or(count);
        let change = count as f64 / before as f64 - 1.0;
        is_as_recorded &= change.abs() <= TOLERANCE;
        println!("{stage:20} {count:8} instructions, recorded {before:8} ({:+.1} %)", 100.0 * change);
        found.push_str(&format!("{stage} = {count}\n"));
    }
    if records {
        fs::write(RECORDED, found).expect("recorded.toml can be written");
    } else if !is_as_recorded {
        println!("more than {:.0} % from what is recorded: find out why, then record anew with -- --record", 100.0 * TOLERANCE);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn a_certificate(stage: &str) -> u64 {
    let certificates = payloads().len() as u64;
    (instructions(stage, 2) - instructions(stage, 1)) / certificates
}

fn instructions(stage: &str, passes: usize) -> u64 {
    let folder = tempfile::tempdir().expect("a folder for what callgrind writes");
    let out = folder.path().join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet"]).arg(format!("--callgrind-out-file={}", out.display()));
    valgrind.arg(std::env::current_exe().expect("this program has a path")).args(["stage", stage, &passes.to_string()]);
    let status = valgrind.status().expect("valgrind is installed: it is a package of every distribution");
    assert!(status.success(), "{status}");
    summary(&out)
}

/// The line `summary: N` of what callgrind writes.
fn summary(out: &Path) -> u64 {
    let text = fs::read_to_string(out).expect("callgrind has written");
    let line = text.lines().find_map(|line| line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: ")));
    line.and_then(|count| count.trim().parse().ok()).expect("callgrind sums up")
}
