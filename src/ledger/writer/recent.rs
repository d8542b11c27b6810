//! The newest rows, as they were written: the index behind the writer need not read them back.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ledger::store::Row;

/// How many bytes of records and details wait at most; the oldest go first. Two seconds' work of a machine with two cores.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Rows that are durable, on their way to the one who asks for them.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    is_wanted: bool,
    rows: VecDeque<Row>,
    bytes: usize,
}

impl Recent {
    /// From now on rows wait.
    pub(in crate::ledger) fn is_wanted(&self) {
        self.waiting().is_wanted = true;
    }

    /// Has rows wait that were written.
    pub(super) fn add(&self, rows: Vec<Row>) {
        let mut waiting = self.waiting();
        if !waiting.is_wanted {
            return;
        }
        waiting.bytes += rows.iter().map(Row::bytes).sum::<usize>();
        waiting.rows.extend(rows);
        while waiting.bytes > MOST_BYTES {
            waiting.forget_first();
        }
    }

    /// Takes the rows from a place on, without a gap; none where the first of them does not wait. Those before it are forgotten.
    pub(in crate::ledger) fn take(&self, from: u64) -> Vec<Row> {
        let mut waiting = self.waiting();
        while waiting.rows.front().is_some_and(|row| row.seq < from) {
            waiting.forget_first();
        }
        let count = waiting.rows.iter().zip(from..).take_while(|(row, seq)| row.seq == *seq).count();
        let taken: Vec<Row> = waiting.rows.drain(..count).collect();
        waiting.bytes -= taken.iter().map(Row::bytes).sum::<usize>();
        taken
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn forget_first(&mut self) {
        self.bytes -= self.rows.pop_front().as_ref().map_or(0, Row::bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Octets;

    fn row(seq: u64, length: usize) -> Row {
        Row { seq, link: Octets([0; 32]), digest: Octets([0; 32]), record: Some(Vec::new()), detail: Some(vec![0; length]) }
    }

    fn places(rows: Vec<Row>) -> Vec<u64> {
        rows.into_iter().map(|row| row.seq).collect()
    }

    #[test]
    fn rows_are_taken_once_in_order_and_up_to_a_gap() {
        let recent = Recent::default();
        recent.add(vec![row(1, 1)]);
        assert!(recent.take(1).is_empty(), "nobody wanted it when it came");
        recent.is_wanted();
        recent.add(vec![row(2, 1), row(3, 1)]);
        recent.add(vec![row(4, 1), row(7, 1), row(8, 1)]);
        assert!(recent.take(1).is_empty(), "the first does not wait");
        assert_eq!(places(recent.take(3)), [3, 4]);
        assert!(recent.take(5).is_empty());
        assert_eq!(places(recent.take(8)), [8]);
        assert_eq!(recent.waiting().bytes, 0);
    }

    #[test]
    fn the_oldest_are_forgotten_where_nobody_comes() {
        let recent = Recent::default();
        recent.is_wanted();
        (1..=9).for_each(|seq| recent.add(vec![row(seq, MOST_BYTES / 4)]));
        assert!(recent.take(5).is_empty());
        assert_eq!(places(recent.take(6)), [6, 7, 8, 9]);
    }
}
