//! What an officer orders.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Reason;
use crate::domain::{CertificateType, HashType, NumericDate, Octets};
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

/// The same, as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    uci: Option<Octets<32>>,
    item: Option<Vec<Octets<16>>>,
    signature: Option<Octets<16>>,
    kid: Option<Octets<8>>,
    caller: Option<String>,
    person: Option<String>,
    kind: Option<CertificateType>,
    from: Option<NumericDate>,
    to: Option<NumericDate>,
    #[serde(default)]
    everything: bool,
    #[serde(default)]
    with_expired: bool,
}

/// A text that [`RevocationOrder::asked`] did not write.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAsked {
    /// It is something else.
    #[error("is none: {0}")]
    Form(#[from] serde_json::Error),
    /// A person may read something else in it.
    #[error("is not written as Sceau writes it")]
    Unusual,
}

impl RevocationOrder {
    /// Of what officers signed: `asked` as [`Self::asked`] wrote it, and how many certificates they saw that it means.
    ///
    /// # Errors
    /// [`InvalidAsked`] where it is another text.
    pub fn of_asked(asked: &str, hash_type: HashType, expected: u64, by: String, reason: Reason) -> Result<Self, InvalidAsked> {
        let Read { uci, item, signature, kid, caller, person, kind, from, to, everything, with_expired } =
            serde_json::from_str(asked)?;
        let question = Question { uci, item, signature, kid, caller, person, kind, from, to };
        let order = Self { question, hash_type, with_expired, expected: Some(expected), by, reason };
        let is_all = order.question == Question::default();
        if is_all == everything && order.asked() == asked { Ok(order) } else { Err(InvalidAsked::Unusual) }
    }

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

    #[test]
    fn what_officers_sign_is_read_as_it_was_asked_and_nothing_else_is() {
        let read = |text: &str| {
            RevocationOrder::of_asked(text, HashType::Signature, 7, "ada, grace".to_owned(), "a test".parse().unwrap())
        };
        for text in [
            r#"{"everything":true}"#,
            r#"{"from":5,"item":["01010101010101010101010101010101"],"kind":"test","with_expired":true}"#,
            r#"{"caller":"clinic","kid":"0101010101010101"}"#,
        ] {
            let order = read(text).unwrap();
            assert_eq!((order.asked().as_str(), order.expected), (text, Some(7)));
        }
        for text in ["", "{}", r#"{"everything":false}"#, r#"{"everything":true,"kid":"0101010101010101"}"#, r#"{"name":1}"#] {
            assert!(read(text).is_err(), "{text}");
        }
        for text in
            [r#"{ "everything":true}"#, r#"{"kid":"0101010101010101","caller":"clinic"}"#, r#"{"kid":"AB01010101010101"}"#]
        {
            assert!(matches!(read(text), Err(InvalidAsked::Unusual)), "{text}");
        }
    }
}
