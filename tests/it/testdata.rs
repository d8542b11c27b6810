//! The published test vectors, and how the tests of this folder read payloads.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use ciborium::Value;
use sceau::domain::{CallerId, Faults, Hcert, ItemId, NumericDate, RuleSet, Rulebook, Uvci, UvciMaker, ValueSets};
use sceau::encode::ClaimsSet;

/// The folder of the test vectors: `SCEAU_TESTDATA`, or `shared/data` beside the repository's parent.
///
/// Nothing where it is absent, which is said aloud; under `CI=true` that is a failure.
pub(crate) fn testdata() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = environment("SCEAU_TESTDATA").map_or_else(beside, PathBuf::from);
    if folder.join("dcc/INDEX.tsv").is_file() {
        return Some(folder);
    }
    let absent = format!("NO TEST VECTORS in {}: this test CHECKS NOTHING; set SCEAU_TESTDATA", folder.display());
    assert!(environment("CI").is_none_or(|ci| ci != "true"), "{absent}");
    eprintln!("!!!! {absent} !!!!");
    None
}

#[expect(clippy::disallowed_methods, reason = "a test has no boot that could hand the folder down")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A text file of the test data.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Declares a row by the columns that the tests read: field, then the column's name.
macro_rules! index_row {
    ($($field:ident $column:literal,)+) => {
        /// One vector, as dcc/INDEX.tsv has it; the data's README.md says what the columns mean.
        #[derive(Debug)]
        pub(crate) struct IndexRow {
            $(pub(crate) $field: String,)+
        }

        impl IndexRow {
            fn from_cells(header: &[&str], cells: &[&str]) -> Self {
                assert_eq!(header.len(), cells.len(), "as many cells as columns: {cells:?}");
                let cell = |column: &str| {
                    let at = header.iter().position(|name| *name == column).unwrap_or_else(|| panic!("no column {column}"));
                    cells[at].to_owned()
                };
                Self { $($field: cell($column),)+ }
            }
        }
    };
}

index_row! {
    file "file",
    valid_1_3_3 "valid_1.3.3",
    value_sets_ok "value_sets_ok",
    issuer_grade "issuer_grade",
    dsc "dsc",
    alg "alg",
    kid "kid",
    kid_ok "kid_ok",
    verify "verify",
    rebuild "rebuild",
    iss "iss",
    iat "iat",
    exp "exp",
    tbs_sha256 "tbs_sha256",
    notes "notes",
}

impl IndexRow {
    /// Whether there is a payload to issue from.
    pub(crate) fn has_payload(&self) -> bool {
        self.file != "-"
    }

    /// The id that vectors.hc1.jsonl gives the vector.
    pub(crate) fn id(&self) -> &str {
        self.file.strip_suffix(".json").expect("a payload's file is JSON")
    }

    /// The single remarks of the notes.
    pub(crate) fn remarks(&self) -> impl Iterator<Item = &str> {
        self.notes.split(" | ")
    }
}

/// The rows of dcc/INDEX.tsv: tab separated, without quoting.
pub(crate) fn index(data: &Path) -> Vec<IndexRow> {
    let text = read(&data.join("dcc/INDEX.tsv"));
    let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().expect("the first line names the columns");
    lines.map(|cells| IndexRow::from_cells(&header, &cells)).collect()
}

static VALUE_SETS: LazyLock<Arc<ValueSets>> = LazyLock::new(|| Arc::new(ValueSets::builtin()));

/// A rulebook with the built-in value sets and the default limit.
pub(crate) fn rulebook(rules: RuleSet) -> Rulebook {
    Rulebook { rules, value_sets: Arc::clone(&VALUE_SETS), max_payload_bytes: Rulebook::DEFAULT_MAX_PAYLOAD_BYTES }
}

/// The identifier that [`parse`] gives a payload that brings none.
pub(crate) fn made_uvci() -> Uvci {
    let maker = UvciMaker::new(&[1; 32]).expect("32 bytes are enough");
    let item_id = ItemId::new("1").expect("a digit is allowed");
    maker.make("FR".parse().expect("two capitals"), &CallerId::new("test"), &item_id)
}

/// Reads a payload under a rulebook, at an instant in RFC 3339.
pub(crate) fn parse<'a>(json: &'a [u8], rulebook: &Rulebook, now: &str) -> Result<Hcert<'a>, Faults> {
    let now = NumericDate::from_rfc3339(now).expect("the test gives a valid instant");
    Hcert::parse(json, rulebook, now, made_uvci)
}

/// The claims of a payload with fixed times, in CBOR.
pub(crate) fn claims(hcert: &Hcert<'_>) -> Vec<u8> {
    let (issued_at, expires_at) = (NumericDate::from_seconds(1_634_688_000), NumericDate::from_seconds(1_666_224_000));
    ClaimsSet { issuer: "FR", issued_at, expires_at, payload: hcert }.to_cbor()
}

/// What an [`Hcert`] becomes in the certificate, as JSON.
pub(crate) fn certified(hcert: &Hcert<'_>) -> serde_json::Value {
    let claims: Value = ciborium::from_reader(claims(hcert).as_slice()).expect("claims are CBOR");
    let (_, hcert) = claims.as_map().and_then(|claims| claims.last()).expect("the last claim is hcert");
    let (_, payload) = hcert.as_map().and_then(|hcert| hcert.first()).expect("hcert has one member");
    json_of(payload)
}

/// CBOR as JSON, to compare values: dates tagged with 0 become their text; what JSON lacks is a failure.
pub(crate) fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Integer(value) => i64::try_from(*value).expect("a DCC's integers are small").into(),
        Value::Float(value) => (*value).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Tag(0, text) if text.is_text() => json_of(text),
        Value::Array(items) => items.iter().map(json_of).collect(),
        Value::Map(members) => {
            let object: serde_json::Map<_, _> =
                members.iter().map(|(key, value)| (key.as_text().expect("a text key").to_owned(), json_of(value))).collect();
            assert_eq!(object.len(), members.len(), "a key stands once in a map");
            object.into()
        }
        other => panic!("JSON has no {other:?}"),
    }
}
