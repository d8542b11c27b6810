//! The clock guard on clocks that a test moves.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::clock_guard::{ClockGuard, Clocks, Reading, accept_in_file};
use super::clock_record::ClockFile;
use crate::domain::Clock;

const BEGIN_MS: i64 = 1_634_731_200_000;

#[derive(Debug)]
struct TestClocks {
    wall_ms: AtomicI64,
    elapsed_ms: AtomicI64,
    boot: Mutex<String>,
}

impl TestClocks {
    fn new() -> Arc<Self> {
        let (wall_ms, elapsed_ms) = (AtomicI64::new(BEGIN_MS), AtomicI64::new(1_000_000));
        Arc::new(Self { wall_ms, elapsed_ms, boot: Mutex::new("first".to_owned()) })
    }

    /// Time goes by, for both clocks.
    fn pass(&self, seconds: i64) {
        self.set(seconds);
        self.elapsed_ms.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    /// Somebody sets the wall clock.
    fn set(&self, seconds: i64) {
        self.wall_ms.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    /// The machine is started anew; a minute goes by.
    fn reboot(&self) {
        "second".clone_into(&mut self.boot.lock().unwrap());
        self.elapsed_ms.store(10_000, Ordering::SeqCst);
        self.set(60);
    }
}

impl Clocks for TestClocks {
    fn read(&self) -> Reading {
        Reading { wall_ms: self.wall_ms.load(Ordering::SeqCst), elapsed_ms: self.elapsed_ms.load(Ordering::SeqCst) }
    }

    fn boot(&self) -> String {
        self.boot.lock().unwrap().clone()
    }
}

struct Place {
    dir: tempfile::TempDir,
    clocks: Arc<TestClocks>,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clocks: TestClocks::new() }
    }

    fn file(&self) -> ClockFile {
        ClockFile::at(self.dir.path().join("state/clock-guard"))
    }

    /// A start of the service.
    fn guard(&self) -> ClockGuard {
        ClockGuard::new(Arc::clone(&self.clocks) as Arc<dyn Clocks>, Duration::from_secs(5), self.file())
    }
}

fn signs(guard: &ClockGuard) -> bool {
    let signs = guard.signing_time().is_ok();
    assert_eq!(guard.is_stopped(), !signs);
    signs
}

#[test]
fn time_that_goes_by_is_no_jump_even_while_the_machine_sleeps() {
    let place = Place::new();
    let guard = place.guard();
    for seconds in [1, 60, 86_400 * 30] {
        place.clocks.pass(seconds);
        assert!(signs(&guard), "{seconds} s");
    }
    assert_eq!(guard.signing_time().unwrap().seconds(), place.clocks.read().wall_ms / 1_000);
}

#[test]
fn a_step_of_more_than_the_limit_either_way_stops_signing_until_it_is_accepted() {
    for step in [-6, 6, -86_400, 86_400 * 365] {
        let place = Place::new();
        let guard = place.guard();
        place.clocks.set(step);
        let refused = guard.signing_time().unwrap_err().to_string();
        assert!(refused.contains(&format!("jumped by {:+}.0 s", step)) && refused.contains("sceau clock accept"), "{refused}");
        place.clocks.set(-step);
        assert!(!signs(&guard), "a clock that is right again is for an operator to see");
        let before = guard.accept().unwrap();
        assert!(before.stopped.is_some() && signs(&guard));
        assert_eq!(guard.status().stopped, None);
    }
}

#[test]
fn a_step_within_the_limit_is_none_but_many_of_them_are() {
    let place = Place::new();
    let guard = place.guard();
    place.clocks.set(4);
    assert!(signs(&guard));
    place.clocks.pass(1);
    place.clocks.set(4);
    assert!(!signs(&guard));
}

#[test]
fn small_steps_that_are_hours_apart_are_forgiven() {
    let place = Place::new();
    let guard = place.guard();
    for _ in 0..100 {
        place.clocks.set(1);
        place.clocks.pass(3_700);
        assert!(signs(&guard));
    }
}

#[test]
fn a_stopped_clock_stays_stopped_across_a_restart() {
    let place = Place::new();
    let guard = place.guard();
    place.clocks.set(-100);
    assert!(!signs(&guard));
    guard.look();
    drop(guard);
    place.clocks.set(100);
    let again = place.guard();
    assert!(!signs(&again));
    again.accept().unwrap();
    assert!(signs(&place.guard()));
}

#[test]
fn a_clock_that_was_set_while_no_service_ran_is_noticed() {
    for step in [-60, 60] {
        let place = Place::new();
        drop(place.guard());
        place.clocks.pass(1_000);
        assert!(signs(&place.guard()), "time went by");
        place.clocks.set(step);
        assert!(!signs(&place.guard()), "{step} s");
    }
}

#[test]
fn a_clock_that_was_set_back_is_noticed_when_the_machine_starts_anew() {
    let place = Place::new();
    drop(place.guard());
    place.clocks.reboot();
    assert!(signs(&place.guard()));
    place.clocks.reboot();
    "third".clone_into(&mut place.clocks.boot.lock().unwrap());
    place.clocks.set(-3_600);
    let guard = place.guard();
    assert!(guard.status().stopped.unwrap().contains("before the service last ran"));
}

#[test]
fn without_a_service_the_clock_is_accepted_in_its_file() {
    let place = Place::new();
    drop(place.guard());
    place.clocks.set(-3_600);
    drop(place.guard());
    assert!(accept_in_file(place.clocks.as_ref(), &place.file()).unwrap().unwrap().contains("jumped"));
    assert!(signs(&place.guard()));
    assert_eq!(accept_in_file(place.clocks.as_ref(), &place.file()).unwrap(), None);
}

#[test]
fn a_file_that_cannot_be_understood_stops_signing() {
    let place = Place::new();
    drop(place.guard());
    std::fs::write(place.file().path(), "what?").unwrap();
    let guard = place.guard();
    assert!(guard.status().stopped.unwrap().contains("cannot be read"));
    guard.accept().unwrap();
    assert!(signs(&place.guard()));
}

#[test]
fn what_cannot_be_written_stops_nothing_but_is_not_accepted() {
    let place = Place::new();
    let file = ClockFile::at(place.dir.path().join("elsewhere/clock-guard"));
    let guard = ClockGuard::new(Arc::clone(&place.clocks) as Arc<dyn Clocks>, Duration::from_secs(5), file);
    assert!(signs(&guard));
    std::fs::remove_dir_all(place.dir.path().join("elsewhere")).unwrap();
    std::fs::write(place.dir.path().join("elsewhere"), "in the way").unwrap();
    place.clocks.set(60);
    assert!(!signs(&guard));
    assert!(guard.accept().is_err() && !signs(&guard));
}

#[test]
fn a_disk_that_hangs_keeps_no_batch_from_the_time() {
    let place = Place::new();
    let guard = Arc::new(place.guard());
    let writing = guard.file();
    place.clocks.pass(3_600);
    let (other, (done, time)) = (Arc::clone(&guard), std::sync::mpsc::channel());
    std::thread::spawn(move || done.send((other.signing_time().is_ok(), other.status().stopped)));
    assert_eq!(time.recv_timeout(Duration::from_secs(10)), Ok((true, None)));
    drop(writing);
}

#[test]
fn a_jump_that_a_batch_has_seen_is_written_by_the_watch() {
    let place = Place::new();
    let guard = place.guard();
    let is_kept = || place.file().read().unwrap().unwrap().stopped.is_some();
    place.clocks.set(60);
    assert!(!signs(&guard) && !is_kept());
    guard.look();
    assert!(is_kept());
    guard.accept().unwrap();
    guard.look();
    assert!(!is_kept() && signs(&guard));
}

#[test]
fn a_watch_writes_a_jump_at_once() {
    let place = Place::new();
    let guard = Arc::new(place.guard());
    guard.watch().unwrap();
    place.clocks.set(60);
    assert!(!signs(&guard));
    let is_kept = || place.file().read().unwrap().unwrap().stopped.is_some();
    assert!((0..1_000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        is_kept()
    }));
}
