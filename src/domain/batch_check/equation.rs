//! What a signature claims, and the proof of many such claims.

use p256::elliptic_curve::ops::Reduce;
use p256::elliptic_curve::{Field, PrimeField};
use p256::{FieldBytes, Scalar, U256};

use super::field::FieldElement;
use super::inversion::invert_all;
use super::sum::sum_columns;
use super::table::{DIGITS, Point, Table};
use crate::domain::Digest;

/// The numbers of a signature, each within its range, none of them zero.
pub(super) struct Equation {
    z: Scalar,
    r: Scalar,
    s: Scalar,
    /// The x that is claimed: r, and not r + n, which one in 2^32 would have.
    x: FieldElement,
}

impl Equation {
    /// Nothing where r or s is out of range, which is a bad signature, or z is zero mod n, which no table has.
    pub(super) fn read(digest: &Digest, signature: &[u8]) -> Option<Self> {
        let (r, s) = signature.split_first_chunk::<32>()?;
        let s: &[u8; 32] = s.try_into().ok()?;
        let z = <Scalar as Reduce<U256>>::reduce_bytes(FieldBytes::from_slice(digest.as_bytes()));
        let x = FieldElement::from_bytes(r)?;
        Some(Self { z: not_zero(Some(z))?, r: scalar(*r)?, s: scalar(*s)?, x })
    }
}

fn scalar(bytes: [u8; 32]) -> Option<Scalar> {
    not_zero(Option::from(Scalar::from_repr(bytes.into())))
}

fn not_zero(scalar: Option<Scalar>) -> Option<Scalar> {
    scalar.filter(|scalar| !bool::from(scalar.is_zero()))
}

/// Which of the equations hold, for sure. Nothing is known where a sum meets the same x twice, whosever it is: then of all.
///
/// # Source
/// FIPS 186-5 section 6.4.2; SEC 1 version 2.0 section 4.1.4.
pub(super) fn hold(equations: &[Equation], base: &Table, key: &Table, pause: &impl Fn()) -> Option<Vec<bool>> {
    let count = equations.len();
    let mut inverses: Vec<Scalar> = equations.iter().map(|equation| equation.s).collect();
    invert_all(&mut inverses)?;
    // A row a digit, a column a signature.
    let mut points = vec![Point::NONE; 2 * DIGITS * count];
    for (column, (equation, inverse)) in equations.iter().zip(&inverses).enumerate() {
        let terms = base.terms(equation.z * inverse).chain(key.terms(equation.r * inverse));
        points[column..].iter_mut().step_by(count).zip(terms).for_each(|(point, term)| *point = term);
    }
    pause();
    let (ones, others) = sum_columns(&mut points, count, pause)?;
    Some(equations.iter().zip(ones.iter().zip(others)).map(|(equation, (one, other))| meets(one, other, equation.x)).collect())
}

/// Whether the sum of two points with different x has a given x: (Δy/Δx)² - x₁ - x₂ = x, without the division.
fn meets(one: &Point, other: &Point, x: FieldElement) -> bool {
    let (run, rise) = (other.x - one.x, other.y - one.y);
    !run.is_zero() && rise.square() == run.square() * (one.x + other.x + x)
}
