//! What holds of every payload and every text: nothing is lost, nothing depends on the order of members, nothing panics.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::ToSpan;
use jiff::civil::{Date, date};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sceau::domain::json::Json;
use sceau::domain::{Algorithm, Hcert, Kid, NumericDate, RuleSet, Signature};
use sceau::encode::json::DeterministicJson;
use sceau::encode::{ClaimsSet, CoseBytes, DecodeError, Hc1, ProtectedHeader, SignedHcert};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::bad_payloads::check_style;
use super::testdata::{certified, claims, json_of, parse, rulebook};

const NOW: &str = "2021-10-20T12:00:00Z";

fn config() -> ProptestConfig {
    ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() }
}

/// A text that is not blank, in NFC, without control characters, of fewer than 80 characters.
fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![any::<char>(), select("aéßЩ😀\"\\/<>&' \u{301}\u{327}\u{fb1d}".chars().collect::<Vec<_>>())];
    vec(character, 0..20).prop_map(|characters| {
        let text: String = characters.into_iter().filter(|character| !character.is_control()).collect();
        format!("x{text}").nfc().collect()
    })
}

/// A machine-readable name.
fn machine_readable() -> impl Strategy<Value = String> {
    vec(select(b"ABCXYZ<".to_vec()), 1..=80).prop_map(|letters| letters.into_iter().map(char::from).collect())
}

fn day(from: Date, days: i32) -> impl Strategy<Value = Date> {
    (0..=days).prop_map(move |later| from + later.days())
}

/// Tests of times: as RFC 3339 has them, and the forms that are normalised.
fn sampling(offsets: &'static [&'static str]) -> impl Strategy<Value = String> {
    (day(date(2021, 1, 1), 290), 0..24, 0..60, 0..60, select(offsets))
        .prop_map(|(day, hour, minute, second, offset)| format!("{day}T{hour:02}:{minute:02}:{second:02}{offset}"))
}

const OFFSETS: &[&str] = &["Z", "z", "+00:00", "-00:00", "+11:00", "-09:30"];
const ODD_OFFSETS: &[&str] = &[".5Z", "+11", "-0930", ".123456789+02"];

fn person() -> impl Strategy<Value = Value> {
    let written = (text(), text(), machine_readable(), machine_readable());
    (written, 0..3).prop_map(|((family, given, fnt, gnt), form)| match form {
        0 => json!({ "fn": family, "fnt": fnt }),
        1 => json!({ "fnt": fnt, "gnt": gnt }),
        _ => json!({ "fn": family, "fnt": fnt, "gn": given, "gnt": gnt }),
    })
}

fn birth() -> impl Strategy<Value = String> {
    (day(date(1900, 1, 1), 40_000), select(vec![0, 4, 7, 10])).prop_map(|(day, length)| day.to_string()[..length].to_owned())
}

const PRODUCTS: &[(&str, &str, &str)] = &[
    ("EU/1/20/1528", "ORG-100030215", "1119349007"),
    ("EU/1/20/1525", "ORG-100001417", "29061000087103"),
    ("EU/1/21/1618", "ORG-100032020", "1162643001"),
    ("Sputnik-V", "Gamaleya-Research-Institute", "28531000087107"),
];

fn vaccination() -> impl Strategy<Value = Value> {
    (select(PRODUCTS), 1..20u32, 1..20u32, day(date(2021, 1, 1), 290)).prop_map(|((mp, ma, vp), dn, sd, dt)| {
        json!({ "v": [{ "tg": "840539006", "vp": vp, "mp": mp, "ma": ma, "dn": dn, "sd": sd, "dt": dt.to_string() }] })
    })
}

fn test(offsets: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let texts = (proptest::option::of(text()), proptest::option::of(text()));
    (texts, sampling(offsets), any::<bool>(), any::<bool>()).prop_map(|((nm, tc), sc, positive, rapid)| {
        let mut entry = json!({ "tg": "840539006", "sc": sc, "tr": if positive { "260373001" } else { "260415000" } });
        entry["tt"] = if rapid { "LP217198-3" } else { "LP6464-4" }.into();
        let device = rapid.then(|| "1232".to_owned());
        for (name, text) in [("nm", nm), ("tc", tc), ("ma", device)] {
            if let Some(text) = text {
                entry[name] = text.into();
            }
        }
        json!({ "t": [entry] })
    })
}

fn recovery() -> impl Strategy<Value = Value> {
    (day(date(2021, 1, 1), 290), 11..=180i32, 0..=169i32).prop_map(|(fr, first, length)| {
        let (df, du) = (fr + first.days(), fr + (first + length).min(180).days());
        json!({ "r": [{ "tg": "840539006", "fr": fr.to_string(), "df": df.to_string(), "du": du.to_string() }] })
    })
}

const IDENTIFIERS: &[&str] = &["URN:UVCI:01:FR:A#D", "URN:UVCI:01:NL:187/37512422923#Z", "URN:UVCI:01:SE:EHM/V12916227TJJ"];

/// A payload, with what every type has added.
fn payload(group: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let issue = (select(&["FR", "NC", "XK", "GR"]), text(), select(IDENTIFIERS));
    let top = (select(&["1.3.0", "1.3.1", "1.3.2", "1.3.3"]), person(), birth());
    (group, issue, top).prop_map(|(mut payload, (co, is, ci), (ver, nam, dob))| {
        let (ver, dob) = (Value::from(ver), Value::from(dob));
        let entry = entry_of(&mut payload);
        entry.extend([("co".to_owned(), co.into()), ("is".to_owned(), is.into()), ("ci".to_owned(), ci.into())]);
        let top = payload.as_object_mut().expect("an object");
        top.extend([("ver".to_owned(), ver), ("nam".to_owned(), nam), ("dob".to_owned(), dob)]);
        payload
    })
}

/// The members of the one entry.
fn entry_of(payload: &mut Value) -> &mut serde_json::Map<String, Value> {
    let key = ["v", "t", "r"].into_iter().find(|key| payload.get(key).is_some()).expect("one of the groups is there");
    payload[key][0].as_object_mut().expect("an entry is an object")
}

/// Payloads of which nothing is to be normalised.
fn normal() -> impl Strategy<Value = Value> {
    prop_oneof![payload(vaccination()), payload(test(OFFSETS)), payload(recovery())]
}

const WRITTEN_NAMES: &[&str] =
    &["Wéa", "We\u{301}a", "d'Arc-Wéa", "Μενεξές", "Ткаченко", "الاسم", "ŁUKASZ", "A\u{30a}ström", "  Jean  "];

/// Payloads that lack what is made for them, and hold what is normalised.
fn loose() -> impl Strategy<Value = Value> {
    let any_type = prop_oneof![payload(vaccination()), payload(test(ODD_OFFSETS)), payload(recovery())];
    (any_type, select(WRITTEN_NAMES), select(WRITTEN_NAMES), any::<[bool; 3]>()).prop_map(
        |(mut payload, family, given, [fnt, gnt, ci])| {
            payload["nam"] = json!({ "fn": family, "gn": given });
            if fnt {
                payload["nam"]["fnt"] = "WEA".into();
            }
            if gnt {
                payload["nam"]["gnt"] = "JEANNE".into();
            }
            if !ci {
                entry_of(&mut payload).remove("ci");
            }
            payload
        },
    )
}

/// JSON text whose members stand in an order of the seed's, with blanks between them now and then.
fn render(value: &Value, seed: u64) -> String {
    let hash = |name: &str| {
        let mut hasher = DefaultHasher::new();
        (seed, name).hash(&mut hasher);
        hasher.finish()
    };
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| hash(name));
            let blank = |name: &str| ["", " ", "\n\t"][(hash(name) % 3) as usize];
            let members =
                members.into_iter().map(|(name, value)| format!("{0}\"{name}\"{0}:{1}", blank(name), render(value, seed)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(|item| render(item, seed)).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// The payload, which has to be one that is accepted.
fn accepted(json: &str) -> Hcert<'_> {
    parse(json.as_bytes(), &rulebook(RuleSet::ALL), NOW).unwrap_or_else(|faults| panic!("{json}\n{faults}"))
}

/// The claims of any JSON, legacy fields included.
fn claims_of_json(json: &str) -> Vec<u8> {
    let payload = DeterministicJson::new(Json::parse(json.as_bytes()).expect("the test's own JSON")).expect("no name twice");
    let (issued_at, expires_at) = (NumericDate::from_seconds(1_634_688_000), NumericDate::from_seconds(1_666_224_000));
    ClaimsSet { issuer: "FR", issued_at, expires_at, payload }.to_cbor()
}

fn header() -> ProtectedHeader {
    ProtectedHeader::new(Algorithm::Es256, Kid::from([0x5a; 8]))
}

/// A certificate of the payload, with a signature that nobody made.
fn certificate(json: &str) -> CoseBytes {
    header().assemble(claims(&accepted(json)), Signature::new(vec![0xc3; 64]))
}

/// One message for the tests that break it.
const PAYLOAD: &str = r#"{"ver":"1.3.0","dob":"1964-08","nam":{"fnt":"WEA","fn":"Wéa"},"v":[{"ci":"URN:UVCI:01:FR:A#D","co":"FR",
"dn":2,"dt":"2021-09-06","is":"DASS","ma":"ORG-100030215","mp":"EU/1/20/1528","sd":1,"tg":"840539006","vp":"1119349007"}]}"#;

/// Flips bits, or takes bytes out or in, at places that fit any length.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Truncate(Index),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let mutation = prop_oneof![
        4 => (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, 1 << bit)),
        1 => any::<Index>().prop_map(Mutation::Remove),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        1 => any::<Index>().prop_map(Mutation::Truncate),
    ];
    vec(mutation, 1..4)
}

fn mutated(bytes: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for mutation in mutations {
        let length = bytes.len();
        match mutation {
            _ if length == 0 => {}
            Mutation::Flip(at, bits) => bytes[at.index(length)] ^= bits,
            Mutation::Remove(at) => drop(bytes.remove(at.index(length))),
            Mutation::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Mutation::Truncate(at) => bytes.truncate(at.index(length)),
        }
    }
    bytes
}

/// A refusal has the style of all messages; what is read gives all of its parts without a panic.
fn look_at(read: Result<SignedHcert, DecodeError>) {
    match read {
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with(char::is_lowercase) && !message.ends_with('.'), "{message}");
        }
        Ok(read) => {
            let _ =
                (read.issuer(), read.certificate_type(), read.uvci(), read.notes(), read.sig_structure(), read.protected_bytes());
            let _ = format!("{read:?} {} {}", read.issued_at(), read.expires_at());
        }
    }
}

fn decode_with_compressed(compressed: &[u8]) -> Result<SignedHcert, DecodeError> {
    SignedHcert::decode(&format!("HC1:{}", base45::encode(compressed)))
}

/// Reads a payload that may be anything; all of its faults have the style of messages.
fn look_at_payload(json: &[u8]) {
    for rules in [RuleSet::ALL, RuleSet::eu_2021()] {
        if let Err(faults) = parse(json, &rulebook(rules), NOW) {
            faults.iter().for_each(check_style);
        }
    }
}

/// Any JSON, nested a little.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(&["", "2021-09-06", "FR", "1.3.0", "840539006", "URN:UVCI:01:FR:A#D", "2021-09-06T10:00:00+02"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((any::<String>(), inner), 0..3).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Every value of a payload that has a place, as a JSON pointer.
const PLACES: &[&str] = &[
    "/ver", "/nam", "/nam/fn", "/nam/gn", "/nam/fnt", "/nam/gnt", "/dob", "/v", "/t", "/r", "/v/0", "/t/0", "/r/0", "/v/0/dn",
    "/v/0/mp", "/v/0/dt", "/v/0/ci", "/t/0/sc", "/t/0/tt", "/t/0/ma", "/t/0/nm", "/r/0/fr", "/r/0/du", "/v/0/co", "/t/0/is",
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_encoded_is_read_back(payload in normal(), seed: u64, signature in vec(any::<u8>(), 0..400)) {
        let json = render(&payload, seed);
        let claims = claims(&accepted(&json));
        let cose = header().assemble(claims.clone(), Signature::new(signature.clone()));
        let read = SignedHcert::decode(Hc1::encode(&cose).as_str()).unwrap();
        prop_assert_eq!(read.claims_bytes(), claims.as_slice());
        prop_assert_eq!(json_of(read.payload()), payload);
        prop_assert_eq!(read.signature(), signature.as_slice());
        prop_assert_eq!(read.sig_structure(), header().sig_structure(&claims));
        prop_assert_eq!(read.notes(), &[]);
    }

    #[test]
    fn the_order_of_members_does_not_show(payload in prop_oneof![normal(), loose()], seeds: [u64; 2]) {
        let [one, other] = seeds.map(|seed| render(&payload, seed));
        prop_assert_eq!(claims(&accepted(&one)), claims(&accepted(&other)));
        prop_assert_eq!(claims_of_json(&one), claims_of_json(&other));
    }

    #[test]
    fn both_encoders_agree_where_nothing_is_normalised(payload in normal(), seed: u64) {
        let json = render(&payload, seed);
        prop_assert_eq!(claims(&accepted(&json)), claims_of_json(&json));
    }

    #[test]
    fn what_was_normalised_stays_as_it_is(payload in prop_oneof![normal(), loose()], seed: u64) {
        let json = render(&payload, seed);
        let first = accepted(&json);
        let again = render(&certified(&first), seed);
        prop_assert_eq!(claims(&first), claims(&accepted(&again)));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Json::parse(&bytes);
        look_at_payload(&bytes);
        look_at(SignedHcert::from_cose(&bytes));
        look_at(decode_with_compressed(&bytes));
    }

    #[test]
    fn no_text_makes_a_reader_panic(text: String) {
        look_at_payload(text.as_bytes());
        look_at_payload(format!("{{\"ver\":{text}").as_bytes());
        look_at(SignedHcert::decode(&text));
        look_at(SignedHcert::decode(&format!("HC1:{text}")));
    }

    #[test]
    fn no_broken_certificate_makes_a_reader_panic(mutations in mutations()) {
        let cose = certificate(PAYLOAD);
        let hc1 = Hc1::encode(&cose).into_string();
        let compressed = base45::decode(&hc1["HC1:".len()..]).unwrap();
        look_at(SignedHcert::decode(&String::from_utf8_lossy(&mutated(hc1.as_bytes(), &mutations))));
        look_at(decode_with_compressed(&mutated(&compressed, &mutations)));
        look_at(SignedHcert::from_cose(&mutated(cose.as_bytes(), &mutations)));
    }

    #[test]
    fn no_broken_claims_make_a_reader_panic(mutations in mutations()) {
        let claims = mutated(&claims(&accepted(PAYLOAD)), &mutations);
        look_at(SignedHcert::from_cose(header().assemble(claims, Signature::new(vec![0; 64])).as_bytes()));
    }

    #[test]
    fn no_broken_payload_makes_a_reader_panic(payload in prop_oneof![normal(), loose()], mutations in mutations()) {
        look_at_payload(&mutated(render(&payload, 0).as_bytes(), &mutations));
    }

    #[test]
    fn no_other_value_anywhere_makes_a_reader_panic(payload in normal(), place in select(PLACES), value in any_json(), name: String) {
        let mut payload = payload;
        let (object, member) = place.rsplit_once('/').unwrap();
        match payload.pointer_mut(object) {
            Some(Value::Object(members)) => drop(members.insert(member.to_owned(), value)),
            Some(Value::Array(items)) => items[0] = value,
            _ => drop(payload.as_object_mut().unwrap().insert(name, value)),
        }
        look_at_payload(payload.to_string().as_bytes());
    }
}

#[test]
fn no_truncated_certificate_makes_a_reader_panic() {
    let cose = certificate(PAYLOAD);
    let hc1 = Hc1::encode(&cose).into_string();
    let compressed = base45::decode(&hc1["HC1:".len()..]).unwrap();
    for length in 0..hc1.len() {
        assert!(SignedHcert::decode(&hc1[..length]).is_err(), "{length} characters");
    }
    for length in 0..compressed.len() {
        assert!(decode_with_compressed(&compressed[..length]).is_err(), "{length} bytes of zlib");
    }
    for length in 0..cose.as_bytes().len() {
        assert!(SignedHcert::from_cose(&cose.as_bytes()[..length]).is_err(), "{length} bytes of COSE");
    }
}

#[test]
fn every_single_flipped_bit_is_seen_or_read() {
    let cose = certificate(PAYLOAD);
    for at in 0..cose.as_bytes().len() {
        for bit in 0..8 {
            let mut bytes = cose.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            look_at(SignedHcert::from_cose(&bytes));
        }
    }
}

/// A protected header that holds a countersignature, whose protected header holds one, and so on.
fn countersigned(levels: usize) -> Vec<u8> {
    let bstr = |bytes: &[u8]| {
        let mut head = Vec::new();
        ciborium::into_writer(&ciborium::Value::Bytes(bytes.to_vec()), &mut head).expect("a vector takes every byte");
        head
    };
    let protected = (0..levels).fold(Vec::new(), |inner, _| {
        // { 7: [ protected bstr, {}, signature bstr ] }
        [&[0xa1, 0x07, 0x83][..], &bstr(&inner), &[0xa0, 0x40]].concat()
    });
    // 18([ protected bstr, {}, payload bstr, signature bstr ])
    [&[0xd2, 0x84][..], &bstr(&protected), &[0xa0, 0x40, 0x40]].concat()
}

#[test]
fn countersignatures_within_countersignatures_are_refused() {
    for levels in [1, 100, 7_000] {
        assert!(SignedHcert::from_cose(&countersigned(levels)).is_err(), "{levels} levels");
    }
}
