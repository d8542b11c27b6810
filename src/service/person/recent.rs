//! JWTs that were verified a moment ago: a burst of calls with one JWT costs one signature check.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Claims;
use super::jwks::Fingerprint;

/// SHA-256 of a JWT.
pub(super) type JwtHash = [u8; 32];

/// Verified JWTs by their hash, in two generations: when the younger is full, it becomes the older, and what was not asked for
/// since goes. So it holds at most twice [`GENERATION`], at the cost of one insertion each.
#[derive(Default)]
pub(super) struct RecentJwts(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<JwtHash, Verified>,
    old: HashMap<JwtHash, Verified>,
}

#[derive(Clone)]
struct Verified {
    claims: Claims,
    /// The keys that it was verified with: with others it has to be verified again.
    keys: Fingerprint,
}

/// About a megabyte.
const GENERATION: usize = 2_048;

impl RecentJwts {
    /// What a JWT says that was verified with the same keys. Its times are to be checked again.
    pub(super) fn find(&self, hash: &JwtHash, keys: &Fingerprint) -> Option<Claims> {
        let mut generations = self.lock();
        if let Some(verified) = generations.young.get(hash) {
            return (verified.keys == *keys).then(|| verified.claims.clone());
        }
        let verified = generations.old.remove(hash).filter(|verified| verified.keys == *keys)?;
        let claims = verified.claims.clone();
        generations.keep(*hash, verified);
        Some(claims)
    }

    pub(super) fn keep(&self, hash: JwtHash, keys: Fingerprint, claims: Claims) {
        self.lock().keep(hash, Verified { claims, keys });
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn keep(&mut self, hash: JwtHash, verified: Verified) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, verified);
    }
}

impl fmt::Debug for RecentJwts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecentJwts(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CertificateTypes, NumericDate};
    use crate::service::person::{JwtTimes, Person, PseudonymMaker};

    fn claims(number: usize) -> Claims {
        let pseudonym = PseudonymMaker::new(&[1; 32]).unwrap().make(&number.to_string());
        let person = Person { pseudonym, professions: vec!["10".to_owned()], types: CertificateTypes::ANY };
        Claims { person, times: JwtTimes { expires_at: NumericDate::from_seconds(1), not_before: None, issued_at: None } }
    }

    fn hash(number: usize) -> JwtHash {
        super::super::jwks::fingerprint(&number.to_be_bytes())
    }

    #[test]
    fn it_holds_the_latest_and_those_that_are_asked_for_and_no_more() {
        let recent = RecentJwts::default();
        for number in 0..10 * GENERATION {
            recent.keep(hash(number), [0; 32], claims(number));
            assert_eq!(recent.find(&hash(0), &[0; 32]), Some(claims(0)));
        }
        assert_eq!(recent.find(&hash(1), &[0; 32]), None);
        let generations = recent.lock();
        assert!(generations.young.len() <= GENERATION && generations.old.len() <= GENERATION);
    }

    #[test]
    fn with_other_keys_a_jwt_is_not_known() {
        let recent = RecentJwts::default();
        recent.keep(hash(1), [1; 32], claims(1));
        assert_eq!(recent.find(&hash(1), &[2; 32]), None);
        assert_eq!(recent.find(&hash(1), &[1; 32]), Some(claims(1)));
        assert_eq!(recent.find(&hash(2), &[1; 32]), None);
    }
}
