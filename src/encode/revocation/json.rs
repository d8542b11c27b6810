//! A batch in JSON, as the gateway's RevocationBatchDto has it.
//!
//! ```json
//! {"country":"FR","expires":"2022-10-20T00:00:00Z","kid":"hwqqRGC1bRc=","hashType":"SIGNATURE",
//!  "entries":[{"hash":"HVRDh6w9RZ70LaAh71SWbw=="}]}
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::batch::{MAX_ENTRIES, RevocationBatch};
use crate::domain::revocation::UnknownHashType;
use crate::domain::uvci::InvalidCountry;
use crate::domain::{Kid, NumericDate};

/// What stands for a kid that is not known.
const UNKNOWN_KID: &str = "UNKNOWN_KID";

/// The members, as they stand there.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Form {
    country: String,
    expires: String,
    kid: String,
    hash_type: String,
    entries: Vec<EntryForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryForm {
    hash: String,
}

impl RevocationBatch {
    /// Writes the batch: what is signed and uploaded. The same batch gives the same bytes.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let form = Form {
            country: self.country.to_string(),
            expires: self.expires.to_string(),
            kid: self.kid.map_or_else(|| UNKNOWN_KID.to_owned(), |kid| STANDARD.encode(kid.as_bytes())),
            hash_type: self.hash_type.to_string(),
            entries: self.entries.iter().map(|hash| EntryForm { hash: STANDARD.encode(hash) }).collect(),
        };
        serde_json::to_vec(&form).expect("a struct of strings has a JSON form")
    }

    /// Reads one batch, or a list of batches (`[…]`).
    ///
    /// # Errors
    /// [`BatchError`] says which member of which batch is wrong.
    pub fn all_from_json(json: &[u8]) -> Result<Vec<Self>, BatchError> {
        if json.trim_ascii_start().starts_with(b"[") {
            let forms: Vec<Form> = serde_json::from_slice(json).map_err(BatchError::Json)?;
            let read = |(number, form)| Self::read(form).map_err(|fault| BatchError::OfBatch { number, fault: Box::new(fault) });
            return (1..).zip(forms).map(read).collect();
        }
        Ok(vec![Self::from_json(json)?])
    }

    /// Reads one batch.
    ///
    /// # Errors
    /// [`BatchError`] says which member is wrong.
    pub fn from_json(json: &[u8]) -> Result<Self, BatchError> {
        Self::read(serde_json::from_slice(json).map_err(BatchError::Json)?)
    }

    fn read(form: Form) -> Result<Self, BatchError> {
        let count = form.entries.len();
        if !(1..=MAX_ENTRIES).contains(&count) {
            return Err(BatchError::EntryCount { count });
        }
        let hash = |(number, entry): (usize, EntryForm)| bytes(&entry.hash).ok_or(BatchError::Hash { number });
        Ok(Self {
            country: form.country.parse().map_err(BatchError::Country)?,
            expires: NumericDate::from_rfc3339(&form.expires).ok_or(BatchError::Expires)?,
            kid: kid(&form.kid).ok_or(BatchError::Kid)?,
            hash_type: form.hash_type.parse().map_err(BatchError::HashType)?,
            entries: (1..).zip(form.entries).map(hash).collect::<Result<_, _>>()?,
        })
    }
}

/// The kid, or none where it is said not to be known; nothing, where it is neither.
fn kid(text: &str) -> Option<Option<Kid>> {
    if text == UNKNOWN_KID { Some(None) } else { bytes::<8>(text).map(|bytes| Some(Kid::from(bytes))) }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// A text that is no batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// It is no JSON, or its members are others.
    #[error("not a revocation batch: {0}")]
    Json(serde_json::Error),
    /// The country is none.
    #[error("country: {0}")]
    Country(InvalidCountry),
    /// The expiry is none.
    #[error("expires: an instant is RFC 3339, as 2022-10-20T00:00:00Z")]
    Expires,
    /// The kid is none.
    #[error("kid: neither 8 bytes in base64 nor {UNKNOWN_KID}")]
    Kid,
    /// The hash type is none.
    #[error("hashType: {0}")]
    HashType(UnknownHashType),
    /// There are none, or too many.
    #[error("entries: {count}; a batch has 1 to {MAX_ENTRIES}")]
    EntryCount {
        /// How many there are.
        count: usize,
    },
    /// A hash is none.
    #[error("entry {number}: a hash is 16 bytes in base64, 24 characters with == at the end")]
    Hash {
        /// Counted from 1.
        number: usize,
    },
    /// One of several batches is wrong.
    #[error("batch {number}: {fault}")]
    OfBatch {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        fault: Box<Self>,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::HashType;

    fn value() -> Value {
        json!({
            "country": "FR", "expires": "2022-10-20T00:00:00Z", "kid": "hwqqRGC1bRc=", "hashType": "SIGNATURE",
            "entries": [{ "hash": "HVRDh6w9RZ70LaAh71SWbw==" }],
        })
    }

    fn with(name: &str, other: Value) -> Value {
        let mut value = value();
        value[name] = other;
        value
    }

    fn fault(value: &Value) -> String {
        RevocationBatch::all_from_json(value.to_string().as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_batch_is_written_as_the_gateway_has_it_and_read_again() {
        let text = r#"{"country":"FR","expires":"2022-10-20T00:00:00Z","kid":"hwqqRGC1bRc=","hashType":"SIGNATURE","entries":[{"hash":"HVRDh6w9RZ70LaAh71SWbw=="}]}"#;
        let batch = RevocationBatch::from_json(text.as_bytes()).unwrap();
        assert_eq!(batch.to_json(), text.as_bytes());
        assert_eq!((batch.country().as_str(), batch.expires().seconds()), ("FR", 1_666_224_000));
        assert_eq!((batch.kid(), batch.hash_type()), (Some("870aaa4460b56d17".parse().unwrap()), HashType::Signature));
        assert_eq!(hex::encode(batch.entries()[0]), "1d544387ac3d459ef42da021ef54966f");
    }

    #[test]
    fn a_kid_may_be_unknown_and_an_expiry_have_an_offset() {
        let mut value = with("kid", json!("UNKNOWN_KID"));
        value["expires"] = json!("2022-10-20T02:00:00+02:00");
        let batch = RevocationBatch::from_json(value.to_string().as_bytes()).unwrap();
        assert_eq!((batch.kid(), batch.expires().seconds()), (None, 1_666_224_000));
        assert!(String::from_utf8(batch.to_json()).unwrap().contains(r#""kid":"UNKNOWN_KID""#));
    }

    #[test]
    fn a_list_of_batches_is_read_and_its_faulty_one_is_named() {
        let list = json!([value(), with("kid", json!("UNKNOWN_KID"))]);
        assert_eq!(RevocationBatch::all_from_json(format!(" {list}").as_bytes()).unwrap().len(), 2);
        assert_eq!(RevocationBatch::all_from_json(b"[]").unwrap(), []);
        assert_eq!(
            fault(&json!([value(), with("kid", json!("AA=="))])),
            "batch 2: kid: neither 8 bytes in base64 nor UNKNOWN_KID"
        );
    }

    #[test]
    fn each_member_is_held_to_its_form() {
        let hash = |text: &str| json!([{ "hash": "HVRDh6w9RZ70LaAh71SWbw==" }, { "hash": text }]);
        let too_many: Vec<_> = (0..=MAX_ENTRIES).map(|_| json!({ "hash": "HVRDh6w9RZ70LaAh71SWbw==" })).collect();
        for (name, other, expected) in [
            ("country", json!("fr"), "country: a country is two capital letters"),
            ("expires", json!("2022-10-20"), "expires: an instant is RFC 3339"),
            ("kid", json!("870aaa4460b56d17"), "kid: neither"),
            ("hashType", json!("SHA-256"), "hashType: unknown hash type"),
            ("entries", json!([]), "entries: 0; a batch has 1 to 1000"),
            ("entries", json!(too_many), "entries: 1001; a batch has 1 to 1000"),
            ("entries", hash("CgoKCgoKCgoKCgoKCgoKCgo="), "entry 2: a hash is 16 bytes"),
            ("entries", hash("HVRDh6w9RZ70LaAh71SWbw"), "entry 2: a hash is 16 bytes"),
            ("entries", hash("__RDh6w9RZ70LaAh71SWbw=="), "entry 2: a hash is 16 bytes"),
            ("entries", json!([{}]), "not a revocation batch: missing field `hash`"),
            ("reason", json!("stolen"), "not a revocation batch: unknown field `reason`"),
            ("expires", json!(1_666_224_000), "not a revocation batch: invalid type: integer"),
        ] {
            let found = fault(&with(name, other));
            assert!(found.starts_with(expected), "{name}: {found}");
        }
        assert!(fault(&json!({})).starts_with("not a revocation batch: missing field `country`"));
    }
}
