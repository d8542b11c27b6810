//! A key that signs now and then, beside the way of batches, on the first of its tokens that does.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::route::Station;
use crate::domain::{Digest, InvalidKey, Lane, PublicKey, Signature, SignatureCheck};
use crate::token::{Order, Purpose, Signed, TokenError, TokenKey};

/// How long a token may take over what it is given at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many digests a token is given at once.
const DIGESTS_AT_ONCE: usize = 32;

/// A key of one purpose, and where it is.
pub(super) struct PlacedKey {
    purpose: Purpose,
    check: SignatureCheck,
    places: Vec<(Arc<Station>, TokenKey)>,
}

/// Why nothing was signed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotSigned {
    /// No token signed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Each that was asked took too long, or signed badly.
    #[error("no token signed well in time")]
    NoneDid,
}

impl PlacedKey {
    /// Binds a key to its places.
    ///
    /// # Errors
    /// Where the public key is none.
    pub(super) fn new(
        purpose: Purpose,
        public_key: &PublicKey,
        places: Vec<(Arc<Station>, TokenKey)>,
    ) -> Result<Self, InvalidKey> {
        Ok(Self { purpose, check: SignatureCheck::new(public_key)?, places })
    }

    /// Signs digests, one signature each, in order, and verifies each.
    ///
    /// # Errors
    /// Where no token signs all of them.
    pub(super) async fn sign(&self, digests: &[Digest]) -> Result<Vec<Signature>, NotSigned> {
        let mut signatures = Vec::with_capacity(digests.len());
        for digests in digests.chunks(DIGESTS_AT_ONCE) {
            signatures.extend(self.sign_some(digests).await?);
        }
        Ok(signatures)
    }

    async fn sign_some(&self, digests: &[Digest]) -> Result<Vec<Signature>, NotSigned> {
        let mut failure = NotSigned::NoneDid;
        for (station, key) in &self.places {
            let order = Order { key: *key, purpose: self.purpose, lane: Lane::Interactive };
            let Ok(signed) = timeout(PATIENCE, station.token().sign(order, digests.to_vec())).await else { continue };
            match self.verified(station, digests, signed) {
                Ok(signatures) => return Ok(signatures),
                Err(NotSigned::NoneDid) => {}
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// The signatures, where every digest has one that verifies.
    fn verified(
        &self,
        station: &Station,
        digests: &[Digest],
        signed: Vec<Result<Signed, TokenError>>,
    ) -> Result<Vec<Signature>, NotSigned> {
        if signed.len() != digests.len() {
            return Err(NotSigned::NoneDid);
        }
        let verified = |(digest, signed): (&Digest, Result<Signed, TokenError>)| {
            let Signed { signature, session } = signed?;
            let verifies = self.check.accepts(digest, signature.as_bytes());
            station.token().judge(session, verifies);
            if verifies { Ok(signature) } else { Err(NotSigned::NoneDid) }
        };
        digests.iter().zip(signed).map(verified).collect()
    }
}
