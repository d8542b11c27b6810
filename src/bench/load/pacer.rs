//! What starts the calls of an open loop, each at its time.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::lane::{LaneAtWork, call_at};
use crate::bench::schedule::Schedule;

/// A thread that wakes at the times of a schedule. It waits for no answer, only, where as many calls as may be are in flight, for one
/// of them to end; what starts late for that keeps its intended time.
#[derive(Debug)]
pub(super) struct Pacer {
    stop: Sender<()>,
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Pacer {
    pub(super) fn start(lane: Arc<LaneAtWork>, schedule: Schedule, runtime: Handle) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let (tell, ended) = oneshot::channel();
        let pace = move || {
            pace(&lane, schedule, &stopped, &runtime);
            let _ = tell.send(());
        };
        let thread = thread::Builder::new().name("pacer".to_owned()).spawn(pace)?;
        Ok(Self { stop, ended, thread })
    }

    /// Ends it; the lane is closed.
    pub(super) async fn end(self) {
        drop(self.stop);
        let _ = self.ended.await;
        // It is at its last instruction.
        let _ = self.thread.join();
    }
}

fn pace(lane: &Arc<LaneAtWork>, mut schedule: Schedule, stopped: &Receiver<()>, runtime: &Handle) {
    let missed =
        schedule.by_ref().take_while(|start| *start < lane.whole).find(|start| !start_call(lane, *start, stopped, runtime));
    let Some(missed) = missed else { return };
    // Those whose time has come until now, and that nobody will start.
    let now = lane.began.elapsed();
    let late = std::iter::once(missed).chain(schedule).take_while(|start| *start < now.min(lane.whole));
    late.for_each(|start| lane.recorder().give_up(start, now, lane.load.batch, false));
}

/// Starts a call at its time; not, where the run is over.
fn start_call(lane: &Arc<LaneAtWork>, start: Duration, stopped: &Receiver<()>, runtime: &Handle) -> bool {
    // Before its time, so that it costs none of it.
    let ready = lane.ready();
    let wait = (lane.began + start).saturating_duration_since(Instant::now());
    if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
        return false;
    }
    let (room, is_held_back) = match Arc::clone(&lane.room).try_acquire_owned() {
        Ok(room) => (Ok(room), false),
        Err(_) => (runtime.block_on(Arc::clone(&lane.room).acquire_owned()), true),
    };
    let Ok(room) = room else { return false };
    runtime.spawn(call_at(Arc::clone(lane), ready, start, is_held_back, room));
    true
}
