//! How many streams a caller has open. Each holds a chunk until its caller has room in the lane.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::CallerId;

/// Enough for every thread of a large backend, and little enough for their chunks to have room in memory.
pub(super) const STREAMS_A_CALLER: usize = 64;

/// The streams of every caller that has one.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<CallerId, usize>>>);

/// A stream, as long as this lives.
#[derive(Debug)]
pub(crate) struct OpenStream {
    streams: Streams,
    caller: CallerId,
}

impl Streams {
    /// One more; nothing where the caller has as many as it may have.
    pub(super) fn open(&self, caller: &CallerId) -> Option<OpenStream> {
        let mut streams = self.lock();
        let open = streams.entry(caller.clone()).or_default();
        if *open >= STREAMS_A_CALLER {
            return None;
        }
        *open += 1;
        Some(OpenStream { streams: self.clone(), caller: caller.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallerId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut streams = self.streams.lock();
        if let Some(open) = streams.get_mut(&self.caller) {
            *open -= 1;
            if *open == 0 {
                streams.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_so_many_streams_and_another_as_many() {
        let (streams, [a, b]) = (Streams::default(), ["a", "b"].map(CallerId::new));
        let mut open: Vec<OpenStream> = (0..STREAMS_A_CALLER).map(|_| streams.open(&a).unwrap()).collect();
        assert!(streams.open(&a).is_none() && streams.open(&b).is_some());
        open.pop();
        assert!(streams.open(&a).is_some());
        drop(open);
        assert!(streams.lock().is_empty());
    }
}
