//! A command's connection to the service, and what it saw there.

use tokio::runtime::Runtime;

use super::Scene;
use crate::cli::place::PlaceArgs;
use crate::cli::runtime;
use crate::service::admin::AdminError;
use crate::service::custody::CustodyClient;
use crate::service::proto::v1;
use crate::service::proto::v1::revoke_response::Part;

/// Where an officer sits.
#[derive(Debug)]
pub(crate) struct Desk {
    runtime: Runtime,
    custody: CustodyClient,
    pub(crate) scene: Scene,
}

impl Desk {
    /// Connects, and reads the register with the proposals that are open.
    pub(crate) fn open(place: &PlaceArgs) -> anyhow::Result<Self> {
        Self::asking(place, v1::ShowCustodyRequest::default())
    }

    /// Connects, and reads what was asked for.
    pub(crate) fn asking(place: &PlaceArgs, request: v1::ShowCustodyRequest) -> anyhow::Result<Self> {
        let runtime = runtime()?;
        let mut custody = runtime.block_on(async { anyhow::Ok(place.place()?.connect().await?.custody()) })?;
        let scene = Scene::read(runtime.block_on(custody.show(request))?)?;
        Ok(Self { runtime, custody, scene })
    }

    /// The same, of proposals that are over too.
    pub(crate) fn with_ended(place: &PlaceArgs) -> anyhow::Result<Self> {
        Self::asking(place, v1::ShowCustodyRequest { at: None, with_ended: true })
    }

    pub(crate) fn show(&mut self, request: v1::ShowCustodyRequest) -> anyhow::Result<Scene> {
        Scene::read(self.runtime.block_on(self.custody.show(request))?)
    }

    pub(crate) fn propose(&mut self, request: v1::ProposeRequest) -> Result<v1::ProposeResponse, AdminError> {
        self.runtime.block_on(self.custody.propose(request))
    }

    pub(crate) fn decide(&mut self, request: v1::DecideRequest) -> Result<v1::DecideResponse, AdminError> {
        self.runtime.block_on(self.custody.decide(request))
    }

    pub(crate) fn execute(&mut self, request: v1::ExecuteRequest) -> Result<v1::DecideResponse, AdminError> {
        self.runtime.block_on(self.custody.execute(request))
    }

    pub(crate) fn request_certificate(&mut self, label: &str) -> Result<Vec<u8>, AdminError> {
        let request = v1::RequestCertificateRequest { label: label.to_owned() };
        Ok(self.runtime.block_on(self.custody.request_certificate(request))?.certificate_request.to_vec())
    }

    pub(crate) fn canary(&mut self, request: v1::CanaryRequest) -> Result<v1::CanaryResponse, AdminError> {
        self.runtime.block_on(self.custody.canary(request))
    }

    pub(crate) fn sign_upload(&mut self, kid: &[u8]) -> Result<Vec<u8>, AdminError> {
        let request = v1::SignUploadRequest { kid: kid.to_vec().into() };
        Ok(self.runtime.block_on(self.custody.sign_upload(request))?.cms.to_vec())
    }

    pub(crate) fn count_signed(&mut self, kid: &[u8]) -> Result<v1::CountSignedResponse, AdminError> {
        self.runtime.block_on(self.custody.count_signed(v1::CountSignedRequest { kid: kid.to_vec().into() }))
    }

    pub(crate) fn revoke(
        &mut self,
        request: v1::RevokeRequest,
        take: impl FnMut(Part) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.runtime.block_on(self.custody.revoke(request, take))
    }

    pub(crate) fn fetch_revocation(
        &mut self,
        request: v1::FetchRevocationRequest,
        take: impl FnMut(Part) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.runtime.block_on(self.custody.fetch_revocation(request, take))
    }
}
