//! The signing service's three calls.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status, Streaming};

use super::access::{Caller, Pass, PersonDemand, pass_of};
use super::admission;
use super::awake::Cores;
use super::convert::{self, Intake};
use super::deadline::deadline_of;
use super::monitoring::{self, RequestId, Waiting};
use super::person::Person;
use super::proto::v1;
use super::proto::v1::signer_server;
use super::stream;
use super::{Live, Parts, status};
use crate::domain::{CertificateTypes, Lane};
use crate::sign::{BatchRequest, Cause, Permits, Profile, Signer, pause};

/// A stream whose caller's quota comes back later than this is ended; sooner, it is held back.
const LONGEST_HOLD: Duration = Duration::from_secs(30);

/// Serves `sceau.v1.Signer`.
#[derive(Clone, Debug)]
pub(super) struct SignerService {
    signer: Arc<Signer>,
    live: Arc<Live>,
    cores: Cores,
    is_closing: watch::Receiver<bool>,
}

/// Who makes a call, and how long its answer is of use. All else is asked anew for each chunk of a stream: a right that is
/// taken away ends with the chunk that has it.
#[derive(Clone)]
pub(super) struct Call {
    pass: Pass,
    /// What may say which person is behind it.
    metadata: MetadataMap,
    pub(super) deadline: Option<Instant>,
    /// Its name in logs and on record.
    request: Arc<str>,
}

impl Call {
    fn new(metadata: MetadataMap, extensions: &Extensions) -> Result<Self, Status> {
        let request = extensions.get::<RequestId>().map(ToString::to_string).unwrap_or_default();
        Ok(Self { pass: pass_of(extensions)?, metadata, deadline: deadline_of(extensions), request: request.into() })
    }

    /// What is left of the deadline.
    fn patience(&self) -> Result<Option<Duration>, Status> {
        let left = |deadline: Instant| deadline.checked_duration_since(Instant::now()).ok_or_else(status::too_late);
        self.deadline.map(left).transpose()
    }
}

/// What to do when the lane is full, or the caller's quota is used up.
#[derive(Clone, Copy)]
pub(super) enum WhenFull {
    Refuse,
    Wait,
}

/// A batch that is let in and waits for its turn.
pub(super) struct Admitted {
    caller: Arc<Caller>,
    person: Option<Person>,
    request: Arc<str>,
    profile: Arc<Profile>,
    lane: Lane,
    options: v1::SignOptions,
    intake: Intake,
    deadline: Option<Instant>,
    turn: admission::Waiting,
    queued: Waiting,
}

impl SignerService {
    /// The service, until `is_closing` says that no more chunks are taken.
    pub(super) fn new(parts: &Parts, is_closing: watch::Receiver<bool>) -> Self {
        Self { signer: Arc::clone(&parts.signer), live: Arc::clone(&parts.live), cores: parts.cores.clone(), is_closing }
    }

    /// Lets a batch in, after all that may speak against it.
    pub(super) async fn admit(
        &self,
        call: &Call,
        request: v1::SignBatchRequest,
        when_full: WhenFull,
    ) -> Result<Admitted, Status> {
        let (lane, count) = (convert::lane(request.lane()), request.items.len());
        let caller = call.pass.caller()?;
        let profile = self.live.profile(&request.profile)?;
        check_size(count, self.live.limits().max_batch_items)?;
        caller.check(&profile.name, lane, count).inspect_err(|refusal| note_refusal(&caller, refusal))?;
        let person = self.person(call, &caller).await.inspect_err(|refusal| note_refusal(&caller, refusal))?;
        self.check_standstill(request.options.unwrap_or_default().validate_only)?;
        let admission = self.live.admission();
        monitoring::note_batch(caller.id(), &profile, lane, count);
        monitoring::note_size(lane, count);
        let load = admission::load(count, convert::bytes(&request.items));
        // Who is refused by the lane has used nothing up, and who is refused by the quota was never in the lane.
        match when_full {
            WhenFull::Refuse => {
                let room = admission.check(lane, caller.id(), load, call.patience()?);
                room.inspect_err(|_| monitoring::queue_full(lane, count))?;
                self.take_quota(&caller, count)?;
            }
            WhenFull::Wait => self.wait_for_quota(&caller, count).await?,
        }
        let intake = Intake::new(request.items, &profile.rulebook);
        pause(lane);
        let turn = match when_full {
            WhenFull::Refuse => admission.enter(lane, caller.id(), load),
            WhenFull::Wait => admission.enter_within_share(lane, caller.id(), load).await,
        };
        let (options, deadline, request) = (request.options.unwrap_or_default(), call.deadline, Arc::clone(&call.request));
        Ok(Admitted {
            caller,
            person,
            request,
            profile,
            options,
            intake,
            deadline,
            turn,
            queued: Waiting::begin(lane, count),
            lane,
        })
    }

    /// Nothing is put on record of what is only validated.
    fn check_standstill(&self, validate_only: bool) -> Result<(), Status> {
        match self.signer.standstill() {
            Some(standstill) if !(validate_only && standstill.cause == Cause::Ledger) => Err(status::standstill(&standstill)),
            _ => Ok(()),
        }
    }

    /// Has a batch signed when it is its turn.
    pub(super) async fn work(&self, admitted: Admitted) -> Result<v1::SignBatchResponse, Status> {
        self.cores.awake_during(admitted.lane, self.sign(admitted)).await
    }

    async fn sign(&self, admitted: Admitted) -> Result<v1::SignBatchResponse, Status> {
        let Admitted { caller, person, request, profile, lane, options, intake, deadline, turn, queued } = admitted;
        let place = turn.place().await.ok_or_else(status::closing)?;
        let _in_work = queued.admitted();
        let (items, results) = intake.split();
        let batch = BatchRequest {
            caller: caller.id().clone(),
            person: person.as_ref().map(|person| person.pseudonym.as_str().into()),
            request,
            profile: Arc::clone(&profile),
            lane,
            validate_only: options.validate_only,
            permits: Permits { caller: caller.types(), person: person.map_or(CertificateTypes::ANY, |person| person.types) },
            deadline,
            items,
        };
        let outcomes = self.signer.sign_batch(batch).await;
        pause(lane);
        place.done(outcomes.iter().flatten().filter(|certificate| certificate.took_a_signature()).count());
        let tally = results.tally(&outcomes);
        tally.log_denials(caller.id());
        tally.record(&profile.name, lane);
        pause(lane);
        let answer = results.answer(outcomes, options.want_cose);
        pause(lane);
        Ok(answer)
    }

    /// The person behind a call, where its caller's calls have one.
    async fn person(&self, call: &Call, caller: &Caller) -> Result<Option<Person>, Status> {
        let demand = caller.person();
        if demand == PersonDemand::None {
            return Ok(None);
        }
        let nobody =
            || status::denied("caller.person", "this caller's calls bring the JWT of a person, and none can be verified here");
        let verifier = self.live.person().ok_or_else(nobody)?;
        match verifier.jwt_of(&call.metadata)? {
            Some(jwt) => {
                let person = verifier.verify(jwt, self.live.now()).await?;
                tracing::debug!(caller = caller.id().as_str(), person = %person.pseudonym, "person known");
                Ok(Some(person))
            }
            None if demand == PersonDemand::Required => {
                Err(status::denied("caller.person", "this caller's calls bring the JWT of a person, and this one has none"))
            }
            None => Ok(None),
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

/// The result of work that ends with the deadline at the latest.
pub(super) async fn in_time<T>(deadline: Option<Instant>, work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match deadline {
        Some(deadline) => timeout_at(deadline, work).await.unwrap_or_else(|_| Err(status::too_late())),
        None => work.await,
    }
}

#[tonic::async_trait]
impl signer_server::Signer for SignerService {
    async fn sign_batch(&self, request: Request<v1::SignBatchRequest>) -> Result<Response<v1::SignBatchResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let call = Call::new(metadata, &extensions)?;
        let admitted = self.admit(&call, request, WhenFull::Refuse).await?;
        self.work(admitted).await.map(Response::new)
    }

    type SignStreamStream = Pin<Box<dyn Stream<Item = Result<v1::SignBatchResponse, Status>> + Send>>;

    async fn sign_stream(
        &self,
        request: Request<Streaming<v1::SignBatchRequest>>,
    ) -> Result<Response<Self::SignStreamStream>, Status> {
        let (metadata, extensions, chunks) = request.into_parts();
        let call = Call::new(metadata, &extensions)?;
        let caller = call.pass.caller()?;
        let open = self.live.admission().open_stream(caller.id()).inspect_err(|refusal| note_refusal(&caller, refusal))?;
        Ok(Response::new(Box::pin(stream::answers(self.clone(), call, open, chunks, self.is_closing.clone()))))
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
