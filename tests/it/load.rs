//! A load that an issuance backend makes: several callers, batch after batch, each item asked for again until it is signed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sceau::domain::{Digest, Dsc, Kid, SignatureCheck, pem};
use sceau::encode::SignedHcert;
use sceau::service::proto::v1;
use sceau::service::proto::v1::result::Outcome;
use sceau::service::proto::v1::signer_client::SignerClient;
use tonic::transport::Channel;

use crate::testdata::read;

/// Callers at the same time, and items of each of their batches.
const CALLERS: usize = 4;
const BATCH: usize = 25;

/// A load that runs until it is finished.
pub(crate) struct Load {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Runtime,
    callers: Vec<tokio::task::JoinHandle<()>>,
}

struct Shared {
    /// What its item ids begin with, so that another load on the same service brings other items.
    name: String,
    payloads: Vec<String>,
    stop: AtomicBool,
    next: AtomicUsize,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    /// How often each item was signed, and its certificate.
    signed: HashMap<String, (usize, String)>,
    asked: usize,
    /// Answers that were no certificate, after which the item was asked for again.
    refusals: usize,
    /// Batches whose answer was not one result an item, in order.
    misshapen: usize,
    last_refusal: String,
}

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) signed: usize,
    pub(crate) refusals: usize,
    pub(crate) wrong: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) misshapen: usize,
    /// The last answer that was no certificate.
    #[expect(dead_code, reason = "shown where a test fails")]
    pub(crate) last_refusal: String,
}

impl Summary {
    /// Every item was answered once, in its place, with a certificate that verifies.
    pub(crate) const fn is_clean(&self) -> bool {
        self.wrong == 0 && self.lost == 0 && self.doubled == 0 && self.misshapen == 0
    }
}

impl Load {
    pub(crate) fn start(endpoint: &str, payloads: &[String]) -> Self {
        static LOADS: AtomicUsize = AtomicUsize::new(0);
        let shared = Arc::new(Shared {
            name: format!("load-{}", LOADS.fetch_add(1, Ordering::SeqCst)),
            payloads: payloads.to_vec(),
            stop: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            log: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let callers = (0..CALLERS).map(|_| runtime.spawn(call(endpoint.to_owned(), Arc::clone(&shared)))).collect();
        Self { shared, runtime, callers }
    }

    /// Items that are signed.
    pub(crate) fn signed(&self) -> usize {
        self.shared.log.lock().unwrap().signed.len()
    }

    /// Waits until so many more items are signed, but not for ever.
    pub(crate) fn sign_at_least(&self, items: usize, bound: Duration) {
        let (until, start) = (self.signed() + items, Instant::now());
        while self.signed() < until && start.elapsed() < bound {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the load and looks at every certificate.
    pub(crate) fn finish(self, trust: &Path) -> Summary {
        self.shared.stop.store(true, Ordering::SeqCst);
        for caller in self.callers {
            self.runtime.block_on(caller).unwrap();
        }
        let trust = Trust::read(trust);
        let log = self.shared.log.lock().unwrap();
        Summary {
            signed: log.signed.len(),
            refusals: log.refusals,
            wrong: log.signed.values().filter(|(_, hc1)| !trust.verifies(hc1)).count(),
            lost: log.asked - log.signed.len(),
            doubled: log.signed.values().filter(|(times, _)| *times != 1).count(),
            misshapen: log.misshapen,
            last_refusal: log.last_refusal.clone(),
        }
    }
}

/// One caller: a batch of new items, of which those that are not signed are asked for again until they are.
async fn call(endpoint: String, shared: Arc<Shared>) {
    let mut client = SignerClient::connect(endpoint).await.unwrap();
    while !shared.stop.load(Ordering::SeqCst) {
        let mut items: Vec<v1::Item> = (0..BATCH).map(|_| shared.item()).collect();
        shared.log.lock().unwrap().asked += items.len();
        let start = Instant::now();
        while !items.is_empty() && start.elapsed() < Duration::from_secs(60) {
            items = sign(&mut client, items, &shared).await;
            if !items.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Asks once; gives back what was not signed.
async fn sign(client: &mut SignerClient<Channel>, items: Vec<v1::Item>, shared: &Shared) -> Vec<v1::Item> {
    let request = v1::SignBatchRequest { items: items.clone(), lane: v1::Lane::Bulk.into(), ..Default::default() };
    let answer = client.sign_batch(request).await;
    let mut log = shared.log.lock().unwrap();
    let results = match answer {
        Ok(answer) => answer.into_inner().results,
        Err(status) => {
            log.refusals += items.len();
            log.last_refusal = status.to_string();
            return items;
        }
    };
    let is_shaped =
        results.len() == items.len() && results.iter().zip(&items).all(|(result, item)| result.item_id == item.item_id);
    log.misshapen += usize::from(!is_shaped);
    let mut again = Vec::new();
    for (result, item) in results.into_iter().zip(items) {
        match result.outcome {
            Some(Outcome::Certificate(certificate)) => {
                log.signed.entry(item.item_id).or_insert_with(|| (0, certificate.hc1)).0 += 1;
            }
            Some(Outcome::Error(error)) => {
                log.refusals += 1;
                log.last_refusal = error.message;
                again.push(item);
            }
            None => log.misshapen += 1,
        }
    }
    again
}

impl Shared {
    fn item(&self) -> v1::Item {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let payload = self.payloads[number % self.payloads.len()].clone();
        v1::Item { item_id: format!("{}-{number}", self.name), payload_json: payload.into(), expires_at: None }
    }
}

/// The DSCs that certificates may be of.
struct Trust(Vec<(Kid, SignatureCheck)>);

impl Trust {
    fn read(path: &Path) -> Self {
        let dscs = pem::certificates(&read(path)).map(|der| Dsc::from_der(&der.unwrap()).unwrap()).collect::<Vec<_>>();
        Self(dscs.iter().map(|dsc| (dsc.kid(), SignatureCheck::new(dsc.public_key()).unwrap())).collect())
    }

    fn verifies(&self, hc1: &str) -> bool {
        let Ok(read) = SignedHcert::decode(hc1) else { return false };
        let digest = Digest::of(&read.sig_structure());
        self.0.iter().any(|(kid, check)| *kid == read.kid() && check.accepts(&digest, read.signature()))
    }
}
