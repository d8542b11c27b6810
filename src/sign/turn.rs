//! Whose turn it is among keys that share the work by weight.

/// The place of a contestant in a draw: the least is first. Of any of the contestants, however few of them fit, each is first in
/// as many draws as its weight says: `-ln(u) / weight`, with `u` even between 0 and 1, is the time to the first event of a
/// process with the weight as its rate, and the rates of those that are left say who is first among them. So one draw serves all
/// items of a slice, whatever keys each of them may have; it keeps nothing but its number.
///
/// # Source
/// Efraimidis and Spirakis, Weighted random sampling with a reservoir (2006).
pub(super) fn place_in(draw: u64, contestant: u64, weight: u16) -> f64 {
    let bits = scrambled(draw ^ scrambled(contestant)) >> 11;
    let even = (bits as f64 + 0.5) / (1_u64 << 53) as f64;
    -even.ln() / f64::from(weight)
}

/// Every bit of the result depends on every bit of the number.
///
/// # Source
/// Steele, Lea and Flood, Fast splittable pseudorandom number generators (2014): the finaliser of SplitMix64.
const fn scrambled(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u64 = 20_000;

    /// How often each of some contestants is first.
    fn firsts(contestants: &[(u64, u16)]) -> Vec<u64> {
        let mut firsts = vec![0; contestants.len()];
        for draw in 0..DRAWS {
            let place = |index: &usize| place_in(draw, contestants[*index].0, contestants[*index].1);
            let first = (0..contestants.len()).min_by(|a, b| place(a).total_cmp(&place(b))).unwrap();
            firsts[first] += 1;
        }
        firsts
    }

    fn assert_shares(contestants: &[(u64, u16)]) {
        let all: u16 = contestants.iter().map(|(_, weight)| weight).sum();
        for ((_, weight), count) in contestants.iter().zip(firsts(contestants)) {
            let (share, wanted) = (count as f64 / DRAWS as f64, f64::from(*weight) / f64::from(all));
            assert!((share - wanted).abs() < 0.02, "{contestants:?}: {share} for {wanted}");
        }
    }

    #[test]
    fn each_is_first_as_often_as_its_weight_says() {
        assert_shares(&[(1, 1), (2, 1)]);
        assert_shares(&[(1, 1), (2, 3)]);
        assert_shares(&[(7, 1000), (8, 1), (9, 500)]);
    }

    #[test]
    fn so_it_is_among_those_that_are_left_when_others_do_not_fit() {
        assert_shares(&[(0x0102_0304, 1), (0x0102_0305, 2), (u64::MAX, 4)]);
        assert_shares(&[(0x0102_0304, 1), (u64::MAX, 4)]);
    }
}
