//! A clock that refuses after it has jumped: what is signed by a wrong clock says a wrong time for as long as it is valid.
//!
//! The wall clock is held against the time since the machine was started. Both follow NTP's smooth corrections and both go on
//! while the machine is suspended (`CLOCK_BOOTTIME`), so their difference changes only where somebody, or something, sets
//! the wall clock. A virtual machine that was paused from outside is such a case: its own time stood still, and the wall clock
//! is set when it wakes.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::clock_record::{ClockFile, ClockRecord};
use crate::domain::{Clock, ClockStopped, NumericDate};

/// The two clocks of a machine, read at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock, in milliseconds since 1970.
    pub wall_ms: i64,
    /// Milliseconds since the machine was started; suspended ones count.
    pub elapsed_ms: i64,
}

impl Reading {
    /// The start of the machine by the wall clock: it moves only where that clock is set.
    const fn origin_ms(self) -> i64 {
        self.wall_ms.saturating_sub(self.elapsed_ms)
    }

    const fn wall(self) -> NumericDate {
        NumericDate::from_seconds(self.wall_ms.div_euclid(1_000))
    }
}

/// Where readings come from; a test has clocks of its own.
pub trait Clocks: Send + Sync + fmt::Debug {
    /// Both clocks.
    fn read(&self) -> Reading;

    /// Which start of the machine this is: times since two different ones cannot be compared.
    fn boot(&self) -> String;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineClocks;

/// Clocks that are read farther apart than this are read again: the thread was stopped in between.
const MOST_APART_MS: i64 = 100;

impl Clocks for MachineClocks {
    fn read(&self) -> Reading {
        let mut before = ms(ClockId::Boottime);
        loop {
            let wall_ms = ms(ClockId::Realtime);
            let after = ms(ClockId::Boottime);
            if after - before <= MOST_APART_MS {
                return Reading { wall_ms, elapsed_ms: after };
            }
            before = after;
        }
    }

    fn boot(&self) -> String {
        // Where there is none, every start counts as another.
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.trim().to_owned()
    }
}

fn ms(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000)
}

/// Watches the machine's clock, and is the clock of batches.
///
/// A step of more than the limit stops it, on disk too, until [`ClockGuard::accept`].
#[derive(Debug)]
pub struct ClockGuard {
    clocks: Arc<dyn Clocks>,
    boot: String,
    max_step: Duration,
    /// Locked while it is written, and before the state.
    file: Mutex<ClockFile>,
    is_stopped: AtomicBool,
    /// Locked for moments: batches look at it.
    state: Mutex<State>,
    /// Who writes the file; woken where the clock has jumped.
    watcher: OnceLock<Thread>,
}

#[derive(Debug)]
struct State {
    origin_ms: i64,
    /// Since when the origin stands, in time since the start.
    origin_at_ms: i64,
    stopped: Option<ClockStopped>,
    /// When the file was last written, or was to be; nothing where it does not say yet that the clock is stopped.
    written_at_ms: Option<i64>,
    /// Writing fails, which has been told.
    is_unwritable: bool,
}

/// What an operator sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockStatus {
    /// The wall clock.
    pub now: NumericDate,
    /// Why nothing is signed; nothing where the clock is trusted.
    pub stopped: Option<String>,
}

/// How often what is known is written: so much of a step back across a restart of the machine goes unseen.
const WRITE_EVERY_MS: i64 = 10_000;

/// Small steps are forgiven at this rate (a second an hour), so that a year of them is no jump.
const FORGIVEN_MS_AN_HOUR: i64 = 1_000;

/// How often the clocks are looked at between batches.
const WATCH_EVERY: Duration = Duration::from_secs(1);

impl ClockGuard {
    /// Begins to watch. What the file says of the time before is believed: that signing had stopped, and that it was later
    /// than it is now. Within one start of the machine a step forward is seen as well.
    #[must_use]
    pub fn new(clocks: Arc<dyn Clocks>, max_step: Duration, file: ClockFile) -> Self {
        let (now, boot) = (clocks.read(), clocks.boot());
        let state = State {
            origin_ms: now.origin_ms(),
            origin_at_ms: now.elapsed_ms,
            stopped: None,
            written_at_ms: None,
            is_unwritable: false,
        };
        let (is_stopped, watcher) = (AtomicBool::new(false), OnceLock::new());
        let (file, state) = (Mutex::new(file), Mutex::new(state));
        let guard = Self { clocks, boot, max_step, file, is_stopped, state, watcher };
        if let Some(reason) = guard.distrust(now) {
            guard.stop(&mut guard.state(), reason);
        }
        guard.look();
        guard
    }

    /// Looks at the clock each second, on a thread of its own, as long as the guard lives. That thread alone writes the file:
    /// where the disk is slow, no batch waits for it.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn watch(self: &Arc<Self>) -> std::io::Result<()> {
        let guard = Arc::downgrade(self);
        let watch = move || {
            while let Some(guard) = guard.upgrade() {
                guard.look();
                drop(guard);
                thread::park_timeout(WATCH_EVERY);
            }
        };
        let watcher = thread::Builder::new().name("clock-guard".to_owned()).spawn(watch)?;
        // A second one would be one too many, and is not woken.
        let _ = self.watcher.set(watcher.thread().clone());
        Ok(())
    }

    /// Whether nothing is signed. It costs one load.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// How the clock is.
    #[must_use]
    pub fn status(&self) -> ClockStatus {
        let (now, stopped) = self.compare();
        ClockStatus { now: now.wall(), stopped: stopped.map(|stopped| stopped.reason) }
    }

    /// An operator trusts the clock as it is now: signing goes on. Gives how it was. It waits for the disk.
    ///
    /// # Errors
    /// The file cannot be written; signing stays stopped, for the next start would stop again.
    pub fn accept(&self) -> std::io::Result<ClockStatus> {
        let file = self.file();
        let now = self.clocks.read();
        file.write(&ClockRecord::of(now, &self.boot, None))?;
        let mut state = self.state();
        let stopped = state.stopped.take().map(|stopped| stopped.reason);
        // A clock that has jumped since it was read is seen at the next look.
        (state.origin_ms, state.origin_at_ms, state.written_at_ms) = (now.origin_ms(), now.elapsed_ms, Some(now.elapsed_ms));
        self.is_stopped.store(false, Ordering::Relaxed);
        Ok(ClockStatus { now: now.wall(), stopped })
    }

    /// Compares the clocks, and writes what is known of them where it is time to. It waits for the disk.
    pub(super) fn look(&self) {
        let file = self.file();
        let (now, _) = self.compare();
        let is_due = |at| now.elapsed_ms.saturating_sub(at) >= WRITE_EVERY_MS;
        let stopped = {
            let mut state = self.state();
            if !state.written_at_ms.is_none_or(is_due) {
                return;
            }
            // Before it is written: a stop that comes meanwhile is written next.
            state.written_at_ms = Some(now.elapsed_ms);
            state.stopped.as_ref().map(|stopped| stopped.reason.clone())
        };
        let written = file.write(&ClockRecord::of(now, &self.boot, stopped));
        let was_unwritable = std::mem::replace(&mut self.state().is_unwritable, written.is_err());
        if let (Err(error), false) = (written, was_unwritable) {
            let file = file.path().display();
            tracing::warn!(%file, %error, "the time cannot be kept on disk: after a restart a clock that was set back goes unseen");
        }
    }

    /// Compares the clocks, and stops where the wall clock has jumped. It touches no disk.
    fn compare(&self) -> (Reading, Option<ClockStopped>) {
        let mut state = self.state();
        let now = self.clocks.read();
        if state.stopped.is_none() {
            let step = now.origin_ms().saturating_sub(state.origin_ms);
            if self.is_jump(step) {
                let reason = format!("the machine's clock jumped by {} s, to {}", signed_seconds(step), now.wall());
                self.stop(&mut state, reason);
            } else {
                state.forgive(now);
            }
        }
        (now, state.stopped.clone())
    }

    /// Why the clock is not to be trusted at the start.
    fn distrust(&self, now: Reading) -> Option<String> {
        let file = self.file();
        let last = match file.read() {
            Ok(last) => last?,
            Err(error) => {
                return Some(format!("what was known of the clock cannot be read from {}: {error}", file.path().display()));
            }
        };
        if last.stopped.is_some() {
            return last.stopped;
        }
        let then = Reading { wall_ms: last.wall_ms, elapsed_ms: last.elapsed_ms };
        let back = now.wall_ms.saturating_sub(then.wall_ms);
        let step = now.origin_ms().saturating_sub(then.origin_ms());
        if !self.boot.is_empty() && last.boot == self.boot {
            self.is_jump(step).then(|| {
                format!("the machine's clock jumped by {} s, to {}, while no service ran", signed_seconds(step), now.wall())
            })
        } else {
            (back < 0 && self.is_jump(back)).then(|| {
                format!("the machine's clock says {}, {} s before the service last ran", now.wall(), back.unsigned_abs() / 1_000)
            })
        }
    }

    fn is_jump(&self, step_ms: i64) -> bool {
        u128::from(step_ms.unsigned_abs()) > self.max_step.as_millis()
    }

    fn stop(&self, state: &mut State, reason: String) {
        tracing::error!("{reason}; NOTHING IS SIGNED until `sceau clock accept`");
        state.stopped = Some(ClockStopped { reason });
        state.written_at_ms = None;
        self.is_stopped.store(true, Ordering::Relaxed);
        if let Some(watcher) = self.watcher.get() {
            watcher.unpark();
        }
    }

    pub(super) fn file(&self) -> MutexGuard<'_, ClockFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Moves the origin towards what is seen, slowly.
    fn forgive(&mut self, now: Reading) {
        let hours_ms = now.elapsed_ms.saturating_sub(self.origin_at_ms);
        let most = hours_ms.saturating_mul(FORGIVEN_MS_AN_HOUR) / 3_600_000;
        if most > 0 {
            let step = now.origin_ms().saturating_sub(self.origin_ms).clamp(-most, most);
            (self.origin_ms, self.origin_at_ms) = (self.origin_ms.saturating_add(step), now.elapsed_ms);
        }
    }
}

fn signed_seconds(step_ms: i64) -> String {
    format!("{:+.1}", step_ms as f64 / 1e3)
}

impl Clock for ClockGuard {
    fn now(&self) -> NumericDate {
        self.clocks.read().wall()
    }

    fn signing_time(&self) -> Result<NumericDate, ClockStopped> {
        match self.compare() {
            (_, Some(stopped)) => Err(stopped),
            (now, None) => Ok(now.wall()),
        }
    }
}

/// An operator trusts the clock as it is now, while no service runs. Gives why the next start would not have signed.
///
/// # Errors
/// The file cannot be written.
pub fn accept_in_file(clocks: &dyn Clocks, file: &ClockFile) -> std::io::Result<Option<String>> {
    let stopped = file.read().ok().flatten().and_then(|record| record.stopped);
    file.write(&ClockRecord::of(clocks.read(), &clocks.boot(), None))?;
    Ok(stopped)
}
