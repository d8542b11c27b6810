//! From a payload to a digest, bound to one DSC and one token.

use std::sync::Arc;

use super::batch::{BatchItem, Certificate, Permits, SignedForms};
use super::keyring::{Keyring, Need};
use super::profile::Profile;
use super::route::{Binding, Route};
use crate::domain::{CallerId, CertificateType, Digest, Fault, Faults, Hcert, NumericDate, Rule, Signature, UvciMaker};
use crate::encode::{ClaimsSet, Hc1};

/// What all items of a batch share.
#[derive(Debug)]
pub(super) struct BatchContext {
    pub(super) keyring: Arc<Keyring>,
    pub(super) profile: Arc<Profile>,
    pub(super) caller: CallerId,
    pub(super) permits: Permits,
    pub(super) uvci_maker: UvciMaker,
    /// One reading of the clock a batch.
    pub(super) issued_at: NumericDate,
}

/// A certificate ready for its signature, bound to one DSC and one token. Not `Clone`: it is signed once.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) binding: Binding,
    pub(super) digest: Digest,
    claims: Vec<u8>,
    uvci: String,
    kind: CertificateType,
    issued_at: NumericDate,
    expires_at: NumericDate,
}

impl BatchContext {
    /// The order in which tokens are asked to sign `items` of the batch.
    pub(super) fn route(&self, items: usize) -> Route {
        self.keyring.route(self.profile.algorithm, self.profile.issuer, items)
    }

    /// Reads, checks and encodes one item.
    pub(super) fn prepare(&self, item: &BatchItem, route: &Route) -> Result<Prepared, Faults> {
        let profile = &self.profile;
        let make_uvci = || self.uvci_maker.make(profile.issuer, &self.caller, &item.item_id);
        let hcert = Hcert::parse(&item.payload, &profile.rulebook, self.issued_at, make_uvci)?;
        let kind = hcert.certificate_type();
        self.permits.check(kind)?;
        let expires_at = self.expiry(kind, item.expires_at)?;
        let binding = self.keyring.select(&self.need(kind, expires_at), route)?;
        let uvci = hcert.uvci().to_owned();
        let claims =
            ClaimsSet { issuer: profile.issuer.as_str(), issued_at: self.issued_at, expires_at, payload: hcert }.to_cbor();
        let digest = binding.key.header().digest(&claims);
        Ok(Prepared { binding, digest, claims, uvci, kind, issued_at: self.issued_at, expires_at })
    }

    /// Binds an item that was not signed to the best place of another route. Under another DSC the protected header is another,
    /// and so is the digest; under the same DSC the bytes stay.
    pub(super) fn bind_again(&self, item: &mut Prepared, route: &Route) -> Result<(), Fault> {
        let binding = self.keyring.select(&self.need(item.kind, item.expires_at), route)?;
        if !Arc::ptr_eq(&binding.key, &item.binding.key) {
            item.digest = binding.key.header().digest(&item.claims);
        }
        item.binding = binding;
        Ok(())
    }

    fn need(&self, kind: CertificateType, expires_at: NumericDate) -> Need {
        let Profile { algorithm, issuer: country, .. } = *self.profile;
        Need { algorithm, country, kind, issued_at: self.issued_at, expires_at }
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
    /// Whether a signature is that of the DSC it is bound to.
    pub(super) fn accepts(&self, signature: &Signature) -> bool {
        self.binding.key.check().accepts(&self.digest, signature.as_bytes())
    }

    /// Puts the certificate together.
    pub(super) fn assemble(self, signature: Signature) -> Certificate {
        let cose = self.binding.key.header().assemble(self.claims, signature);
        let hc1 = Hc1::encode(&cose);
        Certificate {
            signed: Some(SignedForms { hc1, cose }),
            uvci: self.uvci,
            kind: self.kind,
            kid: self.binding.key.dsc().kid(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
        }
    }

    /// What the certificate would be.
    pub(super) fn preview(self) -> Certificate {
        Certificate {
            signed: None,
            uvci: self.uvci,
            kind: self.kind,
            kid: self.binding.key.dsc().kid(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
        }
    }
}
