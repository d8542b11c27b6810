//! The chain on one certificate, byte by byte, and both ways.

use coset::CborSerializable;

use super::json::{DeterministicJson, DuplicateKey};
use super::*;
use crate::domain::json::Json;
use crate::domain::{Algorithm, Digest, Kid, NumericDate, Signature};

/// A made-up vaccination whose every byte is explained in [`CLAIMS`].
const PAYLOAD: &str = r#"{"ver":"1.3.0","dob":"1964-08","nam":{"fnt":"WEA","fn":"Wéa"},"v":[{"ci":"URN:UVCI:01:FR:A#8","co":"FR",
"dn":2,"dt":"2021-09-06","is":"DASS","ma":"ORG-100030215","mp":"EU/1/20/1528","sd":1,"tg":"840539006","vp":"1119349007"}]}"#;

/// Its claims: iss FR, iat 2021-10-20T00:00:00Z, exp one year later.
const CLAIMS: &[&str] = &[
    "a4",                                              // claims: map of 4, keys in bytewise order 01, 04, 06, 390103
    "01 62 4652",                                      // 1 iss: "FR"
    "04 1a 6350 8f80",                                 // 4 exp: 1666224000, 2022-10-20T00:00:00Z
    "06 1a 616f 5c00",                                 // 6 iat: 1634688000, 2021-10-20T00:00:00Z
    "39 0103 a1 01",                                   // -260 hcert: map of 1, key 1 (eu_dcc_v1)
    "a4",                                              // DCC: map of 4, shorter keys first
    "61 76 81 aa",                                     // "v": array of 1, map of 10, keys alphabetic
    "62 6369 72 55524e3a555643493a30313a46523a412338", // "ci": "URN:UVCI:01:FR:A#8"
    "62 636f 62 4652",                                 // "co": "FR"
    "62 646e 02",                                      // "dn": 2
    "62 6474 6a 323032312d30392d3036",                 // "dt": "2021-09-06"
    "62 6973 64 44415353",                             // "is": "DASS"
    "62 6d61 6d 4f52472d313030303330323135",           // "ma": "ORG-100030215"
    "62 6d70 6c 45552f312f32302f31353238",             // "mp": "EU/1/20/1528"
    "62 7364 01",                                      // "sd": 1
    "62 7467 69 383430353339303036",                   // "tg": "840539006"
    "62 7670 6a 31313139333439303037",                 // "vp": "1119349007"
    "63 646f62 67 313936342d3038",                     // "dob": "1964-08"
    "63 6e616d a2",                                    // "nam": map of 2
    "62 666e 64 57c3a961",                             // "fn": "Wéa", 4 bytes of UTF-8
    "63 666e74 63 574541",                             // "fnt": "WEA"
    "63 766572 65 312e332e30",                         // "ver": "1.3.0"
];

const KID: &str = "870aaa4460b56d17";

fn bytes(lines: &[&str]) -> Vec<u8> {
    hex::decode(lines.concat().replace(' ', "")).unwrap()
}

fn claims() -> Vec<u8> {
    let payload = DeterministicJson::new(Json::parse(PAYLOAD.as_bytes()).unwrap()).unwrap();
    let (issued_at, expires_at) = (NumericDate::from_seconds(0x616f_5c00), NumericDate::from_seconds(0x6350_8f80));
    ClaimsSet { issuer: "FR", issued_at, expires_at, payload }.to_cbor()
}

fn header(algorithm: Algorithm) -> ProtectedHeader {
    ProtectedHeader::new(algorithm, KID.parse::<Kid>().unwrap())
}

#[test]
fn claims_have_the_annotated_bytes() {
    assert_eq!(hex::encode(claims()), hex::encode(bytes(CLAIMS)));
}

#[test]
fn the_protected_header_holds_alg_then_kid() {
    assert_eq!(hex::encode(header(Algorithm::Es256).as_bytes()), format!("a2 01 26 04 48 {KID}").replace(' ', ""));
    assert_eq!(hex::encode(header(Algorithm::Ps256).as_bytes()), format!("a2 01 3824 04 48 {KID}").replace(' ', ""));
}

#[test]
fn the_sig_structure_is_that_of_rfc_9052() {
    let expected = bytes(&[
        "84",                      // array of 4
        "6a 5369676e617475726531", // "Signature1"
        "4d a201260448",
        KID,     // protected, 13 bytes
        "40",    // external_aad, empty
        "58 bc", // payload, 188 bytes
        &CLAIMS.concat(),
    ]);
    assert_eq!(hex::encode(header(Algorithm::Es256).sig_structure(&claims())), hex::encode(expected));
}

#[test]
fn the_digest_is_that_of_the_sig_structure_whatever_its_length() {
    for len in [0, 1, 23, 24, 255, 256, 300, 65_535, 65_536, 100_000] {
        let claims = vec![0x5a; len];
        for algorithm in Algorithm::ALL {
            let header = header(algorithm);
            assert_eq!(header.digest(&claims), Digest::of(&header.sig_structure(&claims)), "{len}");
        }
    }
}

#[test]
fn a_message_is_tagged_and_has_an_empty_unprotected_header() {
    let cose = header(Algorithm::Es256).assemble(claims(), Signature::new(vec![0x5a; 64]));
    let expected = bytes(&["d2 84 4d a201260448", KID, "a0 58 bc", &CLAIMS.concat(), "58 40", &"5a".repeat(64)]);
    assert_eq!(hex::encode(cose.as_bytes()), hex::encode(expected));
}

#[test]
fn what_was_encoded_is_read_back() {
    let cose = header(Algorithm::Es256).assemble(claims(), Signature::new(vec![0x5a; 64]));
    let hc1 = Hc1::encode(&cose);
    let read = SignedHcert::decode(hc1.as_str()).unwrap();
    assert_eq!(read.claims_bytes(), claims());
    assert_eq!((read.issuer(), read.issued_at().seconds(), read.expires_at().seconds()), (Some("FR"), 0x616f_5c00, 0x6350_8f80));
    assert_eq!((read.algorithm(), read.kid().to_string().as_str()), (Algorithm::Es256, KID));
    assert_eq!((read.uvci(), read.notes()), (Some("URN:UVCI:01:FR:A#8"), &[][..]));
    assert_eq!(read.sig_structure(), header(Algorithm::Es256).sig_structure(&claims()));
}

#[test]
fn a_name_that_stands_twice_has_no_encoding() {
    let json = Json::parse(br#"{"a":[{"b":1,"b":1}]}"#).unwrap();
    assert_eq!(DeterministicJson::new(json).unwrap_err(), DuplicateKey);
}

#[test]
fn each_layer_of_a_bad_text_has_its_own_refusal() {
    let zip = |bytes: &[u8]| Hc1::encode(&cose_of(bytes)).into_string();
    assert_eq!(refusal("hc1:NCF"), DecodeError::Prefix);
    assert_eq!(refusal(&format!("HC1:{}", "0".repeat(20_000))), DecodeError::TooLong);
    assert_eq!(refusal("HC1:abc"), DecodeError::Base45);
    assert_eq!(refusal("HC1:NCF"), DecodeError::Zlib);
    assert_eq!(refusal(&zip(b"")), DecodeError::Cbor);
    assert_eq!(refusal(&zip(&[0x01, 0x01])), DecodeError::Cbor);
    assert_eq!(refusal(&zip(&[0x81; 5000])), DecodeError::Cbor);
    assert_eq!(refusal(&zip(&[0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])), DecodeError::Cbor);
    assert_eq!(refusal(&zip(&[0xd2, 0x80])), DecodeError::Cose);
}

#[test]
fn a_decompression_bomb_is_refused() {
    assert_eq!(refusal(Hc1::encode(&cose_of(&vec![0; 1_000_000])).as_str()), DecodeError::Zlib);
}

/// Any bytes in the place of a message.
fn cose_of(content: &[u8]) -> CoseBytes {
    CoseBytes::for_tests(content.to_vec())
}

fn refusal(text: &str) -> DecodeError {
    SignedHcert::decode(text).unwrap_err()
}

#[test]
fn the_tag_may_be_missing_or_wrapped_and_is_noted() {
    let tagged = header(Algorithm::Ps256).assemble(claims(), Signature::new(vec![1; 256])).into_bytes();
    let untagged = &tagged[1..];
    let wrapped = [&[0xd8, 61][..], &tagged].concat();
    assert_eq!(SignedHcert::from_cose(untagged).unwrap().notes(), [decode::Note::Tag]);
    assert_eq!(SignedHcert::from_cose(&wrapped).unwrap().notes(), [decode::Note::Tag]);
}

#[test]
fn a_kid_in_the_unprotected_header_is_read_and_noted() {
    let mut message =
        coset::CoseSign1::from_slice(&header(Algorithm::Es256).assemble(claims(), Signature::new(vec![1; 64])).into_bytes()[1..])
            .unwrap();
    message.unprotected.key_id = std::mem::take(&mut message.protected.header.key_id);
    message.protected.original_data = None;
    let read = SignedHcert::from_cose(&message.to_vec().unwrap()).unwrap();
    assert_eq!(read.kid().to_string(), KID);
    assert!(read.notes().contains(&decode::Note::KidUnprotected));
}
