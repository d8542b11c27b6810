//! What is found is said as what it is, where it is, and nothing else is.

use super::*;

/// Two chains of a few records: opened, three batches, a seal, a batch.
fn small(auditor: &Auditor) -> Vec<String> {
    let write = |instance| {
        let mut chain = Chain::open(instance);
        (0..3).for_each(|_| {
            chain.batch(2);
        });
        chain.seal(auditor, 0);
        chain.batch(1);
        chain
    };
    lines(&[&write("north"), &write("south")], auditor)
}

/// The findings after something was done to the small export, whose line N is record N of north.
fn after(done: impl FnOnce(&mut Vec<String>)) -> Vec<String> {
    let auditor = Auditor::new();
    let mut lines = small(&auditor);
    assert_eq!(lines.len(), 1 + 10 + 10 + 1);
    done(&mut lines);
    found(&audit(&lines, &auditor, Expectations::default()))
}

fn change(line: &mut String, change: impl FnOnce(&mut RecordLine)) {
    let mut record = record_line(line);
    change(&mut record);
    *line = text(&record);
}

/// A record in which a certificate is said to be asked for by another caller.
fn other_caller(line: &mut RecordLine) {
    let mut record = Record::from_cbor(&line.record.as_ref().unwrap().0).unwrap();
    let Body::Intent(intent) = &mut record.body else { panic!("it is an intent") };
    intent.caller = "nobody".to_owned();
    line.record = Some(Blob(record.to_cbor()));
}

#[test]
fn a_removed_record_is_missing_and_so_is_a_row_of_them() {
    assert_eq!(after(|lines| drop(lines.remove(4))), ["north, record 4: missing: it is not in the export"]);
    assert_eq!(after(|lines| drop(lines.drain(4..7))), ["north, records 4 to 6: missing: it is not in the export"]);
}

#[test]
fn a_changed_record_and_a_changed_detail_are_told_apart() {
    let record = after(|lines| change(&mut lines[4], other_caller));
    assert_eq!(record, ["north, record 4 (line 5): changed: the record is not the one that was written"]);
    let detail = after(|lines| change(&mut lines[5], |line| line.detail.as_mut().unwrap().0[20] ^= 1));
    assert_eq!(detail, ["north, record 5 (line 6): changed: the detail is not the one that the record was written with"]);
    let link = after(|lines| change(&mut lines[7], |line| line.link.0[0] ^= 1));
    assert_eq!(link, ["north, record 7 (line 8): changed: the record is not the one that was written"]);
}

#[test]
fn swapped_records_are_reordered() {
    let neighbours = after(|lines| lines.swap(3, 4));
    assert_eq!(neighbours, ["north, record 4 (line 4): reordered: it stands elsewhere than it was written"]);
    let far = after(|lines| lines.swap(2, 7));
    let expected = ["north, record 7 (line 3): reordered", "north, record 2 (line 8): reordered"];
    assert!(far.len() == 2 && far.iter().zip(expected).all(|(found, expected)| found.starts_with(expected)), "{far:?}");
    let across = after(|lines| lines.swap(10, 11));
    assert_eq!(across, ["south, record 1 (line 11): reordered: it stands elsewhere than it was written"]);
}

#[test]
fn an_inserted_record_is_told() {
    let twice = after(|lines| lines.insert(5, lines[4].clone()));
    assert_eq!(twice, ["north, record 4 (line 6): inserted: a record of this place stands there already"]);
    let other = after(|lines| lines.insert(5, lines[15].clone()));
    assert_eq!(other, ["south, record 5 (line 6): reordered: it stands elsewhere than it was written"]);
    let behind = after(|lines| lines.push(lines[4].clone()));
    assert_eq!(behind, ["the export (line 23): inserted: a line after the trailer"]);
    let nonsense = after(|lines| lines.insert(5, "{\"chain\":1}".to_owned()));
    assert!(nonsense.len() == 1 && nonsense[0].starts_with("the export (line 6): unreadable: "), "{nonsense:?}");
}

#[test]
fn an_end_that_is_not_there_is_cut_off() {
    let without = after(|lines| drop(lines.pop()));
    assert_eq!(without, ["the export: cut off: there is no trailer, which is the last line of an export"]);
    let moved = after(|lines| drop(lines.drain(18..21)));
    assert_eq!(moved, ["south, records 8 to 10: cut off: the trailer says that the chain goes on up to there"]);
    let chain = after(|lines| drop(lines.drain(11..21)));
    assert_eq!(chain, ["south, records 1 to 10: cut off: the trailer says that the chain goes on up to there"]);
}

#[test]
fn what_is_forgotten_without_a_word_is_told() {
    let forget = |line: &mut RecordLine| {
        (line.digest, line.record, line.detail) = (line.record_digest(), None, None);
    };
    let record = after(|lines| change(&mut lines[4], forget));
    assert_eq!(record, ["north, record 4: forgotten: it is left out, and no pruning on record says that it was to be"]);
    let detail = after(|lines| change(&mut lines[5], |line| line.detail = None));
    assert_eq!(detail, ["north, record 5: forgotten: it is left out, and no pruning on record says that it was to be"]);
}

#[test]
fn what_is_forgotten_behind_a_pruning_is_told_by_the_trailers_counts() {
    let auditor = Auditor::new();
    let mut north = Chain::open("north");
    (0..3).for_each(|_| {
        north.batch(2);
    });
    // On record, and not carried out when the export was made.
    north.write(Body::Pruning(Pruning { ranges: vec![(2, 7)], certificates: 6, before: 0 }), Vec::new());
    let mut lines = lines(&[&north], &auditor);
    assert_eq!(found(&audit(&lines, &auditor, Expectations::default())), [""; 0]);
    change(&mut lines[2], |line| (line.digest, line.record, line.detail) = (line.record_digest(), None, None));
    let report = audit(&lines, &auditor, Expectations::default());
    assert!(found(&report)[0].starts_with("north: contradiction: the trailer counts more records"), "{:?}", found(&report));
}

#[test]
fn a_past_that_was_rewritten_is_told_up_to_what_was_signed() {
    let found = after(|lines| {
        change(&mut lines[4], other_caller);
        let trailer = lines.len() - 1;
        relink(&mut lines[..trailer]);
    });
    let what = "changed: somewhere here; what was signed is not what stands here";
    assert_eq!(found, [format!("north, records 1 to 7: {what}"), format!("north, records 1 to 10: {what}")]);
}

#[test]
fn each_intent_is_settled_once_by_an_outcome_of_its_own() {
    let auditor = Auditor::new();
    let mut north = Chain::open("north");
    let intent = north.intend(2);
    north.settle(intent, 2);
    north.settle(intent, 1);
    north.write(Body::Doubt { intents: vec![1] }, Vec::new());
    let intent = north.intend(2);
    let root = merkle::root([].into_iter());
    north.write(Body::Outcome(Outcome { intent, signed: 0, unsigned: 3, key: Octets([1; 4]), root }), Vec::new());
    let found = found(&audit(&lines(&[&north], &auditor), &auditor, Expectations::default()));
    assert_eq!(
        found,
        [
            "north, record 4 (line 5): unmatched: it settles record 2, which is no open intent",
            "north, record 5 (line 6): unmatched: it settles record 1, which is no open intent",
            "north, record 7 (line 8): contradiction: the outcome is of another number of certificates than its intent",
        ]
    );
}

#[test]
fn a_signature_counts_under_a_certificate_that_was_given_and_while_it_was_valid() {
    let (auditor, other) = (Auditor::new(), Auditor::new());
    let lines = small(&auditor);
    let report = audit(&lines, &other, Expectations::default());
    let unknown = format!("untrusted: it is signed under the certificate {}", auditor.certificate.sha256());
    assert_eq!(report.findings.count(), 3);
    assert!(found(&report).iter().all(|finding| finding.contains(&unknown)), "{:?}", found(&report));
    // Under its own certificate's name, by another's key.
    let mut forged = lines;
    let mut trailer: SignedTrailer = serde_json::from_str(forged.last().unwrap()).unwrap();
    trailer.signature = Blob(other.sign(&Trailer::digest_of(&trailer.trailer.0)));
    *forged.last_mut().unwrap() = serde_json::to_string(&trailer).unwrap();
    let report = audit(&forged, &auditor, Expectations::default());
    assert!(found(&report)[0].contains("its signature was not made by the key of"), "{:?}", found(&report));
    let north = chain("north", &auditor, 5);
    let report = audit(&lines_at(&[&north], &auditor, 2 * START), &auditor, Expectations::default());
    assert!(found(&report)[0].contains("was not valid"), "{:?}", found(&report));
}

#[test]
fn a_seal_is_of_what_stands_there_before_it_and_not_older_than_the_one_before() {
    let auditor = Auditor::new();
    let seal = |head: Head, at| Seal {
        head: head.seq,
        link: head.link,
        at,
        certificate: *auditor.certificate.sha256(),
        signature: Blob(auditor.sign(&head.sealed_digest("north", at))),
    };
    let found_with = |head: Head, at| {
        let mut north = chain("north", &auditor, 3);
        north.seal(&auditor, 0);
        north.write(Body::Seal(seal(head, at)), Vec::new());
        let found = found(&audit(&lines(&[&north], &auditor), &auditor, Expectations::default()));
        found.first().cloned().unwrap_or_default()
    };
    let head = chain("north", &auditor, 2).head();
    assert_eq!(found_with(head, START + 9_000), "");
    assert!(found_with(Head { seq: 1, ..head }, START + 9_000).starts_with("north, record 1: changed: somewhere here"));
    assert!(found_with(Head { seq: 5, ..head }, START + 9_000).contains("a head that comes after it"));
    assert!(found_with(head, START).contains("older than the one before"));
}

#[test]
fn a_record_is_not_older_than_the_one_before() {
    let auditor = Auditor::new();
    let found_with = |at| {
        let mut north = chain("north", &auditor, 3);
        north.write_at(Body::Doubt { intents: Vec::new() }, Vec::new(), at);
        found(&audit(&lines(&[&north], &auditor), &auditor, Expectations::default()))
    };
    assert_eq!(found_with(START + 2_000), [""; 0]);
    assert!(found_with(START)[0].contains("contradiction: the record says that it is older than the one before it"));
}

#[test]
fn very_many_findings_are_counted_and_the_first_are_listed() {
    let auditor = Auditor::new();
    let mut lines = lines(&[&chain("north", &auditor, 3)], &auditor);
    (0..1_500).for_each(|_| lines.push("x".to_owned()));
    let findings = audit(&lines, &auditor, Expectations::default()).findings;
    assert_eq!((findings.count(), findings.listed().len()), (1_500, finding::MOST_LISTED));
}
