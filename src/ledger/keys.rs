//! The ledger's secrets: what is personal, or nearly so, is written down under them alone.
//!
//! A file of one key a line, 64 hexadecimal digits; the first is what new records are written with, the others are for
//! questions about older ones. From each come, by HKDF (RFC 5869) with a label, a key for each use.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use super::retries::{InvalidKept, ItemKey, Kept, read_group, write_group};
use super::store::KeptGroup;
use crate::domain::{Digest, ItemId, NumericDate, Octets};

/// The name of a ledger key: it stands with what was written under it.
pub type LedgerKeyId = Octets<4>;

/// The keys of a ledger, the one that new records are written with in front.
#[derive(Clone)]
pub struct LedgerKeys(Arc<[LedgerKey]>);

/// One key, with what is derived from it.
struct LedgerKey {
    id: LedgerKeyId,
    item: hmac::Key,
    payload: hmac::Key,
    claim: EncryptingKey,
    kept: LessSafeKey,
}

/// A text that holds no ledger keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLedgerKeys {
    /// There is none.
    #[error("there is no key; a ledger key is a line of 64 hexadecimal digits: `openssl rand -hex 32`")]
    None,
    /// A line is something else.
    #[error("line {line} is no ledger key: that is 64 hexadecimal digits")]
    Line {
        /// From 1 on.
        line: usize,
    },
    /// A key stands twice.
    #[error("the key of line {line} stands there twice")]
    Twice {
        /// Of the second.
        line: usize,
    },
}

/// What a group's text is bound to, with its due and its count behind it: 31 bytes. That of an item by itself is bound to the 16 of
/// its key, so neither is taken for the other.
const GROUP: &[u8; 19] = b"sceau kept group v1";

fn group_data(count: u32, due: NumericDate) -> [u8; 31] {
    let mut data = [0; 31];
    let (label, rest) = data.split_at_mut(GROUP.len());
    label.copy_from_slice(GROUP);
    let (until, of) = rest.split_at_mut(8);
    until.copy_from_slice(&due.seconds().to_be_bytes());
    of.copy_from_slice(&count.to_be_bytes());
    data
}

/// Room for the nonce and the tag of [`AES_256_GCM`].
const SEALED_EXTRA: usize = 12 + 16;

impl LedgerKeys {
    /// Reads keys, one a line; empty lines and those that begin with `#` are left out.
    ///
    /// # Errors
    /// [`InvalidLedgerKeys`] says which line is none. No digit is shown.
    pub fn parse(text: &str) -> Result<Self, InvalidLedgerKeys> {
        let mut keys: Vec<LedgerKey> = Vec::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#')) {
            let mut secret = Zeroizing::new([0; 32]);
            hex::decode_to_slice(line.trim(), secret.as_mut()).map_err(|_| InvalidLedgerKeys::Line { line: number })?;
            let key = LedgerKey::of(&secret);
            if keys.iter().any(|other| other.id == key.id) {
                return Err(InvalidLedgerKeys::Twice { line: number });
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(InvalidLedgerKeys::None) } else { Ok(Self(keys.into())) }
    }

    /// The names of all, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<LedgerKeyId> {
        self.0.iter().map(|key| key.id).collect()
    }

    /// The name of the one that new records are written with.
    #[must_use]
    pub fn current(&self) -> LedgerKeyId {
        self.first().id
    }

    /// The keyed hash of an `item_id`, under the current key.
    #[must_use]
    pub fn item(&self, item_id: &ItemId) -> Octets<16> {
        tag(&self.first().item, item_id.as_str().as_bytes())
    }

    /// What an `item_id` hashes to under each key.
    #[must_use]
    pub fn items(&self, item_id: &ItemId) -> Vec<(LedgerKeyId, Octets<16>)> {
        self.0.iter().map(|key| (key.id, tag(&key.item, item_id.as_str().as_bytes()))).collect()
    }

    /// The keyed hash of a payload in deterministic CBOR, under the current key.
    #[must_use]
    pub fn payload(&self, payload: &[u8]) -> Octets<16> {
        tag(&self.first().payload, payload)
    }

    /// What a claim is written down as: under the oldest key, so that a new one does not free what is kept. The item's key is a
    /// hash already, and a block of AES: encrypted it is as good as a keyed hash, at a fifteenth of the time.
    #[must_use]
    pub fn claim(&self, key: ItemKey) -> ItemKey {
        let oldest = self.0.last().expect("there is one key at least");
        let mut block = *key.as_bytes();
        oldest.claim.encrypt(&mut block).expect("it is one block");
        ItemKey::from_bytes(block)
    }

    /// Encrypts what is kept of an item, for whoever has the keys and asks for the same item.
    #[must_use]
    pub fn seal(&self, item: &ItemKey, kept: &Kept) -> Vec<u8> {
        self.encrypt(item.as_bytes(), kept.len(), |text| kept.write(text))
    }

    /// Encrypts what is kept of items that were signed together, for whoever has the keys: once for all of them, and in three fifths
    /// of the room that they would take one by one. They are 4,096 at most.
    #[must_use]
    pub fn seal_group<'k>(&self, items: impl ExactSizeIterator<Item = (ItemKey, &'k Kept)>, due: NumericDate) -> KeptGroup {
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        KeptGroup { count, sealed: self.encrypt(&group_data(count, due), 0, |text| write_group(items, text)), due }
    }

    /// The name of the key 4, the nonce 12, the text encrypted, the tag 16. The text is bound to `data`, which has to be there when it
    /// is decrypted; `length` is what it will have, more or less.
    fn encrypt(&self, data: &[u8], length: usize, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let key = self.first();
        let mut sealed = Vec::with_capacity(4 + SEALED_EXTRA + length);
        sealed.extend_from_slice(key.id.as_ref());
        // At random, by a generator of this thread: that of aws-lc costs more than the encryption.
        let nonce: [u8; 12] = rand::random();
        sealed.extend_from_slice(&nonce);
        write(&mut sealed);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.kept.seal_in_place_separate_tag(nonce, Aad::from(data), &mut sealed[16..]);
        sealed.extend_from_slice(tag.expect("so short a text can be encrypted").as_ref());
        sealed
    }

    /// Decrypts it.
    ///
    /// # Errors
    /// [`InvalidKept`] where it was made under a key that is not here, or for another item, or is damaged.
    pub fn open(&self, item: &ItemKey, sealed: &[u8]) -> Result<Kept, InvalidKept> {
        Kept::from_bytes(&self.decrypt(item.as_bytes(), sealed)?)
    }

    /// Decrypts a group.
    ///
    /// # Errors
    /// [`InvalidKept`] where it was made under a key that is not here, or is damaged.
    pub fn open_group(&self, group: &KeptGroup) -> Result<Vec<(ItemKey, Kept)>, InvalidKept> {
        read_group(&self.decrypt(&group_data(group.count, group.due), &group.sealed)?)
    }

    fn decrypt(&self, data: &[u8], sealed: &[u8]) -> Result<Vec<u8>, InvalidKept> {
        let (id, rest) = sealed.split_first_chunk::<4>().ok_or(InvalidKept)?;
        let (nonce, rest) = rest.split_first_chunk::<12>().ok_or(InvalidKept)?;
        let key = self.0.iter().find(|key| key.id.0 == *id).ok_or(InvalidKept)?;
        let mut text = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = key.kept.open_in_place(nonce, Aad::from(data), &mut text).map_err(|_| InvalidKept)?.len();
        text.truncate(length);
        Ok(text)
    }

    fn first(&self) -> &LedgerKey {
        self.0.first().expect("there is one key at least")
    }
}

impl fmt::Debug for LedgerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LedgerKeys").field(&self.ids()).finish()
    }
}

impl LedgerKey {
    fn of(secret: &[u8; 32]) -> Self {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"sceau ledger v1").extract(secret);
        let derive = |label: &str| {
            let mut key = Zeroizing::new([0; 32]);
            let parts = [label.as_bytes()];
            let derived = root.expand(&parts, hkdf::HKDF_SHA256).and_then(|derived| derived.fill(key.as_mut()));
            derived.expect("HKDF gives 32 bytes");
            key
        };
        let mac = |label| hmac::Key::new(hmac::HMAC_SHA256, derive(label).as_ref());
        let name = Digest::of(derive("name").as_ref());
        Self {
            id: Octets::head_of(name.as_bytes()).expect("32 bytes hold 4"),
            item: mac("item"),
            payload: mac("payload"),
            claim: UnboundCipherKey::new(&AES_256, derive("claim").as_ref())
                .and_then(EncryptingKey::ecb)
                .expect("the key has 32 bytes"),
            kept: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, derive("kept").as_ref()).expect("the key has 32 bytes")),
        }
    }
}

fn tag(key: &hmac::Key, data: &[u8]) -> Octets<16> {
    Octets::head_of(hmac::sign(key, data).as_ref()).expect("32 bytes hold 16")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Algorithm, CallerId, Kid, Signature};
    use crate::ledger::Expiry;

    const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

    fn keys(lines: &[&str]) -> LedgerKeys {
        LedgerKeys::parse(&lines.join("\n")).unwrap()
    }

    fn kept() -> Kept {
        Kept {
            digest: Digest::of(b"1"),
            signature: Signature::new(vec![7; 64]),
            kid: Kid::from([1; 8]),
            algorithm: Algorithm::Ps256,
            issued_at: NumericDate::from_seconds(-3),
            expires_at: NumericDate::from_seconds(i64::MAX),
            expiry: Expiry::OfItem,
            profile: "dcc".into(),
        }
    }

    #[test]
    fn what_is_sealed_is_opened_for_the_same_item_under_an_older_key_too() {
        let (old, item) = (keys(&[ONE]), ItemKey::from_bytes([5; 16]));
        let sealed = old.seal(&item, &kept());
        assert_eq!(keys(&["# rotated", TWO, "", ONE]).open(&item, &sealed), Ok(kept()));
        assert_eq!(old.open(&ItemKey::from_bytes([6; 16]), &sealed), Err(InvalidKept));
        assert_eq!(keys(&[TWO]).open(&item, &sealed), Err(InvalidKept));
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert_eq!(old.open(&item, &damaged), Err(InvalidKept), "{place}");
            assert_eq!(old.open(&item, &sealed[..place]), Err(InvalidKept), "{place}");
        }
    }

    #[test]
    fn a_sealed_group_is_opened_under_an_older_key_too_and_not_where_it_is_damaged() {
        let (old, due) = (keys(&[ONE]), NumericDate::from_seconds(9));
        let items: Vec<(ItemKey, Kept)> = (0..3).map(|number| (ItemKey::from_bytes([number; 16]), kept())).collect();
        let group = old.seal_group(items.iter().map(|(key, kept)| (*key, kept)), due);
        assert_eq!((group.count, group.due), (3, due));
        assert_eq!(keys(&[TWO, ONE]).open_group(&group), Ok(items));
        assert_eq!(keys(&[TWO]).open_group(&group), Err(InvalidKept));
        assert_eq!(old.open(&ItemKey::from_bytes([0; 16]), &group.sealed), Err(InvalidKept), "a group is no item");
        assert_eq!(old.open_group(&KeptGroup { count: 4, ..group.clone() }), Err(InvalidKept));
        assert_eq!(old.open_group(&KeptGroup { due: NumericDate::from_seconds(10), ..group.clone() }), Err(InvalidKept));
        for place in 0..group.sealed.len() {
            let mut damaged = group.clone();
            damaged.sealed[place] ^= 1;
            assert_eq!(old.open_group(&damaged), Err(InvalidKept), "{place}");
            damaged.sealed.truncate(place);
            assert_eq!(old.open_group(&damaged), Err(InvalidKept), "{place}");
        }
    }

    #[test]
    fn a_new_key_hashes_items_anew_and_leaves_claims_as_they_were() {
        let (old, new) = (keys(&[ONE]), keys(&[TWO, ONE]));
        let item_id = ItemId::new("patient-1").unwrap();
        assert_ne!(old.item(&item_id), new.item(&item_id));
        assert_eq!(new.items(&item_id), [(new.current(), new.item(&item_id)), (old.current(), old.item(&item_id))]);
        let key = ItemKey::new(&CallerId::new("clinic"), &item_id);
        assert_eq!(old.claim(key), new.claim(key));
    }

    #[test]
    fn what_is_no_key_is_named_by_its_line_and_not_shown() {
        assert_eq!(LedgerKeys::parse("# none\n\n").unwrap_err(), InvalidLedgerKeys::None);
        assert_eq!(LedgerKeys::parse(&format!("{ONE}\n1234")).unwrap_err(), InvalidLedgerKeys::Line { line: 2 });
        assert_eq!(LedgerKeys::parse(&format!("{ONE}\n{ONE}")).unwrap_err(), InvalidLedgerKeys::Twice { line: 2 });
        assert!(!format!("{:?}", keys(&[ONE])).contains("1111111111"));
    }
}
