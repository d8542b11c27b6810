//! From a payload to a digest, bound to one DSC.

use std::sync::Arc;

use super::batch::{BatchItem, Certificate, SignFailure, SignedForms};
use super::keyring::{Keyring, Need, SigningKey};
use super::profile::Profile;
use crate::domain::{CallerId, CertificateType, Digest, Fault, Faults, Hcert, NumericDate, Rule, Signature, UvciMaker};
use crate::encode::{ClaimsSet, Hc1};

/// What all items of a batch share.
#[derive(Debug)]
pub(super) struct BatchContext {
    pub(super) keyring: Arc<Keyring>,
    pub(super) profile: Arc<Profile>,
    pub(super) caller: CallerId,
    pub(super) uvci_maker: UvciMaker,
    /// One reading of the clock a batch.
    pub(super) issued_at: NumericDate,
}

/// A certificate ready for its signature, bound to one DSC. Not `Clone`: it is signed once.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) key: Arc<SigningKey>,
    pub(super) digest: Digest,
    claims: Vec<u8>,
    uvci: String,
    kind: CertificateType,
    issued_at: NumericDate,
    expires_at: NumericDate,
}

impl BatchContext {
    /// Reads, checks and encodes one item.
    pub(super) fn prepare(&self, item: &BatchItem) -> Result<Prepared, Faults> {
        let profile = &self.profile;
        let make_uvci = || self.uvci_maker.make(profile.issuer, &self.caller, &item.item_id);
        let hcert = Hcert::parse(&item.payload, &profile.rulebook, self.issued_at, make_uvci)?;
        let kind = hcert.certificate_type();
        let expires_at = self.expiry(kind, item.expires_at)?;
        let need = Need { algorithm: profile.algorithm, country: profile.issuer, kind, issued_at: self.issued_at, expires_at };
        let key = self.keyring.select(&need)?;
        let uvci = hcert.uvci().to_owned();
        let claims =
            ClaimsSet { issuer: profile.issuer.as_str(), issued_at: self.issued_at, expires_at, payload: hcert }.to_cbor();
        let digest = key.header().digest(&claims);
        Ok(Prepared { key: Arc::clone(key), digest, claims, uvci, kind, issued_at: self.issued_at, expires_at })
    }

    /// The profile's duration for the type, or the item's own end if that is sooner. Nothing is clipped.
    fn expiry(&self, kind: CertificateType, wanted: Option<NumericDate>) -> Result<NumericDate, Fault> {
        let latest = self.issued_at.plus_seconds(self.profile.durations.of(kind));
        let Some(wanted) = wanted else { return Ok(latest) };
        if wanted <= self.issued_at || wanted > latest {
            let message = format!("{wanted}; it is after {} and no later than {latest}", self.issued_at);
            return Err(Fault::new("expires_at", Rule::ExpiresAt, message));
        }
        Ok(wanted)
    }
}

impl Prepared {
    /// Checks the signature and puts the certificate together.
    pub(super) fn finish(self, signature: Signature, check: bool) -> Result<Certificate, SignFailure> {
        if check && !self.key.check().accepts(&self.digest, signature.as_bytes()) {
            tracing::error!(kid = %self.key.dsc().kid(), token = self.key.token().name(), "a signature does not verify; it is not released");
            return Err(SignFailure::BadSignature);
        }
        let cose = self.key.header().assemble(self.claims, signature);
        let hc1 = Hc1::encode(&cose);
        Ok(Certificate {
            signed: Some(SignedForms { hc1, cose }),
            uvci: self.uvci,
            kind: self.kind,
            kid: self.key.dsc().kid(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
        })
    }

    /// What the certificate would be.
    pub(super) fn preview(self) -> Certificate {
        Certificate {
            signed: None,
            uvci: self.uvci,
            kind: self.kind,
            kid: self.key.dsc().kid(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
        }
    }
}
