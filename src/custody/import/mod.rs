//! What comes back from the CSCA, checked before it is taken into use: every fault at once, each with what would be right.
//!
//! [`check`] holds a certificate against what was [`Expected`] and gives a [`Certified`] DSC with warnings, or [`Refused`].
//!
//! Supported CSCA keys: P-256, P-384 and P-521 (ECDSA), RSA of 2048 to 8192 bits (PKCS#1 v1.5, or PSS with a salt as long as the
//! hash), each with SHA-256, SHA-384 or SHA-512. **Brainpool curves are not**, for the crypto library has none: a DSC under such
//! a CSCA is refused, and never taken unchecked. Nor is SHA-1.
//!
//! The CSCA is a trust anchor: that the file given is the state's is the officers' matter, so its own signature is not read.
//! No revocation of a DSC is asked for; the trust list is the status (hcert_spec annex A).
//!
//! # Source
//! hcert_spec 1.0.8 annex A; certificate governance, DSC profile; dgc-gateway, SignerInformationService; RFC 5280 section 6.

mod chain;
mod content;
mod fault;
mod kids;
mod signature;
#[cfg(test)]
mod tests;

use std::fmt;

use der::Decode;
use der::oid::AssociatedOid;
use x509_cert::Certificate;
use x509_cert::name::Name;

use crate::domain::fault::write_all;
use crate::domain::{CertificateTypes, Country, Dsc, NumericDate, PublicKey};

pub use chain::{Csca, CscaError};
pub use fault::{ImportFault, ImportWarning};
pub use kids::{Holder, KnownKids};
pub use signature::SignatureFault;

/// What a certificate is held against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The key that was generated, as the token has it.
    pub public_key: &'a PublicKey,
    /// The state whose DSC it is to be.
    pub country: Country,
    /// What was asked for; its extended key usage must say just that.
    pub types: CertificateTypes,
    /// The CSCAs that the state's gateway entry has.
    pub cscas: &'a [Csca],
    /// The kids that are taken: our own, and those of a trust list.
    pub known: &'a KnownKids,
    /// The instant of the check.
    pub now: NumericDate,
}

/// A DSC that passed every check of [`check`].
#[derive(Debug)]
pub struct Certified {
    dsc: Dsc,
    warnings: Vec<ImportWarning>,
}

impl Certified {
    /// The DSC.
    #[must_use]
    pub const fn dsc(&self) -> &Dsc {
        &self.dsc
    }

    /// Gives the DSC away.
    #[must_use]
    pub fn into_dsc(self) -> Dsc {
        self.dsc
    }

    /// What is unusual and no reason to refuse.
    #[must_use]
    pub fn warnings(&self) -> &[ImportWarning] {
        &self.warnings
    }
}

/// Checks a certificate in DER.
///
/// # Errors
/// [`Refused`] holds every fault; a certificate that is not X.509 has that one alone.
pub fn check(der: &[u8], expected: &Expected<'_>) -> Result<Certified, Refused> {
    let certificate = Certificate::from_der(der).map_err(|error| Refused(vec![ImportFault::Der(error)]))?;
    let mut findings = Findings::default();
    content::check(&certificate, expected, &mut findings);
    chain::check(der, &certificate, expected, &mut findings);
    expected.known.check(der, &mut findings);
    if !findings.faults.is_empty() {
        return Err(Refused(findings.faults));
    }
    // Nothing is left that reading it as a DSC would refuse; were there, it is refused.
    let dsc = Dsc::from_der(der).map_err(|error| Refused(vec![ImportFault::Dsc(error)]))?;
    Ok(Certified { dsc, warnings: findings.warnings })
}

/// What the checks have found so far.
#[derive(Debug, Default)]
struct Findings {
    faults: Vec<ImportFault>,
    warnings: Vec<ImportWarning>,
}

impl Findings {
    fn refuse(&mut self, fault: ImportFault) {
        self.faults.push(fault);
    }

    fn refuse_if(&mut self, condition: bool, fault: impl FnOnce() -> ImportFault) {
        if condition {
            self.faults.push(fault());
        }
    }

    fn warn(&mut self, warning: ImportWarning) {
        self.warnings.push(warning);
    }

    fn warn_if(&mut self, condition: bool, warning: impl FnOnce() -> ImportWarning) {
        if condition {
            self.warnings.push(warning());
        }
    }

    /// One extension; nothing where there is none, and a fault where it cannot be read or stands twice.
    fn extension<'c, T>(&mut self, certificate: &'c Certificate) -> Option<T>
    where
        T: Decode<'c, Error = der::Error> + AssociatedOid,
    {
        certificate
            .tbs_certificate()
            .get_extension::<T>()
            .unwrap_or_else(|error| {
                self.refuse(ImportFault::Extension { oid: T::OID, error });
                None
            })
            .map(|(_critical, value)| value)
    }
}

/// A certificate that is not taken, with every reason.
#[derive(Debug)]
pub struct Refused(Vec<ImportFault>);

impl Refused {
    /// The reasons, at least one.
    #[must_use]
    pub fn faults(&self) -> &[ImportFault] {
        &self.0
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, &self.0)
    }
}

impl std::error::Error for Refused {}

/// Whether two names are the same: part for part the same text, though one may be a PrintableString and the other UTF-8.
///
/// # Source
/// RFC 5280 section 7.1, without its folding of case and spaces.
fn same_name(one: &Name, other: &Name) -> bool {
    one.to_string() == other.to_string()
}
