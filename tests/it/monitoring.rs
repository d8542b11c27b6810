//! What is seen of the real binary: metrics, readiness, log lines, traces; and that nothing of a payload is in any of them.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use sceau::service::monitoring::{CATALOGUE, Kind};
use sceau::service::proto::v1;
use sceau::service::proto::v1::result::Outcome;
use sceau::service::proto::v1::signer_client::SignerClient;
use serde_json::Value;
use tempfile::TempDir;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

use crate::collector::Collector;
use crate::officers::Officers;
use crate::pki::Pki;
use crate::shared::processes::wait_until;
use crate::support::{dev_folder, edit, run, sceau};
use crate::testdata::read;

const CALLERS_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLERS_SPAN: &str = "00f067aa0ba902b7";

/// `sceau dev`, watched; what it writes is kept.
pub(crate) struct Watched {
    pub(crate) endpoint: String,
    pub(crate) monitoring: String,
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    home: TempDir,
}

impl Watched {
    pub(crate) fn start(more: &str, log: &str) -> Self {
        Self::start_in(dev_folder(), more, log)
    }

    /// In a folder whose configuration a test has changed; `more` are keys of `[monitoring]`, and what comes after it.
    fn start_in(home: TempDir, more: &str, log: &str) -> Self {
        let config = home.path().join("sceau.toml");
        fs::write(&config, format!("{}\n[monitoring]\nlisten = \"127.0.0.1:0\"\n{more}\n", read(&config))).unwrap();
        let mut command = sceau();
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&config).env("SCEAU_LOG", log);
        command.env("SOFTHSM2_CONF", home.path().join("softhsm2.conf")).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = String::new();
        while !lines.contains("listening on") {
            assert_ne!(stdout.read_line(&mut lines).unwrap(), 0, "it does not start: {}", stderr.join().unwrap());
        }
        let address = |what: &str| {
            let line = lines.lines().find_map(|line| line.strip_prefix(what)).expect("it says where it listens");
            line.trim().to_owned()
        };
        let (endpoint, monitoring) = (address("listening on "), address("monitoring on http://"));
        let stdout = std::thread::spawn(move || {
            stdout.read_to_string(&mut lines).unwrap();
            lines
        });
        Self { endpoint, monitoring, child, stdout, stderr, home }
    }

    fn get(&self, path: &str) -> (u16, String) {
        http(&self.monitoring, "GET", path)
    }

    /// The value of a series of `/metrics`, by its name and labels as they stand there.
    fn metric(&self, series: &str) -> Option<f64> {
        let (code, text) = self.get("/metrics");
        assert_eq!(code, 200);
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    fn dir(&self) -> &Path {
        self.home.path()
    }

    /// Ends it; what it wrote to stdout and stderr.
    pub(crate) fn end(mut self) -> (String, String) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        (self.stdout.join().unwrap(), self.stderr.join().unwrap())
    }
}

fn http(address: &str, method: &str, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(connection, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    (head[9..12].parse().unwrap(), body.to_owned())
}

fn samples(count: u32) -> Vec<(String, String)> {
    let ran = run(sceau().args(["sample", "--count", &count.to_string(), "--seed", "77"]));
    let sample = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        (line["id"].as_str().unwrap().to_owned(), line["payload"].to_string())
    };
    ran.stdout.lines().map(sample).collect()
}

fn batch(items: &[(String, String)], lane: v1::Lane) -> v1::SignBatchRequest {
    let item = |(id, payload): &(String, String)| v1::Item {
        item_id: id.clone(),
        payload_json: payload.clone().into_bytes().into(),
        expires_at: None,
    };
    v1::SignBatchRequest { lane: lane.into(), items: items.iter().map(item).collect(), ..Default::default() }
}

/// A call of which something is asked besides.
fn with_metadata(request: v1::SignBatchRequest, pairs: &[(&'static str, &str)]) -> Request<v1::SignBatchRequest> {
    let mut request = Request::new(request);
    for (key, value) in pairs {
        request.metadata_mut().insert(*key, MetadataValue::try_from(*value).unwrap());
    }
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_was_signed_refused_and_called() {
    let server = Watched::start("", "warn");
    let mut client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    let mut items = samples(10);
    items[3].1 = items[3].1.replacen("\"dob\":\"", "\"dob\":\"x", 1);
    items[4].0 = "not well-formed".to_owned();
    let answer = client.sign_batch(batch(&items, v1::Lane::Bulk)).await.unwrap().into_inner();
    assert_eq!(answer.results.iter().filter(|result| matches!(result.outcome, Some(Outcome::Certificate(_)))).count(), 8);
    let refused = client.sign_batch(batch(&[], v1::Lane::Bulk)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);

    let (code, text) = server.get("/metrics");
    assert_eq!(code, 200);
    let sum = |start: &str, labels: &[&str]| -> f64 {
        let lines = text.lines().filter(|line| line.starts_with(start) && labels.iter().all(|label| line.contains(label)));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    };
    assert_eq!(sum("sceau_items_total", &["profile=\"dcc\"", "lane=\"bulk\"", "outcome=\"signed\""]), 8.0, "{text}");
    assert_eq!(sum("sceau_items_total", &["type=\"none\"", "outcome=\"refused\""]), 2.0, "{text}");
    assert_eq!(sum("sceau_refusals_total", &["rule=\"item_id.form\""]), 1.0, "{text}");
    let rpc = "rpc=\"sceau.v1.Signer/SignBatch\"";
    assert_eq!(sum("sceau_calls_total", &[rpc, "code=\"OK\""]), 1.0, "{text}");
    assert_eq!(sum("sceau_calls_total", &[rpc, "code=\"INVALID_ARGUMENT\""]), 1.0, "{text}");
    assert_eq!(sum("sceau_batch_items_sum", &["lane=\"bulk\""]), 10.0, "{text}");
    for stage in ["queue", "prepare", "token", "finish"] {
        let stage = format!("stage=\"{stage}\"");
        assert!(sum("sceau_stage_seconds_count", &[&stage, "lane=\"bulk\""]) >= 1.0, "{text}");
    }
    assert_eq!(sum("sceau_items_in_work", &[]), 0.0, "{text}");
    assert!(sum("sceau_token_signatures_total", &["token=\"softhsm\""]) >= 8.0, "{text}");
    assert_eq!(sum("sceau_token_ready", &["token=\"softhsm\""]), 1.0, "{text}");
    assert!(sum("sceau_token_sessions{", &[]) >= 1.0 && sum("sceau_token_stopped_keys", &[]) == 0.0, "{text}");
    assert_eq!(sum("sceau_token_sessions_busy", &[]), 0.0, "{text}");
    assert!(sum("sceau_tls_remaining_seconds", &[]).is_nan(), "in plain text: {text}");
    assert_eq!(sum("sceau_profile_ready", &["profile=\"dcc\"", "type=\"r\""]), 1.0, "{text}");
    let (until, remaining) = (sum("sceau_dsc_not_after", &[]), sum("sceau_dsc_remaining", &[]));
    assert!(until > remaining && remaining > 0.0, "{text}");
    assert!(sum("sceau_dsc_issuable_remaining_seconds", &["profile=\"dcc\""]) < remaining, "{text}");
    assert!(sum("process_resident_memory_bytes", &[]) > 1_000_000.0, "{text}");
    server.end();
}

/// Whatever is shown is described, and of the kind that it is described as.
#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_is_shown_is_described() {
    let server = Watched::start(&Officers::new().section(), "warn");
    let mut client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    let mut items = samples(3);
    items[0].1 = "{}".to_owned();
    client.sign_batch(batch(&items, v1::Lane::Interactive)).await.unwrap();
    let (_, text) = server.get("/metrics");
    let typed: HashMap<&str, &str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let helped: BTreeSet<&str> = text.lines().filter_map(|line| Some(line.strip_prefix("# HELP ")?.split_once(' ')?.0)).collect();
    for metric in CATALOGUE {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        assert_eq!(typed.get(metric.name), Some(&kind), "{} is shown\n{text}", metric.name);
        assert!(helped.contains(metric.name), "{}", metric.name);
    }
    for name in typed.keys().filter(|name| name.starts_with("sceau_")) {
        assert!(CATALOGUE.iter().any(|metric| metric.name == *name), "{name} is in no catalogue");
    }
    for (method, path, code) in [("POST", "/metrics", 405), ("DELETE", "/readyz", 405), ("GET", "/", 404), ("GET", "/livez", 200)]
    {
        assert_eq!(http(&server.monitoring, method, path).0, code, "{method} {path}");
    }
    server.end();
}

#[test]
fn readiness_is_of_profiles_that_can_sign() {
    let server = Watched::start("", "warn");
    let asked = run(sceau().args(["token", "status", "--config"]).arg(server.dir().join("sceau.toml")));
    assert_eq!(asked.code, Some(0), "{}", asked.stderr);
    let on_the_socket = server.metric("sceau_calls_total{rpc=\"sceau.v1.Admin/ListTokens\",code=\"OK\"}");
    assert_eq!(on_the_socket, Some(1.0), "a call on the admin socket is seen like any other");
    let (code, body) = server.get("/readyz");
    let state: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &state["ready"]), (200, &Value::Bool(true)), "{body}");
    let profiles = state["profiles"].as_array().unwrap();
    assert!(profiles.iter().any(|profile| profile["name"] == "dcc" && profile["types"].as_array().unwrap().len() == 3), "{body}");
    assert!(profiles[0]["covered_until"]["v"].as_str().is_some_and(|until| until.ends_with('Z')), "{body}");
    assert!(
        server.metric("sceau_profile_covered_remaining_seconds{profile=\"dcc\",type=\"v\"}").is_some_and(|left| left > 86_400.0)
    );
    // Its workers are stopped for good where the token's files are gone.
    fs::rename(server.dir().join("tokens"), server.dir().join("away")).unwrap();
    let workers = crate::shared::processes::children_of(server.child.id());
    workers.iter().for_each(|worker| crate::shared::processes::send("-KILL", *worker));
    wait_until("not ready", || server.get("/readyz").0 == 503);
    let (_, body) = server.get("/readyz");
    assert!(body.contains("\"ready\":false") && body.contains("softhsm"), "{body}");
    assert_eq!(server.get("/livez").0, 200);
    assert_eq!(server.metric("sceau_token_ready{token=\"softhsm\"}"), Some(0.0));
    server.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_on_record_is_counted_and_sealed_after_so_many_records() {
    let home = dev_folder();
    edit(&home.path().join("sceau.toml"), "[ledger.audit]", "[ledger.audit]\nseal_seconds = 3600\nseal_records = 10");
    let server = Watched::start_in(home, "", "warn");
    let mut client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    let items = samples(12);
    for item in &items {
        client.sign_batch(batch(std::slice::from_ref(item), v1::Lane::Interactive)).await.unwrap();
    }
    let metric = |name: &str| server.metric(&format!("sceau_ledger_{name} ")).unwrap_or(f64::NAN);
    assert_eq!((metric("trouble"), metric("certificates_total"), metric("doubts_total")), (0.0, 12.0, 0.0));
    assert_eq!((metric("kept_items"), metric("claimed_items")), (12.0, 0.0));
    wait_until("it is sealed", || metric("unsealed_records") <= 10.0);
    assert!(metric("records_total") >= 25.0 && metric("head") >= 26.0, "{}", server.get("/metrics").1);
    assert!(metric("commit_seconds_count") >= 24.0 && metric("file_bytes") > 10_000.0);
    assert!(metric("index_lag_records") >= 26.0 && metric("seal_age_seconds") < 3_600.0);
    server.end();
}

#[test]
fn a_service_that_ends_is_not_ready() {
    let home = dev_folder();
    edit(&home.path().join("sceau.toml"), "[server]", "[server]\ndrain_delay_seconds = 2");
    let mut server = Watched::start_in(home, "", "warn");
    assert_eq!(server.get("/readyz").0, 200);
    crate::shared::processes::send("-TERM", server.child.id());
    wait_until("not ready", || server.get("/readyz").0 == 503);
    assert!(server.get("/readyz").1.contains("\"ready\":false,\"ending\":true"));
    assert_eq!(server.get("/livez").0, 200);
    // A second signal would end it at once.
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn the_ends_of_the_tls_certificate_and_of_the_revocation_list_are_shown() {
    let home = dev_folder();
    let (pki, config) = (Pki::new(home.path()), home.path().join("sceau.toml"));
    pki.revoke(&[], 4000);
    let tls =
        "[server.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\nclient_ca = \"ca.pem\"\nclient_crl = \"clients.crl\"";
    edit(&config, "plain_text_on_loopback = true", "");
    edit(&config, "[signing]", &format!("{tls}\n\n[signing]"));
    let caller = "[[caller]]\nname = \"issuer\"\nidentities = [\"dns:issuer.example\"]\nroles = [\"issuer\"]";
    let server = Watched::start_in(home, caller, "warn");
    // 4000-12-31T00:00:00Z
    assert_eq!(server.metric("sceau_client_crl_not_after_timestamp_seconds"), Some(64_092_124_800.0));
    for remaining in ["sceau_tls_remaining_seconds", "sceau_client_crl_remaining_seconds"] {
        assert!(server.metric(remaining).unwrap() > 0.0, "{remaining}");
    }
    server.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_a_call_stand_under_the_callers_trace() {
    let (collector, endpoint) = Collector::start().await;
    let server = Watched::start(&format!("otlp_endpoint = {endpoint:?}"), "warn");
    let mut client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    let parent = format!("00-{CALLERS_TRACE}-{CALLERS_SPAN}-01");
    let metadata = [("traceparent", parent.as_str()), ("tracestate", "patient=nr-4711"), ("x-request-id", "call-1")];
    let request = with_metadata(batch(&samples(600), v1::Lane::Bulk), &metadata);
    let answer = client.sign_batch(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "call-1");
    server.end();

    let spans: Vec<_> = collector.spans().into_iter().filter(|span| hex::encode(&span.trace_id) == CALLERS_TRACE).collect();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let call = named("sceau.v1.Signer/SignBatch");
    assert_eq!(call.len(), 1, "{spans:#?}");
    assert_eq!(hex::encode(&call[0].parent_span_id), CALLERS_SPAN);
    for (stage, slices) in [("queue", 1), ("prepare", 2), ("token", 2), ("finish", 2)] {
        assert_eq!(named(stage).len(), slices, "{stage}: {spans:#?}");
        assert!(named(stage).iter().all(|span| span.parent_span_id == call[0].span_id), "{stage}: {spans:#?}");
    }
    let attributes = format!("{:?}", call[0].attributes);
    for expected in ["call-1", "loopback", "bulk", "\"dcc\"", "600", "OK"] {
        assert!(attributes.contains(expected), "{expected}: {attributes}");
    }
    assert!(!collector.text().contains("nr-4711"));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_of_a_call_have_its_request_id() {
    let server = Watched::start("[log]\nformat = \"json\"", "debug");
    let mut client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    let request = with_metadata(batch(&samples(2), v1::Lane::Bulk), &[("x-request-id", "call-1")]);
    client.sign_batch(request).await.unwrap();
    let made = with_metadata(batch(&[], v1::Lane::Bulk), &[("x-request-id", "not well-formed")]);
    let refused = client.sign_batch(made).await.unwrap_err();
    let made = refused.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    assert_eq!(made.len(), 32);
    let (_, stderr) = server.end();
    let lines: Vec<Value> =
        stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    let of = |id: &str| lines.iter().filter(|line| line["spans"][0]["request_id"] == id).cloned().collect::<Vec<_>>();
    assert!(of("call-1").iter().any(|line| line["level"] == "DEBUG" && line["spans"][0]["code"] == "OK"), "{stderr}");
    assert!(of(&made).iter().any(|line| line["level"] == "INFO" && line["spans"][0]["code"] == "INVALID_ARGUMENT"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn items_of_a_type_that_is_not_the_callers_are_logged_by_the_rule() {
    let caller = "[[caller]]\nname = \"tests-only\"\nidentities = [\"loopback\"]\nroles = [\"issuer\"]\ntypes = []";
    let server = Watched::start(caller, "warn");
    let mut client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    client.sign_batch(batch(&samples(3), v1::Lane::Bulk)).await.unwrap();
    let (_, stderr) = server.end();
    let line = stderr.lines().find(|line| line.contains("items refused")).unwrap_or_else(|| panic!("{stderr}"));
    for part in ["tests-only", "caller.types", "items=3"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

/// Strings of payloads that say nothing of a person: they are codes of value sets, or as short as a word of any text.
fn is_personal(text: &str) -> bool {
    text.chars().count() >= 4
        && !text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with("EU/")
        && !text.starts_with("ORG-")
}

fn strings(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if is_personal(text) => {
            found.insert(text.clone());
        }
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

/// Payloads that are wrong in ways that make messages: personal values stand where codes, dates and names of fields belong.
fn spoil(items: &mut [(String, String)]) {
    for (number, (_, payload)) in items.iter_mut().enumerate() {
        let mut value: Value = serde_json::from_str(payload).unwrap();
        let name = value["nam"]["fn"].as_str().unwrap_or("Quenneville").to_owned();
        match number % 8 {
            0 => value["dob"] = Value::String(format!("born {name}")),
            1 => value["nam"]["fnt"] = Value::String(name.to_lowercase()),
            2 => value["ver"] = Value::String(name),
            3 => value[&name] = Value::String("surplus".to_owned()),
            4 => *payload = payload.replacen(':', &format!(":{name}"), 1),
            5 => {
                for kind in ["v", "t", "r"] {
                    if let Some(entry) = value.get_mut(kind).and_then(|entries| entries.get_mut(0)) {
                        entry["tg"] = Value::String(name.clone());
                        entry["ci"] = Value::String(format!("URN:UVCI:01:FR:{}#0", name.to_uppercase()));
                        entry["is"] = Value::String(name.repeat(30));
                    }
                }
            }
            _ => continue,
        }
        if number % 8 != 4 {
            *payload = value.to_string();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_payload_is_seen_outside_its_answer() {
    let (collector, endpoint) = Collector::start().await;
    let more = format!("otlp_endpoint = {endpoint:?}\notlp_sampling_ratio = 1.0\n[log]\nformat = \"json\"");
    let server = Watched::start(&more, "debug");
    let mut items = samples(400);
    for (number, (id, _)) in items.iter_mut().enumerate() {
        *id = format!("patient-{number}-{}", number * 7_919);
    }
    let mut secret = BTreeSet::new();
    items.iter().for_each(|(_, payload)| strings(&serde_json::from_str(payload).unwrap(), &mut secret));
    spoil(&mut items);
    for (id, payload) in &items {
        secret.insert(id.clone());
        if let Ok(payload) = serde_json::from_str(payload) {
            strings(&payload, &mut secret);
        }
    }
    items[9].0 = "Patient Quenneville".to_owned();
    items[10].0 = items[11].0.clone();
    let mut client = SignerClient::connect(server.endpoint.clone()).await.unwrap();
    let (mut signed, mut refused) = (0, 0);
    for (number, items) in items.chunks(50).enumerate() {
        let lane = if number % 2 == 0 { v1::Lane::Bulk } else { v1::Lane::Interactive };
        let results = if number < 4 {
            client.sign_batch(batch(items, lane)).await.unwrap().into_inner().results
        } else {
            let chunks = tokio_stream::iter(vec![batch(items, lane)]);
            client.sign_stream(chunks).await.unwrap().into_inner().message().await.unwrap().unwrap().results
        };
        for result in results {
            match result.outcome {
                Some(Outcome::Certificate(certificate)) => {
                    signed += 1;
                    secret.extend([certificate.uvci, certificate.hc1]);
                }
                _ => refused += 1,
            }
        }
    }
    // What a call asks for as a whole, and is refused for, may hold a name as well.
    let odd = v1::SignBatchRequest { profile: "Quenneville".to_owned(), ..batch(&items[..1], v1::Lane::Bulk) };
    client.sign_batch(odd).await.unwrap_err();
    secret.insert("Quenneville".to_owned());
    assert!(signed > 50 && refused > 200, "{signed} signed, {refused} refused");
    let metrics = server.get("/metrics").1 + &server.get("/readyz").1;
    let (stdout, stderr) = server.end();
    assert!(stderr.len() > 1_000 && collector.spans().len() > 20, "there is something to look at: {stderr}");
    let words = ordinary_words();
    secret.retain(|value| !words.contains(value));
    assert!(secret.len() > 1_000, "{}", secret.len());
    for (what, text) in [("stdout", &stdout), ("stderr", &stderr), ("metrics", &metrics), ("traces", &collector.text())] {
        let seen: Vec<&String> = secret.iter().filter(|value| text.contains(value.as_str())).collect();
        assert_eq!(seen, Vec::<&String>::new(), "{what}");
    }
}

/// Values of payloads that stand in any output for another reason: the schema's version looks like a crate's.
fn ordinary_words() -> BTreeSet<String> {
    ["1.3.0", "1.3.3", "1.3.2", "surplus"].into_iter().map(str::to_owned).collect()
}

fn monitoring_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("hsm-config/monitoring").join(name)
}

/// The names of our metrics in a text, without what a histogram adds to its own.
fn named_metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("sceau_"));
    let base = |word: &str| {
        let histogram = CATALOGUE.iter().filter(|metric| matches!(metric.kind, Kind::Histogram(_)));
        let found = histogram
            .map(|metric| metric.name)
            .find(|name| word.strip_prefix(name).is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest)));
        found.unwrap_or(word).to_owned()
    };
    words.map(base).collect()
}

#[test]
fn dashboard_and_alerts_name_metrics_that_there_are() {
    let known: BTreeSet<String> = CATALOGUE.iter().map(|metric| metric.name.to_owned()).collect();
    let _: Value = serde_json::from_str(&read(&monitoring_file("dashboard.json"))).unwrap();
    let mut shown = BTreeSet::new();
    for file in ["dashboard.json", "alerts.yaml", "README.md"] {
        let named = named_metrics(&read(&monitoring_file(file)));
        assert!(named.len() > 5, "{file}: {named:?}");
        assert_eq!(named.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "{file}");
        shown.extend(named);
    }
    assert_eq!(known.difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new(), "in none of the files");
}

#[test]
fn the_readme_of_monitoring_lists_every_metric_with_its_help() {
    let readme = read(&monitoring_file("README.md"));
    for metric in CATALOGUE {
        let row = format!("| `{}` | {} | {} |", metric.name, metric.labels.join(", "), metric.help);
        assert!(readme.contains(&row), "hsm-config/monitoring/README.md has to have the line\n{row}");
    }
}

/// With Prometheus' own tool, where it is installed (Debian's package prometheus).
#[test]
fn promtool_accepts_the_alerts() {
    let Ok(checked) = Command::new("promtool").args(["check", "rules"]).arg(monitoring_file("alerts.yaml")).output() else {
        return;
    };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
