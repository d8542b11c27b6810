//! The check of many ES256 signatures of one key at once: 8 µs each, of the 42 that one costs alone.
//!
//! A signature (r, s) over z is good where R = (z/s)·G + (r/s)·Q has r for its x, mod n. What an issuer checks is all under
//! the same Q, so that the multiples of Q, and of G, stand in a `table`: R is then a sum of 58 points without a doubling.
//! Sums of many signatures go on side by side, in affine coordinates: an addition needs an inversion, and all of a step share
//! one (`sum`). The last addition needs none, for x is compared, not computed.
//!
//! **It only ever says yes.** Yes is a proof: each addition was one of two points with different x, and the last point's x is
//! r. Whatever is otherwise (a bad signature, a sum that meets a point twice or its negative, an r that stands for r + n, a
//! digest of zero) is judged by aws-lc-rs ([`SignatureCheck`]), so that a mistake here towards no costs time alone.
//! Each key's check is shown signatures of that key (`proof`), good and bad, before it is used. (A key that is G or a small
//! multiple of it fails: its sums meet a point twice too often. Nobody has such a key.)
//!
//! Everything here is public data, and takes as long as it takes: none of it is for secrets.
//!
//! Scalars and the tables' bases are p256's; the coordinates are added up in a `field` of our own, with which a batch takes a
//! fifth less time.

mod equation;
mod field;
#[cfg(feature = "fuzzing")]
pub mod held;
mod inversion;
mod proof;
mod sum;
mod table;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use p256::elliptic_curve::sec1::FromEncodedPoint;
use p256::{AffinePoint, EncodedPoint, ProjectivePoint};

use self::equation::Equation;
use self::table::Table;
use super::{Digest, InvalidKey, PublicKey, SignatureCheck};

/// The multiples of the curve's base point, which all keys share.
static BASE: LazyLock<Option<Table>> = LazyLock::new(|| Table::new(ProjectivePoint::GENERATOR));

/// Checks signatures of one P-256 key, many at once. Takes some milliseconds and 464 KiB to make.
#[derive(Debug)]
pub struct BatchCheck {
    each: SignatureCheck,
    base: &'static Table,
    key: Table,
}

impl BatchCheck {
    /// Fewer than so many are checked one by one: they would share too little.
    pub const MIN_ITEMS: usize = 8;

    /// From so many on, more at once save less than a twentieth.
    pub const ENOUGH_ITEMS: usize = 64;

    /// Makes a key's tables, and proves them.
    ///
    /// # Errors
    /// [`NoBatchCheck`] says why the key's signatures are to be checked one by one.
    pub fn new(key: &PublicKey) -> Result<Self, NoBatchCheck> {
        let (check, point) = Self::unproven(key)?;
        if proof::holds(&check, point) { Ok(check) } else { Err(NoBatchCheck::Unproven) }
    }

    fn unproven(key: &PublicKey) -> Result<(Self, ProjectivePoint), NoBatchCheck> {
        let PublicKey::P256 { point } = key else { return Err(NoBatchCheck::OtherAlgorithm) };
        let each = SignatureCheck::new(key)?;
        let encoded = EncodedPoint::from_bytes(point).map_err(|_| InvalidKey)?;
        let point = Option::<AffinePoint>::from(AffinePoint::from_encoded_point(&encoded)).ok_or(InvalidKey)?.into();
        let base = BASE.as_ref().ok_or(NoBatchCheck::Unproven)?;
        Ok((Self { each, base, key: Table::new(point).ok_or(NoBatchCheck::Unproven)? }, point))
    }

    /// Which of them are signatures r‖s of the key over their digests, in order: what [`SignatureCheck::accepts`] says of each.
    ///
    /// `pause` is called every 50 µs or so, for a thread that gives way to others.
    #[must_use]
    pub fn accepts_each(&self, signed: &[(&Digest, &[u8])], pause: impl Fn()) -> Vec<bool> {
        let mut verdicts = vec![false; signed.len()];
        if signed.len() >= Self::MIN_ITEMS {
            self.confirm(signed, &mut verdicts, &pause);
        }
        for (verdict, (digest, signature)) in verdicts.iter_mut().zip(signed) {
            if !*verdict {
                pause();
                *verdict = self.each.accepts(digest, signature);
            }
        }
        verdicts
    }

    /// Says yes to those that are proven good. Of the others nothing is known.
    fn confirm(&self, signed: &[(&Digest, &[u8])], verdicts: &mut [bool], pause: &impl Fn()) {
        let (places, equations): (Vec<usize>, Vec<Equation>) = signed
            .iter()
            .enumerate()
            .filter_map(|(place, (digest, signature))| Some((place, Equation::read(digest, signature)?)))
            .unzip();
        let proven = equation::hold(&equations, self.base, &self.key, pause).unwrap_or_default();
        for (place, is_proven) in places.into_iter().zip(proven) {
            verdicts[place] = is_proven;
        }
    }
}

/// Why a key's signatures are checked one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBatchCheck {
    /// It is no key on P-256.
    #[error("only ES256 has a check of many signatures at once")]
    OtherAlgorithm,
    /// It is no key.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
    /// What was shown to it, it judged otherwise than aws-lc-rs.
    #[error("the check of many signatures at once failed its own test; this machine or this build computes wrongly")]
    Unproven,
}
