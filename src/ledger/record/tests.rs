use proptest::prelude::*;

use super::*;
use crate::domain::officers::{Event, SignedText};
use crate::domain::{CertificateType, NumericDate};

fn record(body: Body) -> Record {
    Record { v: VERSION, instance: "north".to_owned(), seq: 7, at: 1_637_000_000, body }
}

fn entry(number: u8) -> Entry {
    Entry {
        place: number.into(),
        kind: CertificateType::ALL[usize::from(number) % 3],
        expires_at: NumericDate::from_seconds(-1),
        item: Octets([number; 16]),
        payload: Octets([1; 16]),
        uci: Octets([2; 32]),
        country_uci: Octets([3; 32]),
        signature: Octets([number; 16]),
    }
}

#[test]
fn a_record_is_read_as_it_was_written_and_nothing_behind_it_is_passed_over() {
    let doubt = record(Body::Doubt { intents: vec![1, 2] });
    let mut bytes = doubt.to_cbor();
    assert_eq!(Record::from_cbor(&bytes), Ok(doubt.clone()));
    bytes.push(0);
    assert_eq!(Record::from_cbor(&bytes), Err(InvalidRecord::Form));
    assert_eq!(Record::from_cbor(&Record { v: 2, ..doubt }.to_cbor()), Err(InvalidRecord::Version { version: 2 }));
}

/// Readers outside rely on it, and so does every chain that exists.
#[test]
fn the_form_of_a_record_stays() {
    let bytes = record(Body::Doubt { intents: vec![3] }).to_cbor();
    let expected = concat!(
        "a5",                             // a map of five
        "617601",                         // "v": 1
        "68696e7374616e6365656e6f727468", // "instance": "north"
        "6373657107",                     // "seq": 7
        "6261741a6192a340",               // "at": 1637000000
        "64626f6479",                     // "body":
        "a165646f756274",                 // { "doubt":
        "a167696e74656e74738103",         // { "intents": [3] } }
    );
    assert_eq!(hex::encode(bytes), expected);
    let first = Head::EMPTY.next(&Octets([0; 32]));
    let link = Digest::of(&[b"sceau link v1\0".as_slice(), &[0; 64]].concat());
    assert_eq!(first, Head { seq: 1, link: link.into() });
}

#[test]
fn an_outcome_has_its_entries_and_no_others() {
    let detail: Vec<u8> = (0..5).fold(Vec::new(), |mut bytes, number| {
        entry(number).write(&mut bytes);
        bytes
    });
    let root = merkle::root(detail.chunks(Entry::BYTES));
    let outcome = record(Body::Outcome(Outcome { intent: 6, signed: 5, unsigned: 1, key: Octets([0; 4]), root }));
    assert!(outcome.has_detail(&detail));
    assert!(!outcome.has_detail(&detail[Entry::BYTES..]));
    for place in 0..detail.len() {
        let mut bent = detail.clone();
        bent[place] ^= 1;
        assert!(!outcome.has_detail(&bent), "{place}");
    }
    assert_eq!(Entry::all(&detail).collect::<Vec<_>>(), (0..5).map(entry).collect::<Vec<_>>());
}

#[test]
fn a_step_of_custody_is_a_record_without_a_detail() {
    let event = Event::Approved(SignedText { text: "{}".to_owned(), signature: Octets([1; 64]) });
    let custody = record(Body::Custody(event));
    assert_eq!((Record::from_cbor(&custody.to_cbor()), custody.body.kind()), (Ok(custody.clone()), "custody"));
    assert!(custody.has_detail(&[]) && !custody.has_detail(&[0]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_bytes_reading_them_ends_well(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(record) = Record::from_cbor(&bytes) {
            let _ = record.has_detail(&bytes);
        }
        if let Some(entry) = Entry::read(&bytes) {
            let mut again = Vec::new();
            entry.write(&mut again);
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn a_place_is_read_as_it_was_written(seq: u64, index: u16) {
        let place = Place { seq, index };
        prop_assert_eq!(Place::from_bytes(place.to_bytes()), place);
    }
}
