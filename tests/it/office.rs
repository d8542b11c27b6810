//! Officers over gRPC: they propose and decide, and the service does it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sceau::custody::office::{Office, OfficeTask};
use sceau::custody::revocation::Revoker;
use sceau::domain::officers::{ChainHead, Change, Decision, Proposal, ProposalId, Revocation, SignedText};
use sceau::domain::time::FixedClock;
use sceau::domain::{HashType, NumericDate, Octets};
use sceau::ledger::index::Records;
use sceau::ledger::store::sqlite::SqliteStore;
use sceau::ledger::writer::{ChainWriter, WriterSettings, WriterTask};
use sceau::ledger::{Ledger, LedgerKeys, RecordedLedger};
use sceau::service::access::{CallerSettings, Role, Roles};
use sceau::service::custody::Custodian;
use sceau::service::proto::v1;
use sceau::service::proto::v1::custody_client::CustodyClient;
use sceau::service::proto::v1::revoke_response::Part;
use sceau::service::proto::v1::signer_client::SignerClient;
use sceau::service::{Administration, Limits, Live, LiveSettings};
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::officers::{Keys, Officers, Seen, generate};
use crate::support::{LocalServer, TestDsc, profile, settings, signer_over, signing_time};

const VACCINATION: &str = r#"{"ver":"1.3.0","nam":{"fn":"Wéa","gn":"Jeanne"},"dob":"1984-03-02","v":[{"tg":"840539006","vp":"1119349007",
"mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":1,"dt":"2021-09-06","co":"FR","is":"DASS-NC"}]}"#;

/// A service with a ledger, and an office where it is wanted.
struct Served {
    officers: Officers,
    keys: Arc<Keys>,
    custody: CustodyClient<Channel>,
    signer: SignerClient<Channel>,
    _server: LocalServer,
    _office: Option<(Arc<Office>, OfficeTask)>,
    _task: WriterTask,
    _folder: TempDir,
}

impl Served {
    async fn start(has_office: bool) -> Self {
        let (officers, keys) = (Officers::new(), Arc::new(Keys::default()));
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap());
        let ledger_keys = LedgerKeys::parse(&"1".repeat(64)).unwrap();
        let clock = Arc::new(FixedClock(signing_time()));
        let (instance, patience) = ("north".to_owned(), Duration::from_secs(10));
        let writing = WriterSettings { instance, patience, keys: ledger_keys.ids(), audit: None };
        let (writer, task) = ChainWriter::start(Arc::clone(&store) as _, Arc::clone(&clock) as _, writing).await.unwrap();
        let ledger = RecordedLedger::resume(&*store, writer.clone(), ledger_keys.clone(), Arc::clone(&clock) as _, None);
        let ledger: Arc<dyn Ledger> = Arc::new(ledger.await.unwrap());
        let records = Records::new(Arc::clone(&store) as _, Arc::clone(&store) as _);
        let revoker = Arc::new(Revoker::new(records.clone(), writer.clone(), None, Arc::clone(&clock) as _));
        let mut custodian = Custodian::new(Arc::clone(&revoker), records, ledger_keys, writer.instance());
        let mut office = None;
        if has_office {
            let started = Office::start(officers.parts(store, Arc::clone(&keys) as _, Some(revoker))).await;
            custodian = custodian.with_office(Arc::clone(&started.0));
            office = Some(started);
        }
        let (signer, _) = signer_over(&[TestDsc::default()], settings());
        let profiles = vec![profile("dcc")];
        let roles = Roles::of(&[Role::Issuer, Role::Officer]);
        let callers = vec![CallerSettings { roles, ..CallerSettings::loopback() }];
        let live = Live::new(LiveSettings { callers, person: None, profiles, limits: Limits::default() }, clock);
        let admin = Administration { custodian: Some(Arc::new(custodian)), ..Administration::default() };
        let server = LocalServer::start_under(signer.with_ledger(ledger), live, None, admin).await;
        let channel = Channel::from_shared(server.endpoint.clone()).unwrap().connect().await.unwrap();
        let (custody, signer) = (CustodyClient::new(channel.clone()), SignerClient::new(channel));
        Self { officers, keys, custody, signer, _server: server, _office: office, _task: task, _folder: folder }
    }

    async fn show(&self) -> v1::ShowCustodyResponse {
        let request = v1::ShowCustodyRequest { at: None, with_ended: true };
        self.custody.clone().show_custody(request).await.unwrap().into_inner()
    }

    async fn seen(&self) -> Seen {
        let shown = self.show().await;
        let v1::CustodyHead { seq, link } = shown.head.unwrap();
        let head = ChainHead { seq, link: Octets(link.as_ref().try_into().unwrap()) };
        Seen { now: NumericDate::from_seconds(shown.now), roster: shown.roster.unwrap().number, head }
    }

    async fn propose(&self, officer: &str, change: Change) -> (Proposal, Result<v1::ProposeResponse, Status>) {
        let proposal = self.officers.propose(officer, change, self.seen().await);
        let request = v1::ProposeRequest { proposal: Some(text(proposal.signed())), dry_run: false, import: None };
        let answer = self.custody.clone().propose(request).await.map(tonic::Response::into_inner);
        (proposal, answer)
    }

    async fn decide(&self, officer: &str, decision: Decision, id: ProposalId) -> Result<v1::DecideResponse, Status> {
        let verdict = self.officers.decide(officer, decision, id, self.seen().await);
        let request = v1::DecideRequest { verdict: Some(text(&verdict)), dry_run: false, import: None };
        self.custody.clone().decide(request).await.map(tonic::Response::into_inner)
    }

    async fn lists(&self, id: ProposalId) -> Result<(v1::RevocationSummary, Vec<v1::RevocationList>), Status> {
        let request = v1::FetchRevocationRequest { proposal: id.0.as_ref().to_vec().into() };
        parts(self.custody.clone().fetch_revocation(request).await?.into_inner()).await
    }

    async fn try_to_revoke(&self, dry_run: bool) -> Result<v1::RevocationSummary, Status> {
        let request = v1::RevokeRequest { everything: true, reason: "a test".to_owned(), dry_run, ..Default::default() };
        parts(self.custody.clone().revoke(request).await?.into_inner()).await.map(|(summary, _)| summary)
    }
}

async fn parts(
    mut answers: tonic::Streaming<v1::RevokeResponse>,
) -> Result<(v1::RevocationSummary, Vec<v1::RevocationList>), Status> {
    let (mut summary, mut lists) = (None, Vec::new());
    while let Some(answer) = answers.message().await? {
        match answer.part.unwrap() {
            Part::Summary(first) => summary = Some(first),
            Part::List(list) => lists.push(list),
        }
    }
    Ok((summary.unwrap(), lists))
}

fn text(signed: &SignedText) -> v1::SignedText {
    v1::SignedText { text: signed.text.clone(), signature: signed.signature.as_ref().to_vec().into() }
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, reason: &str) {
    let status = answer.unwrap_err();
    assert!(status.code() == code && status.message().contains(reason), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_officers_have_a_key_made_and_one_alone_has_not() {
    let served = Served::start(true).await;
    let (proposal, proposed) = served.propose("ada", generate("dsc-1")).await;
    let (proposed, id) = (proposed.unwrap(), proposal.id());
    assert_eq!((proposed.id.as_ref(), proposed.approvals_needed), (id.0.as_ref(), 1));
    assert!(proposed.effect.unwrap().will.starts_with("the token hsm-a makes a p256 key pair"));
    assert_refused(served.decide("ada", Decision::Approve, id).await, Code::FailedPrecondition, "another officer approves it");
    let request = v1::ExecuteRequest { proposal: id.0.as_ref().to_vec().into() };
    let alone = served.custody.clone().execute(request.clone()).await;
    assert_refused(alone, Code::FailedPrecondition, "it has 0 of 1 approvals");
    let decided = served.decide("grace", Decision::Approve, id).await.unwrap();
    let executed = decided.executed.unwrap();
    assert_eq!(executed.certificate_request.as_deref(), Some(&b"request"[..]));
    assert_eq!(decided.proposal.unwrap().state(), v1::ProposalState::Executed);
    let again = served.custody.clone().execute(request).await.unwrap().into_inner();
    assert!(again.executed.unwrap().next.contains("done before"));
    let shown = served.show().await;
    let [key] = shown.keys.as_slice() else { panic!("{shown:?}") };
    assert_eq!((key.label.as_str(), key.state(), key.is_here), ("dsc-1", v1::KeyState::Generated, true));
    assert_eq!(shown.proposals[0].approvers, ["grace"]);
    let request = v1::RequestCertificateRequest { label: "dsc-1".to_owned() };
    let again = served.custody.clone().request_certificate(request).await.unwrap().into_inner();
    assert_eq!(again.certificate_request.as_ref(), b"request");
    assert_eq!(served.keys.executed.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_or_is_not_there_is_told_by_its_code() {
    let served = Served::start(true).await;
    let mut custody = served.custody.clone();
    let proposal = Some(v1::SignedText { text: "{}".to_owned(), signature: vec![0; 64].into() });
    let bad = custody.propose(v1::ProposeRequest { proposal, ..Default::default() }).await;
    assert_refused(bad, Code::InvalidArgument, "the text is not of the form that officers sign");
    assert_refused(custody.propose(v1::ProposeRequest::default()).await, Code::InvalidArgument, "it is missing");
    let nobodys = ProposalId(Octets([7; 32]));
    assert_refused(served.decide("grace", Decision::Reject, nobodys).await, Code::NotFound, "there is no proposal 0707");
    let request = v1::RequestCertificateRequest { label: "dsc-9".to_owned() };
    assert_refused(custody.request_certificate(request).await, Code::NotFound, "is not in the register");
    let upload = custody.sign_upload(v1::SignUploadRequest { kid: vec![1; 8].into() }).await;
    assert_refused(upload, Code::NotFound, "the DSC 0101010101010101 is not in the register");
    let canary = custody.canary(v1::CanaryRequest::default()).await.unwrap().into_inner();
    assert_eq!((canary.results.len(), canary.uncovered_types), (0, ["v", "t", "r"].map(str::to_owned).to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_officers_says_what_it_lacks() {
    let served = Served::start(false).await;
    let shown = served.custody.clone().show_custody(v1::ShowCustodyRequest::default()).await;
    assert_refused(shown, Code::FailedPrecondition, "[custody] in its configuration names the officers");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_officers_revoke_and_the_lists_are_the_same_each_time() {
    let served = Served::start(true).await;
    let item = |number: usize| v1::Item {
        item_id: format!("visit-{number}"),
        payload_json: VACCINATION.as_bytes().to_vec().into(),
        expires_at: None,
    };
    let batch = v1::SignBatchRequest { items: (0..12).map(item).collect(), ..Default::default() };
    served.signer.clone().sign_batch(batch).await.unwrap();
    assert_refused(served.try_to_revoke(false).await, Code::FailedPrecondition, "two officers revoke here");
    let asked = served.try_to_revoke(true).await.unwrap();
    assert_eq!((asked.certificates, asked.asked.as_str(), asked.seq), (12, r#"{"everything":true}"#, None));
    let revoke = |expect| {
        let (question, reason) = (asked.asked.parse().unwrap(), "a test".parse().unwrap());
        Change::Revoke(Revocation { question, hash_type: HashType::Signature, reason, expect })
    };
    let (_, other) = served.propose("ada", revoke(11)).await;
    assert_refused(other, Code::FailedPrecondition, "the certificates that are meant are 12, and not 11");
    let (proposal, proposed) = served.propose("ada", revoke(12)).await;
    proposed.unwrap();
    assert_refused(served.lists(proposal.id()).await, Code::FailedPrecondition, "is no revocation that was executed");
    let decided = served.decide("hedy", Decision::Approve, proposal.id()).await.unwrap();
    let summary = decided.executed.unwrap().revocation.unwrap();
    assert_eq!((summary.certificates, summary.lists, summary.instance.as_deref()), (12, 1, Some("north")));
    let (first, lists) = served.lists(proposal.id()).await.unwrap();
    let (again, same) = served.lists(proposal.id()).await.unwrap();
    assert_eq!((first.seq, &first), (summary.seq, &again));
    assert_eq!((lists.len(), lists[0].hashes, &lists), (1, 12, &same));
    let kid = lists[0].kid.clone();
    let counted = served.custody.clone().count_signed(v1::CountSignedRequest { kid }).await.unwrap().into_inner();
    assert_eq!((counted.certificates, counted.vaccinations, counted.tests), (12, 12, 0));
    assert!(counted.first_at.is_some() && counted.expires_at > counted.last_at);
}
