//! A disk that is really full: the service's state is on a file system of some MiB in a namespace of its own, and a test fills it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sceau::service::proto::v1;
use sceau::service::proto::v1::result::Outcome;
use sceau::service::proto::v1::signer_client::SignerClient;
use tempfile::TempDir;
use tonic::Code;

use crate::shared::processes::{send, wait_until};
use crate::softhsm::{lines, samples};
use crate::support::{Ran, dev_folder, edit, run, sceau};

/// The file system's size.
const SIZE: &str = "6m";

/// A call that waits for a disk takes longer; so may one on a machine that is busy.
const AT_ONCE: Duration = Duration::from_secs(4);

const MOUNT: &str = r#"mount -t tmpfs -o mode=0700,size="$1" tmpfs "$2" && shift 2 && exec "$@""#;

/// What has a mount of its own, at a folder.
fn confined(folder: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", SIZE]).arg(folder);
    command
}

/// `sceau serve` with a full disk ahead.
struct Service {
    home: TempDir,
    child: Child,
    endpoint: String,
    monitoring: String,
}

impl Service {
    /// Nothing where this machine allows no mounts.
    fn start() -> Option<Self> {
        let home = dev_folder();
        let state = home.path().join("small");
        fs::create_dir(&state).unwrap();
        let allowed = confined(&state).arg("true").output();
        if !allowed.is_ok_and(|ran| ran.status.success()) {
            eprintln!("SKIPPED: no file system can be mounted here (unshare --user --mount), so none is filled");
            return None;
        }
        let config = home.path().join("sceau.toml");
        edit(&config, "[server]", "[server]\nstate_dir = \"small\"\nadmin_socket = \"admin.sock\"");
        edit(&config, "[[token]]", "[monitoring]\nlisten = \"127.0.0.1:0\"\n\n[[token]]\nkeep_alive_seconds = 0");
        edit(&config, "[ledger.audit]", "[ledger.audit]\nseal_seconds = 3600");
        let mut command = confined(&state);
        command.arg(sceau().get_program()).args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&config);
        let log = File::create(home.path().join("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut address = |what: &str| loop {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it does not start");
            if let Some(address) = line.strip_prefix(what) {
                return address.trim().to_owned();
            }
        };
        let (monitoring, endpoint) = (address("monitoring on http://"), address("listening on "));
        Some(Self { home, child, endpoint, monitoring })
    }

    fn config(&self) -> PathBuf {
        self.home.path().join("sceau.toml")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// Takes all the room that there is, as the service sees it.
    fn fill(&self) -> PathBuf {
        let inside = PathBuf::from(format!("/proc/{}/root{}", self.child.id(), self.home.path().join("small/filler").display()));
        let mut filler = File::create(&inside).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
        inside
    }

    fn get(&self, path: &str) -> (u16, String) {
        let mut connection = TcpStream::connect(&self.monitoring).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    fn metric(&self, series: &str) -> u64 {
        let (_, text) = self.get("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("{series} in {text}")) as u64
    }

    fn signatures(&self) -> u64 {
        self.metric("sceau_token_signatures_total{token=\"softhsm\"}")
    }

    fn ask(&self, command: &[&str], more: &[&str]) -> Ran {
        run(sceau().args(command).arg("--config").arg(self.config()).args(more))
    }

    fn certificates_on_record(&self) -> u64 {
        let ran = self.ask(&["ledger", "find"], &["--json", "--limit", "0"]);
        ran.stdout.lines().count() as u64
    }

    /// Signs a file; what it has so far is gone on with.
    fn sign(&self, input: &Path, output: &Path) {
        let ran = run(sceau().args(["sign", "--endpoint", &self.endpoint, "--in"]).arg(input).arg("--out").arg(output));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

fn batch(input: &Path) -> v1::SignBatchRequest {
    let item = |line: serde_json::Value| v1::Item {
        item_id: line["id"].as_str().unwrap().to_owned(),
        payload_json: line["payload"].to_string().into_bytes().into(),
        expires_at: None,
    };
    v1::SignBatchRequest { items: lines(input).into_iter().map(item).collect(), ..Default::default() }
}

/// What a batch's items hear: how many have a certificate, and the messages of the others, which are UNAVAILABLE.
async fn heard(client: &mut SignerClient<tonic::transport::Channel>, batch: v1::SignBatchRequest) -> (u64, Vec<String>) {
    let (mut signed, mut refusals) = (0, Vec::new());
    match client.sign_batch(batch).await {
        Err(status) => {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            refusals.push(status.message().to_owned());
        }
        Ok(answer) => {
            for result in answer.into_inner().results {
                match result.outcome.unwrap() {
                    Outcome::Certificate(_) => signed += 1,
                    Outcome::Error(error) => {
                        assert_eq!(error.code, Code::Unavailable as i32, "{}", error.message);
                        refusals.push(error.message);
                    }
                }
            }
        }
    }
    (signed, refusals)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_is_signed_everybody_hears_it_and_it_goes_on_when_there_is_room() {
    let Some(mut service) = Service::start() else { return };
    let (first, before) = (samples(service.home.path(), 100), service.home.path().join("before.ndjson"));
    service.sign(&first, &before);
    let made_before = service.signatures();
    let filler = service.fill();

    // What is free in the write-ahead log is used up.
    let mut client = SignerClient::connect(service.endpoint.clone()).await.unwrap();
    let more = samples(service.home.path(), 60);
    let mut signed = 0;
    for round in 0..1_000 {
        let mut batch = batch(&more);
        batch.items.iter_mut().for_each(|item| item.item_id = format!("r{round}-{}", item.item_id));
        let (more, refusals) = heard(&mut client, batch).await;
        signed += more;
        if !refusals.is_empty() {
            break;
        }
        assert!(round < 999, "it is full at last");
    }
    let when_full = service.signatures();
    assert!(when_full - made_before <= signed + 60, "what was signed and not put on record is one batch at most");
    for _ in 0..20 {
        let begun = Instant::now();
        let (signed, refusals) = heard(&mut client, batch(&more)).await;
        assert_eq!(signed, 0);
        assert!(refusals.iter().all(|refusal| refusal.contains("no room to write")), "{refusals:?}");
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    }
    assert_eq!(service.signatures(), when_full, "nothing is signed off the record");
    assert_eq!(service.metric("sceau_ledger_trouble"), 1);
    let (code, body) = service.get("/readyz");
    assert!(code == 503 && body.contains("no room to write"), "{body}");
    let status = service.ask(&["token", "status"], &[]);
    assert!(
        status.code == Some(2) && status.stdout.contains("NOTHING IS SIGNED: the ledger: there is no room"),
        "{}",
        status.stdout
    );
    assert!(service.log().contains("the ledger cannot be written; nothing is signed until it can"), "{}", service.log());

    fs::remove_file(filler).unwrap();
    wait_until("it can sign again", || service.get("/readyz").0 == 200);
    let after = service.home.path().join("after.ndjson");
    service.sign(&more, &after);
    assert_eq!((lines(&after).len(), service.metric("sceau_ledger_trouble")), (60, 0));
    assert_eq!(service.certificates_on_record(), 100 + signed + 60);
    let (export, audit) = (service.home.path().join("export.ndjson"), service.home.path().join("audit.pem"));
    let exported = service.ask(&["ledger", "export", "--out", export.to_str().unwrap()], &[]);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let verified = run(sceau().args(["audit", "verify"]).arg(&export).arg("--certificate").arg(&audit));
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    send("-TERM", service.child.id());
    assert!(service.child.wait().unwrap().success());
    assert!(service.log().contains("the ledger can be written again"), "{}", service.log());
}
