//! One certificate, without the rest of the export.

use super::*;
use crate::domain::json::Json;
use crate::domain::{Algorithm, Kid, Signature};
use crate::encode::json::DeterministicJson;
use crate::encode::{ClaimsSet, ProtectedHeader, SignedHcert};
use crate::ledger::archive::proof::Signed;

fn proofs(chains: &[&Chain], auditor: &Auditor, wanted: Wanted) -> Vec<Proof> {
    let (proofs, broken) = prove(lines(chains, auditor).join("\n").as_bytes(), wanted).unwrap();
    assert_eq!(broken, 0);
    proofs
}

/// As it goes through a file.
fn reread(proof: &Proof) -> Proof {
    serde_json::from_slice(&serde_json::to_vec(proof).unwrap()).unwrap()
}

#[test]
fn every_certificate_whose_entry_is_kept_is_proven() {
    let auditor = Auditor::new();
    let (north, south) = (chain("north", &auditor, 150), chain("south", &auditor, 90));
    let mut kinds = (0, 0);
    for chain in [&north, &south] {
        for number in 1..=chain.number {
            for proof in proofs(&[&north, &south], &auditor, Wanted::uvci(&uvci(&chain.instance, number))) {
                let proven = reread(&proof).check(&auditor.trusted()).unwrap();
                assert!(proven.is_of_uvci(&uvci(&chain.instance, number)) && !proven.is_of_uvci("other"));
                assert_eq!((proven.instance.as_str(), proven.intent.caller.as_str()), (chain.instance.as_str(), "clinic"));
                let count = if proven.is_sealed { &mut kinds.0 } else { &mut kinds.1 };
                *count += 1;
            }
        }
    }
    assert!(kinds.0 > 50 && kinds.1 > 2, "{kinds:?}");
}

#[test]
fn a_certificate_is_found_by_its_place_and_by_its_signature() {
    let auditor = Auditor::new();
    let mut north = Chain::open("north");
    let seq = north.batch(5);
    north.seal(&auditor, 0);
    let place = Place { seq, index: 3 };
    let by_place = proofs(&[&north], &auditor, Wanted::Place(None, place));
    assert_eq!(by_place[0].place, place);
    assert_eq!(by_place, proofs(&[&north], &auditor, Wanted::Place(Some("north".to_owned()), place)));
    assert_eq!(proofs(&[&north], &auditor, Wanted::Place(Some("south".to_owned()), place)), []);
    let signature = entry("north", 4, 3).signature;
    assert_eq!(by_place, proofs(&[&north], &auditor, Wanted::Signature(signature)));
    assert_eq!(proofs(&[&north], &auditor, Wanted::uvci("other")), []);
}

/// The certificate of an entry, as its holder has it.
fn certificate(number: u32, issuer: &str, expires_at: i64) -> SignedHcert {
    let header = ProtectedHeader::new(Algorithm::Es256, Kid::from([7; 8]));
    let payload = format!(r#"{{"v":[{{"ci":"{}"}}]}}"#, uvci("north", number));
    let payload = DeterministicJson::new(Json::parse(payload.as_bytes()).unwrap()).unwrap();
    let (issued_at, expires_at) = (NumericDate::from_seconds(START / 1_000), NumericDate::from_seconds(expires_at));
    let claims = ClaimsSet { issuer, issued_at, expires_at, payload }.to_cbor();
    let signature = Signature::new([r_of(number), vec![9; 32]].concat());
    SignedHcert::from_cose(header.assemble(claims, signature).as_bytes()).unwrap()
}

#[test]
fn a_certificate_that_somebody_holds_is_found_and_told_from_one_like_it() {
    let auditor = Auditor::new();
    let mut north = Chain::open("north");
    north.batch(3);
    let exp = START / 1_000 + 1;
    let held = certificate(2, "FR", exp);
    let proof = proofs(&[&north], &auditor, Wanted::certificate(&held)).remove(0);
    let proven = proof.check(&auditor.trusted()).unwrap();
    assert_eq!(proven.place.index, 1);
    assert!(proven.is_of(&held));
    // The same signature under other claims, and another certificate.
    for other in [certificate(2, "NC", exp), certificate(2, "FR", exp + 1), certificate(1, "FR", exp)] {
        assert!(!proven.is_of(&other));
    }
}

#[test]
fn what_is_signed_again_has_a_proof_each_time() {
    let auditor = Auditor::new();
    let mut north = Chain::open("north");
    north.batch(1);
    north.number = 0;
    north.batch(1);
    let found = proofs(&[&north], &auditor, Wanted::uvci(&uvci("north", 1)));
    assert_eq!(found.iter().map(|proof| proof.place.seq).collect::<Vec<_>>(), [3, 5]);
    assert!(found.iter().all(|proof| proof.check(&auditor.trusted()).is_ok()));
}

#[test]
fn a_proof_of_which_anything_is_changed_does_not_hold() {
    let auditor = Auditor::new();
    let mut north = chain("north", &auditor, 60);
    let (one, other) = (north.intend(3), north.intend(2));
    north.settle(one, 3);
    north.settle(other, 1);
    let wanted = Wanted::uvci(&uvci("north", north.number - 2));
    let by_trailer = proofs(&[&north], &auditor, wanted.clone()).remove(0);
    north.seal(&auditor, 0);
    let by_seal = proofs(&[&north], &auditor, wanted).remove(0);
    for proof in [by_trailer, by_seal] {
        assert!(!proof.passage.path.is_empty() && !proof.passage.between.is_empty() && !proof.passage.after.is_empty());
        assert!(proof.check(&auditor.trusted()).is_ok());
        assert!(matches!(proof.check(&Auditor::new().trusted()), Err(NoProof::Signature(Distrust::Unknown { .. }))));
        for (what, changed) in changed(&proof) {
            assert_ne!(changed, proof);
            // RSA and ECDSA signatures have no byte that does not count; what the record says beside it does not.
            assert!(changed.check(&auditor.trusted()).is_err(), "{what}");
        }
    }
}

fn changed(proof: &Proof) -> Vec<(String, Proof)> {
    let mut all = Vec::new();
    let mut add = |what: &str, change: &dyn Fn(&mut Proof)| {
        let mut changed = proof.clone();
        change(&mut changed);
        all.push((what.to_owned(), changed));
    };
    add("version", &|proof| proof.sceau_proof = 2);
    add("instance", &|proof| proof.instance = "south".to_owned());
    add("seq", &|proof| proof.place.seq += 1);
    add("index", &|proof| proof.place.index ^= 1);
    add("before.seq", &|proof| proof.passage.before.seq -= 1);
    add("before.seq at its end", &|proof| proof.passage.before.seq = u64::MAX);
    add("before.link", &|proof| proof.passage.before.link.0[0] ^= 1);
    add("between", &|proof| proof.passage.between.truncate(proof.passage.between.len() - 1));
    add("after", &|proof| proof.passage.after.truncate(proof.passage.after.len() - 1));
    add("after, one more", &|proof| proof.passage.after.push(Octets([0; 32])));
    add("path", &|proof| proof.passage.path.truncate(proof.passage.path.len() - 1));
    for index in 0..proof.passage.path.len() {
        add("path", &|proof| proof.passage.path[index].0[7] ^= 1);
    }
    for index in 0..proof.passage.between.len() {
        add("between", &|proof| proof.passage.between[index].0[7] ^= 1);
    }
    for (name, part) in [("entry", &proof.passage.entry), ("intent", &proof.passage.intent), ("outcome", &proof.passage.outcome)]
    {
        for place in 0..part.0.len() {
            add(&format!("{name} {place}"), &|proof| match name {
                "entry" => proof.passage.entry.0[place] ^= 1,
                "intent" => proof.passage.intent.0[place] ^= 1,
                _ => proof.passage.outcome.0[place] ^= 1,
            });
        }
    }
    for place in 0..6 {
        add(&format!("signed {place}"), &|proof| match (&mut proof.signed, place) {
            (Signed::Seal(seal), 0) => seal.head += 1,
            (Signed::Seal(seal), 1) => seal.link.0[3] ^= 1,
            (Signed::Seal(seal), 2) => seal.at += 1,
            (Signed::Seal(seal), 3) => seal.certificate.0[3] ^= 1,
            (Signed::Seal(seal), _) => seal.signature.0[9 * place] ^= 1,
            (Signed::End(trailer), 0) => trailer.certificate.0[3] ^= 1,
            (Signed::End(trailer), 1) => trailer.signature.0[9] ^= 1,
            (Signed::End(trailer), _) => trailer.trailer.0[13 * place] ^= 1,
        });
    }
    all
}

#[test]
fn a_forgotten_certificate_and_a_broken_chain_have_no_proof() {
    let auditor = Auditor::new();
    let mut north = Chain::open("north");
    let seq = north.batch(2);
    north.batch(1);
    let mut broken = lines(&[&north], &auditor);
    broken.remove(4);
    let wanted = Wanted::Place(None, Place { seq, index: 0 });
    assert_eq!(prove(broken.join("\n").as_bytes(), wanted.clone()).unwrap(), (Vec::new(), 1));
    north.prune(2, 3);
    assert_eq!(proofs(&[&north], &auditor, wanted), []);
}
