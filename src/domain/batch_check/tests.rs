//! Held to aws-lc-rs, which is right.

mod classes;
mod wycheproof;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

type Signed = (Digest, Vec<u8>);

/// A key pair, and the check of its signatures.
struct Desk {
    pair: EcdsaKeyPair,
    check: BatchCheck,
}

impl Desk {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref().try_into().unwrap();
        Self { pair, check: BatchCheck::new(&PublicKey::P256 { point }).unwrap() }
    }

    fn sign(&self, message: &[u8]) -> Signed {
        let signature = self.pair.sign(&SystemRandom::new(), message).unwrap();
        (Digest::of(message), signature.as_ref().to_vec())
    }

    fn point(&self) -> ProjectivePoint {
        let encoded = EncodedPoint::from_bytes(self.pair.public_key()).unwrap();
        AffinePoint::from_encoded_point(&encoded).unwrap().into()
    }

    fn batch(&self, rng: &mut ChaCha8Rng, count: usize) -> Vec<Signed> {
        (0..count).map(|_| self.sign(&rng.random::<[u8; 8]>())).collect()
    }
}

fn borrowed(signed: &[Signed]) -> Vec<(&Digest, &[u8])> {
    signed.iter().map(|(digest, signature)| (digest, &signature[..])).collect()
}

/// Demands of a batch that what is proven is good, and what is said is what aws-lc-rs says. Gives how many were good, and how
/// many of them were proven.
fn agree(check: &BatchCheck, signed: &[Signed]) -> (usize, usize) {
    let signed = borrowed(signed);
    let expected: Vec<bool> = signed.iter().map(|(digest, signature)| check.each.accepts(digest, signature)).collect();
    let mut proven = vec![false; signed.len()];
    check.confirm(&signed, &mut proven, &|| {});
    for ((proven, expected), (digest, signature)) in proven.iter().zip(&expected).zip(&signed) {
        assert!(*expected || !proven, "{digest:?} {}", hex::encode(signature));
    }
    assert_eq!(check.accepts_each(&signed, || {}), expected);
    let count = |verdicts: &[bool]| verdicts.iter().filter(|good| **good).count();
    (count(&expected), count(&proven))
}

/// Changes a signature or its digest in a way that is mostly bad.
fn mutate(rng: &mut ChaCha8Rng, (digest, signature): &mut Signed, other: &Signed) {
    let bit = 1 << rng.random_range(0..8);
    match rng.random_range(0..8) {
        0 => signature[rng.random_range(0..64)] ^= bit,
        1 => {
            let mut bytes = *digest.as_bytes();
            bytes[rng.random_range(0..32)] ^= bit;
            *digest = Digest::from_bytes(bytes);
        }
        2 => signature.rotate_left(32),
        3 => signature[..32].copy_from_slice(&other.1[..32]),
        4 => signature[32..].copy_from_slice(&other.1[32..]),
        5 => *digest = other.0,
        6 => signature[rng.random_range(0..2) * 32..][..32].fill([0, 0xff][rng.random_range(0..2)]),
        _ => signature.truncate(rng.random_range(0..64)),
    }
}

/// Checks so many signatures in batches of every size, a part of them changed.
fn agree_on(count: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut desk, mut done, mut proven) = (Desk::new(), 0, (0, 0));
    for turn in 1_usize.. {
        if turn.is_multiple_of(1000) {
            desk = Desk::new();
        }
        let size = rng.random_range(1..=160);
        let mut batch = desk.batch(&mut rng, size);
        let other = desk.sign(b"another");
        let share = [0.0, 0.02, 0.3, 1.0][turn % 4];
        batch.iter_mut().for_each(|signed| {
            if rng.random_bool(share) {
                mutate(&mut rng, signed, &other)
            }
        });
        let (good, certain) = agree(&desk.check, &batch);
        proven = (proven.0 + good, proven.1 + certain);
        done += size;
        if done >= count {
            break;
        }
    }
    // Else it would be right, and of no use.
    assert_eq!(proven.0, proven.1, "good ones, and those that were proven so");
    println!("{done} signatures: {} good, all of them proven", proven.0);
}

#[test]
fn a_batch_gets_the_verdicts_that_each_would_get() {
    agree_on(3_000);
}

#[test]
#[ignore = "minutes: cargo test --release --lib millions -- --ignored --nocapture"]
fn a_batch_gets_the_verdicts_that_each_would_get_on_millions() {
    agree_on(2_000_000);
}

#[test]
fn few_are_checked_one_by_one() {
    let desk = Desk::new();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    assert!(desk.check.accepts_each(&[], || {}).is_empty());
    for size in 1..=BatchCheck::MIN_ITEMS {
        agree(&desk.check, &desk.batch(&mut rng, size));
    }
}

#[test]
fn another_keys_signatures_are_refused() {
    let (desk, other) = (Desk::new(), Desk::new());
    let signed = other.batch(&mut ChaCha8Rng::seed_from_u64(1), 40);
    assert_eq!(agree(&desk.check, &signed), (0, 0));
}

#[test]
fn a_check_with_a_wrong_table_is_not_used() {
    let (desk, other) = (Desk::new(), Desk::new());
    let (own, its) = (desk.point(), other.point());
    assert!(proof::holds(&desk.check, own));
    let crossed = BatchCheck { key: Table::new(its).unwrap(), ..desk.check };
    assert!(!proof::holds(&crossed, own), "good signatures are not proven");
    assert!(!proof::holds(&crossed, its), "and what it would prove, aws-lc-rs refuses");
}

#[test]
fn a_key_that_is_none_has_no_check() {
    let off_the_curve = PublicKey::P256 { point: [4; 65] };
    assert_eq!(BatchCheck::new(&off_the_curve).unwrap_err(), NoBatchCheck::InvalidKey(InvalidKey));
    let rsa = PublicKey::Rsa { der: vec![], modulus: vec![] };
    assert_eq!(BatchCheck::new(&rsa).unwrap_err(), NoBatchCheck::OtherAlgorithm);
}
