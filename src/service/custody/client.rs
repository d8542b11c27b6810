//! The officer's end.

use std::time::Duration;

use tonic::Streaming;
use tonic::transport::Channel;

use super::super::admin::AdminError;
use super::super::client::within;
use super::super::proto::v1;
use super::super::proto::v1::custody_client;
use super::super::proto::v1::revoke_response::Part;

/// How long an officer waits for an answer: longer than a token takes to make an RSA key.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A connection to a service's custody.
#[derive(Clone, Debug)]
pub struct CustodyClient(custody_client::CustodyClient<Channel>);

impl CustodyClient {
    pub(in crate::service) fn over(channel: Channel) -> Self {
        Self(custody_client::CustodyClient::new(channel))
    }

    /// Has certificates revoked; gives the summary, and then list after list, to `take`.
    ///
    /// # Errors
    /// [`AdminError::Call`], or what `take` makes of its own. Lists may then have left that nobody has: ask again.
    pub async fn revoke<E: From<AdminError>>(
        &mut self,
        request: v1::RevokeRequest,
        take: impl FnMut(Part) -> Result<(), E>,
    ) -> Result<(), E> {
        hand_over(self.0.revoke(request).await.map_err(AdminError::call)?.into_inner(), take).await
    }

    /// Reads the register.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn show(&mut self, request: v1::ShowCustodyRequest) -> Result<v1::ShowCustodyResponse, AdminError> {
        Ok(self.0.show_custody(within(TIMEOUT, request)).await.map_err(AdminError::call)?.into_inner())
    }

    /// Files a proposal, or says what it would do.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn propose(&mut self, request: v1::ProposeRequest) -> Result<v1::ProposeResponse, AdminError> {
        Ok(self.0.propose(within(TIMEOUT, request)).await.map_err(AdminError::call)?.into_inner())
    }

    /// Files a verdict.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn decide(&mut self, request: v1::DecideRequest) -> Result<v1::DecideResponse, AdminError> {
        Ok(self.0.decide(within(TIMEOUT, request)).await.map_err(AdminError::call)?.into_inner())
    }

    /// Executes what was approved.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn execute(&mut self, request: v1::ExecuteRequest) -> Result<v1::DecideResponse, AdminError> {
        Ok(self.0.execute(within(TIMEOUT, request)).await.map_err(AdminError::call)?.into_inner())
    }

    /// Has the request to the CSCA made again.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn request_certificate(
        &mut self,
        request: v1::RequestCertificateRequest,
    ) -> Result<v1::RequestCertificateResponse, AdminError> {
        Ok(self.0.request_certificate(within(TIMEOUT, request)).await.map_err(AdminError::call)?.into_inner())
    }

    /// Has specimens signed.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn canary(&mut self, request: v1::CanaryRequest) -> Result<v1::CanaryResponse, AdminError> {
        Ok(self.0.canary(within(TIMEOUT, request)).await.map_err(AdminError::call)?.into_inner())
    }

    /// Makes what the gateway takes to list a DSC.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn sign_upload(&mut self, request: v1::SignUploadRequest) -> Result<v1::SignUploadResponse, AdminError> {
        Ok(self.0.sign_upload(within(TIMEOUT, request)).await.map_err(AdminError::call)?.into_inner())
    }

    /// Counts what was signed under a DSC.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn count_signed(&mut self, request: v1::CountSignedRequest) -> Result<v1::CountSignedResponse, AdminError> {
        Ok(self.0.count_signed(within(TIMEOUT, request)).await.map_err(AdminError::call)?.into_inner())
    }

    /// Has the lists of a revocation made again; gives the summary, and then list after list, to `take`.
    ///
    /// # Errors
    /// [`AdminError::Call`], or what `take` makes of its own.
    pub async fn fetch_revocation<E: From<AdminError>>(
        &mut self,
        request: v1::FetchRevocationRequest,
        take: impl FnMut(Part) -> Result<(), E>,
    ) -> Result<(), E> {
        hand_over(self.0.fetch_revocation(request).await.map_err(AdminError::call)?.into_inner(), take).await
    }
}

async fn hand_over<E: From<AdminError>>(
    mut answers: Streaming<v1::RevokeResponse>,
    mut take: impl FnMut(Part) -> Result<(), E>,
) -> Result<(), E> {
    while let Some(answer) = answers.message().await.map_err(AdminError::call)? {
        answer.part.map_or(Ok(()), &mut take)?;
    }
    Ok(())
}
