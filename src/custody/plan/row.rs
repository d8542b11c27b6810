//! What there is today, and the lines of the calendar.

use std::fmt;

use jiff::civil::Date;

use crate::domain::{CertificateType, CertificateTypes, NumericDate};

/// A DSC that there is, as far as a calendar has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Its kid, or its label.
    pub name: String,
    /// What it may sign.
    pub types: CertificateTypes,
    /// How far it has come.
    pub stage: Stage,
}

/// How far a DSC has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// There is a key, and no certificate.
    Generated,
    /// There is a certificate that nobody else has.
    Certified {
        /// Its notAfter.
        not_after: NumericDate,
    },
    /// Verifiers are about to have it.
    Published {
        /// Its notAfter.
        not_after: NumericDate,
        /// When it was given to the gateway.
        at: NumericDate,
    },
    /// It signs, or its first instant to sign is set.
    Active {
        /// Its notAfter.
        not_after: NumericDate,
        /// The first instant.
        from: NumericDate,
        /// The first instant at which it does not sign any more, where it is set.
        to: Option<NumericDate>,
    },
}

impl Stage {
    /// The nearer to signing, the smaller.
    pub(super) const fn order(self) -> u8 {
        match self {
            Self::Active { .. } => 0,
            Self::Published { .. } => 1,
            Self::Certified { .. } => 2,
            Self::Generated => 3,
        }
    }

    pub(super) const fn not_after(self) -> Option<NumericDate> {
        match self {
            Self::Active { not_after, .. } | Self::Published { not_after, .. } | Self::Certified { not_after } => Some(not_after),
            Self::Generated => None,
        }
    }
}

/// One DSC in the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The kid or label of one that there is; nothing for one that is to come.
    pub name: Option<String>,
    /// What it signs.
    pub types: CertificateTypes,
    /// When its key is generated.
    pub generate: Due,
    /// When its certificate has to be there.
    pub certify: Due,
    /// When it is given to the gateway.
    pub publish: Due,
    /// When it is activated.
    pub activate: Due,
    /// The days on which it signs; nothing where its validity leaves none.
    pub window: Option<Window>,
    /// The last day of its validity, as it is or may be at the earliest.
    pub not_after: Date,
}

impl Row {
    /// Its steps that are not done, in order.
    pub fn steps(&self) -> impl Iterator<Item = (Step, Date)> {
        let retire = self.window.map_or(Due::Done, |window| Due::On(window.to));
        let steps = [
            (Step::Generate, self.generate),
            (Step::Certify, self.certify),
            (Step::Publish, self.publish),
            (Step::Activate, self.activate),
            (Step::Retire, retire),
        ];
        steps.into_iter().filter_map(|(step, due)| match due {
            Due::Done => None,
            Due::On(date) => Some((step, date)),
        })
    }
}

/// Half-open: `from` is the first day, `to` the first day after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// The first day.
    pub from: Date,
    /// The first day after the last one.
    pub to: Date,
}

impl Window {
    /// Nothing where it would hold no day.
    pub(super) fn new(from: Date, to: Date) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }
}

/// Whether a step is done, or the day on which it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is done, or has no sense any more.
    Done,
    /// It is due as this day begins.
    On(Date),
}

/// What is done to a DSC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Its key is made, and the request sent to the CSCA.
    Generate,
    /// Its certificate is imported.
    Certify,
    /// It is uploaded to the gateway.
    Publish,
    /// It begins to sign.
    Activate,
    /// It ceases to sign.
    Retire,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generate => "generate",
            Self::Certify => "certify",
            Self::Publish => "publish",
            Self::Activate => "activate",
            Self::Retire => "retire",
        })
    }
}

/// Days on which no DSC may sign a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Which type.
    pub kind: CertificateType,
    /// The days.
    pub days: Window,
}
