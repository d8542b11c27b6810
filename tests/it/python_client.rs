//! The example client in Python: against `sceau dev`, and against a service that is busy.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, Stream};
use sceau::service::proto::v1;
use sceau::service::proto::v1::signer_server::{Signer, SignerServer};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

use crate::softhsm::{lines, samples, verify_ourselves};
use crate::support::{DevServer, run};
use crate::testdata::environment;

/// The client, where there is a Python that has what it needs.
pub(crate) fn client() -> Option<Command> {
    let Some(python) = environment("SCEAU_PYTHON") else {
        assert!(environment("CI").is_none_or(|ci| ci != "true"), "SCEAU_PYTHON is not set; tests/run sets it");
        eprintln!("SCEAU_PYTHON is not set: this test CHECKS NOTHING; tests/run sets it");
        return None;
    };
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/sign.py"));
    Some(command)
}

fn payloads(dir: &Path, lines: &str) -> PathBuf {
    let path = dir.join("payloads.ndjson");
    fs::write(&path, lines).unwrap();
    path
}

#[test]
fn the_python_client_signs_in_batches_and_explains() {
    let Some(mut client) = client() else { return };
    let (server, home) = (DevServer::start(), tempfile::tempdir().unwrap());
    let input = samples(home.path(), 20);
    fs::OpenOptions::new().append(true).open(&input).unwrap().write_all(b"{\"id\":\"bad\",\"payload\":{\"ver\":7}}\n").unwrap();
    let out = home.path().join("signed");
    client.args(["--endpoint", server.endpoint.strip_prefix("http://").unwrap(), "--batch", "8", "--in"]).arg(&input);
    let ran = run(client.arg("--out").arg(&out));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("bad: INVALID_ARGUMENT") && ran.stderr.contains("ver [schema.type]"), "{}", ran.stderr);
    let id = |line: &serde_json::Value| line["id"].clone();
    let asked: Vec<_> = lines(&input)[..20].iter().map(id).collect();
    assert_eq!(lines(&out).iter().map(id).collect::<Vec<_>>(), asked);
    verify_ourselves(&server, &out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_python_client_comes_again_when_the_service_says_so() {
    let Some(client) = client() else { return };
    let busy = Status::with_error_details(
        Code::ResourceExhausted,
        "the queue is full",
        ErrorDetails::with_retry_info(Some(Duration::from_secs(1))),
    );
    let service = Scripted::answering([Err(busy), Err(Status::unavailable("away")), Ok(())]);
    let (ran, ids) = call(client, &service, "30").await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("RESOURCE_EXHAUSTED: the queue is full; again in 1."), "{}", ran.stderr);
    assert!(ran.stderr.contains("UNAVAILABLE: away; again in 0."), "{}", ran.stderr);
    assert_eq!((ids, service.calls()), (vec!["a".to_owned(), "b".to_owned()], 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_python_client_does_not_repeat_what_no_retry_would_help() {
    let Some(client) = client() else { return };
    let service = Scripted::answering([Err(Status::permission_denied("no such right")), Ok(())]);
    let (ran, ids) = call(client, &service, "30").await;
    assert_eq!((ran.code, ids.len(), service.calls()), (Some(1), 0, 1));
    assert!(ran.stderr.contains("PERMISSION_DENIED: no such right"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_python_client_gives_up_where_the_delay_is_past_its_deadline() {
    let Some(client) = client() else { return };
    let hour = ErrorDetails::with_retry_info(Some(Duration::from_secs(3600)));
    let busy = Status::with_error_details(Code::ResourceExhausted, "come tomorrow", hour);
    let service = Scripted::answering([Err(busy), Ok(())]);
    let (ran, _) = call(client, &service, "10").await;
    assert_eq!((ran.code, service.calls()), (Some(1), 1));
    assert!(ran.stderr.contains("RESOURCE_EXHAUSTED: come tomorrow"), "{}", ran.stderr);
}

/// Has the client sign two items, within so many seconds, and gives the ids that it wrote.
async fn call(mut client: Command, service: &Scripted, deadline: &str) -> (crate::support::Ran, Vec<String>) {
    let endpoint = service.clone().serve().await;
    let home = tempfile::tempdir().unwrap();
    let input = payloads(home.path(), "{\"id\":\"a\",\"payload\":{}}\n{\"id\":\"b\",\"payload\":{}}\n");
    let out = home.path().join("signed");
    client.args(["--endpoint", &endpoint, "--deadline", deadline, "--in"]).arg(input).arg("--out").arg(&out);
    // It waits in the test's own thread; the service has another.
    let ran = run(&mut client);
    let ids = lines(&out).iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    (ran, ids)
}

/// A service that gives the answers it was told to, one a call.
#[derive(Clone)]
struct Scripted {
    answers: Arc<Mutex<Vec<Result<(), Status>>>>,
    left_at_start: usize,
}

impl Scripted {
    fn answering<const N: usize>(answers: [Result<(), Status>; N]) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().rev().collect())), left_at_start: N }
    }

    fn calls(&self) -> usize {
        self.left_at_start - self.answers.lock().unwrap().len()
    }

    async fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let server = tonic::transport::Server::builder().add_service(SignerServer::new(self));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        endpoint
    }
}

#[tonic::async_trait]
impl Signer for Scripted {
    async fn sign_batch(&self, request: Request<v1::SignBatchRequest>) -> Result<Response<v1::SignBatchResponse>, Status> {
        self.answers.lock().unwrap().pop().unwrap_or_else(|| Err(Status::internal("no further answer")))?;
        let certificate = |item: v1::Item| v1::Result {
            item_id: item.item_id,
            outcome: Some(v1::result::Outcome::Certificate(v1::Certificate::default())),
        };
        Ok(Response::new(v1::SignBatchResponse { results: request.into_inner().items.into_iter().map(certificate).collect() }))
    }

    type SignStreamStream = Pin<Box<dyn Stream<Item = Result<v1::SignBatchResponse, Status>> + Send>>;

    async fn sign_stream(
        &self,
        _request: Request<Streaming<v1::SignBatchRequest>>,
    ) -> Result<Response<Self::SignStreamStream>, Status> {
        Ok(Response::new(Box::pin(stream::empty())))
    }

    async fn list_signing_certificates(
        &self,
        _request: Request<v1::ListSigningCertificatesRequest>,
    ) -> Result<Response<v1::ListSigningCertificatesResponse>, Status> {
        Ok(Response::new(v1::ListSigningCertificatesResponse::default()))
    }
}
