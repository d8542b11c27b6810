//! The officer's end.

use tonic::transport::Channel;

use super::super::admin::AdminError;
use super::super::proto::v1;
use super::super::proto::v1::custody_client;
use super::super::proto::v1::revoke_response::Part;

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
        mut take: impl FnMut(Part) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut answers = self.0.revoke(request).await.map_err(AdminError::call)?.into_inner();
        while let Some(answer) = answers.message().await.map_err(AdminError::call)? {
            answer.part.map_or(Ok(()), &mut take)?;
        }
        Ok(())
    }
}
