//! The sessions that are open, of which those from before an absence of the token are lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki_sys::{CK_SESSION_HANDLE, CK_SLOT_ID};

const SHARDS: usize = 64;

/// Sessions by their handle, and how often the token went away.
#[derive(Debug)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<CK_SESSION_HANDLE, Session>>,
    /// How often the token went away; a session of an earlier epoch is lost.
    epoch: AtomicU64,
    /// How many calls are in the real module, by their session's handle.
    inside: [Shard; SHARDS],
}

/// Where and when a session was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    slot: CK_SLOT_ID,
    epoch: u64,
}

/// A cache line of its own, so that threads with sessions of their own do not wait for one another.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Shard(AtomicU32);

/// A call in the real module, as long as this lives.
#[derive(Debug)]
pub(crate) struct Inside<'a>(&'a AtomicU32);

impl Sessions {
    pub(crate) fn new() -> Self {
        Self { open: Mutex::new(HashMap::new()), epoch: AtomicU64::new(0), inside: std::array::from_fn(|_| Shard::default()) }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(SeqCst)
    }

    /// The token went away, and all sessions with it.
    pub(crate) fn lose_all(&self) {
        self.epoch.fetch_add(1, SeqCst);
    }

    /// Enters the real module. Whether the session is lost is asked after that, so that [`Self::take_lost_idle`] sees one.
    pub(crate) fn enter(&self, session: CK_SESSION_HANDLE) -> Inside<'_> {
        let inside = &self.inside[session as usize % SHARDS].0;
        inside.fetch_add(1, SeqCst);
        Inside(inside)
    }

    /// Whether the session went with the token. Once it has gone away, handles that are not known are lost ones too.
    pub(crate) fn is_lost(&self, session: CK_SESSION_HANDLE) -> bool {
        let epoch = self.epoch();
        epoch != 0 && self.lock().get(&session).is_none_or(|known| known.epoch < epoch)
    }

    pub(crate) fn opened(&self, session: CK_SESSION_HANDLE, slot: CK_SLOT_ID, epoch: u64) {
        self.lock().insert(session, Session { slot, epoch });
    }

    /// Forgets a session, if it is known: before it is closed, since its handle may be given again at once.
    pub(crate) fn forget(&self, session: CK_SESSION_HANDLE) -> Option<Session> {
        self.lock().remove(&session)
    }

    /// It could not be closed after all.
    pub(crate) fn restore(&self, session: CK_SESSION_HANDLE, known: Session) {
        self.lock().insert(session, known);
    }

    pub(crate) fn all_closed(&self, slot: CK_SLOT_ID) {
        self.lock().retain(|_, session| session.slot != slot);
    }

    pub(crate) fn finalized(&self) {
        self.lock().clear();
    }

    /// How many the application has, without those that are lost.
    pub(crate) fn count(&self) -> usize {
        let epoch = self.epoch();
        self.lock().values().filter(|session| session.epoch == epoch).count()
    }

    /// Forgets the lost sessions that no call is in, and returns them, so that they are closed in the real module.
    pub(crate) fn take_lost_idle(&self) -> Vec<CK_SESSION_HANDLE> {
        let epoch = self.epoch();
        let idle = |handle: CK_SESSION_HANDLE| self.inside[handle as usize % SHARDS].0.load(SeqCst) == 0;
        let mut open = self.lock();
        let lost: Vec<_> =
            open.iter().filter(|(handle, session)| session.epoch < epoch && idle(**handle)).map(|(handle, _)| *handle).collect();
        open.retain(|handle, _| !lost.contains(handle));
        lost
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CK_SESSION_HANDLE, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_counted_by_slot() {
        let sessions = Sessions::new();
        for (handle, slot) in [(1, 7), (2, 7), (3, 8)] {
            sessions.opened(handle, slot, 0);
        }
        assert!(sessions.forget(1).is_some() && sessions.forget(1).is_none());
        assert_eq!(sessions.count(), 2);
        sessions.all_closed(7);
        assert_eq!(sessions.count(), 1);
        sessions.finalized();
        assert_eq!(sessions.count(), 0);
    }

    #[test]
    fn sessions_from_before_an_absence_are_lost() {
        let sessions = Sessions::new();
        sessions.opened(1, 7, 0);
        assert!(!sessions.is_lost(1) && !sessions.is_lost(99));
        sessions.lose_all();
        sessions.opened(2, 7, sessions.epoch());
        assert!(sessions.is_lost(1) && !sessions.is_lost(2) && sessions.is_lost(99));
        assert_eq!(sessions.count(), 1);
    }

    #[test]
    fn a_lost_session_is_closed_when_no_call_is_in_it() {
        let sessions = Sessions::new();
        sessions.opened(1, 7, 0);
        sessions.opened(2, 7, 0);
        let call = sessions.enter(1);
        sessions.lose_all();
        assert_eq!(sessions.take_lost_idle(), [2]);
        drop(call);
        assert_eq!(sessions.take_lost_idle(), [1]);
        assert!(sessions.take_lost_idle().is_empty());
    }
}
