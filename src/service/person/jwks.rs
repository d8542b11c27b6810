//! The issuer's public keys: a JWK set.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{DecodingKey, crypto};
use serde::Deserialize;

use super::{JwtAlgorithm, SourceError};

/// The keys of a JWK set that a JWT may be signed with; one at least.
///
/// # Source
/// RFC 7517 section 5: keys that are not understood are left out.
#[derive(Debug)]
pub(super) struct Jwks {
    keys: Vec<IssuerKey>,
    fingerprint: Fingerprint,
}

/// SHA-256 of a JWK set's text.
pub(super) type Fingerprint = [u8; 32];

/// Far more than any issuer has at once.
const MAX_KEYS: usize = 100;

/// RSA of 2048 bits or more, as the library takes them.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

#[derive(Deserialize)]
struct KeyList {
    keys: Vec<serde_json::Value>,
}

impl Jwks {
    /// Reads a JWK set.
    ///
    /// # Errors
    /// [`SourceError`] where it is none, or has no key that could be used.
    pub(super) fn parse(text: &[u8]) -> Result<Self, SourceError> {
        let list: KeyList = serde_json::from_slice(text).map_err(|_| SourceError::NoJwks)?;
        if list.keys.len() > MAX_KEYS {
            return Err(SourceError::TooManyKeys { most: MAX_KEYS });
        }
        let keys: Vec<IssuerKey> = list.keys.into_iter().filter_map(IssuerKey::read).collect();
        if keys.is_empty() {
            return Err(SourceError::NoUsableKey);
        }
        Ok(Self { keys, fingerprint: fingerprint(text) })
    }

    pub(super) const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) const fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys of a name that sign by an algorithm: one, but where the issuer names two alike.
    pub(super) fn find(&self, kid: &str, algorithm: JwtAlgorithm) -> impl Iterator<Item = &IssuerKey> {
        self.keys.iter().filter(move |key| key.kid == kid && key.algorithms.contains(&algorithm))
    }
}

pub(super) fn fingerprint(text: &[u8]) -> Fingerprint {
    let mut bytes = Fingerprint::default();
    bytes.copy_from_slice(digest(&SHA256, text).as_ref());
    bytes
}

/// A public key with its name and what it may be used for.
pub(super) struct IssuerKey {
    kid: String,
    algorithms: Vec<JwtAlgorithm>,
    key: DecodingKey,
}

impl IssuerKey {
    /// A key that can be used; nothing where it is for something else, or not understood.
    fn read(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let common = &jwk.common;
        let is_for_signatures = common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let named = common.key_algorithm.map(|algorithm| algorithm.to_string());
        let mut algorithms = algorithms(&jwk.algorithm)?;
        algorithms.retain(|algorithm| named.as_ref().is_none_or(|named| *named == algorithm.to_string()));
        if !is_for_signatures || algorithms.is_empty() {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { kid: jwk.common.key_id?, algorithms, key })
    }

    /// Whether a signature (base64url) is this key's over a message.
    pub(super) fn verifies(&self, algorithm: JwtAlgorithm, message: &[u8], signature: &str) -> bool {
        self.algorithms.contains(&algorithm)
            && crypto::verify(signature, message, &self.key, algorithm.for_library()).unwrap_or(false)
    }
}

impl std::fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IssuerKey({:?}, {:?})", self.kid, self.algorithms)
    }
}

/// What a key of its kind can do; the kind is the key's, never the JWT's, to say. Symmetric keys are none of an issuer's.
fn algorithms(parameters: &AlgorithmParameters) -> Option<Vec<JwtAlgorithm>> {
    match parameters {
        AlgorithmParameters::EllipticCurve(key)
            if key.curve == EllipticCurve::P256 && bytes(&key.x)? == 32 && bytes(&key.y)? == 32 =>
        {
            Some(vec![JwtAlgorithm::Es256])
        }
        AlgorithmParameters::RSA(key) if RSA_BYTES.contains(&bytes(&key.n)?) => {
            Some(vec![JwtAlgorithm::Ps256, JwtAlgorithm::Rs256])
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 && bytes(&key.x)? == 32 => {
            Some(vec![JwtAlgorithm::EdDsa])
        }
        _ => None,
    }
}

/// The length of a number in base64url, without leading zeros only where the issuer left them out.
fn bytes(text: &str) -> Option<usize> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok().map(|bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
    const ED25519: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;

    fn set(keys: &[String]) -> Result<Jwks, SourceError> {
        Jwks::parse(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
    }

    fn usable(members: &str) -> Vec<JwtAlgorithm> {
        let both = [format!("{{\"kid\":\"other\",{P256}}}"), format!("{{{members}}}")];
        let jwks = set(&both).unwrap();
        jwks.keys.iter().filter(|key| key.kid == "k").flat_map(|key| key.algorithms.clone()).collect()
    }

    /// RFC 7515 appendix A.3 and RFC 8037 appendix A.4.
    #[test]
    fn the_signatures_of_the_rfcs_verify() {
        let jwks = set(&[format!("{{\"kid\":\"a\",{P256}}}"), format!("{{\"kid\":\"b\",{ED25519}}}")]).unwrap();
        let es256 = jwks.find("a", JwtAlgorithm::Es256).next().unwrap();
        let message =
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        assert!(es256.verifies(JwtAlgorithm::Es256, message.as_bytes(), signature));
        assert!(!es256.verifies(JwtAlgorithm::Es256, b"other", signature));
        assert!(!es256.verifies(JwtAlgorithm::EdDsa, message.as_bytes(), signature));
        let ed25519 = jwks.find("b", JwtAlgorithm::EdDsa).next().unwrap();
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert!(ed25519.verifies(JwtAlgorithm::EdDsa, b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", signature));
    }

    #[test]
    fn a_key_is_used_for_what_its_kind_and_members_say() {
        assert_eq!(usable(&format!("\"kid\":\"k\",{P256}")), [JwtAlgorithm::Es256]);
        assert_eq!(usable(&format!("\"kid\":\"k\",\"use\":\"sig\",\"alg\":\"ES256\",{P256}")), [JwtAlgorithm::Es256]);
        assert_eq!(usable(&format!("\"kid\":\"k\",\"key_ops\":[\"verify\"],{ED25519}")), [JwtAlgorithm::EdDsa]);
        let rsa = |n: &str| format!("\"kid\":\"k\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"{n}\"");
        assert_eq!(usable(&rsa(&("v".repeat(341) + "w"))), [JwtAlgorithm::Ps256, JwtAlgorithm::Rs256]);
        assert_eq!(usable(&rsa(&"v".repeat(340))), []);
    }

    #[test]
    fn keys_for_other_things_are_left_out() {
        for members in [
            P256.to_owned(),
            format!("\"kid\":\"k\",\"use\":\"enc\",{P256}"),
            format!("\"kid\":\"k\",\"key_ops\":[\"sign\"],{P256}"),
            format!("\"kid\":\"k\",\"alg\":\"ES384\",{P256}"),
            format!("\"kid\":\"k\",\"alg\":\"HS256\",{P256}"),
            "\"kid\":\"k\",\"kty\":\"oct\",\"k\":\"c2VjcmV0\"".to_owned(),
            "\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"".to_owned(),
            "\"kid\":\"k\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"AQAB\"".to_owned(),
            "\"kid\":\"k\",\"kty\":\"new\"".to_owned(),
            "\"kid\":\"k\"".to_owned(),
        ] {
            assert_eq!(usable(&members), [], "{members}");
        }
    }

    #[test]
    fn what_is_no_set_of_keys_is_refused() {
        for text in ["", "{}", "[]", "<html>", r#"{"keys":1}"#] {
            assert!(matches!(Jwks::parse(text.as_bytes()), Err(SourceError::NoJwks)), "{text}");
        }
        assert!(matches!(set(&[]), Err(SourceError::NoUsableKey)));
        assert!(matches!(set(&vec!["{}".to_owned(); 101]), Err(SourceError::TooManyKeys { .. })));
    }
}
