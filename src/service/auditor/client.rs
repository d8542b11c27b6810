//! The auditor's end.

use std::time::Duration;

use tonic::transport::Channel;

use super::super::admin::AdminError;
use super::super::client::within;
use super::super::proto::v1;
use super::super::proto::v1::auditor_client;

/// How long an auditor waits for an answer that is counted; one that is listed comes as long as it takes.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A connection to a service's ledger.
#[derive(Clone, Debug)]
pub struct AuditorClient(auditor_client::AuditorClient<Channel>);

impl AuditorClient {
    pub(in crate::service) fn over(channel: Channel) -> Self {
        Self(auditor_client::AuditorClient::new(channel))
    }

    /// Gives what is meant to `take`, some hundred at a time.
    ///
    /// # Errors
    /// [`AdminError::Call`], or what `take` makes of its own.
    pub async fn find<E: From<AdminError>>(
        &mut self,
        question: v1::Question,
        limit: u64,
        mut take: impl FnMut(v1::RecordedCertificate) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = v1::FindCertificatesRequest { question: Some(question), limit };
        let mut answers = self.0.find_certificates(request).await.map_err(AdminError::call)?.into_inner();
        while let Some(answer) = answers.message().await.map_err(AdminError::call)? {
            answer.certificates.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    }

    /// Counts what is meant.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn count(&mut self, question: v1::Question) -> Result<v1::CountCertificatesResponse, AdminError> {
        let request = within(TIMEOUT, v1::CountCertificatesRequest { question: Some(question) });
        Ok(self.0.count_certificates(request).await.map_err(AdminError::call)?.into_inner())
    }

    /// Gives an export of the ledger to `take`, piece by piece.
    ///
    /// # Errors
    /// [`AdminError::Call`], or what `take` makes of its own.
    pub async fn export<E: From<AdminError>>(&mut self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut pieces = self.0.export_ledger(v1::ExportLedgerRequest {}).await.map_err(AdminError::call)?.into_inner();
        while let Some(piece) = pieces.message().await.map_err(AdminError::call)? {
            take(&piece.piece)?;
        }
        Ok(())
    }

    /// How the ledger is.
    ///
    /// # Errors
    /// [`AdminError::Call`].
    pub async fn show(&mut self) -> Result<v1::ShowLedgerResponse, AdminError> {
        Ok(self.0.show_ledger(within(TIMEOUT, v1::ShowLedgerRequest {})).await.map_err(AdminError::call)?.into_inner())
    }
}
