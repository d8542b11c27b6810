//! Many signatures of one key at once, held to the check of one by one.
#![no_main]

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use p256::elliptic_curve::PrimeField;
use p256::elliptic_curve::bigint::ArrayEncoding;
use p256::elliptic_curve::ops::Reduce;
use p256::elliptic_curve::point::AffineCoordinates;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::{FieldBytes, ProjectivePoint, Scalar, U256};
use sceau::domain::batch_check::held::Held;
use sceau::domain::{BatchCheck, Digest, PublicKey};
use sceau_fuzz::seeds;

const G: ProjectivePoint = ProjectivePoint::GENERATOR;

/// More share no more than these.
const MAX_ITEMS: usize = 40;

fuzz_target!(init: seeds::write(seeds()), |bytes: &[u8]| {
    let mut input = Unstructured::new(bytes);
    let Ok(key) = input.choose(&KEYS) else { return };
    let mut signed: Vec<Signed> = Vec::new();
    while signed.len() < MAX_ITEMS && !input.is_empty() {
        let Ok(item) = Item::arbitrary(&mut input) else { break };
        let made = item.make(key.point, &signed);
        signed.push(made);
    }
    // Few are not checked together.
    let signed: Vec<Signed> = signed.iter().cycle().take(signed.len().next_multiple_of(BatchCheck::MIN_ITEMS)).cloned().collect();
    assert!(key.held.agrees(&signed), "{signed:?}");
});

/// A digest, and bytes in a signature's place.
type Signed = ([u8; 32], Vec<u8>);

struct Key {
    point: ProjectivePoint,
    held: Held,
}

/// G itself, what is near it, and a key like any.
static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let like_any = Scalar::from(0x0123_4567_89ab_cdef_u64).square().square();
    let factors = [Scalar::ONE, -Scalar::ONE, Scalar::from(2_u64), Scalar::from(512_u64), like_any];
    let key = |factor| {
        let point = G * factor;
        let public =
            PublicKey::P256 { point: point.to_affine().to_encoded_point(false).as_bytes().try_into().expect("65 bytes") };
        Key { point, held: Held::unproven(&public).expect("a key") }
    };
    factors.map(key).into()
});

/// How a signature is made.
#[derive(Arbitrary, Debug)]
enum Item {
    /// As it comes.
    Raw { digest: [u8; 32], signature: Vec<u8> },
    /// Of three numbers.
    Numbers { z: Number, r: Number, s: Number },
    /// A good one: x of u1·G + u2·Q is r.
    Good { u1: Number, u2: Number },
    /// An earlier one, with a bit changed.
    Changed { which: u8, place: u8, bit: u8 },
    /// The digest of one, and the signature of another.
    Crossed { one: u8, other: u8 },
}

#[derive(Arbitrary, Debug)]
enum Number {
    Any([u8; 32]),
    Small(u16),
    /// A power of two, more or less.
    Power(u8, i8),
    /// From the group's order, more or less.
    NearN(i8),
    NearP(i8),
}

impl Number {
    fn bytes(&self) -> [u8; 32] {
        const N: U256 = U256::from_be_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
        const P: U256 = U256::from_be_hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
        let near = |number: U256, more: i8| {
            let distance = U256::from(more.unsigned_abs());
            if more < 0 { number.wrapping_sub(&distance) } else { number.wrapping_add(&distance) }
        };
        let number = match *self {
            Self::Any(bytes) => return bytes,
            Self::Small(number) => U256::from(number),
            Self::Power(exponent, more) => near(U256::ONE.shl_vartime(exponent.into()), more),
            Self::NearN(more) => near(N, more),
            Self::NearP(more) => near(P, more),
        };
        number.to_be_byte_array().into()
    }

    fn scalar(&self) -> Scalar {
        reduced(&self.bytes())
    }
}

fn reduced(bytes: &[u8]) -> Scalar {
    <Scalar as Reduce<U256>>::reduce_bytes(FieldBytes::from_slice(bytes))
}

impl Item {
    fn make(&self, key: ProjectivePoint, earlier: &[Signed]) -> Signed {
        let from = |which: u8| earlier.get(usize::from(which) % earlier.len().max(1)).cloned();
        let nothing = || ([1; 32], vec![1; 64]);
        match self {
            Self::Raw { digest, signature } => (*digest, signature.clone()),
            Self::Numbers { z, r, s } => (z.bytes(), [r.bytes(), s.bytes()].concat()),
            Self::Good { u1, u2 } => good(key, u1.scalar(), u2.scalar()).unwrap_or_else(nothing),
            Self::Changed { which, place, bit } => {
                let (digest, mut signature) = from(*which).unwrap_or_else(nothing);
                if let Some(byte) = signature.get_mut(usize::from(*place) % 64) {
                    *byte ^= 1 << (bit % 8);
                }
                (digest, signature)
            }
            Self::Crossed { one, other } => (from(*one).unwrap_or_else(nothing).0, from(*other).unwrap_or_else(nothing).1),
        }
    }
}

/// Nothing where u2 is zero.
fn good(key: ProjectivePoint, u1: Scalar, u2: Scalar) -> Option<Signed> {
    let r = reduced(&(G * u1 + key * u2).to_affine().x());
    let s = r * Option::<Scalar>::from(u2.invert())?;
    let digest = (u1 * s).to_repr().into();
    Some((digest, [r.to_repr(), s.to_repr()].concat()))
}

/// Enough of each kind to begin with.
fn seeds() -> Vec<Vec<u8>> {
    (0..64_u8).map(|seed| (0..600_u16).map(|at| Digest::of(&[seed, at as u8, (at >> 8) as u8]).as_bytes()[0]).collect()).collect()
}
