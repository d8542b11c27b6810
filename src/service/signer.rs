//! The signing service's three calls.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::admission::Admission;
use super::convert::{self, Intake};
use super::proto::v1;
use super::proto::v1::signer_server;
use super::{Parts, status};
use crate::domain::CallerId;
use crate::sign::{BatchRequest, Profile, Signer};

/// How many chunks of one stream are worked on at the same time: enough that the token never waits for the network.
const CHUNKS_IN_FLIGHT: usize = 3;

/// Serves `sceau.v1.Signer`.
#[derive(Clone, Debug)]
pub(super) struct SignerService {
    signer: Arc<Signer>,
    profiles: Arc<[Arc<Profile>]>,
    admission: Admission,
    caller: CallerId,
}

/// What to do when the lane is full.
#[derive(Clone, Copy)]
enum WhenFull {
    Refuse,
    Wait,
}

impl SignerService {
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            signer: Arc::clone(&parts.signer),
            profiles: parts.profiles.clone().into(),
            admission: Admission::new(parts.limits),
            // Plain text on loopback knows no names; every caller there is this one.
            caller: CallerId::new("loopback"),
        }
    }

    async fn sign(&self, request: v1::SignBatchRequest, when_full: WhenFull) -> Result<v1::SignBatchResponse, Status> {
        let lane = convert::lane(request.lane());
        let options = request.options.unwrap_or_default();
        let profile = self.profile(&request.profile)?;
        self.admission.check_size(request.items.len())?;
        let _places = match when_full {
            WhenFull::Refuse => self.admission.try_admit(lane, request.items.len())?,
            WhenFull::Wait => self.admission.admit(lane, request.items.len()).await?,
        };
        let (items, results) = Intake::new(request.items).split();
        let batch = BatchRequest { caller: self.caller.clone(), profile, lane, validate_only: options.validate_only, items };
        let outcomes = self.signer.sign_batch(batch).await;
        Ok(results.answer(outcomes, options.want_cose))
    }

    fn profile(&self, name: &str) -> Result<Arc<Profile>, Status> {
        let found =
            if name.is_empty() { self.profiles.first() } else { self.profiles.iter().find(|profile| profile.name == name) };
        found.cloned().ok_or_else(|| status::invalid("profile", &self.unknown_profile()))
    }

    fn unknown_profile(&self) -> String {
        let mut message = String::from("there is no profile of that name; there are");
        for (index, profile) in self.profiles.iter().enumerate() {
            let _ = write!(message, "{} {}", if index == 0 { "" } else { "," }, profile.name);
        }
        message
    }
}

#[tonic::async_trait]
impl signer_server::Signer for SignerService {
    async fn sign_batch(&self, request: Request<v1::SignBatchRequest>) -> Result<Response<v1::SignBatchResponse>, Status> {
        self.sign(request.into_inner(), WhenFull::Refuse).await.map(Response::new)
    }

    type SignStreamStream = Pin<Box<dyn Stream<Item = Result<v1::SignBatchResponse, Status>> + Send>>;

    async fn sign_stream(
        &self,
        request: Request<Streaming<v1::SignBatchRequest>>,
    ) -> Result<Response<Self::SignStreamStream>, Status> {
        let service = self.clone();
        let answers = request.into_inner().map(move |chunk| {
            let service = service.clone();
            async move { service.sign(chunk?, WhenFull::Wait).await }
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
