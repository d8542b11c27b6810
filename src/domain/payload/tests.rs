//! Payload reading, one sentence a rule. The long table of bad payloads is tests/it/bad_payloads.rs.

use super::*;
use crate::domain::{CallerId, ItemId, UvciMaker};

const VACCINATION: &str = r#"{"ver":"1.3.0","nam":{"fn":"d'Arc-Wéa","gn":"Jeanne"},"dob":"1984-03-02","v":[{"tg":"840539006","vp":"1119349007",
"mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":1,"dt":"2021-09-06","co":"FR","is":"DASS-NC"}]}"#;

fn rulebook(rules: RuleSet) -> Rulebook {
    Rulebook { rules, value_sets: Arc::new(ValueSets::builtin()), max_payload_bytes: Rulebook::DEFAULT_MAX_PAYLOAD_BYTES }
}

fn made_uvci() -> Uvci {
    UvciMaker::new(&[1; 32]).unwrap().make("FR".parse().unwrap(), &CallerId::new("test"), &ItemId::new("1").unwrap())
}

fn parse_under(rules: RuleSet, json: &str) -> Result<Hcert<'_>, Faults> {
    let now = NumericDate::from_rfc3339("2021-10-20T12:00:00Z").unwrap();
    Hcert::parse(json.as_bytes(), &rulebook(rules), now, made_uvci)
}

fn parse(json: &str) -> Result<Hcert<'_>, Faults> {
    parse_under(RuleSet::ALL, json)
}

fn faults(json: &str) -> Vec<(String, Rule)> {
    parse(json).unwrap_err().into_iter().map(|fault| (fault.path, fault.rule)).collect()
}

#[test]
fn names_are_transliterated_where_absent() {
    let hcert = parse(VACCINATION).unwrap();
    assert_eq!(hcert.name.family_transliterated.as_deref(), Some("DARC<WEA"));
    assert_eq!(hcert.name.given_transliterated.as_deref(), Some("JEANNE"));
}

#[test]
fn names_that_are_given_are_kept() {
    let json = VACCINATION.replace(r#""gn":"Jeanne""#, r#""gn":"Jeanne","fnt":"ARC<WEA""#);
    assert_eq!(parse(&json).unwrap().name.family_transliterated.as_deref(), Some("ARC<WEA"));
}

#[test]
fn an_identifier_is_made_where_absent_and_kept_where_given() {
    assert_eq!(parse(VACCINATION).unwrap().uvci(), made_uvci().as_str());
    let json = VACCINATION.replace(r#""co":"FR""#, r#""co":"FR","ci":"URN:UVCI:01:NL:187/37512422923#Z""#);
    assert_eq!(parse(&json).unwrap().uvci(), "URN:UVCI:01:NL:187/37512422923#Z");
}

#[test]
fn all_faults_are_reported_at_once() {
    let json =
        VACCINATION.replace("1984-03-02", "1984-02-30").replace(r#""dn":2"#, r#""dn":0,"xx":1"#).replace("EU/1/20/1528", "EU/9");
    assert_eq!(
        faults(&json),
        [
            ("dob".to_owned(), Rule::DateReal),
            ("v[0].xx".to_owned(), Rule::SchemaUnknownField),
            ("v[0].mp".to_owned(), Rule::CodeKnown),
            ("v[0].dn".to_owned(), Rule::SchemaMinimum),
        ]
    );
}

#[test]
fn a_rule_that_is_switched_off_is_not_applied() {
    let json = VACCINATION.replace("1.3.0", "1.0.0");
    assert_eq!(faults(&json), [("ver".to_owned(), Rule::VerCurrent)]);
    assert!(parse_under(RuleSet::eu_2021(), &json).is_ok());
}

#[test]
fn faults_never_quote_the_person() {
    let json =
        VACCINATION.replace("1984-03-02", "1984-13-02").replace("Jeanne", &"Jeanne".repeat(20)).replace("Arc-Wéa", "Arc\\u0000");
    let text = parse(&json).unwrap_err().to_string();
    assert!(!text.contains("Jeanne") && !text.contains("1984") && !text.contains("Arc"), "{text}");
}

#[test]
fn a_payload_over_the_limit_is_not_even_parsed() {
    let json = format!("[{}", " ".repeat(10_000_000));
    assert_eq!(faults(&json), [("$".to_owned(), Rule::PayloadSize)]);
}

#[test]
fn two_groups_are_one_fault_and_both_are_read() {
    let json = VACCINATION.replace(r#""v":[{"#, r#""t":[],"v":[{"dn":"2","#).replace(r#","dn":2,"#, ",");
    assert_eq!(
        faults(&json),
        [
            ("$".to_owned(), Rule::SchemaOneEntry),
            ("v[0].dn".to_owned(), Rule::SchemaType),
            ("t".to_owned(), Rule::SchemaOneEntry),
        ]
    );
}

#[test]
fn text_is_brought_to_nfc() {
    let json = VACCINATION.replace("Wéa", "We\u{301}a");
    assert_eq!(parse(&json).unwrap().name.family.as_deref(), Some("d'Arc-Wéa"));
}
