//! The unique certificate identifier, `ci`: its form, its checksum, and how one is made.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;

use super::{CallerId, ItemId};

/// An ISO 3166-1 alpha-2 code by its form: two capitals. Whether the code exists is the value set's matter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// The two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("two ASCII capitals are UTF-8")
    }
}

impl FromStr for Country {
    type Err = InvalidCountry;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes() {
            &[first, second] if first.is_ascii_uppercase() && second.is_ascii_uppercase() => Ok(Self([first, second])),
            _ => Err(InvalidCountry),
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Country({self})")
    }
}

/// A country that is not two capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a country is two capital letters (ISO 3166-1 alpha-2), like FR")]
pub struct InvalidCountry;

/// What is wrong with the form of a `ci`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UvciFault {
    /// Not `URN:UVCI:01:CC:…` in the alphabet.
    #[error("a ci is URN:UVCI:01:CC:... of A-Z 0-9 / : with at most one # before a one-character checksum")]
    Form,
    /// The checksum is not the one of the text before it.
    #[error("the character after # is not the Luhn mod 38 checksum of the text before #, prefix included")]
    Checksum,
}

/// A certificate identifier of the form `URN:UVCI:01:CC:opaque[#checksum]`.
///
/// # Source
/// eHealth Network, guidelines on UVCI, annex 2; DCC schema FAQ for the checksum.
#[derive(Clone, PartialEq, Eq)]
pub struct Uvci(String);

impl Uvci {
    /// Checks the form of a given identifier and gives the country in it.
    ///
    /// # Errors
    /// [`UvciFault::Form`]. The checksum is [`Self::check_checksum`]'s matter, since states disagree about it.
    pub fn check_form(text: &str) -> Result<Country, UvciFault> {
        let (country, opaque) = text.strip_prefix(PREFIX).and_then(|tail| tail.split_once(':')).ok_or(UvciFault::Form)?;
        let country = country.parse().map_err(|_| UvciFault::Form)?;
        let (body, checksum) = opaque.split_once('#').map_or((opaque, None), |(body, checksum)| (body, Some(checksum)));
        let in_alphabet = |part: &str| part.bytes().all(|byte| code_point(byte).is_some());
        let checksum_fits = checksum.is_none_or(|checksum| checksum.len() == 1 && in_alphabet(checksum));
        if body.is_empty() || !in_alphabet(body) || !checksum_fits {
            return Err(UvciFault::Form);
        }
        Ok(country)
    }

    /// Checks the character behind `#`, where there is one.
    ///
    /// # Errors
    /// [`UvciFault::Checksum`].
    pub fn check_checksum(text: &str) -> Result<(), UvciFault> {
        let Some((body, checksum)) = text.rsplit_once('#') else { return Ok(()) };
        match luhn_mod_38(body) {
            Some(expected) if checksum.len() == 1 && checksum.starts_with(expected) => Ok(()),
            _ => Err(UvciFault::Checksum),
        }
    }

    /// The identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the text away.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Uvci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uvci(…)")
    }
}

/// Makes identifiers for payloads that bring none.
///
/// The opaque part is 128 bits of HMAC-SHA-256 over caller and `item_id`, under a secret of the installation: the same
/// item always has the same identifier, so a retry never makes a second identity, and nobody without the secret
/// can tell which item an identifier belongs to.
#[derive(Clone)]
pub struct UvciMaker {
    key: hmac::Key,
}

impl UvciMaker {
    /// A maker under a secret of at least 32 bytes.
    ///
    /// # Errors
    /// [`ShortSecret`].
    pub fn new(secret: &[u8]) -> Result<Self, ShortSecret> {
        if secret.len() < 32 {
            return Err(ShortSecret { bytes: secret.len() });
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret) })
    }

    /// `URN:UVCI:01:CC:` + 25 characters of base 36 + `#` + checksum: 42 characters.
    #[must_use]
    pub fn make(&self, country: Country, caller: &CallerId, item_id: &ItemId) -> Uvci {
        let mut text = String::with_capacity(42);
        text.push_str(PREFIX);
        text.push_str(country.as_str());
        text.push(':');
        push_base36(&mut text, self.opaque(caller, item_id));
        let checksum = luhn_mod_38(&text).expect("capitals, digits and colons have a checksum");
        text.push('#');
        text.push(checksum);
        Uvci(text)
    }

    /// The length of the caller's name stands first, so that no two pairs hash alike.
    fn opaque(&self, caller: &CallerId, item_id: &ItemId) -> u128 {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"sceau uvci v1\0");
        context.update(&(caller.as_str().len() as u64).to_be_bytes());
        context.update(caller.as_str().as_bytes());
        context.update(item_id.as_str().as_bytes());
        let tag = context.sign();
        let (head, _) = tag.as_ref().split_first_chunk::<16>().expect("HMAC-SHA-256 gives 32 bytes");
        u128::from_be_bytes(*head)
    }
}

/// Two are the same where their secrets are, which is told without showing either.
impl PartialEq for UvciMaker {
    fn eq(&self, other: &Self) -> bool {
        let tag = hmac::sign(&self.key, b"the same secret");
        hmac::verify(&other.key, b"the same secret", tag.as_ref()).is_ok()
    }
}

impl Eq for UvciMaker {}

impl fmt::Debug for UvciMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UvciMaker(secret)")
    }
}

/// A secret too short to hide which item an identifier belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the UVCI secret has {bytes} bytes; it needs 32 or more")]
pub struct ShortSecret {
    /// How many it has.
    pub bytes: usize,
}

const PREFIX: &str = "URN:UVCI:01:";
const ALPHABET: &[u8; 38] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:";

/// The Luhn mod 38 check character of a text, or nothing where a character is outside the alphabet.
///
/// # Source
/// DCC schema FAQ and examples/Luhn-Mod-N: from the right, factors 2, 1, 2, …
#[must_use]
pub fn luhn_mod_38(text: &str) -> Option<char> {
    let mut sum = 0;
    for (index, byte) in text.bytes().rev().enumerate() {
        let addend = code_point(byte)? * if index % 2 == 0 { 2 } else { 1 };
        sum += addend / 38 + addend % 38;
    }
    Some(char::from(ALPHABET[(38 - sum % 38) % 38]))
}

fn code_point(byte: u8) -> Option<usize> {
    match byte {
        b'A'..=b'Z' => Some(usize::from(byte - b'A')),
        b'0'..=b'9' => Some(usize::from(byte - b'0') + 26),
        b'/' => Some(36),
        b':' => Some(37),
        _ => None,
    }
}

/// 25 digits of base 36 hold any 128-bit number (36^25 > 2^128).
///
/// In 64-bit pieces of 12 digits: a 128-bit division costs ten times a 64-bit one.
fn push_base36(text: &mut String, mut number: u128) {
    const PIECE_DIGITS: usize = 12;
    const PIECE: u128 = 36u128.pow(PIECE_DIGITS as u32);
    let mut digits = [b'0'; 25];
    for piece in digits.rchunks_mut(PIECE_DIGITS) {
        let mut rest = (number % PIECE) as u64;
        number /= PIECE;
        for digit in piece.iter_mut().rev() {
            *digit = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(rest % 36) as usize];
            rest /= 36;
        }
    }
    text.push_str(std::str::from_utf8(&digits).expect("base 36 digits are ASCII"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maker() -> UvciMaker {
        UvciMaker::new(&[7; 32]).unwrap()
    }

    fn made(caller: &str, item: &str) -> String {
        maker().make("FR".parse().unwrap(), &CallerId::new(caller), &ItemId::new(item).unwrap()).into_string()
    }

    #[test]
    fn the_checksum_is_that_of_the_faq() {
        assert_eq!(luhn_mod_38("URN:UVCI:01:NL:187/37512422923"), Some('Z'));
        assert_eq!(luhn_mod_38("urn:uvci"), None);
    }

    #[test]
    fn a_made_identifier_has_the_form_and_the_checksum() {
        let uvci = made("clinic", "item-1");
        assert_eq!(uvci.len(), 42);
        assert_eq!(Uvci::check_form(&uvci), Ok("FR".parse().unwrap()));
        assert_eq!(Uvci::check_checksum(&uvci), Ok(()));
    }

    #[test]
    fn the_same_item_has_the_same_identifier_and_another_item_another() {
        assert_eq!(made("clinic", "item-1"), made("clinic", "item-1"));
        assert_ne!(made("clinic", "item-1"), made("clinic", "item-2"));
        assert_ne!(made("clinic", "item-1"), made("pharmacy", "item-1"));
        assert_ne!(made("ab", "c"), made("a", "bc"));
    }

    #[test]
    fn another_secret_makes_another_identifier() {
        let other = UvciMaker::new(&[8; 32]).unwrap().make(
            "FR".parse().unwrap(),
            &CallerId::new("clinic"),
            &ItemId::new("item-1").unwrap(),
        );
        assert_ne!(other.into_string(), made("clinic", "item-1"));
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(maker() == maker() && maker() != UvciMaker::new(&[8; 32]).unwrap());
        assert_eq!(UvciMaker::new(&[1; 31]).unwrap_err(), ShortSecret { bytes: 31 });
    }

    #[test]
    fn base36_holds_the_largest_number() {
        let mut text = String::new();
        push_base36(&mut text, u128::MAX);
        assert_eq!(text, "F5LXX1ZZ5PNORYNQGLHZMSP33");
    }

    #[test]
    fn forms_of_the_guidelines_are_taken_and_others_refused() {
        for text in [
            "URN:UVCI:01:NL:187/37512422923#Z",
            "URN:UVCI:01:AT:10807843F94AEE0EE5093FBC254BD813#B",
            "URN:UVCI:01:SE:EHM/V12916227TJJ",
        ] {
            assert!(Uvci::check_form(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "urn:uvci:01:FR:ABC",
            "URN:UVCI:V1:FR:ABC",
            "URN:UVCI:01:FRA:ABC",
            "URN:UVCI:01:FR:",
            "URN:UVCI:01:FR:abc",
            "URN:UVCI:01:FR",
            "URN:UVCI:01:FR:AB#",
            "URN:UVCI:01:FR:AB#CD",
            "URN:UVCI:01:FR:A#B#C",
            "URN:UVCI:01:FR:É",
            "01FRABC",
            " URN:UVCI:01:FR:ABC",
        ] {
            assert_eq!(Uvci::check_form(text), Err(UvciFault::Form), "{text}");
        }
    }

    #[test]
    fn a_wrong_checksum_is_seen_and_none_is_fine() {
        assert_eq!(Uvci::check_checksum("URN:UVCI:01:NL:187/37512422923"), Ok(()));
        assert_eq!(Uvci::check_checksum("URN:UVCI:01:NL:187/37512422923#Z"), Ok(()));
        assert_eq!(Uvci::check_checksum("URN:UVCI:01:NL:187/37512422923#A"), Err(UvciFault::Checksum));
    }
}
