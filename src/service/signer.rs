//! The signing service's three calls.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, sleep};
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument;
use zeroize::Zeroizing;

use super::access::{Caller, PersonDemand, caller_of};
use super::convert::{self, Intake};
use super::deadline::deadline_of;
use super::monitoring::{self, RequestId, Waiting};
use super::proto::v1;
use super::proto::v1::signer_server;
use super::{Live, Parts, status};
use crate::domain::CertificateTypes;
use crate::sign::{BatchRequest, Permits, Signer};

/// How many chunks of one stream are worked on at the same time: enough that the token never waits for the network.
const CHUNKS_IN_FLIGHT: usize = 3;

/// A stream whose caller's quota comes back later than this is ended; sooner, it is held back.
const LONGEST_HOLD: Duration = Duration::from_secs(30);

/// Serves `sceau.v1.Signer`.
#[derive(Clone, Debug)]
pub(super) struct SignerService {
    signer: Arc<Signer>,
    live: Arc<Live>,
}

/// Who makes a call, and how long its answer is of use.
#[derive(Clone)]
struct Call {
    caller: Arc<Caller>,
    /// What says which person is behind it, where the caller's calls bring one.
    jwt: Option<Zeroizing<String>>,
    deadline: Option<Instant>,
    /// Its name in logs and on record.
    request: Arc<str>,
}

impl Call {
    /// What is left of the deadline.
    fn patience(&self) -> Result<Option<Duration>, Status> {
        let left = |deadline: Instant| deadline.checked_duration_since(Instant::now()).ok_or_else(status::too_late);
        self.deadline.map(left).transpose()
    }
}

/// Who is behind a call.
struct Behind {
    /// Nothing where the call brings nobody.
    pseudonym: Option<Arc<str>>,
    types: CertificateTypes,
}

/// What to do when the lane is full, or the caller's quota is used up.
#[derive(Clone, Copy)]
enum WhenFull {
    Refuse,
    Wait,
}

impl SignerService {
    pub(super) fn new(parts: &Parts) -> Self {
        Self { signer: Arc::clone(&parts.signer), live: Arc::clone(&parts.live) }
    }

    async fn sign(
        &self,
        call: &Call,
        request: v1::SignBatchRequest,
        when_full: WhenFull,
    ) -> Result<v1::SignBatchResponse, Status> {
        let (lane, count, caller) = (convert::lane(request.lane()), request.items.len(), &call.caller);
        let options = request.options.unwrap_or_default();
        let profile = self.live.profile(&request.profile)?;
        check_size(count, self.live.limits().max_batch_items)?;
        caller.check(&profile.name, lane, count).inspect_err(|refusal| note_refusal(caller, refusal))?;
        let person = self.person(call).await.inspect_err(|refusal| note_refusal(caller, refusal))?;
        self.signer.clock().signing_time().map_err(|stopped| status::clock_stopped(&stopped))?;
        let admission = self.live.admission();
        monitoring::note_batch(caller.id(), &profile, lane, count);
        let queued = Waiting::begin(lane, count);
        let waiting = match when_full {
            WhenFull::Refuse => {
                let waiting = admission.enter(lane, caller.id(), count, call.patience()?).inspect_err(|_| queued.refused())?;
                self.take_quota(caller, count)?;
                waiting
            }
            WhenFull::Wait => {
                self.wait_for_quota(caller, count).await?;
                admission.enter_whenever(lane, caller.id(), count)
            }
        };
        let _place = waiting.place().await.ok_or_else(status::closing)?;
        call.patience()?;
        let _in_work = queued.admitted();
        let (items, results) = Intake::new(request.items).split();
        let batch = BatchRequest {
            caller: caller.id().clone(),
            person: person.pseudonym,
            request: Arc::clone(&call.request),
            profile: Arc::clone(&profile),
            lane,
            validate_only: options.validate_only,
            permits: Permits { caller: caller.types(), person: person.types },
            deadline: call.deadline,
            items,
        };
        let outcomes = self.signer.sign_batch(batch).await;
        results.tally(&outcomes).record(&profile.name, lane);
        Ok(results.answer(outcomes, options.want_cose))
    }

    fn call<T>(&self, request: &Request<T>) -> Result<Call, Status> {
        let caller = caller_of(request)?;
        let jwt = match self.live.person() {
            Some(verifier) if caller.person() != PersonDemand::None => verifier
                .jwt_of(request.metadata())
                .map_err(Status::from)
                .inspect_err(|refusal| note_refusal(&caller, refusal))?
                .map(|jwt| Zeroizing::new(jwt.to_owned())),
            _ => None,
        };
        let id = request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
        Ok(Call { caller, jwt, deadline: deadline_of(request.metadata(), Instant::now()), request: id.into() })
    }

    /// The person behind a call, and the types that it may issue. A chunk of a stream is asked as its call was: a JWT ends.
    async fn person(&self, call: &Call) -> Result<Behind, Status> {
        match (&call.jwt, self.live.person(), call.caller.person()) {
            (Some(jwt), Some(verifier), _) => {
                let person = verifier.verify(jwt, self.live.now()).await?;
                tracing::debug!(caller = call.caller.id().as_str(), person = %person.pseudonym, "person known");
                Ok(Behind { pseudonym: Some(person.pseudonym.as_str().into()), types: person.types })
            }
            (_, _, PersonDemand::Required) => {
                Err(status::denied("caller.person", "this caller's calls bring the JWT of a person, and this one has none"))
            }
            _ => Ok(Behind { pseudonym: None, types: CertificateTypes::ANY }),
        }
    }

    fn take_quota(&self, caller: &Caller, items: usize) -> Result<(), Status> {
        caller.quota().take(items, self.live.now()).map_err(|spent| {
            let refusal = status::spent(&spent);
            note_refusal(caller, &refusal);
            refusal
        })
    }

    async fn wait_for_quota(&self, caller: &Caller, items: usize) -> Result<(), Status> {
        loop {
            match caller.quota().take(items, self.live.now()) {
                Ok(()) => return Ok(()),
                Err(spent) if spent.fits_then && spent.come_again <= LONGEST_HOLD => sleep(spent.come_again).await,
                Err(spent) => {
                    let refusal = status::spent(&spent);
                    note_refusal(caller, &refusal);
                    return Err(refusal);
                }
            }
        }
    }
}

/// Refuses a batch that no waiting would help.
fn check_size(items: usize, max: usize) -> Result<(), Status> {
    match items {
        0 => Err(status::invalid("items", "the batch is empty; it has 1 item or more")),
        items if items > max => Err(status::invalid("items", &format!("the batch has {items} items; it has at most {max}"))),
        _ => Ok(()),
    }
}

fn note_refusal(caller: &Caller, refusal: &Status) {
    let rule = status::rule_of(refusal);
    tracing::warn!(caller = caller.id().as_str(), rule, "call refused");
    monitoring::denied(&rule);
}

#[tonic::async_trait]
impl signer_server::Signer for SignerService {
    async fn sign_batch(&self, request: Request<v1::SignBatchRequest>) -> Result<Response<v1::SignBatchResponse>, Status> {
        let call = self.call(&request)?;
        self.sign(&call, request.into_inner(), WhenFull::Refuse).await.map(Response::new)
    }

    type SignStreamStream = Pin<Box<dyn Stream<Item = Result<v1::SignBatchResponse, Status>> + Send>>;

    async fn sign_stream(
        &self,
        request: Request<Streaming<v1::SignBatchRequest>>,
    ) -> Result<Response<Self::SignStreamStream>, Status> {
        let (service, call) = (self.clone(), self.call(&request)?);
        let answers = request.into_inner().map(move |chunk| {
            let (service, call) = (service.clone(), call.clone());
            async move { service.sign(&call, chunk?, WhenFull::Wait).instrument(monitoring::chunk()).await }
        });
        Ok(Response::new(Box::pin(answers.buffered(CHUNKS_IN_FLIGHT))))
    }

    async fn list_signing_certificates(
        &self,
        _request: Request<v1::ListSigningCertificatesRequest>,
    ) -> Result<Response<v1::ListSigningCertificatesResponse>, Status> {
        let keyring = self.signer.keyring().snapshot();
        let certificates = keyring.iter().map(|key| convert::signing_certificate(key)).collect();
        Ok(Response::new(v1::ListSigningCertificatesResponse { certificates }))
    }
}
