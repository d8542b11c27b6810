//! How a state rolls its DSCs.

use jiff::civil::Date;
use jiff::{Span, ToSpan};

use crate::domain::CertificateTypes;
use crate::sign::Durations;

/// Lengths of the life of a DSC. [`Policy::default`] has what is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long the CSCA makes a DSC valid, in years: 1 to 5.
    pub validity_years: u8,
    /// How long a DSC signs, in months: 1 to 60.
    pub use_months: u8,
    /// A new one is activated so many weeks after the one before: 1 to 104.
    pub every_weeks: u8,
    /// A new one is active so many days before the last one retires, at the least: 0 to 365.
    pub overlap_days: u16,
    /// The CSCA needs so many days, from the request to the certificate: 0 to 365.
    pub certify_days: u16,
    /// The gateway and the verifiers need so many days until all of them have a new DSC: 0 to 365.
    pub publish_days: u16,
    /// A successor is generated so many days before the last one retires, at the latest: 0 to 365.
    pub renew_days: u16,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            validity_years: 2,
            use_months: 6,
            every_weeks: 13,
            overlap_days: 14,
            certify_days: 14,
            publish_days: 7,
            renew_days: 30,
        }
    }
}

impl Policy {
    /// Whether every length is within its bounds.
    ///
    /// # Errors
    /// [`PolicyFault::Bounds`] names the first that is not.
    pub(super) fn check(&self) -> Result<(), PolicyFault> {
        let lengths: [(&'static str, u16, u16, u16); 7] = [
            ("validity_years", self.validity_years.into(), 1, 5),
            ("use_months", self.use_months.into(), 1, 60),
            ("every_weeks", self.every_weeks.into(), 1, 104),
            ("overlap_days", self.overlap_days, 0, 365),
            ("certify_days", self.certify_days, 0, 365),
            ("publish_days", self.publish_days, 0, 365),
            ("renew_days", self.renew_days, 0, 365),
        ];
        match lengths.into_iter().find(|(_, length, least, most)| !(least..=most).contains(&length)) {
            Some((name, length, least, most)) => Err(PolicyFault::Bounds { name, length, least, most }),
            None => Ok(()),
        }
    }

    pub(super) fn certify(&self) -> Span {
        i64::from(self.certify_days).days()
    }

    pub(super) fn publish(&self) -> Span {
        i64::from(self.publish_days).days()
    }

    pub(super) fn overlap(&self) -> Span {
        i64::from(self.overlap_days).days()
    }

    pub(super) fn renew(&self) -> Span {
        i64::from(self.renew_days).days()
    }

    pub(super) fn every(&self) -> Span {
        i64::from(self.every_weeks).weeks()
    }

    pub(super) fn in_use(&self) -> Span {
        i64::from(self.use_months).months()
    }

    pub(super) fn validity(&self) -> Span {
        i64::from(self.validity_years).years()
    }
}

/// DSCs that follow one another, for the same types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// What they sign.
    pub types: CertificateTypes,
    /// The longest validity of what they sign, in seconds.
    pub longest_seconds: i64,
}

impl Series {
    /// A series for some types of a profile.
    #[must_use]
    pub fn new(types: CertificateTypes, durations: &Durations) -> Self {
        Self { types, longest_seconds: types.iter().map(|kind| durations.of(kind)).max().unwrap_or_default() }
    }

    /// The longest validity in days, rounded up.
    pub(super) const fn longest_days(&self) -> i64 {
        (self.longest_seconds + 86_399).div_euclid(86_400)
    }
}

/// A policy that no calendar can keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// A length is out of its bounds.
    #[error("{name} is {length}; {least} to {most} is right")]
    Bounds {
        /// Which.
        name: &'static str,
        /// What it is.
        length: u16,
        /// The least that it may be.
        least: u16,
        /// The most that it may be.
        most: u16,
    },
    /// What is asked for is too far ahead.
    #[error("{months} months ahead; 1 to 120 is right")]
    Months {
        /// What was asked for.
        months: u16,
    },
    /// The longest certificate leaves no time to sign.
    #[error(
        "a DSC for {types} that is valid for {validity_years} years from {from} signs for {days} days only, since certificates \
         of {longest_days} days have to fit in; more than the overlap of {overlap_days} days \
         is needed: shorter certificates, a longer DSC, or shorter leads"
    )]
    TooShort {
        /// Of which series.
        types: CertificateTypes,
        /// The policy's validity of a DSC.
        validity_years: u8,
        /// When it would be generated.
        from: Date,
        /// How long it could sign, in days; negative where certificates are longer than its validity.
        days: i64,
        /// The longest certificate, in days.
        longest_days: i64,
        /// The policy's overlap.
        overlap_days: u16,
    },
    /// A date is past the calendar's end.
    #[error("a date past the year 9999")]
    Calendar(String),
}

impl From<jiff::Error> for PolicyFault {
    fn from(error: jiff::Error) -> Self {
        Self::Calendar(error.to_string())
    }
}
