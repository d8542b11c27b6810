//! The multiples of one point, ready to be added up.

use std::fmt;

use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::elliptic_curve::{Group, PrimeField};
use p256::{ProjectivePoint, Scalar};

use super::field::FieldElement;
use super::sum::add_each;

/// A scalar is read in digits of so many bits. One more saves a tenth of the additions and takes twice the memory: two tables
/// should stay in a core's second cache.
const BITS: usize = 9;
/// So many digits are a scalar.
pub(super) const DIGITS: usize = 256_usize.div_ceil(BITS);
/// The multiples that a digit chooses from: 1, 3, 5 … 2^BITS - 1 of its place's power. Negative ones come for free.
const MULTIPLES: usize = 1 << (BITS - 1);

/// A point of the curve in affine coordinates, and not the one at infinity.
#[derive(Clone, Copy)]
pub(super) struct Point {
    pub(super) x: FieldElement,
    pub(super) y: FieldElement,
}

impl Point {
    /// What stands where there will be a point; it is not on the curve.
    pub(super) const NONE: Self = Self { x: FieldElement::ZERO, y: FieldElement::ZERO };

    fn of(point: ProjectivePoint) -> Option<Self> {
        let encoded = point.to_affine().to_encoded_point(false);
        let [x, y] = [encoded.x()?, encoded.y()?].map(|bytes| FieldElement::from_bytes(bytes.as_ref()));
        Some(Self { x: x?, y: y? })
    }
}

/// Every point that a digit can stand for: for each of them, the places' powers side by side.
pub(super) struct Table(Vec<Point>);

impl Table {
    /// Nothing where the point is the one at infinity.
    pub(super) fn new(point: ProjectivePoint) -> Option<Self> {
        let places = || std::iter::successors(Some(point), |base| Some((0..BITS).fold(*base, |base, _| base.double())));
        let mut row: Vec<Point> = places().take(DIGITS).map(Point::of).collect::<Option<_>>()?;
        let steps: Vec<Point> = places().take(DIGITS).map(|base| Point::of(base.double())).collect::<Option<_>>()?;
        let mut points = row.clone();
        for _ in 1..MULTIPLES {
            add_each(&mut row, &steps, &|| {})?;
            points.extend_from_slice(&row);
        }
        Some(Self(points))
    }

    /// The points whose sum is a scalar's multiple, one a digit. The scalar is not zero.
    ///
    /// Every digit is odd, and so none is zero: with N digits of w bits, an odd k is the sum of (2·bᵢ + 1 - 2^w)·2^(w·i),
    /// where bᵢ are the digits of (k + 2^(w·N) - 1)/2. Of an even k the negative is taken, which is odd as n is.
    pub(super) fn terms(&self, scalar: Scalar) -> impl Iterator<Item = Point> {
        let is_odd = bool::from(scalar.is_odd());
        let digits = digits(if is_odd { scalar } else { -scalar });
        digits.into_iter().enumerate().map(move |(place, digit)| {
            let is_positive = digit >= MULTIPLES;
            let multiple = if is_positive { digit - MULTIPLES } else { MULTIPLES - 1 - digit };
            let Point { x, y } = self.0[multiple * DIGITS + place];
            Point { x, y: if is_positive == is_odd { y } else { -y } }
        })
    }
}

/// The digits of (k + 2^(w·N) - 1)/2, the lowest first: for an odd k those of k with a one set above them, without its lowest
/// bit.
fn digits(odd: Scalar) -> [usize; DIGITS] {
    const ABOVE: usize = BITS * DIGITS;
    let mut bytes = [0; ABOVE / 8 + 2];
    bytes.iter_mut().zip(odd.to_repr().into_iter().rev()).for_each(|(byte, own)| *byte = own);
    bytes[ABOVE / 8] |= 1 << (ABOVE % 8);
    std::array::from_fn(|place| {
        let first = place * BITS + 1;
        let [low, high] = [0, 1].map(|offset| u32::from(bytes[first / 8 + offset]));
        let top = u32::from(bytes.get(first / 8 + 2).copied().unwrap_or(0));
        ((low | high << 8 | top << 16) >> (first % 8)) as usize % (1 << BITS)
    })
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} points)", self.0.len())
    }
}
