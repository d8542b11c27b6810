//! A payload as JSON, under every rule and as in 2021.
//!
//! What is accepted becomes deterministic CBOR, is read back from its certificate, and is accepted again as it was certified.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sceau::domain::RuleSet;
use sceau::domain::json::Json;
use sceau::encode::json::DeterministicJson;
use sceau::encode::{Hc1, SignedHcert, ToCbor};
use sceau_fuzz::certificate::{assemble, deterministic, json_of, look_at, payload_of};
use sceau_fuzz::payloads::{self, claims, parse};
use sceau_fuzz::seeds;

fuzz_target!(init: seeds::write(payloads::ALL.map(|json| json.as_bytes().to_vec())), |json: &[u8]| {
    let strict = claims_under(json, RuleSet::ALL);
    let as_in_2021 = claims_under(json, RuleSet::eu_2021());
    assert!(strict.is_none() || strict == as_in_2021, "fewer rules take no less, and change nothing");
    any_json(json);
});

/// The claims of a payload, where it is accepted.
fn claims_under(json: &[u8], rules: RuleSet) -> Option<Vec<u8>> {
    let hcert = match parse(json, rules) {
        Ok(hcert) => hcert,
        Err(faults) => {
            assert!(faults.iter().all(|fault| !fault.path.is_empty() && !fault.message.is_empty()));
            return None;
        }
    };
    let cbor = claims(&hcert);
    let payload = payload_of(&cbor);
    let read = SignedHcert::decode(Hc1::encode(&assemble(&cbor)).as_str()).expect("what was encoded is read back");
    look_at(&read);
    assert_eq!((read.claims_bytes(), read.payload(), read.notes()), (cbor.as_slice(), &payload, &[][..]));
    assert_eq!((read.uvci(), read.certificate_type()), (Some(hcert.uvci()), Some(hcert.certificate_type())));
    let certified = json_of(&payload).to_string();
    let again = parse(certified.as_bytes(), rules).expect("what was certified is accepted again");
    assert_eq!(claims(&again), cbor, "what was normalised stays as it is");
    Some(cbor)
}

/// Any JSON without a name that stands twice has one deterministic form.
fn any_json(json: &[u8]) {
    let Ok(json) = Json::parse(json) else { return };
    let Ok(sorted) = DeterministicJson::new(json) else { return };
    let mut cbor = Vec::new();
    sorted.write(&mut cbor);
    let _ = deterministic(&cbor);
}
