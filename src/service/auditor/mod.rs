//! What an auditor asks of a running service: what was signed, under which key, for whom; and how the ledger is.

mod client;
mod convert;
mod export;

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::access::name_of;
use super::proto::v1;
use super::proto::v1::auditor_server;
pub(super) use super::proto::v1::auditor_server::AuditorServer;
use super::question;
use crate::domain::{Clock, NumericDate};
use crate::ledger::LedgerKeys;
use crate::ledger::index::{Question, Records, Search, Tally};
use crate::ledger::store::StoreError;
use crate::ledger::writer::ChainWriter;
use crate::sign::AuditKey;

pub use client::AuditorClient;

/// Certificates a message.
const CERTIFICATES_A_MESSAGE: usize = 250;

/// Messages that wait for a slow reader; the search waits with them.
const MESSAGES_WAITING: usize = 4;

/// What questions are answered from.
#[derive(Clone, Debug)]
pub struct Auditing {
    /// The records.
    pub records: Records,
    /// The secrets under which an `item_id` is hashed.
    pub keys: LedgerKeys,
    /// What writes this service's chain.
    pub writer: ChainWriter,
    /// What signs exports; nothing where there is no audit key.
    pub audit: Option<Arc<AuditKey>>,
    /// When an export was made.
    pub clock: Arc<dyn Clock>,
}

/// Serves `sceau.v1.Auditor`.
#[derive(Clone, Debug)]
pub(super) struct AuditorService(Option<Arc<Auditing>>);

impl AuditorService {
    pub(super) fn new(auditing: Option<Arc<Auditing>>) -> Self {
        Self(auditing)
    }

    fn auditing(&self) -> Result<&Arc<Auditing>, Status> {
        self.0
            .as_ref()
            .ok_or_else(|| Status::failed_precondition("this service writes nothing down: ledger.store is none_at_own_risk"))
    }

    /// What is asked, put down in the log without what it asks about.
    fn question<T>(&self, request: &Request<T>, question: Option<&v1::Question>) -> Result<Question, Status> {
        let auditor = name_of(request);
        let question = question::read(question, &self.auditing()?.keys)?;
        tracing::info!(auditor, is_pointed = question.is_pointed(), "the ledger is asked");
        Ok(question)
    }
}

fn unavailable(error: &StoreError) -> Status {
    Status::unavailable(format!("the ledger: {error}"))
}

type Answers = Pin<Box<dyn Stream<Item = Result<v1::FindCertificatesResponse, Status>> + Send>>;

#[tonic::async_trait]
impl auditor_server::Auditor for AuditorService {
    type FindCertificatesStream = Answers;

    async fn find_certificates(&self, request: Request<v1::FindCertificatesRequest>) -> Result<Response<Answers>, Status> {
        let question = self.question(&request, request.get_ref().question.as_ref())?;
        let search = self.auditing()?.records.search(question).await.map_err(|error| unavailable(&error))?;
        let limit = request.get_ref().limit;
        let (answers, stream) = mpsc::channel(MESSAGES_WAITING);
        tokio::spawn(async move {
            if let Err(error) = send_found(search, limit, &answers).await {
                // Whoever has gone hears nothing.
                let _ = answers.send(Err(unavailable(&error))).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    type ExportLedgerStream = Pin<Box<dyn Stream<Item = export::Piece> + Send>>;

    async fn export_ledger(
        &self,
        request: Request<v1::ExportLedgerRequest>,
    ) -> Result<Response<Self::ExportLedgerStream>, Status> {
        let auditing = Arc::clone(self.auditing()?);
        let key = auditing.audit.clone().ok_or_else(|| {
            Status::failed_precondition("this service has no audit key, so nobody could check its export: give a [ledger.audit]")
        })?;
        tracing::info!(auditor = name_of(&request), "the ledger is exported");
        let (pieces, stream) = mpsc::channel(MESSAGES_WAITING);
        tokio::spawn(async move {
            if let Err(export::Broken::Failed(status)) = export::send(&auditing, &key, &pieces).await {
                // Whoever has gone hears nothing.
                let _ = pieces.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn count_certificates(
        &self,
        request: Request<v1::CountCertificatesRequest>,
    ) -> Result<Response<v1::CountCertificatesResponse>, Status> {
        let question = self.question(&request, request.get_ref().question.as_ref())?;
        let Tally { counts: [vaccinations, tests, recoveries], groups, .. } =
            self.auditing()?.records.count(&question).await.map_err(|error| unavailable(&error))?;
        Ok(Response::new(v1::CountCertificatesResponse { vaccinations, tests, recoveries, groups }))
    }

    async fn show_ledger(&self, _request: Request<v1::ShowLedgerRequest>) -> Result<Response<v1::ShowLedgerResponse>, Status> {
        let auditing = self.auditing()?;
        let chains = auditing.records.chains().await.map_err(|error| unavailable(&error))?;
        let chain = |(state, indexed): (crate::ledger::store::ChainState, u64)| v1::Chain {
            instance: state.instance,
            seq: state.head.seq,
            link: state.head.link.0.to_vec().into(),
            indexed,
            pruned_before: state.pruned_before.map(NumericDate::seconds),
        };
        Ok(Response::new(v1::ShowLedgerResponse {
            chains: chains.into_iter().map(chain).collect(),
            instance: auditing.writer.instance().to_owned(),
            trouble: auditing.writer.status().trouble(),
        }))
    }
}

type Answer = Result<v1::FindCertificatesResponse, Status>;

/// Sends what is found, until nobody hears it any more.
async fn send_found(mut search: Search, limit: u64, answers: &mpsc::Sender<Answer>) -> Result<(), StoreError> {
    let mut rest = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let mut certificates = Vec::new();
    while rest > 0 {
        let Some(found) = search.next().await? else { break };
        let found: Vec<_> = found.into_iter().take(rest).map(convert::found).collect();
        rest -= found.len();
        certificates.extend(found);
        if certificates.len() >= CERTIFICATES_A_MESSAGE && !send(&mut certificates, answers).await {
            return Ok(());
        }
    }
    if !certificates.is_empty() {
        send(&mut certificates, answers).await;
    }
    Ok(())
}

/// Says whether somebody hears it.
async fn send(certificates: &mut Vec<v1::RecordedCertificate>, answers: &mpsc::Sender<Answer>) -> bool {
    let message = v1::FindCertificatesResponse { certificates: std::mem::take(certificates) };
    answers.send(Ok(message)).await.is_ok()
}
