//! Chance: one ChaCha8 stream a sample.

use jiff::ToSpan;
use jiff::civil::Date;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The draws of one sample.
///
/// Only `next_u32` is asked of `rand`: its ranges and distributions may change from version to version, a cipher's output not.
#[derive(Debug)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The generator of all samples of one seed; it is cloned for each, never drawn from.
    pub(super) fn source(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    /// The dice of sample `number`: a stream of its own, far from every other.
    pub(super) fn of(source: &ChaCha8Rng, number: u64) -> Self {
        let mut stream = source.clone();
        stream.set_stream(number);
        Self(stream)
    }

    /// 0 to `n` - 1, evenly to within `n` / 2^32; 0 where `n` is 0.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        let scaled = (u64::from(self.0.next_u32()) * u64::from(n)) >> 32;
        u32::try_from(scaled).expect("a product below 2^64 shifted by 32")
    }

    /// True `percent` times in a hundred.
    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of `items`, each as likely as the next. There must be one.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        let n = u32::try_from(items.len()).expect("the tables are short");
        items[self.below(n) as usize]
    }

    /// One of `items` by weight. The weights must not all be zero.
    pub(super) fn weighed<T: Copy>(&mut self, items: &[(u32, T)]) -> T {
        let mut ticket = self.below(items.iter().map(|(weight, _)| weight).sum());
        let winner = items.iter().find(|(weight, _)| {
            let won = ticket < *weight;
            ticket = ticket.saturating_sub(*weight);
            won
        });
        let (_, item) = winner.expect("the ticket is below the sum of the weights");
        *item
    }

    /// A day from `last` - `days` to `last`, both among them, but none before `first` unless `last` is.
    pub(super) fn day(&mut self, first: Date, days: u32, last: Date) -> Date {
        let since_first = last.duration_since(first).as_hours() / 24;
        let days = u32::try_from(since_first).map_or(0, |since| since.min(days));
        back(last, self.below(days + 1))
    }
}

/// `days` before `date`.
pub(super) fn back(date: Date, days: u32) -> Date {
    date.saturating_sub(i64::from(days).days())
}
