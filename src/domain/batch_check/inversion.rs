//! Many inversions for the price of one.

use p256::elliptic_curve::Field;

/// Turns every element into its inverse by one inversion and three multiplications each (Montgomery's trick).
///
/// Nothing where one of them is zero; they are then what they were.
pub(super) fn invert_all<F: Field>(elements: &mut [F]) -> Option<()> {
    let mut before = Vec::with_capacity(elements.len());
    let mut product = F::ONE;
    for element in &*elements {
        before.push(product);
        product *= element;
    }
    let mut inverse = Option::<F>::from(product.invert())?;
    for (element, before) in elements.iter_mut().zip(before).rev() {
        let own = inverse * before;
        inverse *= *element;
        *element = own;
    }
    Some(())
}
