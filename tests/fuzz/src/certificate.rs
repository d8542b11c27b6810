//! From claims to a certificate and back, and what CBOR has to be like.

use std::sync::LazyLock;

use ciborium::Value;
use sceau::domain::{Algorithm, Digest, Kid, PublicKey, Signature, SignatureCheck};
use sceau::encode::{CoseBytes, ProtectedHeader, SignedHcert};

/// The header of every certificate here.
#[must_use]
pub fn header() -> ProtectedHeader {
    ProtectedHeader::new(Algorithm::Es256, Kid::from([0x5a; 8]))
}

/// A certificate over claims, with a signature that nobody made.
#[must_use]
pub fn assemble(claims: &[u8]) -> CoseBytes {
    header().assemble(claims.to_vec(), Signature::new(vec![0xc3; 64]))
}

/// P-256's own base point, as a key to check signatures with.
pub const KEY: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81,
    0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e,
    0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf,
    0x51, 0xf5,
];

static CHECK: LazyLock<SignatureCheck> =
    LazyLock::new(|| SignatureCheck::new(&PublicKey::P256 { point: KEY }).expect("the base point is on the curve"));

/// Whatever was read gives all of its parts, and its signature is looked at.
///
/// # Panics
/// Where one of them does.
pub fn look_at(read: &SignedHcert) {
    let _ = CHECK.accepts(&Digest::of(&read.sig_structure()), read.signature());
    assert!(read.sig_structure().len() > read.claims_bytes().len() + read.protected_bytes().len());
    let _ = (read.algorithm(), read.kid(), read.issuer(), read.certificate_type(), read.uvci(), read.notes());
    let _ = format!("{read:?} {} {}", read.issued_at(), read.expires_at());
}

/// The DCC in a set of claims that Sceau made.
///
/// # Panics
/// Where the claims are not deterministic CBOR, or hold none.
#[must_use]
pub fn payload_of(claims: &[u8]) -> Value {
    let value = deterministic(claims);
    let claim = |map: Value, key: i64| {
        let members = map.into_map().expect("a map of claims");
        members.into_iter().find(|(found, _)| *found == Value::from(key)).expect("the claim is there").1
    };
    claim(claim(value, -260), 1)
}

/// Reads CBOR, which has to be in its deterministic form (RFC 8949 section 4.2.1).
///
/// # Panics
/// Where it is not.
#[must_use]
pub fn deterministic(cbor: &[u8]) -> Value {
    let value: Value = ciborium::from_reader(cbor).expect("what was encoded is CBOR");
    assert_eq!(encoded(&value), cbor, "definite lengths, shortest forms, nothing behind");
    assert_sorted(&value);
    value
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("a vector takes every byte");
    bytes
}

fn assert_sorted(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(assert_sorted),
        Value::Map(members) => {
            assert!(members.is_sorted_by(|(a, _), (b, _)| encoded(a) < encoded(b)), "keys in bytewise order, each once");
            members.iter().for_each(|(_, value)| assert_sorted(value));
        }
        _ => {}
    }
}

/// A payload in CBOR as JSON.
///
/// # Panics
/// Where it holds what no DCC holds.
#[must_use]
pub fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Integer(number) => i64::try_from(*number).expect("a DCC's integers are small").into(),
        Value::Text(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(json_of).collect(),
        Value::Map(members) => {
            let member = |(key, value): &(Value, Value)| (key.as_text().expect("a text key").to_owned(), json_of(value));
            members.iter().map(member).collect::<serde_json::Map<_, _>>().into()
        }
        other => panic!("no DCC holds {other:?}"),
    }
}
