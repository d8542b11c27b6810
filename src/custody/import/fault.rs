//! Why a certificate is not taken, and what is merely unusual.

use der::asn1::ObjectIdentifier;

use super::kids::Holder;
use super::signature::SignatureFault;
use crate::domain::dsc::MAX_RSA_BITS;
use crate::domain::{CertificateTypes, Country, DscError, Kid, NumericDate};

/// One reason to refuse a certificate: what is wrong, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum ImportFault {
    /// It is not X.509.
    #[error("no X.509 certificate in DER: {0}")]
    Der(der::Error),
    /// It cannot be read as a DSC.
    #[error(transparent)]
    Dsc(DscError),
    /// It is of an older form, which has no extensions.
    #[error("an X.509 certificate of version {version}; a DSC is of version 3")]
    Version {
        /// 1 or 2.
        version: u8,
    },
    /// It names two algorithms.
    #[error("the signature algorithm outside is not the one that is signed; the CSCA has to issue the certificate anew")]
    TwoAlgorithms,
    /// Its key is none that a DSC has.
    #[error("the key is {found}; a DSC has one on P-256, or RSA of 2048 to {MAX_RSA_BITS} bits")]
    Key {
        /// What it is.
        found: String,
    },
    /// Its key is another.
    #[error("it certifies another key: SHA-256 {found}, not {generated}; send the CSCA the request of the generated key")]
    ForeignKey {
        /// SHA-256 of the certificate's public key, its first 16 hex digits.
        found: String,
        /// The same of the key that was generated.
        generated: String,
    },
    /// Its subject is of no country, of several, or of another.
    #[error("the subject's C is {found}; exactly one, {country}, is right")]
    Country {
        /// What is there.
        found: String,
        /// What is right.
        country: Country,
    },
    /// Its subject has no CN.
    #[error("the subject has no CN; a DSC has one that no other DSC of the state has")]
    CommonName,
    /// It may not sign.
    #[error("the key usage does not hold digitalSignature; a DSC has it")]
    KeyUsage,
    /// It may issue.
    #[error("it is a certificate authority's; a DSC has neither CA:TRUE nor keyCertSign")]
    Authority,
    /// It may sign other types than were asked for.
    #[error("the extended key usage allows {found}; {asked} was asked for")]
    Types {
        /// What it allows.
        found: CertificateTypes,
        /// What was asked for.
        asked: CertificateTypes,
    },
    /// It has begun nowhere.
    #[error("it is valid from {from} only; at {now} it cannot be taken yet")]
    NotYetValid {
        /// notBefore.
        from: NumericDate,
        /// The instant of the check.
        now: NumericDate,
    },
    /// It is over.
    #[error("it was valid until {until}; at {now} a new one is needed")]
    Expired {
        /// notAfter.
        until: NumericDate,
        /// The instant of the check.
        now: NumericDate,
    },
    /// An extension cannot be read.
    #[error("the extension {oid} cannot be read, or stands twice: {error}")]
    Extension {
        /// Which.
        oid: ObjectIdentifier,
        /// Why.
        error: der::Error,
    },
    /// An extension that must be understood is not.
    #[error(
        "the critical extension {oid} is unknown here, and to verifiers; the CSCA has to leave it out or make it not critical"
    )]
    Critical {
        /// Which.
        oid: ObjectIdentifier,
    },
    /// Its kid is taken.
    #[error("the kid {kid} is taken: {holder}")]
    Kid {
        /// The kid.
        kid: Kid,
        /// By which certificate.
        holder: Holder,
    },
    /// No CSCA of its issuer's name was given.
    #[error("the issuer is {issuer:?}; the CSCAs given are {given:?}, and one of them has to be the issuer")]
    Issuer {
        /// The certificate's issuer.
        issuer: String,
        /// The subjects of the CSCAs.
        given: Vec<String>,
    },
    /// It does not say which key signed it, or another.
    #[error("the authority key identifier is {found}; it has to be the CSCA's subject key identifier, {csca}")]
    AuthorityKey {
        /// The certificate's, in hex, or `missing`.
        found: String,
        /// The CSCA's, in hex, or `missing`.
        csca: String,
    },
    /// The CSCA did not sign it.
    #[error("under the CSCA {csca:?}: {fault}")]
    Signature {
        /// The CSCA's subject.
        csca: String,
        /// Why.
        fault: SignatureFault,
    },
    /// What was given as a CSCA may not issue.
    #[error("the CSCA {csca:?} may not issue certificates; it has to have CA:TRUE and the key usage keyCertSign")]
    CscaUsage {
        /// The CSCA's subject.
        csca: String,
    },
    /// The CSCA is not in force.
    #[error("the CSCA {csca:?} is valid from {from} until {until}; at {now} it is not")]
    CscaValidity {
        /// The CSCA's subject.
        csca: String,
        /// notBefore.
        from: NumericDate,
        /// notAfter.
        until: NumericDate,
        /// The instant of the check.
        now: NumericDate,
    },
    /// The CSCA is another state's.
    #[error("the CSCA {csca:?} is not of {country}")]
    CscaCountry {
        /// The CSCA's subject.
        csca: String,
        /// The state.
        country: Country,
    },
}

/// What is unusual, and no reason to refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportWarning {
    /// Longer than the governance recommends.
    #[error("valid until {until}; two years, until {recommended}, are recommended")]
    LongValidity {
        /// notAfter.
        until: NumericDate,
        /// Two years after notBefore.
        recommended: NumericDate,
    },
    /// It outlives its CSCA.
    #[error("valid until {until}, its CSCA until {csca} only; a strict verifier refuses it from then on")]
    OutlivesCsca {
        /// The DSC's notAfter.
        until: NumericDate,
        /// The CSCA's.
        csca: NumericDate,
    },
    /// It has no O.
    #[error("the subject has no O; one is recommended")]
    NoOrganization,
    /// It has no subject key identifier.
    #[error("no subject key identifier; one is recommended")]
    NoSubjectKey,
    /// It has no CRL distribution point.
    #[error("no CRL distribution point; one is recommended")]
    NoCrl,
    /// Its extended key usage is critical.
    #[error("the extended key usage is critical; it should not be")]
    CriticalUsage,
    /// It serves another purpose too.
    #[error("the extended key usage holds {oid} too, which is no purpose of a DSC")]
    OtherUsage {
        /// Which.
        oid: ObjectIdentifier,
    },
}
