//! The request to the CSCA for a DSC (PKCS#10), signed by the key that it is for.
//!
//! [`to_be_signed`] makes a [`Draft`]; the token signs its digest; [`Draft::finish`] checks the signature and writes the request.
//!
//! A P-256 key signs with ECDSA, an RSA key with RSASSA-PSS (SHA-256, a salt of 32 bytes), never with PKCS#1 v1.5. A DSC's RSA
//! key is for PSS alone: its worker knows no other mechanism, the HSM may allow no other, and one key under two paddings is what
//! RFC 4055 section 1.2 warns of. A CSCA that issues DSCs for PS256 reads PSS (OpenSSL, EJBCA and what is built on Bouncy Castle
//! do). The key is named rsaEncryption, as in the DSCs that states have issued: verifiers find it under that name.
//!
//! # Source
//! RFC 2986 (PKCS#10); RFC 2985 section 5.4.2 (extensionRequest); RFC 4055; certificate governance, DSC profile.

use der::asn1::{Any, BitString, OctetString, PrintableString, SetOfVec, Utf8StringRef};
use der::oid::AssociatedOid;
use der::oid::db::rfc4519::{COMMON_NAME, COUNTRY_NAME, ORGANIZATION_NAME, ORGANIZATIONAL_UNIT_NAME, SERIAL_NUMBER};
use der::{Decode, Encode, EncodePem};
use x509_cert::attr::{Attribute, AttributeTypeAndValue};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, KeyUsages};
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, ExtensionReq, Version};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::cms::algorithm;
use crate::domain::dsc::{ID_EC_PUBLIC_KEY, MAX_RSA_BITS, PRIME256V1, RSA_ENCRYPTION};
use crate::domain::{CertificateTypes, Country, Digest, PublicKey, Signature, SignatureCheck};

/// The longest O, OU, CN and serialNumber, in characters (RFC 5280 appendix A.1, the upper bounds of X.520).
const MAX_CHARACTERS: usize = 64;

/// Whom a DSC is to name: C, O, OU, CN and serialNumber, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// C: the state.
    pub country: Country,
    /// O: who issues, where it is named.
    pub organization: Option<String>,
    /// OU, where there is one.
    pub unit: Option<String>,
    /// CN: no two DSCs of a state have the same.
    pub common_name: String,
    /// serialNumber, where the CSCA numbers the signers of one name.
    pub serial_number: Option<String>,
}

impl Subject {
    /// The name in X.509, each part in a set of its own.
    fn name(&self) -> Result<Name, CsrError> {
        let mut parts = vec![SetOfVec::try_from(vec![part(COUNTRY_NAME, printable("C", self.country.as_str())?)])?];
        let texts = [
            (ORGANIZATION_NAME, "O", self.organization.as_ref()),
            (ORGANIZATIONAL_UNIT_NAME, "OU", self.unit.as_ref()),
            (COMMON_NAME, "CN", Some(&self.common_name)),
        ];
        for (oid, place, text) in texts {
            let Some(text) = text else { continue };
            let value = Any::from(Utf8StringRef::new(bounded(place, text)?)?);
            parts.push(SetOfVec::try_from(vec![part(oid, value)])?);
        }
        if let Some(number) = &self.serial_number {
            parts.push(SetOfVec::try_from(vec![part(
                SERIAL_NUMBER,
                printable("serialNumber", bounded("serialNumber", number)?)?,
            )])?);
        }
        Ok(Name::from_der(&parts.to_der()?)?)
    }
}

const fn part(oid: der::asn1::ObjectIdentifier, value: Any) -> AttributeTypeAndValue {
    AttributeTypeAndValue { oid, value }
}

fn bounded<'t>(place: &'static str, text: &'t str) -> Result<&'t str, CsrError> {
    let fits = (1..=MAX_CHARACTERS).contains(&text.chars().count());
    let plain = text.trim() == text && !text.chars().any(char::is_control);
    if fits && plain { Ok(text) } else { Err(CsrError::Subject { place }) }
}

fn printable(place: &'static str, text: &str) -> Result<Any, CsrError> {
    let text = PrintableString::new(text).map_err(|_| CsrError::NotPrintable { place })?;
    Ok(Any::encode_from(&text)?)
}

/// A request before its key has signed it. It is consumed by its signature.
#[derive(Debug)]
pub struct Draft {
    info: CertReqInfo,
    public_key: PublicKey,
    digest: Digest,
}

/// Makes what a new key is to sign: the subject, the key, and the extensions that are asked for, which are key usage
/// digitalSignature and, where the DSC is not for any type, the extended key usage of its types.
///
/// # Errors
/// [`CsrError::Key`] for an RSA key of more than 3072 bits; [`CsrError::Subject`] and [`CsrError::NotPrintable`].
pub fn to_be_signed(public_key: &PublicKey, subject: &Subject, types: CertificateTypes) -> Result<Draft, CsrError> {
    if let PublicKey::Rsa { modulus, .. } = public_key
        && modulus.len() * 8 > MAX_RSA_BITS
    {
        return Err(CsrError::Key { bits: modulus.len() * 8 });
    }
    let info = CertReqInfo {
        version: Version::V1,
        subject: subject.name()?,
        public_key: key_info(public_key)?,
        attributes: SetOfVec::try_from(vec![Attribute::try_from(ExtensionReq(extensions(types)?))?])?,
    };
    let digest = Digest::of(&info.to_der()?);
    Ok(Draft { info, public_key: public_key.clone(), digest })
}

fn key_info(public_key: &PublicKey) -> der::Result<SubjectPublicKeyInfoOwned> {
    let (oid, parameters, bytes) = match public_key {
        PublicKey::P256 { point } => (ID_EC_PUBLIC_KEY, Any::from(PRIME256V1), point.as_slice()),
        PublicKey::Rsa { der, .. } => (RSA_ENCRYPTION, Any::null(), der.as_slice()),
    };
    let algorithm = AlgorithmIdentifierOwned { oid, parameters: Some(parameters) };
    Ok(SubjectPublicKeyInfoOwned { algorithm, subject_public_key: BitString::from_bytes(bytes)? })
}

fn extensions(types: CertificateTypes) -> der::Result<Vec<Extension>> {
    let extension =
        |extn_id, critical, value: Vec<u8>| OctetString::new(value).map(|extn_value| Extension { extn_id, critical, extn_value });
    let key_usage = KeyUsage(KeyUsages::DigitalSignature.into());
    let mut extensions = vec![extension(KeyUsage::OID, true, key_usage.to_der()?)?];
    let usages = types.extended_key_usages();
    if !usages.is_empty() {
        // Not critical: hcert_spec annex A.4.
        extensions.push(extension(ExtendedKeyUsage::OID, false, ExtendedKeyUsage(usages).to_der()?)?);
    }
    Ok(extensions)
}

impl Draft {
    /// SHA-256 of the request's information: what the token signs, as it signs a certificate's digest.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Checks the token's signature (r‖s of 64 bytes, or RSASSA-PSS) and writes the request.
    ///
    /// # Errors
    /// [`CsrError::WrongSignature`] where it is not the key's own; nothing leaves then.
    pub fn finish(self, signature: &Signature) -> Result<CertificateRequest, CsrError> {
        let kind = self.public_key.algorithm();
        let check = SignatureCheck::new(&self.public_key).map_err(|_| CsrError::WrongSignature)?;
        let written = algorithm::to_cms(kind, signature).filter(|_| check.accepts(&self.digest, signature.as_bytes()));
        let signature = BitString::from_bytes(&written.ok_or(CsrError::WrongSignature)?)?;
        Ok(CertificateRequest(CertReq { info: self.info, algorithm: algorithm::identifier(kind), signature }))
    }
}

/// A certification request, signed by the key that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest(CertReq);

impl CertificateRequest {
    /// The request in DER.
    ///
    /// # Errors
    /// [`CsrError::Form`], where it has none.
    pub fn to_der(&self) -> Result<Vec<u8>, CsrError> {
        Ok(self.0.to_der()?)
    }

    /// The request in PEM, `CERTIFICATE REQUEST`.
    ///
    /// # Errors
    /// [`CsrError::Form`], where it has none.
    pub fn to_pem(&self) -> Result<String, CsrError> {
        Ok(self.0.to_pem(der::pem::LineEnding::LF)?)
    }
}

/// Why no request is made.
#[derive(Debug, thiserror::Error)]
pub enum CsrError {
    /// A part of the subject has no place in a certificate.
    #[error("{place} of the subject has 1 to {MAX_CHARACTERS} characters, no control characters, and no space at an end")]
    Subject {
        /// O, OU, CN or serialNumber.
        place: &'static str,
    },
    /// A character that the part cannot have.
    #[error("{place} of the subject takes the letters A-Z and a-z, digits, spaces, and '()+,-./:=? only")]
    NotPrintable {
        /// C or serialNumber.
        place: &'static str,
    },
    /// A longer key than a DSC may have.
    #[error("the RSA key has {bits} bits; a DSC has 2048 to {MAX_RSA_BITS}")]
    Key {
        /// The length of the modulus.
        bits: usize,
    },
    /// The signature is another key's.
    #[error("the signature was not made by the key that the request is for; nothing was written")]
    WrongSignature,
    /// It has no form in DER.
    #[error("the request has no form in DER: {0}")]
    Form(#[from] der::Error),
}

/// SHA-256 of a key's SubjectPublicKeyInfo in DER, as a request has it: what `openssl pkey -pubin -outform der | sha256sum` says.
#[must_use]
pub fn key_digest(public_key: &PublicKey) -> Digest {
    let der = key_info(public_key).and_then(|info| info.to_der());
    Digest::of(&der.expect("a key that was read has a form in DER"))
}
