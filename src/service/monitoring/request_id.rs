//! A name for a call, in every log line of it and in its answer.

use std::fmt;

use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue};

/// The metadata that carries it, both ways.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_CHARS: usize = 64;

/// The caller's own, where it is 1 to 64 of `[A-Za-z0-9._:-]`; else 32 hex digits by chance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        match headers.get(REQUEST_ID) {
            Some(given) if is_well_formed(given.as_bytes()) => Self(given.clone()),
            _ => Self::random(),
        }
    }

    fn random() -> Self {
        let text = format!("{:032x}", rand::random::<u128>());
        Self(HeaderValue::try_from(text).expect("hex digits make a header"))
    }

    pub(super) const fn header(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

fn is_well_formed(text: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:-".contains(byte);
    (1..=MAX_CHARS).contains(&text.len()) && text.iter().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(text).unwrap());
        RequestId::of(&headers).to_string()
    }

    #[test]
    fn a_well_formed_id_of_the_caller_is_kept() {
        for text in ["a", "550e8400-e29b-41d4-a716-446655440000", "A.b_c:d", &"x".repeat(64)] {
            assert_eq!(of(text.as_bytes()), text);
        }
    }

    #[test]
    fn another_is_replaced() {
        for text in ["", "a b", "a\"b", "a\tb", &"x".repeat(65)] {
            assert_eq!(of(text.as_bytes()).len(), 32, "{text:?}");
        }
        assert_eq!(of("é".as_bytes()).len(), 32);
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
