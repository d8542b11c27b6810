//! Callers who have items signed, at every replica: streams in the bulk lane, and single certificates in the interactive one. No
//! item is asked for twice.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::stream;
use sceau::domain::{Kid, NumericDate};
use sceau::service::proto::v1;
use sceau::service::proto::v1::result::Outcome;
use sceau::service::proto::v1::signer_client::SignerClient;
use serde_json::Value;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::RpcStatusExt;

use crate::shared::binary::{run, sceau};

/// How much is asked.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// Streams at each replica.
    pub(crate) streams: usize,
    /// Items of each of their chunks.
    pub(crate) chunk: usize,
    /// Between two chunks of a stream, and between two single certificates.
    pub(crate) pause: Duration,
}

/// Callers at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    callers: Vec<JoinHandle<()>>,
}

/// What a replica answered about one item.
pub(crate) struct Answer {
    pub(crate) item_id: String,
    /// Not before that was it asked for.
    pub(crate) asked: Instant,
    pub(crate) replica: usize,
    /// Why there is no certificate, where there is none.
    pub(crate) outcome: Result<Issued, String>,
}

/// A certificate, and what its answer said of it.
pub(crate) struct Issued {
    pub(crate) hc1: String,
    pub(crate) kid: Kid,
    pub(crate) issued_at: NumericDate,
}

struct Shared {
    payloads: Vec<Vec<u8>>,
    pace: Pace,
    next: AtomicUsize,
    ends: AtomicBool,
    answers: Mutex<Vec<Answer>>,
    /// The longest that a single certificate took.
    slowest: Mutex<Duration>,
    not_serving: AtomicUsize,
}

impl Load {
    /// Begins when every replica says that it serves.
    pub(crate) async fn start(endpoints: &[String], pace: Pace) -> Self {
        let shared = Arc::new(Shared {
            payloads: payloads(),
            pace,
            next: AtomicUsize::new(0),
            ends: AtomicBool::new(false),
            answers: Mutex::default(),
            slowest: Mutex::default(),
            not_serving: AtomicUsize::new(0),
        });
        let mut callers = Vec::new();
        for endpoint in endpoints {
            serves_in_time(Endpoint::from_shared(endpoint.clone()).unwrap().connect().await.unwrap()).await;
        }
        for (replica, endpoint) in endpoints.iter().enumerate() {
            for _ in 0..pace.streams {
                let client = SignerClient::connect(endpoint.clone()).await.unwrap();
                callers.push(tokio::spawn(Arc::clone(&shared).stream(replica, client)));
            }
            let channel = Endpoint::from_shared(endpoint.clone()).unwrap().connect().await.unwrap();
            callers.push(tokio::spawn(Arc::clone(&shared).one_by_one(replica, channel)));
        }
        Self { shared, callers }
    }

    /// Items that were answered.
    pub(crate) fn answered(&self) -> usize {
        self.shared.answers.lock().unwrap().len()
    }

    /// Ends it, and gives every answer: one for each item that was asked for.
    pub(crate) async fn finish(&mut self) -> Vec<Answer> {
        self.shared.ends.store(true, Ordering::SeqCst);
        for caller in self.callers.drain(..) {
            caller.await.unwrap();
        }
        let answers = std::mem::take(&mut *self.shared.answers.lock().unwrap());
        let mut ids: Vec<&str> = answers.iter().map(|answer| answer.item_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let asked = self.shared.next.load(Ordering::SeqCst);
        assert_eq!((answers.len(), ids.len()), (asked, asked), "each item is answered, and once");
        answers
    }

    /// How long the slowest single certificate took.
    pub(crate) fn slowest(&self) -> Duration {
        *self.shared.slowest.lock().unwrap()
    }

    /// How often a replica said of itself that it does not serve.
    pub(crate) fn not_serving(&self) -> usize {
        self.shared.not_serving.load(Ordering::SeqCst)
    }

    /// The same item again, as a caller asks who has lost the answer.
    pub(crate) async fn ask_again(&self, endpoint: &str, before: &Answer) -> Result<Issued, String> {
        let mut client = SignerClient::connect(endpoint.to_owned()).await.unwrap();
        let items = vec![self.shared.item(before.item_id.parse().unwrap())];
        let request = v1::SignBatchRequest { items, ..Default::default() };
        let mut answer = client.sign_batch(request).await.map_err(|status| status.to_string())?.into_inner();
        issued(answer.results.remove(0))
    }
}

impl Shared {
    fn items(&self, count: usize) -> Vec<v1::Item> {
        let first = self.next.fetch_add(count, Ordering::SeqCst);
        (first..first + count).map(|number| self.item(number)).collect()
    }

    fn item(&self, number: usize) -> v1::Item {
        let payload = self.payloads[number % self.payloads.len()].clone();
        v1::Item { item_id: number.to_string(), payload_json: payload.into(), expires_at: None }
    }

    fn has_ended(&self) -> bool {
        self.ends.load(Ordering::SeqCst)
    }

    /// Chunks in one stream, until it ends.
    async fn stream(self: Arc<Self>, replica: usize, mut client: SignerClient<Channel>) {
        let sent = Arc::new(Mutex::new(std::collections::VecDeque::new()));
        let (its, of_it) = (Arc::clone(&self), Arc::clone(&sent));
        let chunks = stream::unfold((), move |()| {
            let (shared, sent) = (Arc::clone(&its), Arc::clone(&of_it));
            async move {
                if shared.has_ended() {
                    return None;
                }
                tokio::time::sleep(shared.pace.pause).await;
                let items = shared.items(shared.pace.chunk);
                let ids: Vec<String> = items.iter().map(|item| item.item_id.clone()).collect();
                sent.lock().unwrap().push_back((ids, Instant::now()));
                Some((v1::SignBatchRequest { items, lane: v1::Lane::Bulk.into(), ..Default::default() }, ()))
            }
        });
        let mut why_over = "the stream ended before its answer".to_owned();
        match client.sign_stream(chunks).await {
            Ok(answers) => {
                let mut answers = answers.into_inner();
                loop {
                    match answers.message().await {
                        Ok(Some(answer)) => {
                            let (ids, asked) = sent.lock().unwrap().pop_front().expect("an answer is to a chunk");
                            self.note(replica, ids, asked, answer.results);
                        }
                        Ok(None) => break,
                        Err(status) => {
                            why_over = status.to_string();
                            break;
                        }
                    }
                }
            }
            Err(status) => why_over = status.to_string(),
        }
        for (ids, asked) in std::mem::take(&mut *sent.lock().unwrap()) {
            self.note_refused(replica, ids, asked, &why_over);
        }
    }

    /// One certificate after another, as somebody waits for it; and how the replica says that it is.
    async fn one_by_one(self: Arc<Self>, replica: usize, channel: Channel) {
        let (mut client, mut health) = (SignerClient::new(channel.clone()), HealthClient::new(channel));
        while !self.has_ended() {
            tokio::time::sleep(self.pace.pause).await;
            let items = self.items(1);
            let (ids, asked) = (vec![items[0].item_id.clone()], Instant::now());
            let request = v1::SignBatchRequest { items, lane: v1::Lane::Interactive.into(), ..Default::default() };
            match client.sign_batch(request).await {
                Ok(answer) => self.note(replica, ids, asked, answer.into_inner().results),
                Err(status) => self.note_refused(replica, ids, asked, &status.to_string()),
            }
            self.note_time(asked.elapsed());
            self.not_serving.fetch_add(usize::from(!serves(&mut health).await), Ordering::SeqCst);
        }
    }

    fn note_time(&self, took: Duration) {
        let mut slowest = self.slowest.lock().unwrap();
        *slowest = took.max(*slowest);
    }

    fn note(&self, replica: usize, ids: Vec<String>, asked: Instant, results: Vec<v1::Result>) {
        let answered: Vec<&str> = results.iter().map(|result| result.item_id.as_str()).collect();
        assert_eq!(answered, ids, "one result an item, in order");
        let mut answers = self.answers.lock().unwrap();
        for result in results {
            answers.push(Answer { item_id: result.item_id.clone(), asked, replica, outcome: issued(result) });
        }
    }

    fn note_refused(&self, replica: usize, ids: Vec<String>, asked: Instant, reason: &str) {
        let refused = |item_id| Answer { item_id, asked, replica, outcome: Err(reason.to_owned()) };
        self.answers.lock().unwrap().extend(ids.into_iter().map(refused));
    }
}

async fn serves(health: &mut HealthClient<Channel>) -> bool {
    let said = health.check(HealthCheckRequest::default()).await;
    said.is_ok_and(|said| said.get_ref().status() == ServingStatus::Serving)
}

async fn serves_in_time(channel: Channel) {
    let (mut health, began) = (HealthClient::new(channel), Instant::now());
    while !serves(&mut health).await {
        assert!(began.elapsed() < Duration::from_secs(30), "a replica whose key signs says so");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn issued(result: v1::Result) -> Result<Issued, String> {
    match result.outcome.expect("a result holds a certificate or an error") {
        Outcome::Certificate(certificate) => Ok(Issued {
            kid: Kid::from(<[u8; 8]>::try_from(certificate.kid.as_ref()).unwrap()),
            issued_at: NumericDate::from_seconds(certificate.issued_at),
            hc1: certificate.hc1,
        }),
        Outcome::Error(error) => {
            let faults = error.get_details_bad_request().map(|faults| faults.field_violations).unwrap_or_default();
            let faults: Vec<String> = faults.into_iter().map(|fault| fault.description).collect();
            Err(format!("{} {}", error.message, faults.join(", ")))
        }
    }
}

fn payloads() -> Vec<Vec<u8>> {
    let ran = run(sceau().args(["sample", "--count", "1000"]));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let payload = |line: &str| serde_json::from_str::<Value>(line).unwrap()["payload"].to_string().into_bytes();
    ran.stdout.lines().map(payload).collect()
}
