//! A DCC as JSON: the fields in the order in which the EU schema lists them.

use std::fmt;

use jiff::civil::Date;
use serde::{Serialize, Serializer};

#[derive(Debug, Serialize)]
pub(super) struct Payload {
    ver: &'static str,
    nam: Name,
    #[serde(serialize_with = "as_text")]
    dob: Birth,
    #[serde(flatten)]
    entry: Entry,
}

impl Payload {
    pub(super) fn new(nam: Name, dob: Birth, entry: Entry) -> Self {
        Self { ver: "1.3.0", nam, dob, entry }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Name {
    #[serde(rename = "fn")]
    pub(super) surname: String,
    #[serde(rename = "gn")]
    pub(super) forename: String,
    #[serde(rename = "fnt", skip_serializing_if = "Option::is_none")]
    pub(super) surname_mrz: Option<String>,
    #[serde(rename = "gnt", skip_serializing_if = "Option::is_none")]
    pub(super) forename_mrz: Option<String>,
}

/// A date of birth as far as it is known.
#[derive(Debug)]
pub(super) enum Birth {
    Day(Date),
    Month(Date),
    Year(Date),
    Unknown,
}

impl fmt::Display for Birth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{day}"),
            Self::Month(day) => write!(f, "{:04}-{:02}", day.year(), day.month()),
            Self::Year(day) => write!(f, "{:04}", day.year()),
            Self::Unknown => Ok(()),
        }
    }
}

/// The one entry: `"v": [..]`, `"t": [..]` or `"r": [..]`.
#[derive(Debug, Serialize)]
pub(super) enum Entry {
    #[serde(rename = "v")]
    Vaccination([Vaccination; 1]),
    #[serde(rename = "t")]
    Test([Test; 1]),
    #[serde(rename = "r")]
    Recovery([Recovery; 1]),
}

impl Entry {
    /// Gives the certificate its identifier.
    pub(super) fn identify(&mut self, uvci: String) {
        let ci = match self {
            Self::Vaccination([entry]) => &mut entry.ci,
            Self::Test([entry]) => &mut entry.ci,
            Self::Recovery([entry]) => &mut entry.ci,
        };
        *ci = Some(uvci);
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Vaccination {
    pub(super) tg: &'static str,
    pub(super) vp: &'static str,
    pub(super) mp: &'static str,
    pub(super) ma: &'static str,
    pub(super) dn: u8,
    pub(super) sd: u8,
    #[serde(serialize_with = "as_text")]
    pub(super) dt: Date,
    pub(super) co: &'static str,
    pub(super) is: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ci: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Test {
    pub(super) tg: &'static str,
    pub(super) tt: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ma: Option<&'static str>,
    #[serde(serialize_with = "as_text")]
    pub(super) sc: Moment,
    pub(super) tr: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tc: Option<&'static str>,
    pub(super) co: &'static str,
    pub(super) is: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ci: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Recovery {
    pub(super) tg: &'static str,
    #[serde(serialize_with = "as_text")]
    pub(super) fr: Date,
    pub(super) co: &'static str,
    pub(super) is: &'static str,
    #[serde(serialize_with = "as_text")]
    pub(super) df: Date,
    #[serde(serialize_with = "as_text")]
    pub(super) du: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ci: Option<String>,
}

/// Local time with its offset, as RFC 3339 writes it.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) day: Date,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) offset: &'static str,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { day, hour, minute, second, offset } = self;
        write!(f, "{day}T{hour:02}:{minute:02}:{second:02}{offset}")
    }
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
