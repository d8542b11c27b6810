//! What an officer orders.

use serde::Serialize;
use serde_json::Value;

use super::Reason;
use crate::domain::HashType;
use crate::ledger::index::Question;

/// What is to be revoked, by whom and why.
#[derive(Clone, Debug)]
pub struct RevocationOrder {
    /// Which certificates.
    pub question: Question,
    /// The hashes that the lists are to hold.
    pub hash_type: HashType,
    /// Whether certificates that have expired are listed as well: nobody would take them anyway, nor the gateway their lists.
    pub with_expired: bool,
    /// How many certificates the officer expects; another number revokes nothing.
    pub expected: Option<u64>,
    /// The officer's name.
    pub by: String,
    /// Why.
    pub reason: Reason,
}

/// As it stands on record: hashes where an identifier was asked for.
#[derive(Serialize)]
struct Asked<'q> {
    #[serde(flatten)]
    question: &'q Question,
    everything: bool,
    with_expired: bool,
}

impl RevocationOrder {
    /// What was asked for, as it stands on record: a JSON object of what was given, with hashes in place of identifiers.
    #[must_use]
    pub fn asked(&self) -> String {
        let everything = self.question == Question::default();
        let asked = Asked { question: &self.question, everything, with_expired: self.with_expired };
        let mut asked = serde_json::to_value(asked).expect("texts, numbers and hashes have a JSON form");
        if let Value::Object(members) = &mut asked {
            members.retain(|_, member| !matches!(member, Value::Null | Value::Bool(false)));
        }
        asked.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CertificateType, NumericDate, Octets};

    fn asked(question: Question, with_expired: bool) -> String {
        let reason = "a test".parse().unwrap();
        let (hash_type, expected, by) = (HashType::Signature, None, "officer".to_owned());
        RevocationOrder { question, hash_type, with_expired, expected, by, reason }.asked()
    }

    #[test]
    fn what_was_asked_is_told_as_far_as_it_was_given() {
        assert_eq!(asked(Question::default(), false), r#"{"everything":true}"#);
        let question = Question {
            item: Some(vec![Octets([1; 16])]),
            kind: Some(CertificateType::Test),
            from: Some(NumericDate::from_seconds(5)),
            ..Question::default()
        };
        let expected = r#"{"from":5,"item":["01010101010101010101010101010101"],"kind":"test","with_expired":true}"#;
        assert_eq!(asked(question, true), expected);
    }
}
