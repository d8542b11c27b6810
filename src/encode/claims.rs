//! The CWT claims: who issued, when, until when, and the certificate itself.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::domain::hcert::{Entry, Issue, PersonName, Recovery, Test, Vaccination};
use crate::domain::{Hcert, NumericDate};

/// The claims set of one certificate.
///
/// ```text
/// claims = { 1: iss tstr, 4: exp uint, 6: iat uint, -260: { 1: dcc map } }
/// ```
///
/// # Source
/// hcert_spec 1.0.8 section 3.3; RFC 8392 section 3.1.
#[derive(Clone, Copy, Debug)]
pub struct ClaimsSet<'a, P> {
    /// ISO 3166-1 alpha-2 of the issuing state.
    pub issuer: &'a str,
    /// The signing time, never the event's.
    pub issued_at: NumericDate,
    /// The end of validity.
    pub expires_at: NumericDate,
    /// What is certified: an [`Hcert`], or a [`super::json::DeterministicJson`].
    pub payload: P,
}

const ISS: i64 = 1;
const EXP: i64 = 4;
const IAT: i64 = 6;
const HCERT: i64 = -260;
const EU_DCC_V1: i64 = 1;

/// The claims of a certificate have 230 to 330 bytes: one allocation holds them.
const TYPICAL_BYTES: usize = 512;

impl<P: Serialize> ClaimsSet<'_, P> {
    /// The claims as deterministic CBOR.
    #[must_use]
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TYPICAL_BYTES);
        ciborium::into_writer(self, &mut bytes).expect("a vector takes every byte, and every payload type has a CBOR form");
        bytes
    }
}

/// The payload in claims that [`ClaimsSet::to_cbor`] made, as it stands there: deterministic CBOR of its own.
#[must_use]
pub fn payload_in<'c>(claims: &'c [u8], issuer: &str, issued_at: NumericDate, expires_at: NumericDate) -> &'c [u8] {
    // The map's head; iss and exp and iat behind keys of one byte; -260 takes three; the map { 1: … } two.
    let instants = head_bytes(expires_at) + head_bytes(issued_at);
    claims.get(1 + 1 + 1 + issuer.len() + 1 + 1 + instants + 3 + 2..).unwrap_or_default()
}

/// How long an instant is in CBOR.
const fn head_bytes(instant: NumericDate) -> usize {
    let argument = if instant.seconds() < 0 { -1 - instant.seconds() } else { instant.seconds() };
    match argument {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

impl<P: Serialize> Serialize for ClaimsSet<'_, P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry(&ISS, self.issuer)?;
        map.serialize_entry(&EXP, &self.expires_at.seconds())?;
        map.serialize_entry(&IAT, &self.issued_at.seconds())?;
        map.serialize_entry(&HCERT, &HcertClaim(&self.payload))?;
        map.end()
    }
}

struct HcertClaim<'a, P>(&'a P);

impl<P: Serialize> Serialize for HcertClaim<'_, P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(&EU_DCC_V1, self.0)?;
        map.end()
    }
}

/// `{ v|t|r: [entry], dob, nam, ver }`: the bytewise order of encoded keys puts shorter keys first.
impl Serialize for Hcert<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        match &self.entry {
            Entry::Vaccination(entry) => map.serialize_entry("v", &[entry])?,
            Entry::Test(entry) => map.serialize_entry("t", &[entry])?,
            Entry::Recovery(entry) => map.serialize_entry("r", &[entry])?,
        }
        map.serialize_entry("dob", self.date_of_birth.as_str())?;
        map.serialize_entry("nam", &self.name)?;
        map.serialize_entry("ver", &self.version)?;
        map.end()
    }
}

impl Serialize for PersonName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = [
            ("fn", &self.family),
            ("gn", &self.given),
            ("fnt", &self.family_transliterated),
            ("gnt", &self.given_transliterated),
        ];
        let present = members.iter().filter(|(_, text)| text.is_some()).count();
        let mut map = serializer.serialize_map(Some(present))?;
        for (key, text) in members {
            if let Some(text) = text {
                map.serialize_entry(key, text)?;
            }
        }
        map.end()
    }
}

impl Serialize for Vaccination<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Issue { tg, co, is, ci } = &self.issue;
        let mut map = serializer.serialize_map(Some(10))?;
        map.serialize_entry("ci", ci)?;
        map.serialize_entry("co", co)?;
        map.serialize_entry("dn", &self.dn)?;
        map.serialize_entry("dt", self.dt.as_str())?;
        map.serialize_entry("is", is)?;
        map.serialize_entry("ma", &self.ma)?;
        map.serialize_entry("mp", &self.mp)?;
        map.serialize_entry("sd", &self.sd)?;
        map.serialize_entry("tg", tg)?;
        map.serialize_entry("vp", &self.vp)?;
        map.end()
    }
}

impl Serialize for Test<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Issue { tg, co, is, ci } = &self.issue;
        let optional = [&self.ma, &self.nm, &self.tc].into_iter().filter(|text| text.is_some()).count();
        let mut map = serializer.serialize_map(Some(7 + optional))?;
        map.serialize_entry("ci", ci)?;
        map.serialize_entry("co", co)?;
        map.serialize_entry("is", is)?;
        if let Some(ma) = &self.ma {
            map.serialize_entry("ma", ma)?;
        }
        if let Some(nm) = &self.nm {
            map.serialize_entry("nm", nm)?;
        }
        map.serialize_entry("sc", self.sc.as_str())?;
        if let Some(tc) = &self.tc {
            map.serialize_entry("tc", tc)?;
        }
        map.serialize_entry("tg", tg)?;
        map.serialize_entry("tr", &self.tr)?;
        map.serialize_entry("tt", &self.tt)?;
        map.end()
    }
}

impl Serialize for Recovery<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Issue { tg, co, is, ci } = &self.issue;
        let mut map = serializer.serialize_map(Some(7))?;
        map.serialize_entry("ci", ci)?;
        map.serialize_entry("co", co)?;
        map.serialize_entry("df", self.df.as_str())?;
        map.serialize_entry("du", self.du.as_str())?;
        map.serialize_entry("fr", self.fr.as_str())?;
        map.serialize_entry("is", is)?;
        map.serialize_entry("tg", tg)?;
        map.end()
    }
}
