//! The form of an export, which readers elsewhere rely on.

use proptest::prelude::*;

use super::*;

#[test]
fn the_form_of_an_export_stays() {
    let auditor = Auditor::new();
    let mut north = Chain::open("north");
    let intent = north.intend(1);
    north.settle(intent, 1);
    north.prune(2, 2);
    let lines = lines_at(&[&north], &auditor, START);
    assert_eq!(lines[0], r#"{"sceau_export":1,"instances":["north"]}"#);
    let members = |line: &str| -> Vec<String> {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(members(&lines[1]), ["chain", "detail", "link", "record", "seq"]);
    assert_eq!(members(&lines[2]), ["chain", "digest", "link", "seq"]);
    assert_eq!(members(&lines[5]), ["certificate", "signature", "trailer"]);
    assert!(lines[5].starts_with("{\"trailer\":\""));
    let end = north.head();
    let trailer: SignedTrailer = serde_json::from_str(&lines[5]).unwrap();
    let expected = [
        "a3",                                   // a map of three
        "617601",                               // "v": 1
        "6261741b0000017d24cdb200",             // "at": 1637000000000
        "66636861696e7381a5",                   // "chains": [{
        "68696e7374616e6365656e6f727468",       // "instance": "north"
        "6373657104",                           // "seq": 4
        &format!("646c696e6b5820{}", end.link), // "link": …
        "677265636f72647303",                   // "records": 3
        "67656e747269657301",                   // "entries": 1
    ];
    assert_eq!(hex::encode(&trailer.trailer.0), expected.concat());
    let signed = Digest::of(&[b"sceau export v1\0".as_slice(), &trailer.trailer.0].concat());
    assert!(auditor.certificate.accepts(&signed, &trailer.signature.0));
}

#[test]
fn what_is_no_export_is_told_at_once() {
    let trusted = TrustedAuditors::default();
    for text in ["", "\n", "{}", "HC1:ABC", r#"{"sceau_export":2,"instances":[]}"#, r#"{"sceau_export":1}"#] {
        let refused = verify(text.as_bytes(), &trusted, Expectations::default()).unwrap_err();
        assert!(refused.to_string().starts_with("it is no export of a ledger"), "{text}: {refused}");
    }
}

#[test]
fn blank_lines_and_line_endings_do_not_count() {
    let auditor = Auditor::new();
    let lines = lines(&[&chain("north", &auditor, 20)], &auditor);
    let text = lines.join("\r\n\r\n") + "\n\n";
    assert!(verify(text.as_bytes(), &auditor.trusted(), Expectations::default()).unwrap().is_intact());
}

#[test]
fn a_chain_that_is_announced_twice_or_not_named_in_the_trailer_is_told() {
    let auditor = Auditor::new();
    let mut lines = lines(&[&chain("north", &auditor, 5)], &auditor);
    lines[0] = r#"{"sceau_export":1,"instances":["north","north"]}"#.to_owned();
    assert_eq!(
        found(&audit(&lines, &auditor, Expectations::default())),
        ["the export (line 1): inserted: the header names a chain twice"]
    );
    lines[0] = r#"{"sceau_export":1,"instances":["north","south"]}"#.to_owned();
    let text = "the export (line 7): contradiction: the trailer and the header name other chains";
    assert_eq!(found(&audit(&lines, &auditor, Expectations::default())), [text]);
    lines[0] = r#"{"sceau_export":1,"instances":[]}"#.to_owned();
    let last = found(&audit(&lines, &auditor, Expectations::default())).pop().unwrap();
    assert_eq!(last, "north, records 1 to 5: cut off: the trailer says that the chain goes on up to there");
}

#[test]
fn audit_certificates_are_read_from_pem_and_der() {
    use base64::Engine;
    let der = || self_signed(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
    let (one, other) = (der(), der());
    let pem = |der: &[u8]| {
        let body = base64::prelude::BASE64_STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    };
    let hashes =
        |file: &[u8]| -> Vec<_> { AuditCertificate::all_of(file).unwrap().iter().map(|found| *found.sha256()).collect() };
    let expected = [Octets::from(Digest::of(&one)), Octets::from(Digest::of(&other))];
    assert_eq!(hashes(&one), expected[..1]);
    assert_eq!(hashes(format!("{}{}", pem(&one), pem(&other)).as_bytes()), expected);
    for (file, reason) in
        [("", "no certificate"), ("text", "no certificate"), ("-----BEGIN CERTIFICATE-----", "no end"), ("0", "no X.509")]
    {
        let refused = AuditCertificate::all_of(file.as_bytes()).unwrap_err();
        assert!(refused.to_string().contains(reason), "{file}: {refused}");
    }
}

/// Lines that are nearly lines.
fn a_line() -> impl Strategy<Value = String> {
    let record = (0u64..5, prop::option::of(0usize..20), any::<bool>()).prop_map(|(seq, record, has_detail)| {
        let rows = &RECORDS;
        let record = record.map(|index| Blob(rows[index % rows.len()].clone()));
        let seq = if seq == 4 { u64::MAX } else { seq };
        let digest = record.is_none().then_some(Octets([1; 32]));
        text(&RecordLine {
            chain: "north".to_owned(),
            seq,
            link: Octets([2; 32]),
            record,
            digest,
            detail: has_detail.then(|| Blob(vec![0; 3])),
        })
    });
    prop_oneof![8 => record, 1 => ".{0,40}", 1 => Just("{\"trailer\":\"oA==\",\"certificate\":\"\",\"signature\":\"\"}".to_owned())]
}

static RECORDS: std::sync::LazyLock<Vec<Vec<u8>>> =
    std::sync::LazyLock::new(|| chain("north", &Auditor::new(), 60).rows.into_iter().filter_map(|row| row.record).collect());

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_lines_an_audit_and_a_search_end_well(lines in prop::collection::vec(a_line(), 0..30)) {
        let text = format!("{}\n{}", r#"{"sceau_export":1,"instances":["north"]}"#, lines.join("\n"));
        let report = verify(text.as_bytes(), &TrustedAuditors::default(), Expectations::default()).unwrap();
        prop_assert!(!report.is_intact());
        let (proofs, _) = prove(text.as_bytes(), Wanted::Place(None, Place { seq: 3, index: 0 })).unwrap();
        prop_assert!(proofs.is_empty());
    }
}
