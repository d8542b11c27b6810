//! A certificate's identifier, for `--with-ci`.

use super::dice::Dice;
use crate::domain::uvci::luhn_mod_38;

const PREFIX: &str = "URN:UVCI:01:FR:";
/// 36^15 is 2^77: in a run of 137 million two equal ones are a matter of 4 in 100 million.
const OPAQUE_LEN: usize = 15;
const OPAQUE_ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// `URN:UVCI:01:FR:`, 15 of A-Z and 0-9, `#`, the check character.
pub(super) fn draw(dice: &mut Dice) -> String {
    let mut uvci = String::with_capacity(PREFIX.len() + OPAQUE_LEN + 2);
    uvci.push_str(PREFIX);
    for _ in 0..OPAQUE_LEN {
        uvci.push(char::from(dice.pick(OPAQUE_ALPHABET)));
    }
    let check = luhn_mod_38(&uvci).expect("capitals, digits and colons have a checksum");
    uvci.push('#');
    uvci.push(check);
    uvci
}
