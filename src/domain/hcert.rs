//! The certificate's content: one person, one vaccination, test or recovery.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::time::{DateOfBirth, DateText, SampleTime};

/// A payload that passed every rule of its profile.
///
/// It borrows from the JSON text it was read from. Text is NFC; dates are in the calendar.
///
/// # Source
/// DCC schema 1.3.3.
#[derive(Clone, Debug, PartialEq)]
pub struct Hcert<'a> {
    pub(crate) version: Cow<'a, str>,
    pub(crate) name: PersonName<'a>,
    pub(crate) date_of_birth: DateOfBirth<'a>,
    pub(crate) entry: Entry<'a>,
}

impl Hcert<'_> {
    /// Vaccination, test or recovery.
    #[must_use]
    pub const fn certificate_type(&self) -> CertificateType {
        match self.entry {
            Entry::Vaccination(_) => CertificateType::Vaccination,
            Entry::Test(_) => CertificateType::Test,
            Entry::Recovery(_) => CertificateType::Recovery,
        }
    }

    /// The certificate's identifier, `ci`.
    #[must_use]
    pub fn uvci(&self) -> &str {
        match &self.entry {
            Entry::Vaccination(entry) => &entry.issue.ci,
            Entry::Test(entry) => &entry.issue.ci,
            Entry::Recovery(entry) => &entry.issue.ci,
        }
    }
}

/// `nam`: the name as written, and as machines read it (ICAO 9303-3).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PersonName<'a> {
    pub(crate) family: Option<Cow<'a, str>>,
    pub(crate) given: Option<Cow<'a, str>>,
    pub(crate) family_transliterated: Option<Cow<'a, str>>,
    pub(crate) given_transliterated: Option<Cow<'a, str>>,
}

/// The one entry of a certificate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry<'a> {
    Vaccination(Vaccination<'a>),
    Test(Test<'a>),
    Recovery(Recovery<'a>),
}

/// What every entry has: the disease, where and by whom it was certified, and its identifier.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Issue<'a> {
    pub(crate) tg: Cow<'a, str>,
    pub(crate) co: Cow<'a, str>,
    pub(crate) is: Cow<'a, str>,
    pub(crate) ci: Cow<'a, str>,
}

/// An entry of `v`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Vaccination<'a> {
    pub(crate) issue: Issue<'a>,
    pub(crate) vp: Cow<'a, str>,
    pub(crate) mp: Cow<'a, str>,
    pub(crate) ma: Cow<'a, str>,
    pub(crate) dn: NonZeroU32,
    pub(crate) sd: NonZeroU32,
    pub(crate) dt: DateText<'a>,
}

/// An entry of `t`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Test<'a> {
    pub(crate) issue: Issue<'a>,
    pub(crate) tt: Cow<'a, str>,
    pub(crate) nm: Option<Cow<'a, str>>,
    pub(crate) ma: Option<Cow<'a, str>>,
    pub(crate) sc: SampleTime<'a>,
    pub(crate) tr: Cow<'a, str>,
    pub(crate) tc: Option<Cow<'a, str>>,
}

/// An entry of `r`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recovery<'a> {
    pub(crate) issue: Issue<'a>,
    pub(crate) fr: DateText<'a>,
    pub(crate) df: DateText<'a>,
    pub(crate) du: DateText<'a>,
}

/// Vaccination, test or recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateType {
    /// `v`
    Vaccination,
    /// `t`
    Test,
    /// `r`
    Recovery,
}

impl CertificateType {
    /// The three of them.
    pub const ALL: [Self; 3] = [Self::Vaccination, Self::Test, Self::Recovery];

    /// The member's name in the payload: `v`, `t` or `r`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Vaccination => "v",
            Self::Test => "t",
            Self::Recovery => "r",
        }
    }
}

impl fmt::Display for CertificateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vaccination => "vaccination",
            Self::Test => "test",
            Self::Recovery => "recovery",
        })
    }
}
