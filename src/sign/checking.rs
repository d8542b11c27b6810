//! How signatures are checked before they leave.

use super::prepare::Prepared;
use crate::domain::{BatchCheck, Signature};

/// How signatures are checked: by which way, the same ones pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checking {
    /// Those of one key together, where there are some: a fifth to a fourth of the work. What that does not prove good is
    /// checked by itself.
    #[default]
    Batch,
    /// Each by itself.
    Each,
    /// Not at all.
    Skipped,
}

/// Fewer than this should not share an inversion, where there are more.
const MIN_TOGETHER: usize = 32;
/// Fewer checked one by one are not worth another thread.
const MIN_ONE_BY_ONE: usize = 8;

impl Checking {
    /// How many of a group's items a thread takes at once: enough to share the work of a check, and no more than leaves some
    /// for the other threads.
    pub(super) fn share(self, items: usize, threads: usize) -> usize {
        match self {
            Self::Batch => {
                let parts = (items / MIN_TOGETHER).min(threads.max(items / BatchCheck::ENOUGH_ITEMS));
                items.div_ceil(parts.max(1)).max(1)
            }
            Self::Each | Self::Skipped => MIN_ONE_BY_ONE,
        }
    }

    /// Whether signatures of one DSC are good, in order; nothing where there is none, or none is checked.
    pub(super) fn verdicts(self, signed: Vec<Option<(&Prepared, &Signature)>>, pause: impl Fn()) -> Vec<Option<bool>> {
        let present: Vec<_> = signed.iter().flatten().map(|(item, signature)| (&item.digest, signature.as_bytes())).collect();
        let Some(key) = signed.iter().flatten().next().map(|(item, _)| &item.binding.key) else {
            return vec![None; signed.len()];
        };
        let mut verdicts = match self {
            Self::Batch => key.accepts_each(&present, pause),
            Self::Each => key.accepts_one_by_one(&present, pause),
            Self::Skipped => Vec::new(),
        }
        .into_iter();
        signed.iter().map(|signed| signed.and_then(|_| verdicts.next())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_its_share_of_a_slice_and_shares_an_inversion() {
        let share = |items, threads| Checking::Batch.share(items, threads);
        assert_eq!((share(128, 1), share(128, 2), share(128, 3), share(128, 64)), (64, 64, 43, 32));
        assert_eq!((share(64, 2), share(63, 2), share(33, 64), share(1, 2), share(0, 2)), (32, 63, 33, 1, 1));
    }
}
