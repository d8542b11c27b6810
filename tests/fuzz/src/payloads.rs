//! Made-up payloads: one of each type in full, and what is read otherwise than it is written.

use std::sync::{Arc, LazyLock};

use sceau::domain::{CallerId, Faults, Hcert, ItemId, NumericDate, RuleSet, Rulebook, UvciMaker, ValueSets};
use sceau::encode::ClaimsSet;

/// The instant at which everything is signed, 2021-10-20T12:00:00Z.
pub const NOW: NumericDate = NumericDate::from_seconds(1_634_731_200);

/// How many of [`ALL`], from the first on, every rule lets pass; the others `eu-2021` alone takes.
pub const STRICT: usize = 6;

/// The payloads.
pub const ALL: [&str; 8] = [
    r#"{"ver":"1.3.0","dob":"1964-08-12","nam":{"fn":"d'Arc-Wéa","gn":"Jeanne","fnt":"DARC<WEA","gnt":"JEANNE"},"v":[{"ci":"URN:UVCI:01:FR:A#D","co":"FR","dn":2,"dt":"2021-09-06","is":"DASS","ma":"ORG-100030215","mp":"EU/1/20/1528","sd":2,"tg":"840539006","vp":"1119349007"}]}"#,
    r#"{"ver":"1.3.3","dob":"1964","nam":{"fnt":"WEA"},"t":[{"ci":"URN:UVCI:01:NL:187/37512422923#Z","co":"NL","is":"VWS","ma":"1232","nm":"a test","sc":"2021-10-19T10:00:00+02:00","tc":"a place","tg":"840539006","tr":"260415000","tt":"LP217198-3"}]}"#,
    r#"{"ver":"1.3.2","dob":"1964-08","nam":{"fnt":"WEA","gnt":"JEAN"},"r":[{"ci":"URN:UVCI:01:SE:EHM/V12916227TJJ","co":"SE","df":"2021-05-01","du":"2021-09-01","fr":"2021-04-10","is":"EHM","tg":"840539006"}]}"#,
    r#"{"t":[{"tt":"LP6464-4","tr":"260373001","tg":"840539006","tc":"Noum\u00e9a","sc":"2021-10-19T21:00:00.5+11","nm":"PCR","is":"DASS","co":"NC"}],"nam":{"gn":" Zoe\u0301 ","fn":"Ткаченко"},"dob":"","ver":"1.3.1"}"#,
    r#"{"ver":"1.3.3","dob":"1999-12-31","nam":{"fn":"Μενεξές","gn":"الاسم"},"v":[{"co":"GR","dn":1,"dt":"2021-01-31","is":"X","ma":"ORG-100001417","mp":"EU/1/20/1525","sd":1,"tg":"840539006","vp":"29061000087103"}]}"#,
    r#"{ "ver" : "1.3.0", "nam" : { "fnt" : "A<<B" }, "dob" : "2000-02-29", "r" : [ { "tg" : "840539006", "fr" : "2021-01-01", "df" : "2021-01-12", "du" : "2021-06-30", "is" : "😀", "co" : "XK" } ] }"#,
    r#"{"ver":"1.0.0","dob":"2021-10-01","nam":{"fn":"","fnt":"WEA"},"v":[{"ci":"dgci:V1:AT:1","co":"AT","dn":1,"dt":"2021-02-18","is":"","ma":"ORG-100031184","mp":"CVnCoV","sd":2,"tg":"840539006","vp":"J07BX03"}]}"#,
    r#"{"ver":"1.2.1","dob":"1951-01-20","nam":{"fn":"Wéa","fnt":"WEA"},"t":[{"ci":"01DE/84503/1119349007/DXSGWLWL40SU8ZFKIYIBK39A3","co":"DE","is":"BfG","ma":"1","sc":"2021-05-30T10:12:22Z","tg":"840539006","tr":"260415000","tt":"LP217198-3"}]}"#,
];

static VALUE_SETS: LazyLock<Arc<ValueSets>> = LazyLock::new(|| Arc::new(ValueSets::builtin()));

/// A rulebook with the built-in value sets and the default limit.
#[must_use]
pub fn rulebook(rules: RuleSet) -> Rulebook {
    Rulebook { rules, value_sets: Arc::clone(&VALUE_SETS), max_payload_bytes: Rulebook::DEFAULT_MAX_PAYLOAD_BYTES }
}

/// Makes identifiers, the same ones in every run.
///
/// # Panics
/// Never: the secret is long enough.
#[must_use]
pub fn uvci_maker() -> UvciMaker {
    UvciMaker::new(&[1; 32]).expect("32 bytes are enough")
}

/// Reads a payload.
///
/// # Errors
/// The payload's faults.
///
/// # Panics
/// Where the reader does.
pub fn parse(json: &[u8], rules: RuleSet) -> Result<Hcert<'_>, Faults> {
    let make_uvci = || {
        let item_id = ItemId::new("1").expect("a digit is allowed");
        uvci_maker().make("FR".parse().expect("two capitals"), &CallerId::new("fuzz"), &item_id)
    };
    Hcert::parse(json, &rulebook(rules), NOW, make_uvci)
}

/// The claims of a payload in CBOR.
#[must_use]
pub fn claims(payload: &Hcert<'_>) -> Vec<u8> {
    let expires_at = NOW.plus_seconds(365 * 86_400);
    ClaimsSet { issuer: "FR", issued_at: NOW, expires_at, payload }.to_cbor()
}
