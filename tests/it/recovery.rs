//! What supervision must not do: kill workers that are well, wait for what is dead, spend a second PIN, remove what is not its own.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sceau::config::Config;
use sceau::domain::{Digest, Dsc, Lane, pem};
use sceau::service::proto::v1;
use sceau::service::proto::v1::signer_client::SignerClient;
use sceau::token::{Opened, Order, Purpose, SupervisedToken, Token, TokenKey, TokenSpec, WantedKey, WorkerCommand};

use crate::faulty_token::put_in_front;
use crate::support::{dev_folder, edit, read_endpoint, run, sceau};
use crate::testdata::read;

fn serve(dir: &Path) -> (Child, String) {
    let mut command = sceau();
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(dir.join("sceau.toml")).env("SCEAU_LOG", "info");
    let log = fs::File::create(dir.join("log")).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let endpoint = read_endpoint(&mut child);
    (child, endpoint)
}

fn replaced(dir: &Path) -> u64 {
    let status = run(sceau().args(["token", "status", "--json", "--config"]).arg(dir.join("sceau.toml")));
    serde_json::from_str::<serde_json::Value>(&status.stdout).unwrap()["tokens"][0]["replaced_workers"].as_u64().unwrap()
}

fn script(dir: &Path, text: &str) {
    fs::write(dir.join("new.toml"), text).unwrap();
    fs::rename(dir.join("new.toml"), dir.join("now.toml")).unwrap();
}

fn payloads(dir: &Path) -> Vec<String> {
    let input = dir.join("samples.ndjson");
    assert_eq!(run(sceau().args(["sample", "--count", "100", "--out"]).arg(&input)).code, Some(0));
    let payload = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["payload"].to_string();
    read(&input).lines().map(payload).collect()
}

async fn batch(endpoint: &str, payloads: &[String], lane: v1::Lane, name: &str, count: usize) -> (usize, usize, String) {
    let mut client = SignerClient::connect(endpoint.to_owned()).await.unwrap();
    let items = (0..count).map(|n| v1::Item {
        item_id: format!("{name}-{n}"),
        payload_json: payloads[n % payloads.len()].clone().into(),
        expires_at: None,
    });
    let request = v1::SignBatchRequest { items: items.collect(), lane: lane.into(), ..Default::default() };
    let results = client.sign_batch(request).await.unwrap().into_inner().results;
    let (mut good, mut bad, mut last) = (0, 0, String::new());
    for result in results {
        match result.outcome {
            Some(v1::result::Outcome::Certificate(_)) => good += 1,
            Some(v1::result::Outcome::Error(error)) => {
                bad += 1;
                last = error.message;
            }
            None => unreachable!(),
        }
    }
    (good, bad, last)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// hang_timeout 1 s and 60 ms a signature: the same as 4 s and 240 ms. 60 items are 3.6 s of work, of 10 s that are allowed.
#[test]
fn a_slow_token_is_not_killed_for_its_first_batch() {
    let home = dev_folder();
    let dir = home.path();
    put_in_front(dir, "workers = 1\nsessions = 1\nhang_timeout_ms = 1000");
    script(dir, "[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 60.0\n");
    let (mut server, endpoint) = serve(dir);
    let payloads = payloads(dir);
    let outcome = runtime().block_on(batch(&endpoint, &payloads, v1::Lane::Bulk, "a", 60));
    let replaced = replaced(dir);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!((outcome.0, replaced), (60, 0), "{}\n{}", outcome.2, read(&dir.join("log")));
}

/// Interactive work keeps the token full; bulk waits in the worker.
#[test]
fn bulk_that_waits_behind_interactive_work_kills_no_worker() {
    let home = dev_folder();
    let dir = home.path();
    put_in_front(dir, "workers = 1\nsessions = 1\nhang_timeout_ms = 1000");
    script(dir, "[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 10.0\n");
    // As much interactive work as the test wants is let in.
    edit(&dir.join("sceau.toml"), "[server]", "[server]\nmax_wait_ms_interactive = 10000");
    let (mut server, endpoint) = serve(dir);
    let payloads = Arc::new(payloads(dir));
    let runtime = runtime();
    runtime.block_on(batch(&endpoint, &payloads, v1::Lane::Bulk, "warm", 20));
    let until = Instant::now() + Duration::from_secs(6);
    let callers: Vec<_> = (0..16)
        .map(|caller| {
            let (endpoint, payloads) = (endpoint.clone(), Arc::clone(&payloads));
            runtime.spawn(async move {
                let mut round = 0;
                while Instant::now() < until {
                    batch(&endpoint, &payloads, v1::Lane::Interactive, &format!("i{caller}-{round}"), 4).await;
                    round += 1;
                }
                round
            })
        })
        .collect();
    let (signed, ..) = runtime.block_on(batch(&endpoint, &payloads, v1::Lane::Bulk, "bulk", 20));
    let rounds: usize = callers.into_iter().map(|caller| runtime.block_on(caller).unwrap()).sum();
    let replaced = replaced(dir);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!((replaced, signed), (0, 20), "{rounds} calls of interactive work meanwhile");
}

/// 15 signatures a second, 100 of them, the default hang timeout of 4 s.
#[test]
fn a_rate_limit_kills_no_worker() {
    let home = dev_folder();
    let dir = home.path();
    edit(
        &dir.join("sceau.toml"),
        "label = \"sceau-dev\"",
        "label = \"sceau-dev\"\nworkers = 1\nsessions = 1\nmax_signatures_per_second = 15",
    );
    let (mut server, endpoint) = serve(dir);
    let payloads = payloads(dir);
    let outcome = runtime().block_on(batch(&endpoint, &payloads, v1::Lane::Bulk, "a", 100));
    let replaced = replaced(dir);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!((outcome.0, replaced), (100, 0), "{}\n{}", outcome.2, read(&dir.join("log")));
}

fn spec_and_keys(dir: &Path) -> (TokenSpec, Vec<WantedKey>) {
    let config = Config::load(&dir.join("sceau.toml")).unwrap();
    let spec = config.token("softhsm").unwrap().clone();
    let wanted = config.keys().map(|file| {
        let text = read(&file.certificate);
        let dsc = Dsc::from_der(&pem::certificates(&text).next().unwrap().unwrap()).unwrap();
        WantedKey { name: dsc.kid().to_string(), public_key: dsc.public_key().clone(), purpose: file.purpose }
    });
    let wanted = wanted.collect();
    (spec, wanted)
}

fn within<T: Send + 'static>(bound: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, result) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    result.recv_timeout(bound).ok()
}

const ORDER: Order = Order { key: TokenKey::FIRST, purpose: Purpose::Certificate, lane: Lane::Bulk };

/// A module that starts a helper of its own (pcscd, a p11-kit server, a vendor's daemon) hands it the worker's pipes.
#[test]
fn a_helper_of_the_module_does_not_keep_a_dead_worker_alive() {
    let home = dev_folder();
    let dir = home.path();
    edit(
        &dir.join("sceau.toml"),
        "label = \"sceau-dev\"",
        "label = \"sceau-dev\"\nworkers = 1\nsessions = 1\nhang_timeout_ms = 1000",
    );
    let (spec, wanted) = spec_and_keys(dir);
    let file = dir.join("sceau.toml");
    let arguments = [
        "-c",
        "sleep 25 & exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_sceau"),
        "token-worker",
        "--config",
        file.to_str().unwrap(),
        "--token",
        "softhsm",
    ];
    let command = WorkerCommand { program: "/bin/sh".into(), arguments: arguments.map(str::to_owned).to_vec() };
    let Opened { token, outcome, .. } = SupervisedToken::start(&spec, command, &wanted).unwrap();
    outcome.unwrap();
    let token = Arc::new(token);
    let pid = token.status().workers[0].pid;
    crate::shared::processes::send("-KILL", pid);
    std::thread::sleep(Duration::from_secs(4));
    let runtime = runtime();
    let signed = runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(5), token.sign(ORDER, vec![Digest::of(b"x"); 4])).await });
    let dropped = within(Duration::from_secs(5), move || drop(token));
    assert!(signed.is_ok() && dropped.is_some());
}

const BROKEN: &str = r#"
import sys, struct, time, threading
mode, keys = sys.argv[1], [bytes.fromhex(k) for k in sys.argv[2].split(",")]
out = sys.stdout.buffer
def frame(kind, body):
    out.write(struct.pack(">IB", len(body) + 1, kind) + body); out.flush()
sessions = 0 if mode == "no-sessions" else 64
frame(16, struct.pack(">HHBH", 6, sessions, 0, len(keys)) + b"".join(keys))
if mode == "no-sessions":
    sys.stdin.buffer.read()
else:
    one = struct.pack(">HH", 64, 0) + b"\7" * 64
    while True:
        for i in range(1, 400):
            frame(18, struct.pack(">QIH", i, 0, 32) + one * 32)
        time.sleep(0.005)
"#;

fn broken(dir: &Path, mode: &str) -> Arc<SupervisedToken> {
    let (mut spec, wanted) = spec_and_keys(dir);
    spec.hang_timeout = Duration::from_millis(500);
    spec.workers = Some(1);
    let hash = |key: &WantedKey| match &key.public_key {
        sceau::domain::PublicKey::P256 { point } => Digest::of(point),
        sceau::domain::PublicKey::Rsa { der, .. } => Digest::of(der),
    };
    let hex: Vec<String> =
        wanted.iter().map(|key| hash(key).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    fs::write(dir.join("broken.py"), BROKEN).unwrap();
    let arguments = vec![dir.join("broken.py").to_str().unwrap().to_owned(), mode.to_owned(), hex.join(",")];
    let Opened { token, outcome, .. } =
        SupervisedToken::start(&spec, WorkerCommand { program: "python3".into(), arguments }, &wanted).unwrap();
    assert_eq!(outcome.is_ok(), mode != "no-sessions", "{outcome:?}");
    Arc::new(token)
}

#[test]
fn a_worker_without_sessions_is_not_ready() {
    let home = dev_folder();
    let token = broken(home.path(), "no-sessions");
    let signed = runtime()
        .block_on(async { tokio::time::timeout(Duration::from_secs(5), token.sign(ORDER, vec![Digest::of(b"x"); 4])).await });
    assert!(signed.is_ok());
}

#[test]
fn a_worker_that_does_not_read_blocks_no_judgement() {
    let home = dev_folder();
    let token = broken(home.path(), "deaf");
    let runtime = runtime();
    let mut futures: Vec<_> = (0..6).map(|_| token.sign(ORDER, vec![Digest::of(b"x"); 1000])).collect();
    let first =
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), futures.remove(0)).await }).expect("answers");
    let session = first.iter().find_map(|result| result.as_ref().ok()).unwrap().session;
    std::thread::sleep(Duration::from_millis(500));
    let judging: Vec<_> = (0..4)
        .map(|_| {
            let token = Arc::clone(&token);
            std::thread::spawn(move || within(Duration::from_secs(6), move || token.judge(session, false)).is_some())
        })
        .collect();
    let judged: Vec<bool> = judging.into_iter().map(|thread| thread.join().unwrap()).collect();
    std::mem::forget(token);
    assert!(judged.iter().all(|returned| *returned));
}

/// The logins of all workers are lost at once, and the PIN has been changed on the token.
#[test]
fn one_wrong_login_reaches_the_token_whatever_the_number_of_workers() {
    let home = dev_folder();
    let dir = home.path();
    put_in_front(dir, "workers = 4\nsessions = 1");
    script(dir, "");
    let (mut server, endpoint) = serve(dir);
    let payloads = Arc::new(payloads(dir));
    let pid = server.id();
    crate::shared::processes::wait_until("ready", || crate::shared::processes::ready_workers(pid).len() == 4);
    std::thread::sleep(Duration::from_millis(300));
    let runtime = runtime();
    let load: Vec<_> = (0..4)
        .map(|caller| {
            let (endpoint, payloads) = (endpoint.clone(), Arc::clone(&payloads));
            runtime.spawn(async move {
                for round in 0..30 {
                    batch(&endpoint, &payloads, v1::Lane::Bulk, &format!("b{caller}-{round}"), 100).await;
                }
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    script(
        dir,
        "log = \"faults.log\"\n[token]\nabsent = { for_ms = 300 }\n[[fault]]\nfunction = \"C_Login\"\nresult = \"CKR_PIN_INCORRECT\"\ndelay_ms = 150.0\nwhen = \"always\"\n",
    );
    std::thread::sleep(Duration::from_secs(4));
    load.iter().for_each(tokio::task::JoinHandle::abort);
    server.kill().unwrap();
    server.wait().unwrap();
    let log = fs::read_to_string(dir.join("faults.log")).unwrap_or_default();
    assert_eq!(log.lines().filter(|line| line.contains("C_Login")).count(), 1, "{log}");
}

#[tokio::test]
async fn the_admin_socket_removes_nothing_but_a_socket() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("uvci.secret");
    fs::write(&path, "never to be lost").unwrap();
    assert!(sceau::service::admin::AdminSocket::bind(&path).is_err());
    assert_eq!(fs::read_to_string(&path).ok().as_deref(), Some("never to be lost"));
}
