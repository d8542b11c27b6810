//! Payloads that are refused, each with all of its faults; and odd ones that are legal and go through unchanged.
//!
//! A row is a sentence, a good payload with an edit, and the faults in the order in which they are reported.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use sceau::domain::Rule::{self, *};
use sceau::domain::{Fault, RuleSet, Rulebook};

use super::testdata::{certified, made_uvci, parse, rulebook};

/// The instant at which the payloads are read.
const NOW: &str = "2021-10-20T12:00:00Z";

/// The rules of an item's envelope, which no payload can break.
const OF_THE_ITEM: [Rule; 7] = [ItemIdForm, ItemIdUnique, ItemIdTaken, ExpiresAt, DscAvailable, CallerTypes, PersonTypes];

/// A payload under edit: the members of its three objects, each a name and JSON text.
#[derive(Clone)]
struct Payload {
    top: Vec<(String, String)>,
    nam: Vec<(String, String)>,
    entry: Vec<(String, String)>,
}

/// A vaccination.
fn v() -> Payload {
    Payload::new(
        "v",
        r#""tg":"840539006","vp":"1119349007","mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":2,"dt":"2021-09-06",
        "co":"FR","is":"DASS-NC","ci":"URN:UVCI:01:FR:A#D""#,
    )
}

/// A NAAT test.
fn t() -> Payload {
    Payload::new(
        "t",
        r#""tg":"840539006","tt":"LP6464-4","nm":"RT-PCR","sc":"2021-10-19T08:30:00+11:00","tr":"260415000","tc":"CHT",
        "co":"FR","is":"DASS-NC","ci":"URN:UVCI:01:FR:A#D""#,
    )
}

/// A rapid test, of a device in the list.
fn rapid() -> Payload {
    t().without("nm").text("tt", "LP217198-3").plus_entry("ma", r#""1232""#)
}

/// A recovery, valid from day 11 to day 180.
fn r() -> Payload {
    Payload::new(
        "r",
        r#""tg":"840539006","fr":"2021-08-01","df":"2021-08-12","du":"2022-01-28","co":"FR","is":"DASS-NC",
        "ci":"URN:UVCI:01:FR:A#D""#,
    )
}

impl Payload {
    fn new(group: &str, entry: &str) -> Self {
        let nam = r#""fn":"Wéa","fnt":"WEA","gn":"Jeanne","gnt":"JEANNE""#;
        let top = format!(r#""ver":"1.3.0","nam":"","dob":"1984-03-02","{group}":"""#);
        Self { top: members(&top), nam: members(nam), entry: members(entry) }
    }

    /// The member's value, wherever it stands, as JSON text.
    fn json(mut self, name: &str, json: &str) -> Self {
        let objects = [&mut self.top, &mut self.nam, &mut self.entry];
        let member = objects.into_iter().flatten().find(|member| member.0 == name);
        json.clone_into(&mut member.unwrap_or_else(|| panic!("no member {name}")).1);
        self
    }

    /// The member's value, wherever it stands, as a string.
    fn text(self, name: &str, text: &str) -> Self {
        self.json(name, &quoted(text))
    }

    fn without(mut self, name: &str) -> Self {
        let before = self.top.len() + self.nam.len() + self.entry.len();
        for object in [&mut self.top, &mut self.nam, &mut self.entry] {
            object.retain(|member| member.0 != name);
        }
        assert_eq!(self.top.len() + self.nam.len() + self.entry.len(), before - 1, "one member {name}");
        self
    }

    fn plus_top(mut self, name: &str, json: &str) -> Self {
        self.top.push((name.to_owned(), json.to_owned()));
        self
    }

    fn plus_nam(mut self, name: &str, json: &str) -> Self {
        self.nam.push((name.to_owned(), json.to_owned()));
        self
    }

    fn plus_entry(mut self, name: &str, json: &str) -> Self {
        self.entry.push((name.to_owned(), json.to_owned()));
        self
    }

    /// The entry as JSON text, to build a group from.
    fn entry_json(&self) -> String {
        object(&self.entry)
    }

    /// The payload as JSON text.
    fn render(&self) -> String {
        let mut top = self.top.clone();
        for (name, json) in &mut top {
            match (name.as_str(), json.as_str()) {
                ("nam", "\"\"") => *json = object(&self.nam),
                ("v" | "t" | "r", "\"\"") => *json = format!("[{}]", self.entry_json()),
                _ => {}
            }
        }
        object(&top)
    }
}

/// The payload's text, edited as text.
fn edited(payload: &Payload, from: &str, to: &str) -> String {
    let text = payload.render();
    assert_eq!(text.matches(from).count(), 1, "{from} stands once in {text}");
    text.replace(from, to)
}

/// The payload's text with any bytes in the place of a part of it.
fn spliced(payload: &Payload, from: &str, bytes: &[u8]) -> Vec<u8> {
    let text = payload.render();
    let (before, after) = text.split_once(from).expect("the part is there");
    [before.as_bytes(), bytes, after.as_bytes()].concat()
}

/// `"a":1,"b":"x"`: the members, in order; no value here holds a comma.
fn members(text: &str) -> Vec<(String, String)> {
    let split = |member: &str| {
        let (name, json) = member.trim().split_once(':').expect("a colon stands between name and value");
        (name.trim_matches('"').to_owned(), json.to_owned())
    };
    text.split(',').map(split).collect()
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, json)| format!(r#""{name}":{json}"#)).collect();
    format!("{{{}}}", members.join(","))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text has a JSON form")
}

impl From<Payload> for Vec<u8> {
    fn from(payload: Payload) -> Self {
        payload.render().into_bytes()
    }
}

/// A payload that is refused.
struct Bad {
    sentence: &'static str,
    json: Vec<u8>,
    max_bytes: usize,
    expected: Vec<(&'static str, Rule)>,
}

fn bad(sentence: &'static str, json: impl Into<Vec<u8>>, expected: &[(&'static str, Rule)]) -> Bad {
    Bad { sentence, json: json.into(), max_bytes: Rulebook::DEFAULT_MAX_PAYLOAD_BYTES, expected: expected.to_vec() }
}

impl Bad {
    /// The row under a limit of 64 MiB, to see what stands behind the limit.
    fn unlimited(mut self) -> Self {
        self.max_bytes = 64 << 20;
        self
    }

    /// What the parser finds: nothing, where it takes the payload.
    fn found(&self) -> Vec<Fault> {
        let rulebook = Rulebook { max_payload_bytes: self.max_bytes, ..rulebook(RuleSet::ALL) };
        parse(&self.json, &rulebook, NOW).map_or_else(|faults| faults.into_iter().collect(), |_| Vec::new())
    }
}

const SYNTAX: &[(&str, Rule)] = &[("$", JsonSyntax)];
const SIZE: &[(&str, Rule)] = &[("$", PayloadSize)];
const NO_OBJECT: &[(&str, Rule)] = &[("$", SchemaType)];

fn malformed() -> Vec<Bad> {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let utf16: Vec<u8> = v().render().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let padded = |bytes: usize| v().render() + &" ".repeat(bytes - v().render().len());
    let long = "A".repeat(10_000_000);
    vec![
        bad("nothing at all", "", SYNTAX),
        bad("blanks only", " \n\t ", SYNTAX),
        bad("an object that does not end", &v().render().as_bytes()[..200], SYNTAX),
        bad("a comma before the end", edited(&v(), r#"A#D"}"#, r#"A#D",}"#), SYNTAX),
        bad("single quotes", v().render().replace('"', "'"), SYNTAX),
        bad("a name without quotes", edited(&v(), r#""dob":"#, "dob:"), SYNTAX),
        bad("a comment", edited(&v(), r#""dob":"#, r#"/* birth */ "dob":"#), SYNTAX),
        bad("two documents", v().render() + &v().render(), SYNTAX),
        bad("a certificate in place of its payload", "HC1:NCFOXN%TS3DHWM8YJSX4UGXU$N1A", SYNTAX),
        bad("a dose count that is not a number", v().json("dn", "NaN"), SYNTAX),
        bad("a number beyond all floats", v().json("dn", "1e999"), SYNTAX),
        bad("a number with a leading zero", v().json("dn", "02"), SYNTAX),
        bad("Latin-1 in place of UTF-8", spliced(&v(), "é", b"\xe9"), SYNTAX),
        bad("UTF-16 in place of UTF-8", utf16, SYNTAX),
        bad("a byte order mark", format!("\u{feff}{}", v().render()), SYNTAX),
        bad("half a character of UTF-8", spliced(&v(), "é", b"\xc3"), SYNTAX),
        bad("an overlong NUL", spliced(&v(), "é", b"\xc0\x80"), SYNTAX),
        bad("a NUL as it stands", edited(&v(), "Jeanne", "Jean\0ne"), SYNTAX),
        bad("a line break as it stands", edited(&v(), "Jeanne", "Jean\nne"), SYNTAX),
        bad("half a surrogate pair", v().json("fn", r#""\ud800""#), SYNTAX),
        bad("an escape that JSON lacks", v().json("fn", r#""\x41""#), SYNTAX),
        bad("arrays in 17 levels", deep(17), SYNTAX),
        bad("arrays in 10,000 levels, of 20 kB", deep(10_000), SIZE),
        bad("arrays in 10,000 levels, with room", deep(10_000), SYNTAX).unlimited(),
        bad("arrays in 10,000 levels within a field", v().json("dn", &deep(10_000)), SYNTAX).unlimited(),
        bad("one byte above the limit", padded(8193), SIZE),
        bad("a name of 10 MB", v().text("gnt", &long), SIZE),
        bad("a name of 10 MB, with room", v().text("gnt", &long), &[("nam.gnt", SchemaLength)]).unlimited(),
        bad("a code of 10 MB, with room", v().text("tg", &long), &[("v[0].tg", CodeKnown)]).unlimited(),
        bad("a date of 10 MB, with room", v().text("dob", &long), &[("dob", DateReal)]).unlimited(),
        bad("an unknown name of 10 MB, with room", v().plus_top(&long, "1"), &[(LONG_NAME_SHOWN, SchemaUnknownField)])
            .unlimited(),
    ]
}

/// 40 characters of a name show.
const LONG_NAME_SHOWN: &str = "$['AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA…']";

fn wrong_types() -> Vec<Bad> {
    let nothing_there = [("ver", SchemaRequired), ("nam", SchemaRequired), ("dob", SchemaRequired), ("$", SchemaOneEntry)];
    vec![
        bad("null", "null", NO_OBJECT),
        bad("an array of payloads", format!("[{}]", v().render()), NO_OBJECT),
        bad("a payload as a string", quoted(&v().render()), NO_OBJECT),
        bad("a number", "1", NO_OBJECT),
        bad("true", "true", NO_OBJECT),
        bad("an object with nothing in it", "{}", &nothing_there),
        bad(
            "the payload one level too deep",
            format!(r#"{{"payload":{}}}"#, v().render()),
            &[&[("payload", SchemaUnknownField)], &nothing_there[..]].concat(),
        ),
        bad("ver as a number", v().json("ver", "1.3"), &[("ver", SchemaType)]),
        bad("ver as an array", v().json("ver", "[1,3,0]"), &[("ver", SchemaType)]),
        bad("nam as a string", v().text("nam", "Jeanne Wéa"), &[("nam", SchemaType)]),
        bad("nam as an array", v().json("nam", r#"[{"fnt":"WEA"}]"#), &[("nam", SchemaType)]),
        bad("dob as a number", v().json("dob", "1984"), &[("dob", SchemaType)]),
        bad("dob as an object", v().json("dob", r#"{"year":1984}"#), &[("dob", SchemaType)]),
        bad("v as an object", v().json("v", &v().entry_json()), &[("v", SchemaType)]),
        bad("v as a string", v().text("v", "x"), &[("v", SchemaType)]),
        bad("an entry as a string", v().json("v", r#"["x"]"#), &[("v[0]", SchemaType)]),
        bad("an entry as an array", v().json("v", "[[]]"), &[("v[0]", SchemaType)]),
        bad("a name as a number", v().json("gn", "7"), &[("nam.gn", SchemaType)]),
        bad("a transliterated name as an array", v().json("gnt", r#"["JEANNE"]"#), &[("nam.gnt", SchemaType)]),
        bad("a code as a number", v().json("tg", "840539006"), &[("v[0].tg", SchemaType)]),
        bad("a date as a number", v().json("dt", "20210906"), &[("v[0].dt", SchemaType)]),
        bad("a sampling time as a number", t().json("sc", "1634628600"), &[("t[0].sc", SchemaType)]),
        bad("a test result as a boolean", t().json("tr", "false"), &[("t[0].tr", SchemaType)]),
        bad("an identifier as an object", v().json("ci", "{}"), &[("v[0].ci", SchemaType)]),
        bad("dose counts as strings", v().text("dn", "2").text("sd", "2"), &[("v[0].dn", SchemaType), ("v[0].sd", SchemaType)]),
        bad("a dose count as a float", v().json("dn", "2.5"), &[("v[0].dn", SchemaType)]),
        bad("a dose count with a point", v().json("dn", "2.0"), &[("v[0].dn", SchemaType)]),
        bad("a dose count with an exponent", v().json("dn", "2e0"), &[("v[0].dn", SchemaType)]),
        bad("a dose count of minus nought", v().json("dn", "-0"), &[("v[0].dn", SchemaType)]),
        bad("a dose count as a boolean", v().json("sd", "true"), &[("v[0].sd", SchemaType)]),
        bad("a dose count of nought", v().json("dn", "0"), &[("v[0].dn", SchemaMinimum)]),
        bad(
            "dose counts below nought",
            v().json("dn", "-1").json("sd", "-9"),
            &[("v[0].dn", SchemaMinimum), ("v[0].sd", SchemaMinimum)],
        ),
        bad("a dose count beyond 32 bits", v().json("sd", "4294967296"), &[("v[0].sd", SchemaMinimum)]),
        bad("the least dose count of 64 bits", v().json("dn", "-9223372036854775808"), &[("v[0].dn", SchemaMinimum)]),
    ]
}

fn members_at_fault() -> Vec<Bad> {
    let three = v().plus_entry("dn", "3").plus_entry("dn", "4");
    vec![
        bad("ver twice", v().plus_top("ver", r#""1.3.0""#), &[("ver", JsonDuplicateKey)]),
        bad("nam twice", v().plus_top("nam", "{}"), &[("nam", JsonDuplicateKey)]),
        bad("v twice", v().plus_top("v", "[]"), &[("v", JsonDuplicateKey)]),
        bad("a name twice", v().plus_nam("fn", r#""Wéa""#), &[("nam.fn", JsonDuplicateKey)]),
        bad("a dose count twice, alike", v().plus_entry("dn", "2"), &[("v[0].dn", JsonDuplicateKey)]),
        bad("a dose count three times", three, &[("v[0].dn", JsonDuplicateKey), ("v[0].dn", JsonDuplicateKey)]),
        bad("a dose count twice, once spelled with an escape", v().plus_entry(r"\u0064n", "3"), &[("v[0].dn", JsonDuplicateKey)]),
        bad("an identifier twice", t().plus_entry("ci", r#""URN:UVCI:01:FR:B""#), &[("t[0].ci", JsonDuplicateKey)]),
        bad(
            "a null and a value of one name",
            v().json("dn", "null").plus_entry("dn", "2"),
            &[("v[0].dn", SchemaNull), ("v[0].dn", JsonDuplicateKey)],
        ),
        bad("ver null", v().json("ver", "null"), &[("ver", SchemaNull)]),
        bad("nam null", v().json("nam", "null"), &[("nam", SchemaNull)]),
        bad("dob null", v().json("dob", "null"), &[("dob", SchemaNull)]),
        bad("v null", v().json("v", "null"), &[("v", SchemaNull)]),
        bad("t null beside v", v().plus_top("t", "null"), &[("t", SchemaNull), ("$", SchemaOneEntry)]),
        bad("an entry null", v().json("v", "[null]"), &[("v[0]", SchemaType)]),
        bad("a name null", v().json("gn", "null"), &[("nam.gn", SchemaNull)]),
        bad("a transliterated name null", v().json("gnt", "null"), &[("nam.gnt", SchemaNull)]),
        bad(
            "optional fields null",
            t().json("nm", "null").json("tc", "null"),
            &[("t[0].nm", SchemaNull), ("t[0].tc", SchemaNull)],
        ),
        bad("an identifier null", v().json("ci", "null"), &[("v[0].ci", SchemaNull)]),
        bad("a field of our own", v().plus_top("meta", "{}"), &[("meta", SchemaUnknownField)]),
        bad(
            "two unknown fields of one name",
            v().plus_top("x", "1").plus_top("x", "1"),
            &[("x", SchemaUnknownField), ("x", SchemaUnknownField)],
        ),
        bad("an unknown field that holds a name twice", v().plus_top("x", r#"{"a":1,"a":1}"#), &[("x", SchemaUnknownField)]),
        bad(
            "a name written in capitals",
            v().without("ver").plus_top("VER", r#""1.3.0""#),
            &[("VER", SchemaUnknownField), ("ver", SchemaRequired)],
        ),
        bad("an unknown part of the name", v().plus_nam("mn", r#""X""#), &[("nam.mn", SchemaUnknownField)]),
        bad("an unknown field of a vaccination", v().plus_entry("lot", r#""X""#), &[("v[0].lot", SchemaUnknownField)]),
        bad("a test's field in a vaccination", v().plus_entry("tc", r#""CHT""#), &[("v[0].tc", SchemaUnknownField)]),
        bad(
            "the date of the result, of schema 1.0.0",
            t().plus_entry("dr", r#""2021-10-19T10:00:00Z""#),
            &[("t[0].dr", SchemaUnknownField)],
        ),
        bad("an unknown field of a recovery", r().plus_entry("tt", r#""LP6464-4""#), &[("r[0].tt", SchemaUnknownField)]),
        bad("an unknown name with a NUL", v().plus_nam(r"a\u0000b", "1"), &[(r"nam['a\u{0}b']", SchemaUnknownField)]),
        bad("ver missing", v().without("ver"), &[("ver", SchemaRequired)]),
        bad("nam missing", v().without("nam"), &[("nam", SchemaRequired)]),
        bad("dob missing", v().without("dob"), &[("dob", SchemaRequired)]),
        bad("no v, t or r", v().without("v"), &[("$", SchemaOneEntry)]),
        bad(
            "an empty vaccination",
            v().json("v", "[{}]"),
            &["v[0].vp", "v[0].mp", "v[0].ma", "v[0].dn", "v[0].sd", "v[0].dt", "v[0].tg", "v[0].co", "v[0].is"]
                .map(|path| (path, SchemaRequired)),
        ),
        bad(
            "an empty test",
            t().json("t", "[{}]"),
            &["t[0].tt", "t[0].sc", "t[0].tr", "t[0].tg", "t[0].co", "t[0].is"].map(|path| (path, SchemaRequired)),
        ),
        bad(
            "an empty recovery",
            r().json("r", "[{}]"),
            &["r[0].fr", "r[0].df", "r[0].du", "r[0].tg", "r[0].co", "r[0].is"].map(|path| (path, SchemaRequired)),
        ),
        bad("v with no entry", v().json("v", "[]"), &[("v", SchemaOneEntry)]),
        bad("t with no entry beside v", v().plus_top("t", "[]"), &[("$", SchemaOneEntry), ("t", SchemaOneEntry)]),
        bad("two vaccinations", v().json("v", &format!("[{0},{0}]", v().entry_json())), &[("v", SchemaOneEntry)]),
        bad("a vaccination and a test", v().plus_top("t", &format!("[{}]", t().entry_json())), &[("$", SchemaOneEntry)]),
        bad(
            "all three groups, empty",
            v().json("v", "[]").plus_top("t", "[]").plus_top("r", "[]"),
            &[("$", SchemaOneEntry), ("v", SchemaOneEntry), ("t", SchemaOneEntry), ("r", SchemaOneEntry)],
        ),
        bad(
            "the entries of a test under v",
            v().json("v", &format!("[{}]", t().entry_json())),
            &[
                ("v[0].tt", SchemaUnknownField),
                ("v[0].nm", SchemaUnknownField),
                ("v[0].sc", SchemaUnknownField),
                ("v[0].tr", SchemaUnknownField),
                ("v[0].tc", SchemaUnknownField),
                ("v[0].vp", SchemaRequired),
                ("v[0].mp", SchemaRequired),
                ("v[0].ma", SchemaRequired),
                ("v[0].dn", SchemaRequired),
                ("v[0].sd", SchemaRequired),
                ("v[0].dt", SchemaRequired),
            ],
        ),
    ]
}

fn texts() -> Vec<Bad> {
    let long = |character: &str| character.repeat(81);
    vec![
        bad(
            "81 characters in all free texts of a test",
            t().text("nm", &long("x")).text("tc", &long("x")).text("is", &long("x")),
            &[("t[0].nm", SchemaLength), ("t[0].tc", SchemaLength), ("t[0].is", SchemaLength)],
        ),
        bad("81 characters in a written name", v().text("fn", &long("x")), &[("nam.fn", SchemaLength)]),
        bad("81 two-byte characters", v().text("gn", &long("é")), &[("nam.gn", SchemaLength)]),
        bad("81 letters that stay 81 in NFC", v().text("gn", &long("e\u{301}")), &[("nam.gn", SchemaLength)]),
        bad("81 capitals in a transliterated name", v().text("fnt", &long("A")), &[("nam.fnt", SchemaLength)]),
        bad(
            "81 characters in an identifier",
            v().text("ci", &format!("URN:UVCI:01:FR:{}", "A".repeat(66))),
            &[("v[0].ci", SchemaLength)],
        ),
        bad("81 characters in a device", rapid().text("ma", &long("1")), &[("t[0].ma", SchemaLength)]),
        bad("an escaped NUL in a name", v().json("fn", r#""W\u0000a""#), &[("nam.fn", TextControl)]),
        bad("a line break in a transliterated name", v().json("fnt", r#""WEA\n""#), &[("nam.fnt", TextControl)]),
        bad("a tab in the issuer", v().json("is", r#""DASS\tNC""#), &[("v[0].is", TextControl)]),
        bad("DEL in a testing centre", t().json("tc", r#""CHT\u007f""#), &[("t[0].tc", TextControl)]),
        bad("a C1 control in a test's name", t().json("nm", r#""PCR\u0085""#), &[("t[0].nm", TextControl)]),
        bad(
            "controls in codes and dates",
            v().json("tg", r#""\u0000""#).json("dt", r#""2021-09-06\n""#),
            &[("v[0].dt", TextControl), ("v[0].tg", TextControl)],
        ),
        bad(
            "controls in ver, dob and ci",
            v().json("ver", r#""1.3.0\n""#).json("dob", r#""\t""#).json("ci", r#""A\u0000""#),
            &[("ver", TextControl), ("dob", TextControl), ("v[0].ci", TextControl)],
        ),
        bad("a blank issuer", v().text("is", " \u{a0} "), &[("v[0].is", TextGiven)]),
        bad(
            "empty texts that might be left out",
            t().text("nm", "").text("tc", ""),
            &[("t[0].nm", TextGiven), ("t[0].tc", TextGiven)],
        ),
        bad("a device that is empty", rapid().text("ma", ""), &[("t[0].ma", TextGiven), ("t[0].ma", TestDeviceGiven)]),
    ]
}

fn names() -> Vec<Bad> {
    let unnamed = v().text("fn", "").text("fnt", "").text("gn", " ").text("gnt", "");
    let cyrillic = v().text("gn", "Қазақ").without("gnt");
    vec![
        bad("a name with nothing in it, of 1.3.2", v().text("ver", "1.3.2").json("nam", "{}"), &[("nam", SchemaRequired)]),
        bad("a name whose parts are all empty", unnamed, &[("nam", NameGiven)]),
        bad("only a given name, below 1.3.2", v().json("nam", r#"{"gn":"Jeanne"}"#), &[("nam.fnt", VerFnt)]),
        bad("lower case in fnt", v().text("fnt", "Wea"), &[("nam.fnt", SchemaPattern)]),
        bad("a letter with a mark in gnt", v().text("gnt", "ÉVA"), &[("nam.gnt", SchemaPattern)]),
        bad(
            "blank, hyphen and digit in fnt and gnt",
            v().text("fnt", "WEA 2").text("gnt", "ANNE-MARIE"),
            &[("nam.fnt", SchemaPattern), ("nam.gnt", SchemaPattern)],
        ),
        bad("emoji, and no fnt", v().text("fn", "😀").without("fnt"), &[("nam.fnt", NameTransliteration)]),
        bad(
            "names in Chinese, and neither fnt nor gnt",
            v().text("fn", "王").text("gn", "芳").without("fnt").without("gnt"),
            &[("nam.fnt", NameTransliteration), ("nam.gnt", NameTransliteration)],
        ),
        bad("a letter outside ICAO's table, and no gnt", cyrillic, &[("nam.gnt", NameTransliteration)]),
    ]
}

fn versions() -> Vec<Bad> {
    let form = |sentence, ver: &str| bad(sentence, v().text("ver", ver), &[("ver", VerForm)]);
    let old = |sentence, ver: &str| bad(sentence, v().text("ver", ver), &[("ver", VerCurrent)]);
    vec![
        form("an empty ver", ""),
        form("a ver of two numbers", "1.3"),
        form("a ver of four numbers", "1.3.0.0"),
        form("a ver with letters for its dots", "1x3y0"),
        form("a ver with a v", "v1.3.0"),
        form("a ver with a blank behind", "1.3.0 "),
        form("a ver in Arabic digits", "١.٣.٠"),
        form("a ver of version 2", "2.0.0"),
        form("a ver of a huge number", "1.3.99999999999999999999"),
        bad("a ver of 81 characters", v().text("ver", &"1".repeat(81)), &[("ver", SchemaLength)]),
        old("the ver of 2021-05", "1.0.0"),
        old("the ver of 2021-06", "1.2.1"),
        old("a ver that is not out", "1.3.4"),
        old("a ver of another minor", "1.4.0"),
    ]
}

fn dates() -> Vec<Bad> {
    let dob = |sentence, text: &str| bad(sentence, v().text("dob", text), &[("dob", DateReal)]);
    let dt = |sentence, text: &str| bad(sentence, v().text("dt", text), &[("v[0].dt", DateReal)]);
    let sc = |sentence, text: &str| bad(sentence, t().text("sc", text), &[("t[0].sc", DateTimeForm)]);
    vec![
        dob("a birth in month 00", "1963-00"),
        dob("a birth in month 13", "1963-13"),
        dob("a birth that the schema's pattern takes", "1999-99-99"),
        dob("a birth on day 00", "1984-03-00"),
        dob("a birth on 29 February of a common year", "2021-02-29"),
        dob("a birth on 31 April", "1984-04-31"),
        dob("a birth before 1900", "1815-08-24"),
        dob("a birth in 2100", "2100"),
        dob("a birth with a time", "1984-03-02T00:00:00Z"),
        dob("a birth as the French write it", "02/03/1984"),
        dob("a birth without hyphens", "19840302"),
        dob("a birth with one digit for its month", "1984-3-2"),
        dob("a birth with a blank", "1984-03-02 "),
        dob("a birth that is a blank", " "),
        dob("a birth in Arabic digits", "١٩٨٤"),
        dob("a birth as X's", "1984-XX-XX"),
        dt("a vaccination on 29 February of a common year", "2021-02-29"),
        dt("a vaccination in a month", "2021-09"),
        dt("a vaccination with a time", "2021-09-06T10:00:00Z"),
        dt("a vaccination without a date", ""),
        dt("a vaccination in week 36", "2021-W36-1"),
        bad(
            "three dates that are none",
            r().text("fr", "2021-13-01").text("df", "x").text("du", "2022-02-30"),
            &[("r[0].fr", DateReal), ("r[0].df", DateReal), ("r[0].du", DateReal)],
        ),
        sc("a sampling without an offset", "2021-10-19T08:30:00"),
        sc("a sampling with a date only", "2021-10-19"),
        sc("a sampling without seconds", "2021-10-19T08:30Z"),
        sc("a sampling with a blank for its T", "2021-10-19 08:30:00Z"),
        sc("a sampling at 24 hours", "2021-10-19T24:00:00Z"),
        sc("a sampling in a leap second", "2021-06-30T23:59:60Z"),
        sc("a sampling on 29 February of a common year", "2021-02-29T08:30:00Z"),
        sc("a sampling with an offset of 24 hours", "2021-10-19T08:30:00+24:00"),
        sc("a sampling with an offset of one digit", "2021-10-19T08:30:00+2"),
        sc("a sampling with a point and no fraction", "2021-10-19T08:30:00.Z"),
        sc("a sampling with a comma", "2021-10-19T08:30:00,5Z"),
        sc("a sampling with a zone by name", "2021-10-19T08:30:00 Pacific/Noumea"),
        sc("an empty sampling time", ""),
        bad("a vaccination tomorrow", v().text("dt", "2021-10-22"), &[("v[0].dt", EventFuture)]),
        bad("a vaccination in a hundred years", v().text("dt", "2121-09-06"), &[("v[0].dt", EventFuture)]),
        bad("a sampling in 6 minutes", t().text("sc", "2021-10-20T12:05:01Z"), &[("t[0].sc", EventFuture)]),
        bad("a sampling in an hour, by its offset", t().text("sc", "2021-10-20T12:00:00-01:00"), &[("t[0].sc", EventFuture)]),
        bad(
            "a first positive test tomorrow",
            r().text("fr", "2021-10-22").text("df", "2021-11-05").text("du", "2022-04-01"),
            &[("r[0].fr", EventFuture)],
        ),
        bad("a birth tomorrow", v().text("dob", "2021-10-22"), &[("dob", EventFuture), ("v[0].dt", EventBeforeBirth)]),
        bad("a birth next year", r().text("dob", "2022"), &[("dob", EventFuture), ("r[0].fr", EventBeforeBirth)]),
        bad("a vaccination before the birth", v().text("dt", "1984-03-01"), &[("v[0].dt", EventBeforeBirth)]),
        bad(
            "a sampling before the month of birth",
            t().text("dob", "2021-10").text("sc", "2021-09-30T23:59:59Z"),
            &[("t[0].sc", EventBeforeBirth)],
        ),
        bad(
            "a first positive test before the year of birth",
            r().text("dob", "2021").text("fr", "2020-12-31").text("df", "2021-01-11").text("du", "2021-06-01"),
            &[("r[0].fr", EventBeforeBirth)],
        ),
    ]
}

fn recoveries() -> Vec<Bad> {
    vec![
        bad("a recovery from day 10 on", r().text("df", "2021-08-11"), &[("r[0].df", RecoveryWindow)]),
        bad("a recovery from the day of the test on", r().text("df", "2021-08-01"), &[("r[0].df", RecoveryWindow)]),
        bad("a recovery to day 181", r().text("du", "2022-01-29"), &[("r[0].du", RecoveryWindow)]),
        bad(
            "a recovery from day 0 to the next year's end",
            r().text("df", "2021-08-01").text("du", "2022-12-31"),
            &[("r[0].df", RecoveryWindow), ("r[0].du", RecoveryWindow)],
        ),
        bad("a recovery that ends before it begins", r().text("du", "2021-08-11"), &[("r[0].du", RecoveryOrder)]),
    ]
}

fn codes() -> Vec<Bad> {
    let country = |sentence, code: &str| bad(sentence, v().text("co", code), &[("v[0].co", SchemaPattern)]);
    let no_country = |sentence, code: &str| bad(sentence, v().text("co", code), &[("v[0].co", CodeKnown)]);
    vec![
        bad("another disease", v().text("tg", "6142004"), &[("v[0].tg", CodeKnown)]),
        bad("a code with a blank", v().text("tg", "840539006 "), &[("v[0].tg", CodeKnown)]),
        bad(
            "empty codes",
            v().text("tg", "").text("vp", "").text("mp", "").text("ma", ""),
            &[("v[0].vp", CodeKnown), ("v[0].mp", CodeKnown), ("v[0].ma", CodeKnown), ("v[0].tg", CodeKnown)],
        ),
        bad("a vaccine by its name", v().text("mp", "Comirnaty"), &[("v[0].mp", CodeKnown)]),
        bad(
            "the ATC code that France used to write",
            v().text("vp", "J07BX03"),
            &[("v[0].vp", CodeActive), ("v[0].vp", VaccineCoherence)],
        ),
        bad(
            "a product for old certificates only",
            v().text("mp", "NVX-CoV2373").text("ma", "ORG-100032020").text("vp", "1162643001"),
            &[("v[0].mp", CodeActive)],
        ),
        bad(
            "a manufacturer with one digit too many",
            v().text("ma", "ORG-1000030215"),
            &[("v[0].ma", CodeKnown), ("v[0].ma", VaccineCoherence)],
        ),
        bad("another product's manufacturer", v().text("ma", "ORG-100031184"), &[("v[0].ma", VaccineCoherence)]),
        bad("another product's prophylaxis", v().text("vp", "29061000087103"), &[("v[0].vp", VaccineCoherence)]),
        bad(
            "another product's manufacturer and prophylaxis",
            v().text("mp", "EU/1/21/1529"),
            &[("v[0].ma", VaccineCoherence), ("v[0].vp", VaccineCoherence)],
        ),
        bad("a test type by its words", t().text("tt", "NAAT"), &[("t[0].tt", CodeKnown)]),
        bad("a serological test type", t().text("tt", "94507-1"), &[("t[0].tt", CodeKnown)]),
        bad("a test result by its word", t().text("tr", "NEGATIVE"), &[("t[0].tr", CodeKnown)]),
        bad("an inconclusive test result", t().text("tr", "419984006"), &[("t[0].tr", CodeKnown)]),
        bad("a rapid test without its device", rapid().without("ma"), &[("t[0].ma", TestDeviceGiven)]),
        bad(
            "a rapid test with its name for its device",
            rapid().without("ma").plus_entry("nm", r#""Panbio""#),
            &[("t[0].ma", TestDeviceGiven)],
        ),
        bad("a rapid test of an unlisted device", rapid().text("ma", "9999"), &[("t[0].ma", TestDeviceListed)]),
        bad("a rapid test of a device taken off the list", rapid().text("ma", "1065"), &[("t[0].ma", TestDeviceListed)]),
        country("a country in lower case", "fr"),
        country("a country with one capital", "Fr"),
        country("an empty country", ""),
        country("a country by its name", "Nouvelle-Calédonie"),
        country("a country of eleven capitals", "ABCDEFGHIJK"),
        no_country("a country by three letters", "FRA"),
        no_country("Greece as the Commission writes it", "EL"),
        no_country("the United Kingdom", "UK"),
        no_country("no country's code", "ZZ"),
    ]
}

fn identifiers() -> Vec<Bad> {
    let form = |sentence, ci: &str| bad(sentence, v().text("ci", ci), &[("v[0].ci", UvciForm)]);
    vec![
        form("a ci in lower case", "urn:uvci:01:fr:a#d"),
        form("a ci with a lower-case prefix", "urn:uvci:01:FR:KKF3BYIGYSVF#Q"),
        form("a ci of version V1", "URN:UVCI:V1:FR:P50E914L54CIP5J0K4EHSCXOS:"),
        form("a ci without its prefix", "01:FR:A#D"),
        form("a ci without a country", "URN:UVCI:01:A#D"),
        form("a ci with a country of three letters", "URN:UVCI:01:FRA:A"),
        form("a ci with nothing behind its country", "URN:UVCI:01:FR:"),
        form("a ci with an empty checksum", "URN:UVCI:01:FR:A#"),
        form("a ci with a checksum of two characters", "URN:UVCI:01:FR:A#DD"),
        form("a ci with two checksums", "URN:UVCI:01:FR:A#D#D"),
        form("a ci with a hyphen", "URN:UVCI:01:FR:A-B"),
        form("a ci with a blank behind", "URN:UVCI:01:FR:A "),
        form("a UUID as a ci", "123e4567-e89b-12d3-a456-426614174000"),
        bad("a ci of no country", v().text("ci", "URN:UVCI:01:ZZ:A"), &[("v[0].ci", UvciCountry)]),
        bad(
            "a ci of no country and a wrong checksum",
            v().text("ci", "URN:UVCI:01:UK:A#8"),
            &[("v[0].ci", UvciCountry), ("v[0].ci", UvciChecksum)],
        ),
        bad("a ci with a wrong checksum", v().text("ci", "URN:UVCI:01:FR:A#9"), &[("v[0].ci", UvciChecksum)]),
        bad(
            "a ci with the checksum of the text without its prefix",
            v().text("ci", "URN:UVCI:01:NL:187/37512422923#T"),
            &[("v[0].ci", UvciChecksum)],
        ),
    ]
}

/// Faults of many kinds in one payload, all told.
fn several() -> Vec<Bad> {
    let many = v().text("ver", "1.0").text("dob", "1984-13").text("fnt", "Wéa").text("tg", "x").json("dn", "0").text("dt", "x");
    vec![bad(
        "faults at every level",
        many.plus_top("x", "1").plus_entry("y", "1").text("ci", "A"),
        &[
            ("x", SchemaUnknownField),
            ("ver", VerForm),
            ("nam.fnt", SchemaPattern),
            ("dob", DateReal),
            ("v[0].y", SchemaUnknownField),
            ("v[0].dn", SchemaMinimum),
            ("v[0].dt", DateReal),
            ("v[0].tg", CodeKnown),
            ("v[0].ci", UvciForm),
        ],
    )]
}

/// Faults beside other faults: none hides another, none is told twice.
fn side_by_side() -> Vec<Bad> {
    let long = "x".repeat(81);
    let nameless = v().json("nam", &format!(r#"{{"gn":"{long}","gnt":"A"}}"#));
    vec![
        bad(
            "a recovery without an issuer, to day 181",
            r().without("is").text("du", "2022-01-29"),
            &[("r[0].is", SchemaRequired), ("r[0].du", RecoveryWindow)],
        ),
        bad("a long given name, and no family name below 1.3.2", nameless, &[("nam.gn", SchemaLength), ("nam.fnt", VerFnt)]),
        bad("a recovery that begins before the test", r().text("df", "2021-07-31"), &[("r[0].df", RecoveryOrder)]),
        bad("a name with nothing in it", v().json("nam", "{}"), &[("nam", SchemaRequired)]),
        bad("a ver with zeros before its numbers", v().text("ver", "01.03.00"), &[("ver", VerForm)]),
    ]
}

/// What is there and says nothing, and members whose names are no names.
fn blanks_and_odd_names() -> Vec<Bad> {
    let made_of = |name: &str| v().json("nam", &format!(r#"{{"fn":"{name}","gn":"Ana"}}"#));
    vec![
        bad("an identifier of nothing", v().text("ci", ""), &[("v[0].ci", UvciGiven)]),
        bad("an identifier of a blank", v().text("ci", " "), &[("v[0].ci", UvciGiven)]),
        bad("a family name that leaves nothing to transliterate", made_of("..."), &[("nam.fnt", NameTransliteration)]),
        bad("a family name of digits", made_of("1"), &[("nam.fnt", NameTransliteration)]),
        bad("a member without a name", v().plus_top("", "1"), &[("$['']", SchemaUnknownField)]),
        bad("a member that looks like a path", v().plus_top("v[0].mp", "1"), &[("$['v[0].mp']", SchemaUnknownField)]),
        bad(
            "a member that turns the text around",
            v().plus_entry("a\u{202e}b", "1"),
            &[("v[0]['a\\u{202e}b']", SchemaUnknownField)],
        ),
    ]
}

/// All rows, each with what the parser finds in it; made once, as some rows have 10 MB.
static TABLE: LazyLock<Vec<(Bad, Vec<Fault>)>> = LazyLock::new(|| {
    let parts = [
        malformed(),
        wrong_types(),
        members_at_fault(),
        texts(),
        names(),
        versions(),
        dates(),
        recoveries(),
        codes(),
        identifiers(),
        several(),
        side_by_side(),
        blanks_and_odd_names(),
    ];
    parts.into_iter().flatten().map(with_faults).collect()
});

fn with_faults(row: Bad) -> (Bad, Vec<Fault>) {
    let found = row.found();
    (row, found)
}

/// Says of each row whose faults are not exactly the expected ones what was found.
fn differences(rows: &[(Bad, Vec<Fault>)]) -> Vec<String> {
    let pairs = |found: &[Fault]| found.iter().map(|fault| (fault.path.clone(), fault.rule)).collect::<Vec<_>>();
    let expected = |row: &Bad| row.expected.iter().map(|(path, rule)| ((*path).to_owned(), *rule)).collect::<Vec<_>>();
    rows.iter()
        .filter(|(row, found)| pairs(found) != expected(row))
        .map(|(row, found)| format!("{}:\n  expected {:?}\n  found    {:?}", row.sentence, row.expected, pairs(found)))
        .collect()
}

#[test]
fn bad_payloads_have_exactly_their_faults() {
    assert!(TABLE.len() >= 100, "{} rows", TABLE.len());
    let wrong = differences(&TABLE);
    assert!(wrong.is_empty(), "{} of {} rows\n{}", wrong.len(), TABLE.len(), wrong.join("\n"));
}

#[test]
fn every_rule_that_a_payload_can_break_is_broken() {
    let broken: BTreeSet<Rule> = TABLE.iter().flat_map(|(row, _)| row.expected.iter().map(|(_, rule)| *rule)).collect();
    let expected: BTreeSet<Rule> = Rule::ALL.iter().copied().filter(|rule| !OF_THE_ITEM.contains(rule)).collect();
    assert_eq!(broken, expected);
}

#[test]
fn every_row_has_a_sentence_of_its_own() {
    let sentences: BTreeSet<&str> = TABLE.iter().map(|(row, _)| row.sentence).collect();
    assert_eq!(sentences.len(), TABLE.len());
}

#[test]
fn messages_have_one_style_and_quote_no_person() {
    let personal = ["Wéa", "WEA", "Jeanne", "JEANNE", "1984-03-02", "URN:UVCI:01:FR:A", "P50E914L54CIP5J0K4EHSCXOS"];
    for (row, found) in TABLE.iter() {
        for fault in found {
            check_style(fault);
            assert!(!personal.iter().any(|text| fault.to_string().contains(text)), "{}: {fault}", row.sentence);
        }
    }
}

/// A message is a clause in lower case (or begins with a quote or a number), has no full stop and no control character.
pub(crate) fn check_style(fault: &Fault) {
    let message = &fault.message;
    let first = message.chars().next();
    assert!(first.is_some_and(|first| first.is_lowercase() || first.is_ascii_digit() || "'\"".contains(first)), "{fault}");
    assert!(!message.ends_with('.'), "{fault}");
    assert!(!fault.to_string().contains(char::is_control), "{fault:?}");
    assert!(message.chars().count() <= 300 && fault.path.chars().count() <= 50, "{fault}");
}

/// An odd payload that is legal, and what of it is written otherwise in the certificate.
struct Good {
    sentence: &'static str,
    json: Vec<u8>,
    written: Vec<(&'static str, String)>,
}

/// It comes out as it went in.
fn good(sentence: &'static str, json: impl Into<Vec<u8>>) -> Good {
    Good { sentence, json: json.into(), written: Vec::new() }
}

impl Good {
    /// What stands at a JSON pointer of the certificate, where that is not what went in.
    fn written(mut self, pointer: &'static str, text: impl Into<String>) -> Self {
        self.written.push((pointer, text.into()));
        self
    }

    /// The payload as the certificate has to hold it.
    fn expected(&self) -> serde_json::Value {
        let mut expected: serde_json::Value = serde_json::from_slice(&self.json).expect("the row is JSON");
        for (pointer, text) in &self.written {
            let (object, name) = pointer.rsplit_once('/').expect("a pointer has a slash");
            expected.pointer_mut(object).unwrap_or_else(|| panic!("no {object}"))[name] = text.as_str().into();
        }
        expected
    }
}

fn good_people() -> Vec<Good> {
    let dob = |sentence, text: &str| good(sentence, v().text("dob", text));
    vec![
        good("the vaccination that is edited here", v()),
        good("the test that is edited here", t()),
        good("the rapid test that is edited here", rapid()),
        good("the recovery that is edited here", r()),
        dob("a birth that is not known", ""),
        dob("a birth in a year", "1964"),
        dob("a birth in a month", "1964-08"),
        dob("a birth on 29 February of a leap year", "2000-02-29"),
        dob("a birth on the first day of 1900", "1900-01-01"),
        dob("a birth on the day of the vaccination", "2021-09-06"),
        dob("a birth in the month of the vaccination", "2021-09"),
        dob("a birth in the year of the vaccination", "2021"),
        good("a family name in transliteration only", v().json("nam", r#"{"fnt":"WEA"}"#)),
        good("a given name in transliteration only, of 1.3.2", v().text("ver", "1.3.2").json("nam", r#"{"gnt":"JEANNE"}"#)),
        good("a family name alone", v().json("nam", r#"{"fn":"Wéa","fnt":"WEA"}"#)),
        good("an empty fnt beside a given name", v().text("fn", "").text("fnt", "")),
        good("a transliteration that is not ours", v().text("gn", "Mäel").text("gnt", "MAEL")),
        good("a transliteration that has nothing of the name", v().text("gn", "Jeanne").text("gnt", "X")),
        good("a transliteration with fillers anywhere", v().text("fnt", "<<WEA<<<").text("gnt", "<")),
        good("emoji for a name, with fnt given", v().text("fn", "😀😃😄").text("fnt", "X")),
        good(
            "Chinese for a name, with both given",
            v().text("fn", "王").text("fnt", "WANG").text("gn", "芳").text("gnt", "FANG"),
        ),
        good("a name with blanks around", v().text("fn", " Wéa ")),
        good("a name with an apostrophe, a quote and a backslash", v().text("fn", r#"d'Arc "la" \ Wéa"#)),
        good("80 two-byte characters", v().text("fn", &"é".repeat(80))),
        good("80 four-byte characters", v().text("gn", &"😀".repeat(80))),
        good("80 capitals", v().text("fnt", &"A".repeat(80)).text("gnt", &"<".repeat(80))),
        good("names in Arabic, Greek and Georgian", v().text("fn", "الاسم الاخير").text("gn", "Μενεξές ვაჟა")),
    ]
}

fn good_entries() -> Vec<Good> {
    let ver = |sentence, text: &str| good(sentence, v().text("ver", text));
    let sc = |sentence, text: &str| good(sentence, t().text("sc", text));
    let co = |sentence, text: &str| good(sentence, v().text("co", text));
    let ci = |sentence, text: &str| good(sentence, v().text("ci", text));
    let product = |sentence, mp: &str, ma: &str, vp: &str| good(sentence, v().text("mp", mp).text("ma", ma).text("vp", vp));
    vec![
        ver("the ver of 1.3.1", "1.3.1"),
        ver("the latest ver", "1.3.3"),
        good(
            "a booster after Janssen, 2 of 1",
            v().json("dn", "2")
                .json("sd", "1")
                .text("mp", "EU/1/20/1525")
                .text("ma", "ORG-100001417")
                .text("vp", "29061000087103"),
        ),
        good("a booster, 3 of 3", v().json("dn", "3").json("sd", "3")),
        good("a first dose of two", v().json("dn", "1")),
        good("a tenth dose", v().json("dn", "10").json("sd", "10")),
        good("a vaccination today, where today began first", v().text("dt", "2021-10-21")),
        good("a vaccination on 29 February of a leap year", v().text("dt", "2020-02-29")),
        product("a vaccine with the prophylaxis of any", "EU/1/20/1528", "ORG-100030215", "28531000087107"),
        product("a vaccine that the EU has not authorised", "Sputnik-V", "Gamaleya-Research-Institute", "29061000087103"),
        co("Greece", "GR"),
        co("Kosovo", "XK"),
        co("the United Kingdom", "GB"),
        co("New Caledonia", "NC"),
        sc("a sampling in UTC", "2021-10-19T08:30:00Z"),
        sc("a sampling with an offset of half an hour", "2021-10-19T08:30:00-09:30"),
        sc("a sampling with an unknown offset", "2021-10-19T08:30:00-00:00"),
        sc("a sampling with small letters", "2021-10-19t08:30:00z"),
        sc("a sampling 5 minutes ahead of our clock", "2021-10-20T12:05:00Z"),
        sc("a sampling tomorrow by the calendar, today by the clock", "2021-10-20T22:59:00+11:00"),
        good("a sampling on the day of birth, there", t().text("dob", "2021-10-19").text("sc", "2021-10-19T00:30:00+11:00")),
        good("a test without centre and name", t().without("tc").without("nm")),
        good("a NAAT test with any device", t().plus_entry("ma", r#""any""#)),
        good("a positive test", t().text("tr", "260373001")),
        good("a rapid test with a name too", rapid().plus_entry("nm", r#""Panbio""#)),
        good(
            "80 characters in the free texts",
            t().text("nm", &"é".repeat(80)).text("tc", &"x".repeat(80)).text("is", &"ü".repeat(80)),
        ),
        good("an issuer with quotes, slashes and markup", v().text("is", r#"<b>"DASS"</b> & \ /"#)),
        good("a recovery of one day", r().text("du", "2021-08-12")),
        good("a recovery over a leap day", r().text("fr", "2020-02-01").text("df", "2020-02-12").text("du", "2020-07-30")),
        ci("a ci without a checksum", "URN:UVCI:01:SE:EHM/V12916227TJJ"),
        ci("a ci with issuer, vaccine and checksum", "URN:UVCI:01:NL:187/37512422923#Z"),
        ci("a ci with separators in a row", "URN:UVCI:01:FR:/:/"),
        ci("a ci of 80 characters", &format!("URN:UVCI:01:FR:{}", "A".repeat(65))),
        good("every character spelled with an escape", v().json("co", r#""\u0046\u0052""#).json("fn", r#""\u0057\u00e9a""#)),
        good("names of members spelled with an escape", edited(&v(), r#""dob""#, r#""\u0064ob""#)),
        good("blanks and line breaks between all members", v().render().replace(',', " \r\n\t, ").replace(r#"":"#, r#"" : "#)),
        good("8,192 bytes", v().render() + &" ".repeat(8192 - v().render().len())),
    ]
}

fn good_after_normalisation() -> Vec<Good> {
    let sc = |sentence, text: &str, written: &str| good(sentence, t().text("sc", text)).written("/t/0/sc", written);
    vec![
        good("a decomposed name", v().text("fn", "We\u{301}a")).written("/nam/fn", "Wéa"),
        good("80 characters once composed", v().text("fn", &"e\u{301}".repeat(80))).written("/nam/fn", "é".repeat(80)),
        good("a decomposed issuer", t().text("is", "De\u{301}partement")).written("/t/0/is", "Département"),
        good("the Ångström sign", v().text("fn", "\u{212b}")).written("/nam/fn", "Å"),
        good("names to transliterate", v().text("fn", "d'Arc-Wéa").without("fnt").without("gnt"))
            .written("/nam/fnt", "DARC<WEA")
            .written("/nam/gnt", "JEANNE"),
        good("a name to transliterate, of 1.3.2", v().text("ver", "1.3.2").json("nam", r#"{"gn":"Jeanne"}"#))
            .written("/nam/gnt", "JEANNE"),
        good("a name that grows beyond 80 capitals", v().text("fn", &"Щ".repeat(80)).without("fnt"))
            .written("/nam/fnt", "SHCH".repeat(20)),
        good("no identifier", v().without("ci")).written("/v/0/ci", made_uvci().into_string()),
        sc("a sampling with a fraction", "2021-10-19T08:30:00.123456789Z", "2021-10-19T08:30:00Z"),
        sc("a sampling with an offset of hours", "2021-10-19T08:30:00+11", "2021-10-19T08:30:00+11:00"),
        sc("a sampling with an offset without a colon", "2021-10-19T08:30:00-0930", "2021-10-19T08:30:00-09:30"),
        sc("a sampling with a fraction and an offset", "2021-10-19T08:30:00.5+0200", "2021-10-19T08:30:00+02:00"),
    ]
}

#[test]
fn odd_but_legal_payloads_pass_unchanged() {
    let table: Vec<Good> = [good_people(), good_entries(), good_after_normalisation()].into_iter().flatten().collect();
    assert!(table.len() >= 40, "{} rows", table.len());
    let mut wrong = Vec::new();
    for row in &table {
        match parse(&row.json, &rulebook(RuleSet::ALL), NOW) {
            Ok(hcert) if certified(&hcert) == row.expected() => {}
            Ok(hcert) => {
                wrong.push(format!("{}:\n  expected {}\n  found    {}", row.sentence, row.expected(), certified(&hcert)))
            }
            Err(faults) => wrong.push(format!("{}: {faults}", row.sentence)),
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows\n{}", wrong.len(), table.len(), wrong.join("\n"));
}
