//! The signatures that CSCAs make.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use der::Sequence;
use der::asn1::ObjectIdentifier;
use der::oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ECDSA_WITH_SHA_512, ID_MGF_1, ID_SHA_256, ID_SHA_384, ID_SHA_512, SECP_384_R_1,
    SECP_521_R_1, SHA_256_WITH_RSA_ENCRYPTION, SHA_384_WITH_RSA_ENCRYPTION, SHA_512_WITH_RSA_ENCRYPTION,
};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::content::name_of;
use crate::domain::dsc::{ID_EC_PUBLIC_KEY, PRIME256V1, RSA_ENCRYPTION, RSASSA_PSS, rsa_modulus};

type Verification = &'static dyn VerificationAlgorithm;

/// Why a signature is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// It cannot be checked here, so it is not believed.
    #[error(
        "{what} is not supported; ECDSA on P-256, P-384 or P-521 is, and RSA of 2048 to 8192 bits (PKCS#1 v1.5, or PSS with a \
         salt as long as the hash), with SHA-256, SHA-384 or SHA-512"
    )]
    Unsupported {
        /// The key's or the signature's algorithm.
        what: String,
    },
    /// It is not the key's.
    #[error("the signature does not verify; another key has made it, or the certificate was changed")]
    Wrong,
}

/// Whether a signature is a key's over a message.
pub(super) fn verify(
    key: &SubjectPublicKeyInfoOwned,
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureFault> {
    let bytes = key.subject_public_key.as_bytes().unwrap_or_default();
    let verification = match key.algorithm.oid {
        ID_EC_PUBLIC_KEY => ecdsa(curve(key)?, algorithm.oid),
        RSA_ENCRYPTION => rsa_size(bytes).and_then(|()| pkcs1(algorithm.oid).or_else(|_| pss(algorithm))),
        RSASSA_PSS => rsa_size(bytes).and_then(|()| pss(algorithm)),
        other => Err(unsupported("a key of the algorithm", other)),
    }?;
    UnparsedPublicKey::new(verification, bytes).verify(message, signature).map_err(|_| SignatureFault::Wrong)
}

fn unsupported(kind: &str, oid: ObjectIdentifier) -> SignatureFault {
    SignatureFault::Unsupported { what: format!("{kind} {}", name_of(oid)) }
}

fn curve(key: &SubjectPublicKeyInfoOwned) -> Result<ObjectIdentifier, SignatureFault> {
    let curve = key.algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    curve.ok_or_else(|| SignatureFault::Unsupported { what: "a key on a curve without a name".to_owned() })
}

fn ecdsa(curve: ObjectIdentifier, algorithm: ObjectIdentifier) -> Result<Verification, SignatureFault> {
    Ok(match (curve, algorithm) {
        (PRIME256V1, ECDSA_WITH_SHA_256) => &ECDSA_P256_SHA256_ASN1,
        (PRIME256V1, ECDSA_WITH_SHA_384) => &ECDSA_P256_SHA384_ASN1,
        (PRIME256V1, ECDSA_WITH_SHA_512) => &ECDSA_P256_SHA512_ASN1,
        (SECP_384_R_1, ECDSA_WITH_SHA_256) => &ECDSA_P384_SHA256_ASN1,
        (SECP_384_R_1, ECDSA_WITH_SHA_384) => &ECDSA_P384_SHA384_ASN1,
        (SECP_384_R_1, ECDSA_WITH_SHA_512) => &ECDSA_P384_SHA512_ASN1,
        (SECP_521_R_1, ECDSA_WITH_SHA_256) => &ECDSA_P521_SHA256_ASN1,
        (SECP_521_R_1, ECDSA_WITH_SHA_384) => &ECDSA_P521_SHA384_ASN1,
        (SECP_521_R_1, ECDSA_WITH_SHA_512) => &ECDSA_P521_SHA512_ASN1,
        (PRIME256V1 | SECP_384_R_1 | SECP_521_R_1, other) => return Err(unsupported("the signature algorithm", other)),
        (other, _) => return Err(unsupported("a key on the curve", other)),
    })
}

fn rsa_size(key: &[u8]) -> Result<(), SignatureFault> {
    let bits = rsa_modulus(key).map_or(0, |modulus| modulus.len() * 8);
    if (2048..=8192).contains(&bits) {
        Ok(())
    } else {
        Err(SignatureFault::Unsupported { what: format!("an RSA key of {bits} bits") })
    }
}

fn pkcs1(algorithm: ObjectIdentifier) -> Result<Verification, SignatureFault> {
    Ok(match algorithm {
        SHA_256_WITH_RSA_ENCRYPTION => &RSA_PKCS1_2048_8192_SHA256,
        SHA_384_WITH_RSA_ENCRYPTION => &RSA_PKCS1_2048_8192_SHA384,
        SHA_512_WITH_RSA_ENCRYPTION => &RSA_PKCS1_2048_8192_SHA512,
        other => return Err(unsupported("the signature algorithm", other)),
    })
}

/// ```text
/// RSASSA-PSS-params ::= SEQUENCE {
///     hashAlgorithm [0] AlgorithmIdentifier DEFAULT sha1, maskGenAlgorithm [1] AlgorithmIdentifier DEFAULT mgf1SHA1,
///     saltLength [2] INTEGER DEFAULT 20, trailerField [3] INTEGER DEFAULT 1 }
/// ```
/// What is left out is SHA-1 (RFC 4055 section 3.1), which is not supported.
#[derive(Sequence)]
struct PssParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt: Option<u16>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u8>,
}

fn pss(algorithm: &AlgorithmIdentifierOwned) -> Result<Verification, SignatureFault> {
    if algorithm.oid != RSASSA_PSS {
        return Err(unsupported("the signature algorithm", algorithm.oid));
    }
    let parameters = algorithm.parameters.as_ref().and_then(|any| any.decode_as::<PssParameters>().ok());
    let supported = parameters.and_then(|parameters| pss_of(&parameters));
    supported.ok_or_else(|| SignatureFault::Unsupported { what: "RSASSA-PSS with these parameters".to_owned() })
}

fn pss_of(parameters: &PssParameters) -> Option<Verification> {
    let (hash, mask) = (parameters.hash.as_ref()?, parameters.mask.as_ref()?);
    let mask_hash: AlgorithmIdentifierOwned = mask.parameters.as_ref()?.decode_as().ok()?;
    if mask.oid != ID_MGF_1 || mask_hash.oid != hash.oid || parameters.trailer.is_some_and(|trailer| trailer != 1) {
        return None;
    }
    match (hash.oid, parameters.salt?) {
        (ID_SHA_256, 32) => Some(&RSA_PSS_2048_8192_SHA256),
        (ID_SHA_384, 48) => Some(&RSA_PSS_2048_8192_SHA384),
        (ID_SHA_512, 64) => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}
