//! What officers do about keys and certificates: they propose, decide, and look.

mod client;
mod convert;
mod read;
mod view;

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use super::access::name_of;
use super::proto::v1;
use super::proto::v1::custody_server;
pub(super) use super::proto::v1::custody_server::CustodyServer;
use super::status;
use crate::custody::office::Office;
use crate::custody::revocation::{Carried, Remade, RevocationPlan, Revoker};
use crate::domain::NumericDate;
use crate::domain::officers::KeyName;
use crate::ledger::LedgerKeys;
use crate::ledger::index::{Question, Records};
use convert::{Counts, dry_summary, plain_list, read_order, remade_summary, signed_list, summary};
use view::View;

pub use client::CustodyClient;

/// What officers' calls are done with.
#[derive(Debug)]
pub struct Custodian {
    revoker: Arc<Revoker>,
    records: Records,
    keys: LedgerKeys,
    instance: String,
    /// What two officers change; nothing where one revokes alone.
    office: Option<Arc<Office>>,
    /// One revocation at a time.
    turn: Semaphore,
}

impl Custodian {
    /// Revokes on the record of an instance; an `item_id` is hashed under the ledger's keys.
    #[must_use]
    pub fn new(revoker: Arc<Revoker>, records: Records, keys: LedgerKeys, instance: &str) -> Self {
        Self { revoker, records, keys, instance: instance.to_owned(), office: None, turn: Semaphore::new(1) }
    }

    /// Two officers revoke, and look after keys.
    #[must_use]
    pub fn with_office(self, office: Arc<Office>) -> Self {
        Self { office: Some(office), ..self }
    }

    /// What two officers change; nothing where there is no `[custody]`.
    #[must_use]
    pub const fn office(&self) -> Option<&Arc<Office>> {
        self.office.as_ref()
    }
}

/// Serves `sceau.v1.Custody`.
#[derive(Clone, Debug)]
pub(super) struct CustodyService(Option<Arc<Custodian>>);

type Part = Result<v1::RevokeResponse, Status>;
type Parts = Pin<Box<dyn Stream<Item = Part> + Send>>;

impl CustodyService {
    pub(super) const fn new(custodian: Option<Arc<Custodian>>) -> Self {
        Self(custodian)
    }

    fn custodian(&self) -> Result<&Custodian, Status> {
        self.0.as_deref().ok_or_else(|| {
            Status::failed_precondition(
                "this service writes nothing down, so nothing can be revoked: ledger.store is none_at_own_risk",
            )
        })
    }

    fn office(&self) -> Result<&Arc<Office>, Status> {
        self.custodian()?.office.as_ref().ok_or_else(|| {
            Status::failed_precondition(
                "this service keeps no register of keys: [custody] in its configuration names the officers that begin",
            )
        })
    }
}

#[tonic::async_trait]
impl custody_server::Custody for CustodyService {
    type RevokeStream = Parts;

    async fn revoke(&self, request: Request<v1::RevokeRequest>) -> Result<Response<Parts>, Status> {
        let custodian = self.custodian()?;
        let officer = name_of(&request);
        let is_dry = request.get_ref().dry_run;
        if !is_dry && custodian.office.is_some() {
            let message =
                "two officers revoke here: make a dry run, propose a revocation with its `asked`, and have another approve it";
            return Err(Status::failed_precondition(message));
        }
        let order = read_order(request.into_inner(), officer.clone(), &custodian.keys)?;
        let _turn = custodian.turn.try_acquire().map_err(|_| status::revocation_is_busy())?;
        let plan = custodian.revoker.plan(order).await?;
        let (certificates, lists) = (plan.certificates(), plan.lists().len());
        if is_dry || certificates == 0 {
            tracing::info!(officer, certificates, lists, is_dry, "a revocation was asked for; nothing was revoked");
            return Ok(Response::new(custodian.only_said(plan)));
        }
        let (said, asked) = (Counts::of(&plan), plan.asked().to_owned());
        let carried = custodian.revoker.carry_out(plan).await?;
        tracing::warn!(officer, certificates, lists, seq = carried.head.seq, "an officer has revoked certificates");
        Ok(Response::new(custodian.handed_over(said, asked, carried)))
    }

    async fn show_custody(&self, request: Request<v1::ShowCustodyRequest>) -> Result<Response<v1::ShowCustodyResponse>, Status> {
        let v1::ShowCustodyRequest { at, with_ended } = request.into_inner();
        let office = self.office()?;
        let register = office.read().await?;
        let now = office.now();
        let at = at.map_or(now, NumericDate::from_seconds);
        Ok(Response::new(View { office, register: &register, now }.whole(at, with_ended)))
    }

    async fn propose(&self, request: Request<v1::ProposeRequest>) -> Result<Response<v1::ProposeResponse>, Status> {
        let v1::ProposeRequest { proposal, dry_run, import } = request.into_inner();
        let office = self.office()?;
        let against = import.map(read::against);
        let proposed = if dry_run {
            let is_signed = proposal.as_ref().is_some_and(|proposal| !proposal.signature.is_empty());
            let text = read::text_to_try("proposal", proposal)?;
            office.try_proposal(&text, is_signed, against.as_ref()).await?
        } else {
            office.propose(read::signed("proposal", proposal)?, against).await?
        };
        Ok(Response::new(view::proposed(proposed)))
    }

    async fn decide(&self, request: Request<v1::DecideRequest>) -> Result<Response<v1::DecideResponse>, Status> {
        let v1::DecideRequest { verdict, dry_run, import } = request.into_inner();
        let office = self.office()?;
        let (signed, against) = (read::signed("verdict", verdict)?, import.map(read::against));
        let decided = match dry_run {
            true => office.try_verdict(&signed, against.as_ref()).await?,
            false => office.decide(signed, against).await?,
        };
        Ok(Response::new(view::decided(office, decided)))
    }

    async fn execute(&self, request: Request<v1::ExecuteRequest>) -> Result<Response<v1::DecideResponse>, Status> {
        let office = self.office()?;
        let id = read::proposal_id(&request.get_ref().proposal)?;
        tracing::info!(officer = name_of(&request), proposal = %id, "an officer has an approved proposal executed");
        Ok(Response::new(view::decided(office, office.execute(id).await?)))
    }

    async fn request_certificate(
        &self,
        request: Request<v1::RequestCertificateRequest>,
    ) -> Result<Response<v1::RequestCertificateResponse>, Status> {
        let office = self.office()?;
        let label = request.into_inner().label.parse();
        let label = label.map_err(|error: crate::domain::officers::InvalidWords| status::invalid("label", &error.to_string()))?;
        let certificate_request = office.request(&label).await?.into();
        Ok(Response::new(v1::RequestCertificateResponse { certificate_request }))
    }

    async fn canary(&self, request: Request<v1::CanaryRequest>) -> Result<Response<v1::CanaryResponse>, Status> {
        let office = self.office()?;
        let at = request.into_inner().at.map_or_else(|| office.now(), NumericDate::from_seconds);
        Ok(Response::new(view::canary(office.canary(at).await?)))
    }

    async fn sign_upload(&self, request: Request<v1::SignUploadRequest>) -> Result<Response<v1::SignUploadResponse>, Status> {
        let office = self.office()?;
        let message = office.sign_upload(read::kid(&request.into_inner().kid)?).await?;
        Ok(Response::new(v1::SignUploadResponse { cms: message.as_der().to_vec().into() }))
    }

    async fn count_signed(&self, request: Request<v1::CountSignedRequest>) -> Result<Response<v1::CountSignedResponse>, Status> {
        let custodian = self.custodian()?;
        let kid = read::kid(&request.into_inner().kid)?;
        let question = Question { kid: Some(crate::domain::Octets(*kid.as_bytes())), ..Question::default() };
        let tally = custodian.records.count(&question).await.map_err(crate::custody::revocation::RevokeError::from)?;
        if tally.groups == 0
            && let Some(office) = &custodian.office
            && office.read().await?.key_of(kid).is_none()
        {
            let key = KeyName::Kid(kid);
            return Err(Status::not_found(format!("{key} is not in the register, and nothing on record was signed under it")));
        }
        Ok(Response::new(view::signed(&tally)))
    }

    type FetchRevocationStream = Parts;

    async fn fetch_revocation(&self, request: Request<v1::FetchRevocationRequest>) -> Result<Response<Parts>, Status> {
        let (custodian, office) = (self.custodian()?, self.office()?);
        let id = read::proposal_id(&request.get_ref().proposal)?;
        let _turn = custodian.turn.try_acquire().map_err(|_| status::revocation_is_busy())?;
        let remade = office.revocation(id).await?;
        tracing::info!(officer = name_of(&request), proposal = %id, "an officer has fetched the lists of a revocation");
        let summary = remade_summary(&remade);
        let Remade { lists, .. } = remade;
        Ok(Response::new(in_parts(summary, lists.into_iter().map(|(list, message)| signed_list(list, message)))))
    }
}

impl Custodian {
    /// A plan that nothing comes of.
    fn only_said(&self, plan: RevocationPlan) -> Parts {
        let plain_because = self.revoker.plain_because(&plan);
        let lists: Vec<_> = plan.lists().iter().map(plain_list).collect();
        in_parts(dry_summary(Counts::of(&plan), plan.asked().to_owned(), plain_because), lists.into_iter())
    }

    fn handed_over(&self, said: Counts, asked: String, carried: Carried) -> Parts {
        let Carried { head, lists, plain } = carried;
        let summary = summary(said, asked, plain, &self.instance, head);
        in_parts(summary, lists.into_iter().map(|(list, message)| signed_list(list, message)))
    }
}

fn in_parts(summary: v1::RevocationSummary, lists: impl Iterator<Item = v1::RevocationList> + Send + 'static) -> Parts {
    use v1::revoke_response::Part::{List, Summary};

    let parts = std::iter::once(Summary(summary)).chain(lists.map(List));
    stream::iter(parts).map(|part| Ok(v1::RevokeResponse { part: Some(part) })).boxed()
}
