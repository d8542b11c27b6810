//! Ten thousand calls of which many are cancelled, late, cut off, doubled or repeated: each item ends with one certificate.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sceau::ledger::{MemoryLedger, Retention};
use sceau::service::Limits;
use sceau::service::proto::v1;
use sceau::service::proto::v1::result::Outcome;
use sceau::service::proto::v1::signer_client::SignerClient;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

use crate::support::{LocalServer, TestDsc, settings, signer_over};

const PAYLOAD: &str = r#"{"ver":"1.3.0","nam":{"fn":"Wéa","gn":"Jeanne"},"dob":"1984-03-02","v":[{"tg":"840539006","vp":"1119349007",
"mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":1,"dt":"2021-09-06","co":"FR","is":"DASS-NC"}]}"#;

/// Backends that work beside each other, and the batches of each; a batch is asked for until it is answered.
const BACKENDS: u64 = 8;
const BATCHES: usize = 250;
const ITEMS: usize = 3;
const CALLS: usize = 10_000;

/// What one backend heard of its items: each certificate and each final error, however often.
#[derive(Default)]
struct Heard {
    calls: usize,
    certificates: HashMap<String, Vec<String>>,
    refused: HashMap<String, Vec<i32>>,
}

impl Heard {
    fn take(&mut self, answer: v1::SignBatchResponse) {
        for result in answer.results {
            match result.outcome.expect("a result has an outcome") {
                Outcome::Certificate(certificate) => self.certificates.entry(result.item_id).or_default().push(certificate.hc1),
                // Others are no answer: the item is asked for again.
                Outcome::Error(error) if error.code == tonic::Code::InvalidArgument as i32 => {
                    self.refused.entry(result.item_id).or_default().push(error.code);
                }
                Outcome::Error(_) => {}
            }
        }
    }

    fn knows(&self, batch: &v1::SignBatchRequest) -> bool {
        let is_known =
            |item: &v1::Item| self.certificates.contains_key(&item.item_id) || self.refused.contains_key(&item.item_id);
        batch.items.iter().all(is_known)
    }
}

fn batch(backend: u64, number: usize) -> v1::SignBatchRequest {
    let item = |n: usize| v1::Item {
        item_id: format!("b{backend}-{number}-{n}"),
        // One in ten is no certificate.
        payload_json: if (number * ITEMS + n) % 10 == 9 { b"{}".to_vec().into() } else { PAYLOAD.as_bytes().to_vec().into() },
        expires_at: None,
    };
    v1::SignBatchRequest { items: (0..ITEMS).map(item).collect(), ..Default::default() }
}

async fn work(endpoint: Endpoint, backend: u64) -> Heard {
    let mut random = StdRng::seed_from_u64(backend);
    let mut heard = Heard::default();
    let mut channel = endpoint.connect_lazy();
    let mut number = 0;
    while number < BATCHES || heard.calls < CALLS / BACKENDS as usize {
        let batch = batch(backend, number % BATCHES);
        // What is known is asked for again now and then: a retry of an answer that was lost.
        while !heard.knows(&batch) || random.random_bool(0.3) {
            let client = SignerClient::new(channel.clone());
            match random.random_range(0..6) {
                // As it should be.
                0 | 1 => heard.note(call(client, batch.clone(), None).await),
                // With a deadline that may be too short.
                2 => {
                    let patience = Duration::from_micros(random.random_range(100..20_000));
                    heard.note(call(client, batch.clone(), Some(patience)).await);
                }
                // Given up in the middle.
                3 => {
                    let patience = Duration::from_micros(random.random_range(10..5_000));
                    if let Ok(answer) = tokio::time::timeout(patience, call(client, batch.clone(), None)).await {
                        heard.note(answer);
                    } else {
                        heard.calls += 1;
                    }
                }
                // Twice at the same time.
                4 => {
                    let twice = tokio::join!(call(client.clone(), batch.clone(), None), call(client, batch.clone(), None));
                    heard.note(twice.0);
                    heard.note(twice.1);
                }
                // The connection goes with the call in work.
                _ => {
                    let lost = tokio::spawn(call(
                        SignerClient::new(std::mem::replace(&mut channel, endpoint.connect_lazy())),
                        batch.clone(),
                        None,
                    ));
                    tokio::time::sleep(Duration::from_micros(random.random_range(10..3_000))).await;
                    lost.abort();
                    heard.calls += 1;
                }
            }
        }
        number += 1;
    }
    heard
}

impl Heard {
    fn note(&mut self, answer: Option<v1::SignBatchResponse>) {
        self.calls += 1;
        if let Some(answer) = answer {
            self.take(answer);
        }
    }
}

/// One call; nothing where it failed as a whole.
async fn call(
    mut client: SignerClient<Channel>,
    batch: v1::SignBatchRequest,
    patience: Option<Duration>,
) -> Option<v1::SignBatchResponse> {
    let mut request = Request::new(batch);
    if let Some(patience) = patience {
        request.set_timeout(patience);
    }
    client.sign_batch(request).await.ok().map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_calls_an_item_ends_with_one_certificate_or_one_error() {
    let (signer, _) = signer_over(&[TestDsc::default()], settings());
    let kept = Retention { keep: Duration::from_secs(600), max_items: NonZeroUsize::new(100_000).unwrap() };
    let signer = signer.with_ledger(Arc::new(MemoryLedger::new(kept)));
    let server = LocalServer::start(signer, Limits::default()).await;
    let endpoint = Endpoint::from_shared(server.endpoint.clone()).unwrap();
    let mut backends = JoinSet::new();
    for backend in 0..BACKENDS {
        backends.spawn(work(endpoint.clone(), backend));
    }
    let (mut calls, mut items, mut answers) = (0, 0, 0);
    while let Some(heard) = backends.join_next().await {
        let heard = Arc::new(heard.unwrap());
        calls += heard.calls;
        for (item_id, certificates) in &heard.certificates {
            assert!(certificates.iter().all(|hc1| *hc1 == certificates[0]), "{item_id} has several certificates");
            assert!(!heard.refused.contains_key(item_id), "{item_id} has a certificate and an error");
            answers += certificates.len();
        }
        items += heard.certificates.len() + heard.refused.len();
    }
    println!("{calls} calls, {items} items, {answers} certificates heard");
    assert_eq!(items, BACKENDS as usize * BATCHES * ITEMS);
    assert!(calls >= CALLS && answers > items, "{calls} calls, {answers} answers");
}
