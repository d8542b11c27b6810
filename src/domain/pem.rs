//! Certificates in PEM, as tools write them: wrapped at any column, several in a file, with text between.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(crate) const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
pub(crate) const END: &str = "-----END CERTIFICATE-----";

/// The certificates of a PEM text, in DER, each with its own fault.
///
/// The bytes are those of the file, never read and encoded again: the kid is over them.
///
/// # Source
/// RFC 7468 sections 2 and 5, read laxly.
pub fn certificates(text: &str) -> impl Iterator<Item = Result<Vec<u8>, PemError>> {
    text.split(BEGIN).skip(1).map(|block| {
        let (body, _) = block.split_once(END).ok_or(PemError::NoEnd)?;
        from_base64(body)
    })
}

/// The bytes of a base64 text with white space anywhere.
///
/// # Errors
/// [`PemError::Base64`].
pub fn from_base64(text: &str) -> Result<Vec<u8>, PemError> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).map_err(|_| PemError::Base64)
}

/// A PEM text that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// It begins and does not end.
    #[error("the PEM text has no end")]
    NoEnd,
    /// What stands between is something else.
    #[error("not base64")]
    Base64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_wrapping_is_read_and_text_between_is_passed_over() {
        let text = format!("first\n{BEGIN}\nAAEC\r\nAw==\n{END}\nsecond\n{BEGIN} BAU= {END}");
        let found: Vec<_> = certificates(&text).collect();
        assert_eq!(found, [Ok(vec![0, 1, 2, 3]), Ok(vec![4, 5])]);
    }

    #[test]
    fn each_block_has_its_own_fault() {
        let text = format!("{BEGIN}!{END}{BEGIN}AAEC");
        let found: Vec<_> = certificates(&text).collect();
        assert_eq!(found, [Err(PemError::Base64), Err(PemError::NoEnd)]);
    }
}
