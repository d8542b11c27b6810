//! The odd cases, made: numbers at the ends of their ranges, sums that meet a point twice, keys that are G, an x beyond n.

use p256::elliptic_curve::PrimeField;
use p256::elliptic_curve::bigint::ArrayEncoding;
use p256::elliptic_curve::group::Group;
use p256::elliptic_curve::ops::Reduce;
use p256::elliptic_curve::point::{AffineCoordinates, DecompressPoint};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::elliptic_curve::subtle::Choice;
use p256::{FieldBytes, Scalar, U256};

use super::*;

const N: U256 = U256::from_be_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
const P: U256 = U256::from_be_hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
const G: ProjectivePoint = ProjectivePoint::GENERATOR;

fn check(key: ProjectivePoint) -> BatchCheck {
    let point = key.to_affine().to_encoded_point(false).as_bytes().try_into().unwrap();
    // Of G and its like nothing can be proven.
    BatchCheck::unproven(&PublicKey::P256 { point }).unwrap().0
}

fn bytes(number: U256) -> [u8; 32] {
    number.to_be_byte_array().into()
}

fn signed(z: [u8; 32], r: [u8; 32], s: [u8; 32]) -> Signed {
    (Digest::from_bytes(z), [r, s].concat())
}

/// A signature of a key whose u1 and u2 are chosen.
fn with(key: ProjectivePoint, u1: Scalar, u2: Scalar) -> Signed {
    let x = (G * u1 + key * u2).to_affine().x();
    let r = <Scalar as Reduce<U256>>::reduce_bytes(&x);
    let s = r * u2.invert().unwrap();
    signed((u1 * s).to_repr().into(), r.to_repr().into(), s.to_repr().into())
}

/// Judged among copies of itself, and among others.
fn agrees(check: &BatchCheck, one: &Signed, others: &[Signed]) -> (usize, usize) {
    let among = [others, std::slice::from_ref(one)].concat();
    agree(check, &among);
    let (good, proven) = agree(check, &vec![one.clone(); BatchCheck::MIN_ITEMS]);
    (good / BatchCheck::MIN_ITEMS, proven / BatchCheck::MIN_ITEMS)
}

#[test]
fn numbers_at_the_ends_of_their_ranges() {
    let desk = Desk::new();
    let one = U256::ONE;
    let half = N.shr_vartime(1);
    let ends = [
        U256::ZERO,
        one,
        half,
        half.wrapping_add(&one),
        N.wrapping_sub(&one),
        N,
        N.wrapping_add(&one),
        P.wrapping_sub(&N),
        P,
        U256::MAX,
    ];
    let mut all = Vec::new();
    for z in ends {
        for r in ends {
            all.extend(ends.map(|s| signed(bytes(z), bytes(r), bytes(s))));
        }
    }
    agree(&desk.check, &all);
    let good = desk.batch(&mut ChaCha8Rng::seed_from_u64(1), 31);
    for end in ends {
        for (place, half) in [(0, 0), (1, 32), (2, 64)] {
            let mut changed = good.clone();
            match place {
                2 => changed[7].0 = Digest::from_bytes(bytes(end)),
                _ => changed[7].1[half..half + 32].copy_from_slice(&bytes(end)),
            }
            assert_eq!(agree(&desk.check, &changed), (30, 30), "the neighbours of one");
        }
    }
}

#[test]
fn an_s_and_its_negative_are_both_good() {
    let desk = Desk::new();
    let mut batch = desk.batch(&mut ChaCha8Rng::seed_from_u64(1), 32);
    for (_, signature) in &mut batch {
        let s = -Scalar::from_repr(*FieldBytes::from_slice(&signature[32..])).unwrap();
        signature[32..].copy_from_slice(&s.to_repr());
    }
    assert_eq!(agree(&desk.check, &batch), (32, 32));
}

#[test]
fn signatures_of_the_wrong_length_are_refused() {
    let desk = Desk::new();
    let good = desk.sign(b"a message");
    let lengths = (0..=130).filter(|length| *length != 64);
    let batch: Vec<Signed> = lengths.map(|length| (good.0, good.1.iter().copied().cycle().take(length).collect())).collect();
    assert_eq!(agree(&desk.check, &batch), (0, 0));
}

#[test]
fn sums_that_meet_a_point_twice_or_its_negative() {
    let (one, two) = (Scalar::ONE, Scalar::from(2_u64));
    let big = Scalar::from(0xfedc_ba98_7654_3210_u64).square();
    for factor in [one, -one, two, -two, Scalar::from(3_u64), two.invert().unwrap(), big] {
        let key = G * factor;
        let check = check(key);
        let others = [with(key, big, big + one), with(key, big, big.square())];
        let mut good = 0;
        for u2 in [one, -one, two, -two, big, -big, Scalar::from(512_u64)] {
            let same = u2 * factor;
            for u1 in [same, -same, one, -one, two, same + one, Scalar::ZERO, same.double()] {
                // Where u1·G is the negative of u2·Q there is no R, and no r that would be right: x is then any.
                let made = if bool::from((G * u1 + key * u2).is_identity()) {
                    signed([7; 32], [7; 32], [7; 32])
                } else {
                    with(key, u1, u2)
                };
                good += agrees(&check, &made, &others).0;
            }
        }
        assert!(good > 40, "{good}");
    }
}

#[test]
fn an_r_that_stands_for_r_plus_n_is_good() {
    let mut found = 0;
    for r in 1_u64..200 {
        let x = N.wrapping_add(&U256::from(r));
        let Some(point) = Option::<AffinePoint>::from(AffinePoint::decompress(&bytes(x).into(), Choice::from(0))) else {
            continue;
        };
        let (u1, u2) = (Scalar::from(0x1234_5678_u64 + r), Scalar::from(0x9abc_def0_u64).square());
        let key = (ProjectivePoint::from(point) - G * u1) * u2.invert().unwrap();
        let r = Scalar::from(r);
        let s = r * u2.invert().unwrap();
        let made = signed((u1 * s).to_repr().into(), r.to_repr().into(), s.to_repr().into());
        assert_eq!(agrees(&check(key), &made, &[]), (1, 0), "good, and left to aws-lc-rs");
        found += 1;
        if found == 3 {
            return;
        }
    }
    panic!("half of all x are on the curve");
}

#[test]
fn a_digest_of_zero_is_judged() {
    let key = G * Scalar::from(77_u64);
    let check = check(key);
    let made = with(key, Scalar::ZERO, Scalar::from(5_u64));
    assert_eq!(made.0, Digest::from_bytes([0; 32]));
    assert_eq!(agrees(&check, &made, &[]), (1, 0), "good, and left to aws-lc-rs");
    let of_n = (Digest::from_bytes(bytes(N)), made.1);
    assert_eq!(agrees(&check, &of_n, &[]), (1, 0), "n is zero");
}
