//! The specimen: the one certificate by which a key shows, before it is in use, that it signs as its certificate says.
//!
//! It names nobody and is valid for one second, and its content follows from the DSC and an instant alone, so that who asks for
//! it has no word in what is signed.

use crate::domain::json::Json;
use crate::domain::{CertificateType, Digest, Dsc, NumericDate, Signature};

use super::{ClaimsSet, CoseBytes, ProtectedHeader, json::DeterministicJson};

/// A specimen before its signature.
#[derive(Debug)]
pub struct Specimen {
    header: ProtectedHeader,
    claims: Vec<u8>,
}

/// It is valid for so long.
const SECONDS: i64 = 1;

/// A DSC whose subject names no country.
const NOWHERE: &str = "XX";

impl Specimen {
    /// The specimen of a DSC, as issued at an instant: of the first type that the DSC may sign.
    #[must_use]
    pub fn of(dsc: &Dsc, iat: NumericDate) -> Self {
        let country = dsc.country();
        let country = country.as_ref().map_or(NOWHERE, |country| country.as_str());
        let text = payload(dsc.types().iter().next().unwrap_or(CertificateType::Test), country);
        let payload = Json::parse(text.as_bytes()).expect("the texts below are JSON, and a country is two letters");
        let payload = DeterministicJson::new(payload).expect("no name stands twice in the texts below");
        let claims = ClaimsSet { issuer: country, issued_at: iat, expires_at: iat.plus_seconds(SECONDS), payload };
        Self { header: ProtectedHeader::new(dsc.algorithm(), dsc.kid()), claims: claims.to_cbor() }
    }

    /// What the token signs.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.header.digest(&self.claims)
    }

    /// The specimen with its signature.
    #[must_use]
    pub fn assemble(self, signature: Signature) -> CoseBytes {
        self.header.assemble(self.claims, signature)
    }
}

/// A payload that is whole, so that every verifier reads it, and nobody's.
fn payload(kind: CertificateType, country: &str) -> String {
    let (key, entry) = match kind {
        CertificateType::Vaccination => {
            ("v", r#""vp":"1119349007","mp":"EU/1/20/1528","ma":"ORG-100030215","dn":1,"sd":2,"dt":"1900-01-01""#)
        }
        CertificateType::Test => ("t", r#""tt":"LP6464-4","sc":"1900-01-01T00:00:00Z","tr":"260415000","tc":"SPECIMEN""#),
        CertificateType::Recovery => ("r", r#""fr":"1900-01-01","df":"1900-01-12","du":"1900-01-13""#),
    };
    format!(
        r#"{{"ver":"1.3.0","nam":{{"fn":"SPECIMEN","fnt":"SPECIMEN"}},"dob":"1900-01-01","{key}":[{{"tg":"840539006",{entry},"co":"{country}","is":"SPECIMEN","ci":"URN:UVCI:01:{country}:SPECIMEN"}}]}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_payload_that_is_json() {
        for kind in [CertificateType::Vaccination, CertificateType::Test, CertificateType::Recovery] {
            let text = payload(kind, "NC");
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(value[kind.key()][0]["ci"] == "URN:UVCI:01:NC:SPECIMEN", "{text}");
        }
    }
}
