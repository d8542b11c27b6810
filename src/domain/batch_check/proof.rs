//! What a key's check has to show before it is used.

use p256::elliptic_curve::PrimeField;
use p256::elliptic_curve::ops::Reduce;
use p256::elliptic_curve::point::AffineCoordinates;
use p256::{FieldBytes, ProjectivePoint, Scalar, U256};

use super::BatchCheck;
use crate::domain::Digest;

/// So many good signatures, and as many bad ones, in one batch.
const SHOWN: u8 = 8;

/// Whether a check says yes to signatures of its own key, as aws-lc-rs does, and not to others.
///
/// Nobody needs the private key for signatures over digests that nothing is known of: with any a and b, and r the x of
/// R = a·G + b·Q, r‖(r/b) is a signature over a·r/b. R is computed here without the tables.
pub(super) fn holds(check: &BatchCheck, key: ProjectivePoint) -> bool {
    let Some(good) = (0..SHOWN).map(|number| made(number, key)).collect::<Option<Vec<_>>>() else { return false };
    let bad = (0..SHOWN).zip(&good).map(|(number, made)| spoilt(number, *made));
    let all: Vec<Made> = good.iter().copied().chain(bad).collect();
    let signed: Vec<(&Digest, &[u8])> = all.iter().map(|(digest, signature)| (digest, &signature[..])).collect();
    let expected: Vec<bool> = signed.iter().map(|(digest, signature)| check.each.accepts(digest, signature)).collect();
    let mut verdicts = vec![false; signed.len()];
    check.confirm(&signed, &mut verdicts, &|| {});
    let (yes, no) = expected.split_at(good.len());
    yes.iter().all(|yes| *yes) && no.iter().all(|no| !no) && verdicts == expected
}

type Made = (Digest, [u8; 64]);

fn made(number: u8, key: ProjectivePoint) -> Option<Made> {
    let [a, b] = [0, 1].map(|which| reduced(Digest::of(&[number, which]).as_bytes()));
    let r = reduced(&(ProjectivePoint::GENERATOR * a + key * b).to_affine().x());
    let s = r * Option::<Scalar>::from(b.invert())?;
    let mut signature = [0; 64];
    let (left, right) = signature.split_at_mut(32);
    left.copy_from_slice(&r.to_repr());
    right.copy_from_slice(&s.to_repr());
    Some((Digest::from_bytes((a * s).to_repr().into()), signature))
}

/// The same with one bit changed: of r, of s, or of the digest.
fn spoilt(number: u8, (digest, mut signature): Made) -> Made {
    let mut digest = *digest.as_bytes();
    let (place, bit) = (usize::from(number) * 4 + 3, 1 << (number % 8));
    match number % 3 {
        0 => signature[place] ^= bit,
        1 => signature[32 + place] ^= bit,
        _ => digest[place] ^= bit,
    }
    (Digest::from_bytes(digest), signature)
}

fn reduced(bytes: &[u8]) -> Scalar {
    <Scalar as Reduce<U256>>::reduce_bytes(FieldBytes::from_slice(bytes))
}
