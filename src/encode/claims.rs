//! The CWT claims: who issued, when, until when, and the certificate itself.

use std::borrow::Cow;
use std::num::NonZeroU32;

use super::cbor::{self, ToCbor};
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

impl<P: ToCbor> ClaimsSet<'_, P> {
    /// The claims as deterministic CBOR.
    #[must_use]
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut claims = Vec::with_capacity(TYPICAL_BYTES);
        self.write(&mut claims);
        claims
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

impl<P: ToCbor> ToCbor for ClaimsSet<'_, P> {
    fn write(&self, cbor: &mut Vec<u8>) {
        cbor::map(cbor, 4);
        cbor::integer(cbor, ISS);
        cbor::text(cbor, self.issuer);
        cbor::integer(cbor, EXP);
        cbor::integer(cbor, self.expires_at.seconds());
        cbor::integer(cbor, IAT);
        cbor::integer(cbor, self.issued_at.seconds());
        cbor::integer(cbor, HCERT);
        cbor::map(cbor, 1);
        cbor::integer(cbor, EU_DCC_V1);
        self.payload.write(cbor);
    }
}

/// `{ v|t|r: [entry], dob, nam, ver }`: the bytewise order of encoded keys puts shorter keys first.
impl ToCbor for Hcert<'_> {
    fn write(&self, cbor: &mut Vec<u8>) {
        cbor::map(cbor, 4);
        cbor::text(cbor, self.certificate_type().key());
        cbor::array(cbor, 1);
        match &self.entry {
            Entry::Vaccination(entry) => entry.write(cbor),
            Entry::Test(entry) => entry.write(cbor),
            Entry::Recovery(entry) => entry.write(cbor),
        }
        cbor::member(cbor, "dob", self.date_of_birth.as_str());
        cbor::text(cbor, "nam");
        self.name.write(cbor);
        cbor::member(cbor, "ver", &self.version);
    }
}

impl ToCbor for PersonName<'_> {
    fn write(&self, cbor: &mut Vec<u8>) {
        let members = [
            ("fn", &self.family),
            ("gn", &self.given),
            ("fnt", &self.family_transliterated),
            ("gnt", &self.given_transliterated),
        ];
        cbor::map(cbor, members.iter().filter(|(_, text)| text.is_some()).count());
        for (key, text) in members {
            optional(cbor, key, text);
        }
    }
}

impl ToCbor for Vaccination<'_> {
    fn write(&self, cbor: &mut Vec<u8>) {
        let Issue { tg, co, is, ci } = &self.issue;
        cbor::map(cbor, 10);
        cbor::member(cbor, "ci", ci);
        cbor::member(cbor, "co", co);
        count(cbor, "dn", self.dn);
        cbor::member(cbor, "dt", self.dt.as_str());
        cbor::member(cbor, "is", is);
        cbor::member(cbor, "ma", &self.ma);
        cbor::member(cbor, "mp", &self.mp);
        count(cbor, "sd", self.sd);
        cbor::member(cbor, "tg", tg);
        cbor::member(cbor, "vp", &self.vp);
    }
}

impl ToCbor for Test<'_> {
    fn write(&self, cbor: &mut Vec<u8>) {
        let Issue { tg, co, is, ci } = &self.issue;
        let present = [&self.ma, &self.nm, &self.tc].into_iter().filter(|text| text.is_some()).count();
        cbor::map(cbor, 7 + present);
        cbor::member(cbor, "ci", ci);
        cbor::member(cbor, "co", co);
        cbor::member(cbor, "is", is);
        optional(cbor, "ma", &self.ma);
        optional(cbor, "nm", &self.nm);
        cbor::member(cbor, "sc", self.sc.as_str());
        optional(cbor, "tc", &self.tc);
        cbor::member(cbor, "tg", tg);
        cbor::member(cbor, "tr", &self.tr);
        cbor::member(cbor, "tt", &self.tt);
    }
}

impl ToCbor for Recovery<'_> {
    fn write(&self, cbor: &mut Vec<u8>) {
        let Issue { tg, co, is, ci } = &self.issue;
        cbor::map(cbor, 7);
        cbor::member(cbor, "ci", ci);
        cbor::member(cbor, "co", co);
        cbor::member(cbor, "df", self.df.as_str());
        cbor::member(cbor, "du", self.du.as_str());
        cbor::member(cbor, "fr", self.fr.as_str());
        cbor::member(cbor, "is", is);
        cbor::member(cbor, "tg", tg);
    }
}

fn optional(cbor: &mut Vec<u8>, key: &str, value: &Option<Cow<'_, str>>) {
    if let Some(value) = value {
        cbor::member(cbor, key, value);
    }
}

fn count(cbor: &mut Vec<u8>, key: &str, value: NonZeroU32) {
    cbor::text(cbor, key);
    cbor::integer(cbor, value.get().into());
}
