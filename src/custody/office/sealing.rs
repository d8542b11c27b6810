//! The audit key vouches for the chain after each change, where there is one.

use std::sync::Arc;
use std::time::Duration;

use super::error::OfficeError;
use super::{CHAIN, Office};
use crate::ledger::record::{Blob, Body, Seal};

/// After a seal that failed it is tried again, in a while.
const AGAIN: Duration = Duration::from_secs(2);

impl Office {
    /// Seals what this replica wrote, and what was left unsealed when it began.
    pub(super) async fn keep_sealed(self: Arc<Self>) {
        if self.audit.is_none() {
            return;
        }
        loop {
            if let Err(error) = self.seal().await {
                tracing::error!(%error, "the custody chain could not be sealed; it is tried again");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            self.written.notified().await;
        }
    }

    /// At the end.
    pub(super) async fn seal_if_unsealed(&self) {
        if let Err(error) = self.seal().await {
            tracing::error!(%error, "the custody chain could not be sealed at the end");
        }
    }

    /// Has the head signed, and the signature written behind it, where no seal is there yet. Another replica may be faster.
    async fn seal(&self) -> Result<(), OfficeError> {
        let Some(key) = &self.audit else { return Ok(()) };
        let known = self.known().await?;
        if !known.is_unsealed() {
            return Ok(());
        }
        let (head, at) = (known.head(), known.at().max(self.clock.now().millis()));
        let signature = key.sign(head.sealed_digest(CHAIN, at)).await;
        let signature = signature.map_err(|error| OfficeError::NotSealed { reason: error.to_string() })?;
        let signature = Blob(signature.into_bytes());
        let seal = Seal { head: head.seq, link: head.link, at, certificate: key.fingerprint(), signature };
        let write = |moment: &super::Moment<'_>| {
            let sealed = moment.reader.sealed();
            let is_late = sealed.head >= seal.head || sealed.at > seal.at;
            Ok::<_, OfficeError>(if is_late { Vec::new() } else { vec![Body::Seal(seal.clone())] })
        };
        self.chain.commit(write).await.map(drop)
    }
}
