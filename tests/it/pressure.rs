//! More than the token can do, and changes in the middle of it.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sceau::service::proto::v1;
use sceau::service::proto::v1::signer_client::SignerClient;
use tokio::task::JoinSet;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::faulty_token::put_in_front;
use crate::pki::{ClientCertificate, Pki};
use crate::shared::processes::{send, wait_until};
use crate::support::{dev_folder, edit, read_endpoint, run, sceau};
use crate::testdata::read;

/// Guards against hanging.
const BOUND: Duration = Duration::from_secs(60);

struct Served {
    child: Child,
    endpoint: String,
}

impl Served {
    fn start(dir: &Path) -> Self {
        let log = fs::File::create(dir.join("log")).unwrap();
        let mut command = sceau();
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(dir.join("sceau.toml")).env("SCEAU_LOG", "info");
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let endpoint = read_endpoint(&mut child);
        Self { child, endpoint }
    }

    fn resident_kib(&self) -> u64 {
        let status = read(Path::new(&format!("/proc/{}/status", self.child.id())));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn payload(dir: &Path) -> String {
    let input = dir.join("one.ndjson");
    assert_eq!(run(sceau().args(["sample", "--count", "1", "--out"]).arg(&input)).code, Some(0));
    serde_json::from_str::<serde_json::Value>(&read(&input)).unwrap()["payload"].to_string()
}

/// Batches whose items nobody has asked for yet.
struct Batches {
    payload: String,
    next: AtomicUsize,
}

impl Batches {
    fn of(dir: &Path) -> Arc<Self> {
        Arc::new(Self { payload: payload(dir), next: AtomicUsize::new(0) })
    }

    fn next(&self, items: usize) -> v1::SignBatchRequest {
        let batch = self.next.fetch_add(1, Ordering::Relaxed);
        let item =
            |n| v1::Item { item_id: format!("item-{batch}-{n}"), payload_json: self.payload.clone().into(), expires_at: None };
        v1::SignBatchRequest { items: (0..items).map(item).collect(), ..Default::default() }
    }
}

/// Whether every item of an answer was signed.
fn all_signed(answer: &v1::SignBatchResponse) -> bool {
    answer.results.iter().all(|result| matches!(result.outcome, Some(v1::result::Outcome::Certificate(_))))
}

fn outstanding(dir: &Path) -> u64 {
    let status = run(sceau().args(["token", "status", "--json", "--config"]).arg(dir.join("sceau.toml")));
    serde_json::from_str::<serde_json::Value>(&status.stdout).unwrap()["tokens"][0]["outstanding_items"].as_u64().unwrap()
}

/// A network HSM of 5 ms and some 1,600 signatures a second, asked for three times as many.
#[tokio::test(flavor = "multi_thread")]
async fn past_its_capacity_a_service_refuses_at_once_and_keeps_the_latency_of_what_it_takes() {
    const ITEMS: usize = 10;
    let home = dev_folder();
    let dir = home.path();
    put_in_front(dir, "workers = 1\nsessions = 8");
    edit(&dir.join("sceau.toml"), "[server]", "[server]\nmax_wait_ms_interactive = 200");
    fs::write(dir.join("now.toml"), "[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 5.0\n").unwrap();
    let server = Served::start(dir);
    let batches = Batches::of(dir);
    let client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    // Its pace has to be known.
    for _ in 0..50 {
        assert!(all_signed(&client.clone().sign_batch(batches.next(ITEMS)).await.unwrap().into_inner()));
    }
    let before = server.resident_kib();
    let mut calls = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    for _ in 0..1_500 {
        ticks.tick().await;
        let (mut client, request) = (client.clone(), batches.next(ITEMS));
        calls.spawn(async move {
            let began = Instant::now();
            let answer = client.sign_batch(request).await.map(tonic::Response::into_inner);
            (began.elapsed(), answer)
        });
    }
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    while let Some(call) = calls.join_next().await {
        let (took, answer) = call.unwrap();
        match answer {
            Ok(answer) => {
                assert!(all_signed(&answer), "what is taken is signed: {answer:?}");
                taken.push(took);
            }
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                assert!(status.get_details_retry_info().and_then(|info| info.retry_delay).is_some(), "{status:?}");
                refused.push(took);
            }
        }
    }
    wait_until("nothing is in work any more", || outstanding(dir) == 0);
    taken.sort_unstable();
    refused.sort_unstable();
    let at = |times: &[Duration], share: usize| times[times.len() * share / 100];
    println!(
        "taken {} (p50 {:?}, p99 {:?}), refused {} (p50 {:?}, p99 {:?}); memory {before} KiB before, {} after",
        taken.len(),
        at(&taken, 50),
        at(&taken, 99),
        refused.len(),
        at(&refused, 50),
        at(&refused, 99),
        server.resident_kib()
    );
    // How many of 1,500 depends on what else the machine does; none would be a collapse.
    assert!(taken.len() > 20 && refused.len() > 300, "{} taken, {} refused", taken.len(), refused.len());
    assert!(*taken.last().unwrap() < Duration::from_secs(5), "{:?}", taken.last());
    assert!(server.resident_kib() < before + 64 * 1024);
    assert!(all_signed(&client.clone().sign_batch(batches.next(ITEMS)).await.unwrap().into_inner()), "it goes on");
}

/// A service behind TLS, with one caller whose bounds are in the file.
struct Changing {
    server: Served,
    pki: Pki,
    dir: tempfile::TempDir,
}

impl Changing {
    fn start() -> Self {
        let dir = dev_folder();
        let pki = Pki::new(dir.path());
        pki.client("issuer", ClientCertificate { dns: Some("issuer.example"), ..ClientCertificate::default() });
        let tls = "[server.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\nclient_ca = \"ca.pem\"\n\n[signing]";
        edit(&dir.path().join("sceau.toml"), "plain_text_on_loopback = true", "");
        edit(&dir.path().join("sceau.toml"), "[signing]", tls);
        let file = dir.path().join("sceau.toml");
        let caller = "[[caller]]\nname = \"issuer\"\nidentities = [\"dns:issuer.example\"]\nroles = [\"issuer\"]\n";
        fs::write(&file, read(&file) + caller).unwrap();
        let server = Served::start(dir.path());
        Self { server, pki, dir }
    }

    fn channel(&self) -> Channel {
        let file = |name: &str| fs::read(self.pki.path(name)).unwrap();
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(file("ca.pem")))
            .identity(Identity::from_pem(file("issuer.pem"), file("issuer.key")));
        Endpoint::from_shared(self.server.endpoint.clone()).unwrap().tls_config(tls).unwrap().connect_lazy()
    }

    fn config(&self) -> std::path::PathBuf {
        self.dir.path().join("sceau.toml")
    }

    fn hang_up(&self, times: usize) {
        send("-HUP", self.server.child.id());
        let log = self.dir.path().join("log");
        wait_until("the configuration is read again", || {
            let log = read(&log);
            assert!(!log.contains("is not taken over"), "{log}");
            log.matches("configuration read again").count() == times
        });
    }
}

/// Calls, one after another, until they are told to stop; every one has to be answered.
async fn keep_calling(channel: Channel, batches: Arc<Batches>, stop: Arc<AtomicBool>) -> Result<usize, Status> {
    let mut client = SignerClient::new(channel);
    let mut calls = 0;
    while !stop.load(Ordering::Relaxed) {
        let answer = client.sign_batch(batches.next(5)).await?.into_inner();
        assert!(all_signed(&answer), "{answer:?}");
        calls += 1;
    }
    Ok(calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_and_a_quota_change_under_load_and_no_call_is_dropped() {
    let changing = Changing::start();
    let (batches, stop) = (Batches::of(changing.dir.path()), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        callers.spawn(keep_calling(changing.channel(), Arc::clone(&batches), Arc::clone(&stop)));
    }
    let mut certificates = std::collections::HashSet::from([fs::read(changing.pki.path("server.pem")).unwrap()]);
    for times in 1..=5 {
        certificates.insert(changing.pki.renew_server());
        changing.hang_up(times);
        // Whoever connects now sees the new one; whoever is connected goes on.
        SignerClient::new(changing.channel()).sign_batch(batches.next(1)).await.unwrap();
    }
    assert_eq!(certificates.len(), 6);
    stop.store(true, Ordering::Relaxed);
    let mut calls = 0;
    while let Some(caller) = callers.join_next().await {
        calls += caller.unwrap().expect("no call is dropped");
    }
    assert!(calls > 20, "{calls}");
    // A quota that is put in force holds for the connections that are open.
    let mut client = SignerClient::new(changing.channel());
    client.sign_batch(batches.next(10)).await.unwrap();
    edit(&changing.config(), "roles = [\"issuer\"]", "roles = [\"issuer\"]\nmax_batch_items = 3");
    changing.hang_up(6);
    let refused = client.sign_batch(batches.next(10)).await.unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "caller.max_batch_items");
    // A file that does not hold together changes nothing.
    edit(&changing.config(), "max_batch_items = 3", "max_batch_items = 0");
    send("-HUP", changing.server.child.id());
    let log = changing.dir.path().join("log");
    wait_until("it is refused", || read(&log).contains("the one before stays in force"));
    client.sign_batch(batches.next(3)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_before_the_end_is_answered() {
    let home = dev_folder();
    let dir = home.path();
    put_in_front(dir, "workers = 1\nsessions = 4");
    fs::write(dir.join("now.toml"), "[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 20.0\n").unwrap();
    let mut server = Served::start(dir);
    let batches = Batches::of(dir);
    let client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let (mut client, request) = (client.clone(), batches.next(10));
        calls.spawn(async move { client.sign_batch(request).await.map(tonic::Response::into_inner) });
    }
    // Some are in work and most wait; all were taken.
    wait_until("they are in work", || outstanding(dir) >= 100);
    send("-TERM", server.child.id());
    let mut answered = 0;
    while let Some(call) = tokio::time::timeout(BOUND, calls.join_next()).await.unwrap() {
        assert!(all_signed(&call.unwrap().expect("what was taken is answered")));
        answered += 1;
    }
    assert_eq!((answered, server.child.wait().unwrap().code()), (20, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_end_hears_of_every_chunk_that_was_taken_before_the_end() {
    let home = dev_folder();
    let mut server = Served::start(home.path());
    let batches = Batches::of(home.path());
    let mut client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    let chunks = tokio_stream::iter(std::iter::repeat_with(move || batches.next(20)));
    let mut answers = client.sign_stream(chunks).await.unwrap().into_inner();
    let mut answered = 0;
    let end = loop {
        match tokio::time::timeout(BOUND, answers.message()).await.unwrap() {
            Ok(answer) => {
                let answer = answer.expect("the service ends it with a status");
                assert!(all_signed(&answer), "{answer:?}");
                assert_eq!(answer.results[0].item_id, format!("item-{answered}-0"));
                answered += 1;
            }
            Err(status) => break status,
        }
        if answered == 10 {
            send("-TERM", server.child.id());
        }
    };
    assert!(answered >= 10 && end.code() == Code::Unavailable, "{answered} {end:?}");
    assert!(end.get_details_retry_info().and_then(|info| info.retry_delay).is_some(), "{end:?}");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(!read(&home.path().join("log")).contains("calls are still open after the shutdown"));
}

#[test]
fn the_command_line_signs_over_tls_at_the_replica_that_answers() {
    let changing = Changing::start();
    let home = changing.dir.path();
    payload(home);
    let file = |name: &str| changing.pki.path(name);
    let sign = |endpoints: &[&str], out: &str| {
        let mut command = sceau();
        command.arg("sign");
        for endpoint in endpoints {
            command.args(["--endpoint", endpoint]);
        }
        command.arg("--ca").arg(file("ca.pem")).arg("--certificate").arg(file("issuer.pem")).arg("--key").arg(file("issuer.key"));
        run(command.arg("--in").arg(home.join("one.ndjson")).arg("--out").arg(home.join(out)))
    };
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let signed = sign(&[&format!("https://{gone}"), &changing.server.endpoint], "signed.ndjson");
    assert_eq!(signed.code, Some(0), "{}", signed.stderr);
    let plain = changing.server.endpoint.replace("https", "http");
    let refused = sign(&[&plain], "plain.ndjson");
    assert!(refused.code == Some(64) && refused.stderr.contains("is no endpoint"), "{}", refused.stderr);
    let ask = |words: [&str; 2]| {
        let mut command = sceau();
        command.args(words).args(["--endpoint", &changing.server.endpoint, "--ca"]).arg(file("ca.pem"));
        run(command.arg("--certificate").arg(file("issuer.pem")).arg("--key").arg(file("issuer.key")))
    };
    for words in [["token", "status"], ["clock", "show"], ["clock", "accept"]] {
        let refused = ask(words);
        assert!(refused.code == Some(77) && refused.stderr.contains("caller.roles"), "{:?} {}", refused.code, refused.stderr);
    }
    edit(&changing.config(), "roles = [\"issuer\"]", "roles = [\"operator\"]");
    changing.hang_up(1);
    let shown = ask(["clock", "show"]);
    assert!(shown.code == Some(0) && shown.stdout.contains("trusted"), "{}{}", shown.stdout, shown.stderr);
    assert_eq!(ask(["clock", "accept"]).code, Some(0));
    let log = read(&home.join("log"));
    assert!(log.lines().any(|line| line.contains("trusts the clock") && line.contains("officer=\"issuer\"")), "{log}");
}

#[test]
fn the_python_client_signs_over_tls() {
    let Some(mut client) = crate::python_client::client() else { return };
    let changing = Changing::start();
    let home = changing.dir.path();
    payload(home);
    let endpoint = changing.server.endpoint.strip_prefix("https://").unwrap();
    for (option, name) in [("--ca", "ca.pem"), ("--certificate", "issuer.pem"), ("--key", "issuer.key")] {
        client.arg(option).arg(changing.pki.path(name));
    }
    client.args(["--endpoint", endpoint, "--in"]).arg(home.join("one.ndjson")).arg("--out").arg(home.join("signed.ndjson"));
    let ran = run(&mut client);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(read(&home.join("signed.ndjson")).lines().count(), 1);
}
