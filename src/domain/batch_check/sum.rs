//! Sums of points, many side by side.

use super::field::FieldElement;
use super::table::Point;

/// Additions between two pauses.
const BLOCK: usize = 256;

/// Adds up the rows of a table until two are left, which may be equal in x.
///
/// Nothing where an addition before that is of two points with one x.
pub(super) fn sum_columns<'p>(points: &'p mut [Point], columns: usize, pause: &impl Fn()) -> Option<(&'p [Point], &'p [Point])> {
    let mut rows = points.len().checked_div(columns)?;
    while rows > 2 {
        // Of an odd number of rows the one in the middle waits for the next step.
        let kept = rows.div_ceil(2);
        let (ones, others) = points.split_at_mut(kept * columns);
        let others = &others[..(rows - kept) * columns];
        add_each(&mut ones[..others.len()], others, pause)?;
        rows = kept;
    }
    points.get(..2 * columns).map(|last| last.split_at(columns))
}

/// Adds a point to each of others, with one inversion for all.
///
/// Two products are kept, of the upper and of the lower half: the processor works at both at once.
///
/// Nothing where two are equal in x: the sum is then a double, or the point at infinity.
pub(super) fn add_each(sums: &mut [Point], addends: &[Point], pause: &impl Fn()) -> Option<()> {
    let half = sums.len() / 2;
    let (low, high) = sums.split_at_mut(half);
    let (low_addends, high_addends) = addends.split_at(half);
    // Of an odd number, the last is by itself.
    let (high, odd) = high.split_at_mut(half);
    let (high_addends, odd_addends) = high_addends.split_at(half);

    let mut before = Vec::with_capacity(half);
    let mut product = (FieldElement::ONE, FieldElement::ONE);
    let pairs = low.iter().zip(low_addends).zip(high.iter().zip(high_addends));
    for (index, ((low, low_addend), (high, high_addend))) in pairs.enumerate() {
        if index % BLOCK == 0 {
            pause();
        }
        before.push(product);
        product = (product.0 * (low_addend.x - low.x), product.1 * (high_addend.x - high.x));
    }
    let own = odd.iter().zip(odd_addends).fold(FieldElement::ONE, |own, (sum, addend)| own * (addend.x - sum.x));
    let both = product.0 * product.1;
    let inverse = (both * own).invert()?;

    odd.iter_mut().zip(odd_addends).for_each(|(sum, addend)| *sum = added(sum, addend, inverse * both));
    let inverse = inverse * own;
    let mut inverse = (inverse * product.1, inverse * product.0);
    let pairs = low.iter_mut().zip(low_addends).zip(high.iter_mut().zip(high_addends)).zip(before);
    for (index, (((low, low_addend), (high, high_addend)), before)) in pairs.enumerate().rev() {
        if index % BLOCK == 0 {
            pause();
        }
        let own = (inverse.0 * before.0, inverse.1 * before.1);
        inverse = (inverse.0 * (low_addend.x - low.x), inverse.1 * (high_addend.x - high.x));
        *low = added(low, low_addend, own.0);
        *high = added(high, high_addend, own.1);
    }
    Some(())
}

/// The sum of two points, with the inverse of the difference of their x.
#[inline]
fn added(sum: &Point, addend: &Point, inverse: FieldElement) -> Point {
    let slope = (addend.y - sum.y) * inverse;
    let x = slope.square() - sum.x - addend.x;
    Point { x, y: slope * (sum.x - x) - sum.y }
}
