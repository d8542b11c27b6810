//! The audit key: a token vouches for the ledger's chain with it, so that nobody who has the database can bend the past.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::placed_key::{NotSigned, PlacedKey};
use super::route::Station;
use crate::domain::{Clock, Digest, Dsc, InvalidKey, Octets, Signature};
use crate::ledger::LedgerError;
use crate::ledger::record::{Blob, Body, Head, Seal};
use crate::ledger::writer::ChainWriter;
use crate::token::{Purpose, TokenKey};

/// After a seal that failed it is tried again, in a while.
const AGAIN: Duration = Duration::from_secs(1);

/// How often a chain is sealed where it grows: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealPace {
    /// So long after the last seal.
    pub every: Duration,
    /// So many records after it.
    pub records: NonZeroU64,
}

/// An audit certificate, and where its key is.
pub struct AuditKey {
    certificate: Dsc,
    key: PlacedKey,
}

/// Why a head was not sealed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SealError {
    /// No token signed.
    #[error("no token signed with the audit key: {0}")]
    Key(#[from] NotSigned),
    /// The seal was not written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl AuditKey {
    /// Binds an audit certificate to its key.
    ///
    /// # Errors
    /// Where its public key is none.
    pub fn new(certificate: Dsc, places: Vec<(Arc<Station>, TokenKey)>) -> Result<Self, InvalidKey> {
        let key = PlacedKey::new(Purpose::Audit, certificate.public_key(), places)?;
        Ok(Self { certificate, key })
    }

    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Dsc {
        &self.certificate
    }

    /// SHA-256 of the certificate: its name on record.
    #[must_use]
    pub fn fingerprint(&self) -> Octets<32> {
        Digest::of(self.certificate.der()).into()
    }

    /// Signs one digest, on the first token that does.
    ///
    /// # Errors
    /// Where none does.
    pub async fn sign(&self, digest: Digest) -> Result<Signature, SealError> {
        let mut signatures = self.key.sign(&[digest]).await?;
        Ok(signatures.pop().ok_or(NotSigned::NoneDid)?)
    }

    /// Has the head of a chain signed, and the signature written behind it. The seal is no older than what it is of, nor than the
    /// seal before it, where the clock was set back, too.
    ///
    /// # Errors
    /// Where no token signs, or the ledger cannot be written.
    pub async fn seal(&self, writer: &ChainWriter, clock: &dyn Clock) -> Result<Head, SealError> {
        let (head, at) = writer.status().head_at(clock.now());
        let signature = self.sign(head.sealed_digest(writer.instance(), at)).await?;
        let seal = Seal {
            head: head.seq,
            link: head.link,
            at,
            certificate: self.fingerprint(),
            signature: Blob(signature.into_bytes()),
        };
        let sealed = writer.write(Body::Seal(seal), Vec::new()).await?.head;
        writer.status().is_sealed(sealed);
        Ok(sealed)
    }

    /// Seals a chain from time to time, where it has grown since; at the end of it all, call [`Self::seal`] once more.
    pub async fn keep_sealed(&self, writer: &ChainWriter, clock: &dyn Clock, pace: SealPace) {
        let status = writer.status();
        let mut sealed = None;
        loop {
            let enough = sealed.map_or(status.head().seq, |head: Head| head.seq).saturating_add(pace.records.get());
            tokio::select! {
                () = sleep(pace.every) => {}
                () = status.reaches(enough) => {}
            }
            if status.trouble().is_some() {
                sleep(AGAIN).await;
                continue;
            }
            if sealed == Some(status.head()) {
                continue;
            }
            match self.seal(writer, clock).await {
                Ok(head) => sealed = Some(head),
                Err(error) => {
                    tracing::error!(%error, "the ledger's chain could not be sealed; it is tried again");
                    sleep(AGAIN).await;
                }
            }
        }
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditKey").field("certificate", &self.certificate.kid()).finish_non_exhaustive()
    }
}
