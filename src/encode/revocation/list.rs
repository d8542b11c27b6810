//! All that a verifier holds as revoked, ready to be asked.

use std::collections::{HashMap, HashSet};

use super::batch::RevocationBatch;
use super::json::BatchError;
use super::signed::ListError;
use crate::domain::{HashType, Kid, RevocationHashes, Signature};
use crate::encode::SignedHcert;
use crate::encode::cms::UploadCertificate;

/// The entries of any number of batches. An entry counts after its batch's expiry too: the certificate has expired as well.
#[derive(Clone, Debug, Default)]
pub struct RevocationList {
    by_kid: HashMap<Option<Kid>, HashSet<(HashType, [u8; 16])>>,
}

impl RevocationList {
    /// Adds a batch, or several, in JSON as it is: whoever gives the text vouches for it.
    ///
    /// # Errors
    /// [`BatchError`]; nothing is added then.
    pub fn add_json(&mut self, json: &[u8]) -> Result<(), BatchError> {
        let batches = RevocationBatch::all_from_json(json)?;
        batches.iter().for_each(|batch| self.add(batch));
        Ok(())
    }

    /// Adds one batch that a country has signed.
    ///
    /// # Errors
    /// As [`RevocationBatch::open`]; nothing is added then.
    pub fn add_signed(&mut self, message: &[u8], trusted: &[UploadCertificate]) -> Result<(), ListError> {
        self.add(&RevocationBatch::open(message, trusted)?);
        Ok(())
    }

    /// Adds a batch.
    pub fn add(&mut self, batch: &RevocationBatch) {
        let entries = self.by_kid.entry(batch.kid()).or_default();
        entries.extend(batch.entries().iter().map(|hash| (batch.hash_type(), *hash)));
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_kid.is_empty()
    }

    /// Whether a certificate is revoked, and by which of its hashes: under its own kid, or where the kid is not known.
    #[must_use]
    pub fn revokes(&self, hcert: &SignedHcert) -> Option<HashType> {
        let sets: Vec<_> = [Some(hcert.kid()), None].iter().filter_map(|kid| self.by_kid.get(kid)).collect();
        if sets.is_empty() {
            return None;
        }
        let signature = Signature::new(hcert.signature().to_vec());
        let (uvci, issuer) = (hcert.uvci(), hcert.issuer());
        let hashes = RevocationHashes::of(hcert.algorithm(), &signature, uvci.unwrap_or_default(), issuer.unwrap_or_default());
        let mut known = HashType::ALL.into_iter().filter(|hash_type| match hash_type {
            HashType::Signature => true,
            HashType::Uci => uvci.is_some(),
            HashType::CountryCodeUci => uvci.is_some() && issuer.is_some(),
        });
        known.find(|hash_type| sets.iter().any(|set| set.contains(&(*hash_type, hashes.of_type(*hash_type)))))
    }
}
