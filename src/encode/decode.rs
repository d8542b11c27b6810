//! The way back: a text to the certificate in it, whoever made it, within bounds.
//!
//! Nothing is believed here: the signature is the reader's next step ([`crate::domain::SignatureCheck`]). What verifiers
//! must take is taken: kid in either header, with or without tag 18, any key order, times as floats.

use ciborium::Value;
use coset::{AsCborValue, CoseSign1, Header, Label, RegisteredLabelWithPrivate, iana};
use flate2::{Decompress, FlushDecompress, Status};

use super::hc1::PREFIX;
use crate::domain::{Algorithm, CertificateType, Kid, NumericDate};

/// The longest text that is read. A QR code holds 4,296 characters.
pub const MAX_TEXT_CHARS: usize = 16 * 1024;
/// The most that is inflated. A certificate has below 1 KiB.
pub const MAX_COSE_BYTES: usize = 64 * 1024;
/// The deepest CBOR nesting. A certificate has six levels.
const MAX_DEPTH: usize = 24;
/// The most members of a map. An entry has ten.
const MAX_MEMBERS: usize = 64;

/// A certificate, taken apart and not yet verified.
#[derive(Clone, Debug)]
pub struct SignedHcert {
    message: CoseSign1,
    algorithm: Algorithm,
    kid: Kid,
    claims: Claims,
    notes: Vec<Note>,
}

/// The claims as read.
#[derive(Clone, Debug)]
struct Claims {
    issuer: Option<String>,
    issued_at: NumericDate,
    expires_at: NumericDate,
    payload: Value,
}

/// What a verifier takes and an issuer must not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// Tag 18 is missing, or tag 61 stands around it.
    Tag,
    /// The algorithm is in the unprotected header only.
    AlgorithmUnprotected,
    /// The kid is in the unprotected header only.
    KidUnprotected,
    /// A time is a float.
    FloatTime,
    /// There is not exactly one entry of one type.
    NotOneEntry,
}

impl Note {
    /// A name for output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tag => "cose_tag",
            Self::AlgorithmUnprotected => "alg_unprotected",
            Self::KidUnprotected => "kid_unprotected",
            Self::FloatTime => "time_not_int",
            Self::NotOneEntry => "not_one_entry",
        }
    }
}

impl SignedHcert {
    /// Reads an `HC1:` text.
    ///
    /// # Errors
    /// [`DecodeError`] names the layer that cannot be read.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        Self::from_cose(&cose_bytes(text)?)
    }

    /// Reads a COSE_Sign1 message.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn from_cose(cose: &[u8]) -> Result<Self, DecodeError> {
        let mut notes = Vec::new();
        let message = untag(read_cbor(cose)?, &mut notes);
        if has_countersignature(&message) {
            return Err(DecodeError::Cose);
        }
        let message = CoseSign1::from_cbor_value(message).map_err(|_| DecodeError::Cose)?;
        let algorithm = algorithm(&message, &mut notes)?;
        let kid = kid(&message, &mut notes)?;
        let claims = Claims::read(message.payload.as_deref().ok_or(DecodeError::Cose)?, &mut notes)?;
        if claims.only_entry().is_none() {
            notes.push(Note::NotOneEntry);
        }
        Ok(Self { message, algorithm, kid, claims, notes })
    }

    /// The algorithm of the header (protected wins).
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The kid of the header (protected wins).
    #[must_use]
    pub const fn kid(&self) -> Kid {
        self.kid
    }

    /// `iss`, where there is one.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claims.issuer.as_deref()
    }

    /// `iat`.
    #[must_use]
    pub const fn issued_at(&self) -> NumericDate {
        self.claims.issued_at
    }

    /// `exp`.
    #[must_use]
    pub const fn expires_at(&self) -> NumericDate {
        self.claims.expires_at
    }

    /// The type, where there is exactly one entry.
    #[must_use]
    pub fn certificate_type(&self) -> Option<CertificateType> {
        self.claims.only_entry().map(|(kind, _)| kind)
    }

    /// The identifier of the one entry.
    #[must_use]
    pub fn uvci(&self) -> Option<&str> {
        let (_, entry) = self.claims.only_entry()?;
        member(entry, "ci")?.as_text()
    }

    /// The DCC itself.
    #[must_use]
    pub const fn payload(&self) -> &Value {
        &self.claims.payload
    }

    /// The claims, as signed.
    #[must_use]
    pub fn claims_bytes(&self) -> &[u8] {
        self.message.payload.as_deref().unwrap_or_default()
    }

    /// The protected header, as signed.
    #[must_use]
    pub fn protected_bytes(&self) -> &[u8] {
        self.message.protected.original_data.as_deref().unwrap_or_default()
    }

    /// The bytes that the signature is over; the headers and claims as received, never encoded again.
    #[must_use]
    pub fn sig_structure(&self) -> Vec<u8> {
        self.message.tbs_data(&[])
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.message.signature
    }

    /// What an issuer should not have written.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}

impl Claims {
    fn read(cbor: &[u8], notes: &mut Vec<Note>) -> Result<Self, DecodeError> {
        let claims = read_cbor(cbor)?;
        let hcert = claim(&claims, -260)
            .and_then(|hcert| claim(hcert, 1))
            .ok_or(DecodeError::Claims("-260 (hcert) with its member 1"))?;
        Ok(Self {
            issuer: claim(&claims, 1).and_then(Value::as_text).map(ToOwned::to_owned),
            issued_at: claim(&claims, 6).and_then(|time| numeric_date(time, notes)).ok_or(DecodeError::Claims("6 (iat)"))?,
            expires_at: claim(&claims, 4).and_then(|time| numeric_date(time, notes)).ok_or(DecodeError::Claims("4 (exp)"))?,
            payload: hcert.clone(),
        })
    }

    /// The one entry, where there is exactly one.
    fn only_entry(&self) -> Option<(CertificateType, &Value)> {
        let mut found = None;
        for kind in CertificateType::ALL {
            match (member(&self.payload, kind.key()), found) {
                (None | Some(Value::Null), _) => {}
                (Some(Value::Array(entries)), None) if entries.len() == 1 => found = Some((kind, &entries[0])),
                _ => return None,
            }
        }
        found
    }
}

/// A text that cannot be read, and where it stops making sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It does not begin with `HC1:`.
    #[error("no HC1: prefix")]
    Prefix,
    /// It is longer than any certificate.
    #[error("longer than {MAX_TEXT_CHARS} characters")]
    TooLong,
    /// It is not base45.
    #[error("not base45; the alphabet is 0-9 A-Z and space $%*+-./:")]
    Base45,
    /// It is not one zlib stream, or a bomb.
    #[error("not one zlib stream of at most {MAX_COSE_BYTES} bytes")]
    Zlib,
    /// It is not one well-formed CBOR item.
    #[error("not one CBOR item, or nested too deep")]
    Cbor,
    /// It is not a COSE_Sign1 message.
    #[error("not a COSE_Sign1 message")]
    Cose,
    /// The algorithm is missing, or not one of HCERT's.
    #[error("the algorithm is neither ES256 nor PS256")]
    Algorithm,
    /// The kid is missing, or not 8 bytes.
    #[error("no kid of 8 bytes")]
    Kid,
    /// A claim is missing or of another type.
    #[error("no claim {0}")]
    Claims(&'static str),
}

/// Prefix, base45 and zlib off.
fn cose_bytes(text: &str) -> Result<Vec<u8>, DecodeError> {
    let base45 = text.strip_prefix(PREFIX).ok_or(DecodeError::Prefix)?;
    if text.len() > MAX_TEXT_CHARS {
        return Err(DecodeError::TooLong);
    }
    let compressed = base45::decode(base45).map_err(|_| DecodeError::Base45)?;
    inflate(&compressed)
}

/// Inflates one whole stream, with nothing behind it, into at most [`MAX_COSE_BYTES`].
fn inflate(compressed: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut stream = Decompress::new(true);
    let mut output = Vec::with_capacity((compressed.len() * 4).clamp(1024, MAX_COSE_BYTES));
    loop {
        let before = (stream.total_in(), stream.total_out());
        let rest = &compressed[stream.total_in() as usize..];
        let status = stream.decompress_vec(rest, &mut output, FlushDecompress::Finish).map_err(|_| DecodeError::Zlib)?;
        if status == Status::StreamEnd {
            let whole = stream.total_in() as usize == compressed.len() && output.len() <= MAX_COSE_BYTES;
            return if whole { Ok(output) } else { Err(DecodeError::Zlib) };
        }
        let stuck = before == (stream.total_in(), stream.total_out()) && output.len() < output.capacity();
        if stuck || output.len() >= MAX_COSE_BYTES {
            return Err(DecodeError::Zlib);
        }
        output.reserve(MAX_COSE_BYTES - output.len());
    }
}

/// One CBOR item and nothing behind it.
fn read_cbor(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut rest = bytes;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH).map_err(|_| DecodeError::Cbor)?;
    if rest.is_empty() && keys_are_unique(&value) { Ok(value) } else { Err(DecodeError::Cbor) }
}

/// Whether every map has each key once: of two `exp`, readers would take different ones (RFC 8949 section 5.6).
///
/// O(n²) in the members of a map; hence their bound.
fn keys_are_unique(value: &Value) -> bool {
    match value {
        Value::Tag(_, inner) => keys_are_unique(inner),
        Value::Array(items) => items.iter().all(keys_are_unique),
        Value::Map(members) if members.len() > MAX_MEMBERS => false,
        Value::Map(members) => members.iter().enumerate().all(|(index, (key, value))| {
            members[..index].iter().all(|(earlier, _)| earlier != key) && keys_are_unique(key) && keys_are_unique(value)
        }),
        _ => true,
    }
}

const TAG_CWT: u64 = 61;
const TAG_COSE_SIGN1: u64 = 18;
/// COSE header label of a countersignature (RFC 8152 section 3.1).
const COUNTERSIGNATURE: i64 = 7;

/// Takes tag 18 off; tag 61 around it, or none at all, is noted.
fn untag(value: Value, notes: &mut Vec<Note>) -> Value {
    match value {
        Value::Tag(TAG_COSE_SIGN1, message) => *message,
        Value::Tag(TAG_CWT, inner) => {
            notes.push(Note::Tag);
            match *inner {
                Value::Tag(TAG_COSE_SIGN1, message) => *message,
                other => other,
            }
        }
        other => {
            notes.push(Note::Tag);
            other
        }
    }
}

/// Whether a header holds a countersignature (label 7), or cannot be read.
///
/// No HCERT has one, and coset reads one by recursion: its protected header, within a byte string, may hold the next, which
/// no limit of CBOR nesting sees. 500 levels, 4 KB, overflow a stack.
fn has_countersignature(message: &Value) -> bool {
    let Some([protected, unprotected, ..]) = message.as_array().map(Vec::as_slice) else { return false };
    let holds_one = |header: &Value| claim(header, COUNTERSIGNATURE).is_some();
    let in_protected = |bytes: &Vec<u8>| !bytes.is_empty() && read_cbor(bytes).map_or(true, |header| holds_one(&header));
    holds_one(unprotected) || protected.as_bytes().is_some_and(in_protected)
}

fn algorithm(message: &CoseSign1, notes: &mut Vec<Note>) -> Result<Algorithm, DecodeError> {
    let named = |header: &Header| match &header.alg {
        Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256)) => Some(Some(Algorithm::Es256)),
        Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::PS256)) => Some(Some(Algorithm::Ps256)),
        Some(_) => Some(None),
        None => None,
    };
    let protected = named(&message.protected.header);
    if protected.is_none() {
        notes.push(Note::AlgorithmUnprotected);
    }
    protected.or_else(|| named(&message.unprotected)).flatten().ok_or(DecodeError::Algorithm)
}

fn kid(message: &CoseSign1, notes: &mut Vec<Note>) -> Result<Kid, DecodeError> {
    let protected = &message.protected.header.key_id;
    let bytes = if protected.is_empty() {
        notes.push(Note::KidUnprotected);
        &message.unprotected.key_id
    } else {
        protected
    };
    let bytes: [u8; 8] = bytes.as_slice().try_into().map_err(|_| DecodeError::Kid)?;
    Ok(Kid::from(bytes))
}

/// A member of a map with integer keys.
fn claim(map: &Value, key: i64) -> Option<&Value> {
    let label = Label::Int(key).to_cbor_value().ok()?;
    map.as_map()?.iter().find(|(found, _)| *found == label).map(|(_, value)| value)
}

/// A member of a map with text keys.
fn member<'v>(map: &'v Value, key: &str) -> Option<&'v Value> {
    map.as_map()?.iter().find(|(found, _)| found.as_text() == Some(key)).map(|(_, value)| value)
}

/// An integer, or a float cut to whole seconds.
fn numeric_date(value: &Value, notes: &mut Vec<Note>) -> Option<NumericDate> {
    match value {
        Value::Integer(seconds) => i64::try_from(*seconds).ok().map(NumericDate::from_seconds),
        Value::Float(seconds) if seconds.is_finite() => {
            if !notes.contains(&Note::FloatTime) {
                notes.push(Note::FloatTime);
            }
            Some(NumericDate::from_seconds(*seconds as i64))
        }
        _ => None,
    }
}
