//! A certificate's identifier, for `--with-ci`.

use super::dice::Dice;

const PREFIX: &str = "URN:UVCI:01:FR:";
/// 36^15 is 2^77: in a run of 137 million two equal ones are a matter of 4 in 100 million.
const OPAQUE_LEN: usize = 15;
/// The code points of the check character; the first 36 make the opaque part.
const ALPHABET: &[u8; 38] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:";

/// `URN:UVCI:01:FR:`, 15 of A-Z and 0-9, `#`, the check character.
pub(super) fn draw(dice: &mut Dice) -> String {
    let mut uvci = String::with_capacity(PREFIX.len() + OPAQUE_LEN + 2);
    uvci.push_str(PREFIX);
    for _ in 0..OPAQUE_LEN {
        uvci.push(char::from(dice.pick(&ALPHABET[..36])));
    }
    let check = check_character(&uvci);
    uvci.push('#');
    uvci.push(check);
    uvci
}

/// Luhn modulo 38 over everything before `#`, prefix included.
///
/// # Source
/// eu-dcc-schema wiki, FAQ, "UVCI checksum": the factor alternates 2, 1 from the right, and an addend's two base-38 digits are summed.
pub(super) fn check_character(text: &str) -> char {
    let codes = text.bytes().rev().filter_map(|byte| ALPHABET.iter().position(|&letter| letter == byte));
    let sum: usize =
        codes.zip([2, 1].into_iter().cycle()).map(|(code, factor)| code * factor).map(|addend| addend / 38 + addend % 38).sum();
    char::from(ALPHABET[(38 - sum % 38) % 38])
}
