//! The keys of an open token: each has its place for good; more come, and none goes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::proof::Proof;
use super::{TokenError, TokenKey, WantedKey};

/// Places by number. One may be vacant: its key was not taken.
#[derive(Debug)]
pub(super) struct Keys(RwLock<Vec<Option<Arc<OpenKey>>>>);

/// A key that an open token has.
#[derive(Debug)]
pub(super) struct OpenKey {
    pub(super) wanted: WantedKey,
    pub(super) proof: Proof,
    /// It came later: each session finds it when it first needs it.
    pub(super) is_admitted: bool,
    stopped: AtomicBool,
}

/// Far more than a token has keys in use over the life of a process.
pub(super) const MOST_PLACES: usize = 4_096;

impl Keys {
    /// The keys that a token is opened with.
    pub(super) fn new(wanted: Vec<WantedKey>) -> Result<Self, TokenError> {
        let keys = wanted.into_iter().map(|key| OpenKey::new(key, false).map(|key| Some(Arc::new(key))));
        Ok(Self(RwLock::new(keys.collect::<Result<_, _>>()?)))
    }

    /// The key of a number.
    pub(super) fn of(&self, key: TokenKey) -> Result<Arc<OpenKey>, TokenError> {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        places.get(key.0).cloned().flatten().ok_or(TokenError::KeyAbsent { what: "key of that number" })
    }

    /// Those that may sign, with their numbers.
    pub(super) fn live(&self) -> Vec<(TokenKey, Arc<OpenKey>)> {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let numbered = places.iter().enumerate().filter_map(|(number, key)| Some((TokenKey(number), Arc::clone(key.as_ref()?))));
        numbered.filter(|(_, key)| !key.is_stopped()).collect()
    }

    /// Gives a key its place.
    pub(super) fn admit(&self, place: TokenKey, key: OpenKey) -> Result<(), TokenError> {
        if place.0 >= MOST_PLACES {
            return Err(TokenError::KeyPlace { number: place.0 });
        }
        let mut places = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if places.len() <= place.0 {
            places.resize(place.0 + 1, None);
        }
        match &mut places[place.0] {
            Some(there) if there.wanted.public_key == key.wanted.public_key && there.wanted.name == key.wanted.name => Ok(()),
            Some(_) => Err(TokenError::KeyPlace { number: place.0 }),
            vacant => {
                *vacant = Some(Arc::new(key));
                Ok(())
            }
        }
    }

    /// From now on the keys that are meant sign nothing.
    pub(super) fn stop(&self, is_meant: impl Fn(&WantedKey) -> bool) {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        places.iter().flatten().filter(|key| is_meant(&key.wanted)).for_each(|key| key.stopped.store(true, Ordering::SeqCst));
    }
}

impl OpenKey {
    /// A key that has yet to prove itself.
    pub(super) fn new(wanted: WantedKey, is_admitted: bool) -> Result<Self, TokenError> {
        let proof = Proof::of(&wanted.public_key)?;
        Ok(Self { wanted, proof, is_admitted, stopped: AtomicBool::new(false) })
    }

    /// Whether officers stopped it.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Purpose;
    use super::super::software::SoftwareToken;
    use super::*;

    fn key(token: &SoftwareToken, number: usize) -> WantedKey {
        WantedKey { name: format!("key {number}"), public_key: token.key(number).1, purpose: Purpose::Certificate }
    }

    #[test]
    fn a_key_has_its_place_for_good_and_another_does_not_take_it() {
        let token = SoftwareToken::with_keys(3);
        let keys = Keys::new(vec![key(&token, 0)]).unwrap();
        let admit = |place, number| keys.admit(TokenKey(place), OpenKey::new(key(&token, number), true).unwrap());
        admit(2, 1).unwrap();
        admit(2, 1).unwrap();
        assert!(admit(2, 2).is_err() && admit(0, 1).is_err() && admit(MOST_PLACES, 2).is_err());
        assert!(keys.of(TokenKey(1)).is_err(), "vacant");
        assert_eq!(keys.of(TokenKey(2)).unwrap().wanted.name, "key 1");
        admit(1, 2).unwrap();
        keys.stop(|key| key.name == "key 1");
        assert!(keys.of(TokenKey(2)).unwrap().is_stopped());
        assert_eq!(keys.live().into_iter().map(|(key, _)| key).collect::<Vec<_>>(), [TokenKey(0), TokenKey(1)]);
    }
}
