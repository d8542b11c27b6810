//! SHA-256 and the signatures over it, as CMS names and writes them; a certificate request does the same.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use der::asn1::{Any, Uint};
use der::oid::db::rfc5912::{ECDSA_WITH_SHA_256, ID_RSASSA_PSS, ID_SHA_256, RSA_ENCRYPTION, SHA_256_WITH_RSA_ENCRYPTION};
use der::{Decode, Encode};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::domain::{Algorithm, PublicKey, Signature};

/// ```text
/// RSASSA-PSS-params ::= SEQUENCE {
///     [0] hashAlgorithm AlgorithmIdentifier, [1] maskGenAlgorithm AlgorithmIdentifier, [2] saltLength INTEGER }
/// ```
/// SHA-256, MGF1 with SHA-256, a salt of 32 bytes: what PS256 is (RFC 4055 section 3.1).
const PSS_PARAMETERS: &[u8] = &[
    0x30, 0x34, //
    0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, // SHA-256
    0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, // MGF1
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, // with SHA-256
    0xa2, 0x03, 0x02, 0x01, 0x20, // 32
];

/// The same where NULL is left out of SHA-256, which is as good (RFC 4055 section 2.1).
const PSS_PARAMETERS_WITHOUT_NULL: &[u8] = &[
    0x30, 0x30, //
    0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, //
    0xa1, 0x1a, 0x30, 0x18, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, //
    0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, //
    0xa2, 0x03, 0x02, 0x01, 0x20, //
];

/// SHA-256 without parameters (RFC 5754 section 2).
pub(super) const fn sha_256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: ID_SHA_256, parameters: None }
}

/// Whether an algorithm is SHA-256, with NULL or without.
pub(super) fn is_sha_256(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.oid == ID_SHA_256 && is_absent(algorithm)
}

/// What a token's signatures are called: ECDSA with SHA-256, or RSASSA-PSS as PS256 has it.
pub(crate) fn identifier(algorithm: Algorithm) -> AlgorithmIdentifierOwned {
    match algorithm {
        Algorithm::Es256 => AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA_256, parameters: None },
        Algorithm::Ps256 => {
            let parameters = Any::from_der(PSS_PARAMETERS).expect("the parameters are DER");
            AlgorithmIdentifierOwned { oid: ID_RSASSA_PSS, parameters: Some(parameters) }
        }
    }
}

/// A COSE signature as CMS, X.509 and PKCS#10 have it: r and s in DER (RFC 5753 section 2.1.1); an RSA one as it is.
///
/// Nothing, where an ECDSA signature is not of 64 bytes.
pub(crate) fn to_cms(algorithm: Algorithm, signature: &Signature) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Ps256 => Some(signature.as_bytes().to_vec()),
        Algorithm::Es256 => {
            let (r, s) = signature.as_bytes().split_at_checked(32).filter(|(_, s)| s.len() == 32)?;
            vec![Uint::new(r).ok()?, Uint::new(s).ok()?].to_der().ok()
        }
    }
}

/// Whether a signature is a key's over a message, under the algorithm that a signer names: ECDSA, RSASSA-PSS or RSA PKCS#1 v1.5,
/// with SHA-256 each; nothing, where it names another, or one that is not for the key.
pub(super) fn verify(key: &PublicKey, algorithm: &AlgorithmIdentifierOwned, message: &[u8], signature: &[u8]) -> Option<bool> {
    let (verification, key): (&'static dyn VerificationAlgorithm, &[u8]) = match (key, algorithm.oid) {
        (PublicKey::P256 { point }, ECDSA_WITH_SHA_256) if is_absent(algorithm) => (&ECDSA_P256_SHA256_ASN1, point),
        (PublicKey::Rsa { der, .. }, ID_RSASSA_PSS) if is_ps256(algorithm) => (&RSA_PSS_2048_8192_SHA256, der),
        // Some write the key's algorithm here, as CMS once had it (RFC 3370 section 3.2).
        (PublicKey::Rsa { der, .. }, SHA_256_WITH_RSA_ENCRYPTION | RSA_ENCRYPTION) if is_absent(algorithm) => {
            (&RSA_PKCS1_2048_8192_SHA256, der)
        }
        _ => return None,
    };
    Some(UnparsedPublicKey::new(verification, key).verify(message, signature).is_ok())
}

fn is_absent(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.parameters.as_ref().is_none_or(Any::is_null)
}

fn is_ps256(algorithm: &AlgorithmIdentifierOwned) -> bool {
    let parameters = algorithm.parameters.as_ref().and_then(|parameters| parameters.to_der().ok());
    parameters.is_some_and(|parameters| parameters == PSS_PARAMETERS || parameters == PSS_PARAMETERS_WITHOUT_NULL)
}
