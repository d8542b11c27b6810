//! Three signers at one database, under load: one is killed, one is cut off, one is restarted.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sceau::domain::{Digest, Octets};
use sceau::ledger::record::Entry;
use sceau::ledger::store::Store;
use sceau::ledger::store::postgres::PostgresStore;
use sceau::service::proto::v1;
use sceau::service::proto::v1::result::Outcome;
use sceau::service::proto::v1::signer_client::SignerClient;
use tonic::Request;

use super::proxy::{Line, Proxy};
use super::replica::chain;
use super::server::{Database, Server};
use crate::shared::processes::send;
use crate::support::{dev_folder, edit, read_endpoint, run, sceau, serve_in_vain};

const PAYLOAD: &str = r#"{"ver":"1.3.0","nam":{"fn":"Wéa","gn":"Jeanne"},"dob":"1984-03-02","v":[{"tg":"840539006","vp":"1119349007",
"mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":1,"dt":"2021-09-06","co":"FR","is":"DASS-NC"}]}"#;

const BACKENDS: usize = 6;
const ITEMS: usize = 5;

/// Guards against hanging; nothing here is about speed.
const BOUND: Duration = Duration::from_secs(120);

/// One signer of the three.
struct Signer {
    name: &'static str,
    config: PathBuf,
    child: Mutex<Option<Child>>,
    endpoint: Mutex<String>,
}

impl Signer {
    /// On the same token and keys as the others.
    fn new(home: &Path, name: &'static str, url: &str) -> Self {
        let config = home.join(format!("{name}.toml"));
        fs::copy(home.join("sceau.toml"), &config).unwrap();
        edit(&config, "[server]", &format!("[server]\nstate_dir = \"state-{name}\""));
        let ledger =
            format!("[ledger]\nstore = \"postgres\"\nurl = \"{url}\"\ninstance = \"{name}\"\nkey_file = \"ledger.keys\"\n");
        edit(&config, "[signing]", &format!("{ledger}\n[signing]"));
        Self { name, config, child: Mutex::new(None), endpoint: Mutex::default() }
    }

    fn start(&self) {
        let log = fs::File::create(self.config.with_extension("log")).unwrap();
        let mut command = sceau();
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&self.config);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        *self.endpoint.lock().unwrap() = read_endpoint(&mut child);
        *self.child.lock().unwrap() = Some(child);
    }

    fn end_by(&self, signal: &str) {
        let mut child = self.child.lock().unwrap().take().unwrap();
        send(signal, child.id());
        child.wait().unwrap();
    }

    async fn ask(&self, batch: v1::SignBatchRequest) -> Option<v1::SignBatchResponse> {
        let endpoint = self.endpoint.lock().unwrap().clone();
        let mut client = SignerClient::connect(endpoint).await.ok()?;
        let mut request = Request::new(batch);
        request.set_timeout(Duration::from_secs(20));
        Some(client.sign_batch(request).await.ok()?.into_inner())
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.get_mut().unwrap().take() {
            let _ = (child.kill(), child.wait());
        }
    }
}

/// What callers heard: of each item the certificate.
#[derive(Default)]
struct Heard(Mutex<HashMap<String, v1::Certificate>>);

impl Heard {
    /// Whether each item of an answer has a certificate; none may have another than it had.
    fn take(&self, answer: v1::SignBatchResponse) -> bool {
        let mut heard = self.0.lock().unwrap();
        let mut is_whole = true;
        for result in answer.results {
            match result.outcome.expect("a result has an outcome") {
                Outcome::Certificate(certificate) => {
                    let known = heard.entry(result.item_id.clone()).or_insert_with(|| certificate.clone());
                    assert_eq!(known.hc1, certificate.hc1, "{} was answered twice", result.item_id);
                }
                Outcome::Error(error) => {
                    assert_ne!(error.code, tonic::Code::InvalidArgument as i32, "{}", error.message);
                    is_whole = false;
                }
            }
        }
        is_whole
    }
}

fn batch(backend: usize, number: usize) -> v1::SignBatchRequest {
    let item = |n: usize| v1::Item {
        item_id: format!("b{backend}-{number}-{n}"),
        payload_json: PAYLOAD.as_bytes().to_vec().into(),
        expires_at: None,
    };
    v1::SignBatchRequest { items: (0..ITEMS).map(item).collect(), ..Default::default() }
}

/// Asks one signer after another until the batch is whole; each third batch once more, elsewhere. Says how many batches it had.
async fn backend(number: usize, signers: Arc<[Signer; 3]>, heard: Arc<Heard>, is_over: Arc<AtomicBool>) -> usize {
    let mut asked = number;
    let mut batches = 0;
    while !is_over.load(Ordering::SeqCst) {
        let batch = batch(number, batches);
        let wanted = if batches % 3 == 0 { 2 } else { 1 };
        let mut answers = 0;
        while answers < wanted {
            asked += 1;
            let answer = signers[asked % 3].ask(batch.clone()).await;
            if answer.is_some_and(|answer| heard.take(answer)) {
                answers += 1;
            } else {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        batches += 1;
    }
    batches
}

/// The UVCI hashes of all that is on record; each chain's links are checked.
async fn on_record(database: &Database, signers: &[Signer]) -> HashSet<Octets<32>> {
    let store = PostgresStore::connect(database.url()).await.unwrap();
    let mut entries = HashSet::new();
    for signer in signers {
        let bodies = chain(database.url(), signer.name).await;
        assert!(bodies.iter().any(|body| body.kind() == "outcome"), "{} has signed", signer.name);
    }
    for state in store.chains().await.unwrap() {
        for row in store.rows(state.chain, 0, usize::MAX).await.unwrap() {
            let record = sceau::ledger::record::Record::from_cbor(&row.record.unwrap()).unwrap();
            if record.body.kind() == "outcome" {
                let detail = row.detail.unwrap();
                entries.extend(detail.chunks(Entry::BYTES).map(|entry| Entry::read(entry).unwrap().uci));
            }
        }
    }
    entries
}

fn make_ledger_key(home: &Path) {
    let file = home.join("ledger.keys");
    fs::write(&file, "1".repeat(64)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_signers_that_fail_in_turn_no_item_is_lost_or_answered_twice() {
    let database = Server::shared().empty_database();
    let proxy = Proxy::before(&database);
    let home = dev_folder();
    make_ledger_key(home.path());
    let direct = database.url_text();
    let signers = [("north", direct.clone()), ("south", proxy.url_text()), ("east", direct)];
    let signers = Arc::new(signers.map(|(name, url)| Signer::new(home.path(), name, &url)));
    let ran = run(sceau().args(["ledger", "migrate", "--config"]).arg(&signers[0].config));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    signers.iter().for_each(Signer::start);
    let [north, _south, east] = &*signers;

    let (heard, is_over) = (Arc::new(Heard::default()), Arc::new(AtomicBool::new(false)));
    let work = |number| tokio::spawn(backend(number, Arc::clone(&signers), Arc::clone(&heard), Arc::clone(&is_over)));
    let backends: Vec<_> = (0..BACKENDS).map(work).collect();
    let pause = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
    pause(1).await;
    north.end_by("-KILL");
    pause(2).await;
    proxy.set(Line::Silent);
    pause(3).await;
    tokio::task::block_in_place(|| north.start());
    proxy.set(Line::Cut);
    pause(1).await;
    proxy.set(Line::Open);
    pause(1).await;
    tokio::task::block_in_place(|| {
        east.end_by("-TERM");
        east.start();
    });
    pause(2).await;
    is_over.store(true, Ordering::SeqCst);
    let mut batches = Vec::new();
    for backend in backends {
        batches.push(tokio::time::timeout(BOUND, backend).await.expect("each batch is answered").unwrap());
    }

    // Whoever is asked now gives what was given.
    for (number, batches) in batches.iter().enumerate() {
        for last in batches.saturating_sub(3)..*batches {
            for signer in &*signers {
                assert!(heard.take(signer.ask(batch(number, last)).await.unwrap()), "{}", signer.name);
            }
        }
    }
    let entries = on_record(&database, &*signers).await;
    let heard = heard.0.lock().unwrap().clone();
    assert_eq!(heard.len(), batches.iter().sum::<usize>() * ITEMS);
    assert!(heard.len() > 100, "{}", heard.len());
    for certificate in heard.values() {
        assert!(entries.contains(&Octets::from(Digest::of(certificate.uvci.as_bytes()))), "{} is on record", certificate.uvci);
    }
}

#[test]
fn a_signer_without_tables_names_the_command_and_no_password() {
    let database = Server::shared().empty_database();
    let home = dev_folder();
    let file = home.path().join("sceau.toml");
    edit(&file, "[signing]", "[ledger]\nstore = \"postgres\"\n\n[signing]");
    let ran = serve_in_vain(home.path());
    assert_eq!(ran.code, Some(78), "{}", ran.stderr);
    assert!(ran.stderr.contains("ledger.url is missing"), "{}", ran.stderr);
    let url = database.url_text();
    make_ledger_key(home.path());
    edit(
        &file,
        "store = \"postgres\"",
        &format!("store = \"postgres\"\nkey_file = \"ledger.keys\"\nurl = \"{}\"", url.replace("sceau@", "sceau:hush@")),
    );
    let ran = serve_in_vain(home.path());
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("`sceau ledger migrate`") && !ran.stderr.contains("hush"), "{}", ran.stderr);
    edit(&file, &database.name, "nowhere");
    let ran = serve_in_vain(home.path());
    assert!(ran.stderr.contains("nowhere") && !ran.stderr.contains("hush"), "{}", ran.stderr);
    edit(&file, "store = \"postgres\"", "store = \"sqlite\"");
    let ran = run(sceau().args(["ledger", "migrate", "--config"]).arg(&file));
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("nothing to bring up to date"), "{}", ran.stderr);
}
