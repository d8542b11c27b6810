//! From the EU's DCC JSON to an [`Hcert`], or to all of its faults at once.

mod entry;
mod person;
mod reader;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::hcert::{CertificateType, Entry, Hcert};
use super::json::Json;
use super::{Fault, Faults, NumericDate, Rule, RuleSet, Uvci, ValueSets};
use reader::{Members, Reader};

/// What a profile demands of a payload.
#[derive(Clone, Debug)]
pub struct Rulebook {
    /// The rules that are applied.
    pub rules: RuleSet,
    /// The codes that exist.
    pub value_sets: Arc<ValueSets>,
    /// The longest payload, in bytes.
    pub max_payload_bytes: usize,
}

impl Rulebook {
    /// A payload of a real certificate has 250 to 700 bytes; this leaves room for any that is honest.
    pub const DEFAULT_MAX_PAYLOAD_BYTES: usize = 8 * 1024;

    /// Refuses a payload of so many bytes, which need not be kept to say so.
    ///
    /// # Errors
    /// It is larger than one may be.
    pub fn check_size(&self, bytes: usize) -> Result<(), Fault> {
        let most = self.max_payload_bytes;
        if bytes <= most {
            return Ok(());
        }
        Err(Fault::new(ROOT, Rule::PayloadSize, format!("{bytes} bytes; a payload has at most {most}")))
    }
}

impl<'a> Hcert<'a> {
    /// Reads a payload under a rulebook.
    ///
    /// `make_uvci` is asked once, where the payload brings no `ci`. Names that the payload does not give in
    /// transliterated form are transliterated; text is brought to NFC; a value that already conforms stays as it is.
    ///
    /// # Errors
    /// Every fault of the payload, each with its path, its rule and what would be right.
    pub fn parse(
        json: &'a [u8],
        rulebook: &Rulebook,
        now: NumericDate,
        make_uvci: impl FnOnce() -> Uvci,
    ) -> Result<Self, Faults> {
        rulebook.check_size(json.len())?;
        if json.starts_with(BYTE_ORDER_MARK) {
            return Err(Fault::new(ROOT, Rule::JsonSyntax, "begins with a byte order mark; JSON is UTF-8 without one").into());
        }
        let document = Json::parse(json).map_err(|error| Fault::new(ROOT, Rule::JsonSyntax, error.to_string()))?;
        let mut reader = Reader::new(rulebook, now);
        let hcert = reader.hcert(document, make_uvci);
        reader.finish(hcert)
    }
}

/// What some editors and PowerShell write before UTF-8; RFC 8259 section 8.1 forbids it, and serde_json says "expected value".
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The path of the payload itself.
const ROOT: &str = "$";

const ENTRY_PATHS: [(CertificateType, &str); 3] =
    [(CertificateType::Vaccination, "v[0]"), (CertificateType::Test, "t[0]"), (CertificateType::Recovery, "r[0]")];

impl<'a> Reader<'_> {
    /// Reads the document; the faults are in the reader, and nothing is given where there is one.
    fn hcert(&mut self, document: Json<'a>, make_uvci: impl FnOnce() -> Uvci) -> Option<Hcert<'a>> {
        let mut members = self.members(ROOT, ["ver", "nam", "dob", "v", "t", "r"], document)?;
        let version = self.version(&mut members);
        let name = self.person_name(&mut members, version.as_ref());
        let date_of_birth = self.date_of_birth(&mut members);
        let birth = date_of_birth.as_ref().and_then(|dob| dob.earliest());
        let entry = self.only_entry(&mut members, entry::Context { birth, make_uvci });
        Some(Hcert { version: version?.text, name: name?, date_of_birth: date_of_birth?, entry: entry? })
    }

    /// Reads whichever of `v`, `t`, `r` is there, and demands that it is one, with one entry.
    fn only_entry<M: FnOnce() -> Uvci>(&mut self, members: &mut Members<'a, 6>, context: entry::Context<M>) -> Option<Entry<'a>> {
        let present = CertificateType::ALL.into_iter().filter(|kind| members.is_present(kind.key())).count();
        if present != 1 {
            let found = if present == 0 {
                "none of v, t and r is there".to_owned()
            } else {
                format!("{present} of v, t and r are there")
            };
            self.fault(ROOT, Rule::SchemaOneEntry, format!("{found}; a certificate has exactly one of them"));
        }
        let mut context = Some(context);
        let mut entry = None;
        for (kind, path) in ENTRY_PATHS {
            let Some(object) = self.single(members, kind) else { continue };
            let context = context.take().map_or(entry::Context { birth: None, make_uvci: None }, entry::Context::once);
            entry = self.entry(kind, path, object, context);
        }
        entry
    }

    /// The one element of a group.
    fn single(&mut self, members: &mut Members<'a, 6>, kind: CertificateType) -> Option<Json<'a>> {
        let key = kind.key();
        match members.take(key)? {
            Json::Array(array) if array.len() == 1 => array.into_iter().next(),
            Json::Array(array) => {
                let count = array.len();
                self.fault(key, Rule::SchemaOneEntry, format!("{count} entries; a certificate has exactly one"));
                None
            }
            other => {
                self.wrong_type(key.to_owned(), "an array with one entry", &other);
                None
            }
        }
    }
}
