//! What a pruning explains, and what it does not.

use super::*;

/// A chain of one of everything, pruned from its second record on. Gives where the pruning stands.
fn pruned(auditor: &Auditor) -> (Chain, u64) {
    let mut chain = Chain::open("north");
    chain.batch(2);
    chain.seal(auditor, 0);
    let lost = chain.intend(1);
    chain.write(Body::Doubt { intents: vec![lost] }, Vec::new());
    chain.revoke(&[Place { seq: 3, index: 0 }]);
    chain.batch(1);
    let last = chain.head().seq;
    chain.prune(1, last);
    (chain, last + 1)
}

#[test]
fn an_export_from_before_and_one_from_after_hold_the_same_heads() {
    let auditor = Auditor::new();
    let mut before = Chain::open("north");
    before.batch(2);
    let mut after = before.clone();
    after.prune(2, 3);
    let heads = || vec![pin("north", before.head())];
    for chain in [&before, &after] {
        let report = audit(&lines(&[chain], &auditor), &auditor, Expectations { heads: heads(), not_before: None });
        assert_eq!(found(&report), [""; 0]);
    }
}

/// Whoever has the database forgets one thing more before the export is made, where a pruning was anyway.
#[test]
fn what_is_forgotten_beside_what_was_pruned_is_found() {
    let auditor = Auditor::new();
    let (chain, at) = pruned(&auditor);
    assert_eq!(found(&audit(&lines(&[&chain], &auditor), &auditor, Expectations::default())), [""; 0]);
    for seq in 1..at {
        let mut bent = chain.clone();
        let row = &mut bent.rows[usize::try_from(seq).unwrap() - 1];
        let Some(record) = row.record.take() else { continue };
        row.detail = None;
        let kind = Record::from_cbor(&record).unwrap().body.kind();
        let report = audit(&lines(&[&bent], &auditor), &auditor, Expectations::default());
        assert!(!report.is_intact(), "record {seq}, {kind}");
        assert!(found(&report)[0].starts_with("north, record "), "{:?}", found(&report));
    }
    let mut bent = chain;
    let revocation = bent.rows.iter_mut().find(|row| row.detail.as_ref().is_some_and(|detail| detail.len() == Place::BYTES));
    revocation.unwrap().detail = None;
    assert!(!audit(&lines(&[&bent], &auditor), &auditor, Expectations::default()).is_intact());
}

#[test]
fn a_pruning_of_what_was_still_in_force_is_found() {
    let auditor = Auditor::new();
    let mut chain = Chain::open("north");
    chain.batch(1);
    let before = chain.now() / 1_000 + 1;
    chain.write(Body::Pruning(Pruning { ranges: vec![(2, 3)], certificates: 1, before }), Vec::new());
    let report = audit(&lines(&[&chain], &auditor), &auditor, Expectations::default());
    let expected = "north, record 4 (line 5): contradiction: it forgets what had not expired when it was written";
    assert_eq!(found(&report), [expected]);
}
