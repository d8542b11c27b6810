//! Clients: bulk batches, several in flight, and single certificates, one after another.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sceau::domain::Lane;
use sceau::service::client::{Client, ClientBatch, ClientItem, Connection};
use sceau::service::proto::v1;
use sceau::service::proto::v1::signer_client::SignerClient;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::runtime::{Builder, Runtime};

use crate::shared::binary::{run, sceau};

/// Different payloads that take turns.
const PAYLOADS: usize = 5_000;
/// Items of a batch: as many as `sceau sign` sends at once.
pub(crate) const BATCH: usize = 500;
/// Batches at the service at the same time: half a second's work of a token that signs 6,400 a second, and a quarter of what
/// the bulk lane takes.
pub(crate) const IN_FLIGHT: usize = 8;
/// Until queues are filled.
const WARM_UP: Duration = Duration::from_secs(1);

/// A client of one service.
pub(crate) struct Load {
    client: Client,
    payloads: Arc<Vec<Bytes>>,
    /// The next item's number: no item id is used twice.
    next: Arc<AtomicU64>,
    batch: usize,
    in_flight: usize,
    runtime: Runtime,
}

#[derive(Deserialize)]
struct Sample<'a> {
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// When batches of a size were answered.
pub(crate) struct Answers {
    batch: usize,
    times: Mutex<Vec<Instant>>,
}

impl Load {
    pub(crate) fn new(endpoint: &str) -> Self {
        Self::of_batches(endpoint, BATCH, IN_FLIGHT)
    }

    /// One with bulk batches of another size, so many at a time.
    pub(crate) fn of_batches(endpoint: &str, batch: usize, in_flight: usize) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let client = runtime.block_on(Client::connect(&plain(endpoint))).unwrap();
        let samples = run(sceau().args(["sample", "--count", &PAYLOADS.to_string()]));
        assert_eq!(samples.code, Some(0), "{}", samples.stderr);
        let payload = |line: &str| Bytes::from(serde_json::from_str::<Sample<'_>>(line).unwrap().payload.get().to_owned());
        let payloads = Arc::new(samples.stdout.lines().map(payload).collect());
        // A ledger that runs share knows the items of the last one.
        let next = Arc::new(AtomicU64::new(rand::random::<u32>().into()));
        Self { client, payloads, next, batch, in_flight, runtime }
    }

    /// Signs bulk batches, and waits for the last.
    pub(crate) fn sign(&self, batches: u64) {
        self.run(&Arc::new(AtomicU64::new(batches)), &self.answers(), || ());
    }

    /// Keeps the service busy with bulk batches, and does something when it is.
    pub(crate) fn saturate<T>(&self, work: impl FnOnce(&Answers) -> T) -> T {
        let (left, answers) = (Arc::new(AtomicU64::new(u64::MAX)), self.answers());
        self.run(&left, &answers, || {
            std::thread::sleep(WARM_UP);
            let result = work(&answers);
            left.store(0, Ordering::Relaxed);
            result
        })
    }

    /// Single items, one after another, that nothing in this process delays, but for the network; nothing is asked of them but
    /// their time.
    pub(crate) fn interactive(&self, endpoint: &str, count: usize) -> Latencies {
        self.one_by_one(endpoint, Duration::ZERO, |done| done < count)
    }

    /// The same, with a pause between two, until somebody says that it has ended.
    pub(crate) fn interactive_until(&self, endpoint: &str, pause: Duration, ended: &AtomicBool) -> Latencies {
        self.one_by_one(endpoint, pause, |_| !ended.load(Ordering::Relaxed))
    }

    fn one_by_one(&self, endpoint: &str, pause: Duration, goes_on: impl Fn(usize) -> bool) -> Latencies {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut times = runtime.block_on(async {
            let client = Client::connect(&plain(endpoint)).await.unwrap();
            let mut times = Vec::new();
            while goes_on(times.len()) {
                let batch = self.sender().batch(Lane::Interactive, 1);
                let began = Instant::now();
                let results = client.sign_batch(batch).await.unwrap();
                times.push(began.elapsed());
                assert!(results.len() == 1 && results[0].outcome.is_ok(), "{results:?}");
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            times
        });
        times.sort_unstable();
        Latencies(times)
    }

    /// Signs chunks over one stream, as fast as the service takes them.
    pub(crate) fn stream(&self, endpoint: &str, chunks: u64) {
        let (sender, size) = (self.sender(), self.batch);
        let requests = tokio_stream::iter((0..chunks).map(move |_| {
            let items = sender.batch(Lane::Bulk, size).items.into_iter();
            let items = items.map(|item| v1::Item { item_id: item.item_id, payload_json: item.payload, expires_at: None });
            v1::SignBatchRequest { items: items.collect(), lane: v1::Lane::Bulk.into(), ..Default::default() }
        }));
        self.runtime.block_on(async {
            let mut client = SignerClient::connect(endpoint.to_owned()).await.unwrap();
            let mut answers = client.sign_stream(requests).await.unwrap().into_inner();
            let mut answered = 0;
            while let Some(answer) = answers.message().await.unwrap() {
                let is_signed = |result: &v1::Result| matches!(result.outcome, Some(v1::result::Outcome::Certificate(_)));
                assert!(answer.results.len() == size && answer.results.iter().all(is_signed), "every item is signed");
                answered += 1;
            }
            assert_eq!(answered, chunks, "each chunk is answered");
        });
    }

    /// Sends batches from several tasks while `left` lasts, and does something meanwhile.
    fn run<T>(&self, left: &Arc<AtomicU64>, answers: &Arc<Answers>, meanwhile: impl FnOnce() -> T) -> T {
        let task = |_| {
            let (sender, left, answers) = (self.sender(), Arc::clone(left), Arc::clone(answers));
            self.runtime.spawn(sender.send_while(left, answers))
        };
        let tasks: Vec<_> = (0..self.in_flight).map(task).collect();
        let result = meanwhile();
        tasks.into_iter().for_each(|task| self.runtime.block_on(task).unwrap());
        result
    }

    fn answers(&self) -> Arc<Answers> {
        Arc::new(Answers { batch: self.batch, times: Mutex::default() })
    }

    fn sender(&self) -> Sender {
        Sender { client: self.client.clone(), payloads: Arc::clone(&self.payloads), next: Arc::clone(&self.next) }
    }
}

/// One replica, in plain text.
fn plain(endpoint: &str) -> Connection {
    Connection { endpoints: vec![endpoint.to_owned()], tls: None }
}

struct Sender {
    client: Client,
    payloads: Arc<Vec<Bytes>>,
    next: Arc<AtomicU64>,
}

impl Sender {
    async fn send_while(self, left: Arc<AtomicU64>, answers: Arc<Answers>) {
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            let batch = self.batch(Lane::Bulk, answers.batch);
            let results = self.client.sign_batch(batch).await.unwrap();
            let refused = results.iter().find(|result| result.outcome.is_err());
            assert!(results.len() == answers.batch && refused.is_none(), "{} results; {refused:?}", results.len());
            answers.times.lock().unwrap().push(Instant::now());
        }
    }

    fn batch(&self, lane: Lane, count: usize) -> ClientBatch {
        let first = self.next.fetch_add(count as u64, Ordering::Relaxed);
        let item = |number: u64| ClientItem {
            item_id: format!("soak-{number:09}"),
            payload: self.payloads[number as usize % self.payloads.len()].clone(),
            expires_at: None,
        };
        let items = (first..first + count as u64).map(item).collect();
        ClientBatch { profile: String::new(), lane, validate_only: false, items }
    }
}

impl Answers {
    /// Waits, and gives the items a second meanwhile: the slope of the line through all answers, for they come in clusters,
    /// and one at the window's edge would count too much.
    pub(crate) fn rate_over(&self, time: Duration) -> f64 {
        let seen = self.times.lock().unwrap().len();
        std::thread::sleep(time);
        let answers = self.times.lock().unwrap();
        let times = &answers[seen..];
        let Some(first) = times.first() else { return 0.0 };
        let points = times.iter().enumerate().map(|(number, at)| ((*at - *first).as_secs_f64(), number as f64));
        self.batch as f64 * slope(&points.collect::<Vec<_>>())
    }
}

/// Of the line that is nearest to all points, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (mean_x, mean_y) =
        (points.iter().map(|(x, _)| x).sum::<f64>() / count, points.iter().map(|(_, y)| y).sum::<f64>() / count);
    let products: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    products / points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>()
}

/// Sorted.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// In milliseconds: the time that so many percent took at most.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let place = (self.0.len() * percent).div_ceil(100).clamp(1, self.0.len());
        self.0[place - 1].as_secs_f64() * 1000.0
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p95, p99, max] = [50, 95, 99, 100].map(|percent| self.percentile(percent));
        write!(f, "p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms, max {max:.1} ms, of {}", self.0.len())
    }
}
