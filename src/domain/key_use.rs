//! What a key of custody is used for, and when.

use std::ops::RangeInclusive;

use super::{CertificateTypes, NumericDate};

/// A time in which a key signs: the first instant is in it, the end is not. So of two windows that meet, one holds each instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first instant in it.
    pub from: NumericDate,
    /// The first instant after it; one before `from` makes it empty.
    pub to: NumericDate,
}

impl Window {
    /// Whether an instant is in it.
    #[must_use]
    pub fn contains(self, instant: NumericDate) -> bool {
        self.from <= instant && instant < self.to
    }
}

/// What a key is used for, and when: judged by `iat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// When. It ends with the certificate at the latest.
    pub window: Window,
    /// What it signs.
    pub types: CertificateTypes,
    /// Its share of the work among the keys that fit, one of [`Self::WEIGHTS`].
    pub weight: u16,
}

impl KeyUse {
    /// What weights there are.
    pub const WEIGHTS: RangeInclusive<u16> = 1..=1000;
}
