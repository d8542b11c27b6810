//! From a payload to a digest, bound to one DSC and one token.

use std::sync::Arc;

use super::batch::{BatchItem, Certificate, ItemError, Permits, SignedForms};
use super::keyring::{Keyring, Need, Unbound};
use super::profile::Profile;
use super::route::{Binding, Route};
use crate::domain::{
    CallerId, CertificateType, Country, Digest, Fault, Faults, Hcert, ItemId, NumericDate, Octets, RevocationHashes, Rule,
    Signature, UvciMaker,
};
use crate::encode::{ClaimsSet, payload_in};
use crate::ledger::record::Entry;
use crate::ledger::{Expiry, Kept, LedgerKeys};

/// What all items of a batch share.
#[derive(Debug)]
pub(super) struct BatchContext {
    pub(super) keyring: Arc<Keyring>,
    pub(super) profile: Arc<Profile>,
    pub(super) caller: CallerId,
    pub(super) person: Option<Arc<str>>,
    pub(super) request: Arc<str>,
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
    issuer: Country,
    kind: CertificateType,
    issued_at: NumericDate,
    expires_at: NumericDate,
}

impl BatchContext {
    /// The order in which tokens are asked to sign `items` of the batch.
    pub(super) fn route(&self, items: usize) -> Route {
        self.keyring.route(self.profile.algorithm, self.profile.issuer, self.issued_at, items)
    }

    /// Reads, checks and encodes one item.
    pub(super) fn prepare(&self, item: &BatchItem, route: &Route) -> Result<Prepared, ItemError> {
        let hcert = self.parse(item, self.issued_at)?;
        let kind = hcert.certificate_type();
        self.permits.check(kind)?;
        let expires_at = self.expiry(kind, item.expires_at)?;
        let binding = self.keyring.select(&self.need(kind, expires_at), route)?;
        let uvci = hcert.uvci().to_owned();
        let claims = self.claims(hcert, self.issued_at, expires_at);
        let digest = binding.key.header().digest(&claims);
        let issuer = self.profile.issuer;
        Ok(Prepared { binding, digest, claims, uvci, issuer, kind, issued_at: self.issued_at, expires_at })
    }

    /// Reads and checks a payload as of an instant.
    pub(super) fn parse<'i>(&self, item: &'i BatchItem, now: NumericDate) -> Result<Hcert<'i>, Faults> {
        let make_uvci = || self.uvci_maker.make(self.profile.issuer, &self.caller, &item.item_id);
        Hcert::parse(&item.payload, &self.profile.rulebook, now, make_uvci)
    }

    /// The claims of a payload, encoded.
    pub(super) fn claims(&self, payload: Hcert<'_>, issued_at: NumericDate, expires_at: NumericDate) -> Vec<u8> {
        ClaimsSet { issuer: self.profile.issuer.as_str(), issued_at, expires_at, payload }.to_cbor()
    }

    /// Binds an item that was not signed to the best place of another route. Under another DSC the protected header is another,
    /// and so is the digest; under the same DSC the bytes stay.
    pub(super) fn bind_again(&self, item: &mut Prepared, route: &Route) -> Result<(), Unbound> {
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
    /// What makes the same certificate again.
    pub(super) fn kept(&self, signature: Signature, expiry: Expiry, profile: Arc<str>) -> Kept {
        let dsc = self.binding.dsc();
        let (digest, kid, algorithm) = (self.digest, dsc.kid(), dsc.algorithm());
        Kept { digest, signature, kid, algorithm, issued_at: self.issued_at, expires_at: self.expires_at, expiry, profile }
    }

    /// What stands on record of it.
    pub(super) fn entry(&self, place: usize, item_id: &ItemId, signature: &Signature, keys: &LedgerKeys) -> Entry {
        let issuer = self.issuer.as_str();
        let hashes = RevocationHashes::of(self.binding.dsc().algorithm(), signature, &self.uvci, issuer);
        Entry {
            place: u16::try_from(place).unwrap_or(u16::MAX),
            kind: self.kind,
            expires_at: self.expires_at,
            item: keys.item(item_id),
            payload: keys.payload(payload_in(&self.claims, issuer, self.issued_at, self.expires_at)),
            uci: Octets(hashes.uci),
            country_uci: Octets(hashes.country_uci),
            signature: Octets(hashes.signature),
        }
    }

    /// Puts the certificate together.
    pub(super) fn assemble(self, signature: Signature) -> Certificate {
        Certificate {
            signed: Some(SignedForms::assemble(self.binding.key.header(), self.claims, signature)),
            uvci: self.uvci,
            kind: self.kind,
            kid: self.binding.key.dsc().kid(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            is_replayed: false,
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
            is_replayed: false,
        }
    }
}
