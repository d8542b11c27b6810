//! What an officer does about certificates: revokes them.

mod client;
mod convert;

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
use crate::custody::revocation::{Carried, RevocationPlan, Revoker};
use crate::ledger::LedgerKeys;
use convert::{Counts, dry_summary, plain_list, read_order, signed_list, summary};

pub use client::CustodyClient;

/// What officers' calls are done with.
#[derive(Debug)]
pub struct Custodian {
    revoker: Revoker,
    keys: LedgerKeys,
    instance: String,
    /// One revocation at a time.
    turn: Semaphore,
}

impl Custodian {
    /// Revokes on the record of an instance; an `item_id` is hashed under the ledger's keys.
    #[must_use]
    pub fn new(revoker: Revoker, keys: LedgerKeys, instance: &str) -> Self {
        Self { revoker, keys, instance: instance.to_owned(), turn: Semaphore::new(1) }
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
}

#[tonic::async_trait]
impl custody_server::Custody for CustodyService {
    type RevokeStream = Parts;

    async fn revoke(&self, request: Request<v1::RevokeRequest>) -> Result<Response<Parts>, Status> {
        let custodian = self.custodian()?;
        let officer = name_of(&request);
        let is_dry = request.get_ref().dry_run;
        let order = read_order(request.into_inner(), officer.clone(), &custodian.keys)?;
        let _turn = custodian.turn.try_acquire().map_err(|_| status::revocation_is_busy())?;
        let plan = custodian.revoker.plan(order).await?;
        let (certificates, lists) = (plan.certificates(), plan.lists().len());
        if is_dry || certificates == 0 {
            tracing::info!(officer, certificates, lists, is_dry, "a revocation was asked for; nothing was revoked");
            return Ok(Response::new(custodian.only_said(plan)));
        }
        let said = Counts::of(&plan);
        let carried = custodian.revoker.carry_out(plan).await?;
        tracing::warn!(officer, certificates, lists, seq = carried.head.seq, "an officer has revoked certificates");
        Ok(Response::new(custodian.handed_over(said, carried)))
    }
}

impl Custodian {
    /// A plan that nothing comes of.
    fn only_said(&self, plan: RevocationPlan) -> Parts {
        let plain_because = self.revoker.plain_because(&plan);
        let lists: Vec<_> = plan.lists().iter().map(plain_list).collect();
        in_parts(dry_summary(Counts::of(&plan), plain_because), lists.into_iter())
    }

    fn handed_over(&self, said: Counts, carried: Carried) -> Parts {
        let Carried { head, lists, plain } = carried;
        let summary = summary(said, plain, &self.instance, head);
        in_parts(summary, lists.into_iter().map(|(list, message)| signed_list(list, message)))
    }
}

fn in_parts(summary: v1::RevocationSummary, lists: impl Iterator<Item = v1::RevocationList> + Send + 'static) -> Parts {
    use v1::revoke_response::Part::{List, Summary};

    let parts = std::iter::once(Summary(summary)).chain(lists.map(List));
    stream::iter(parts).map(|part| Ok(v1::RevokeResponse { part: Some(part) })).boxed()
}
