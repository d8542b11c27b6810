//! Time in nanoseconds of `CLOCK_MONOTONIC`, which all processes of a machine share, and waiting until then.

use std::time::Duration;

/// Where waiting by a timer is coarser than what is waited for.
const SPIN_NS: u64 = 100_000;

pub(crate) const NS_PER_MS: f64 = 1_000_000.0;

/// Now. Costs some 25 ns.
pub(crate) fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec of our own that outlives the call. The clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Returns at the deadline: within microseconds on a machine that is idle, later on one that is not.
///
/// Sleeps; the last 100 µs, if it is woken before, are spun.
pub(crate) fn wait_until(deadline_ns: u64) {
    loop {
        match deadline_ns.saturating_sub(now_ns()) {
            0 => return,
            left @ 1..SPIN_NS => spin_for(left),
            left => sleep_finely(left),
        }
    }
}

fn spin_for(left_ns: u64) {
    let deadline = now_ns() + left_ns;
    while now_ns() < deadline {
        std::hint::spin_loop();
    }
}

/// Linux lets a sleep end up to 50 µs late to wake threads together; not so this one, and only this one.
fn sleep_finely(left_ns: u64) {
    // SAFETY: both options take and give plain numbers and change the calling thread's timer slack only.
    let slack = unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) };
    // SAFETY: as above.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    std::thread::sleep(Duration::from_nanos(left_ns));
    // SAFETY: as above; a negative answer (there is no such kernel) resets it to the thread's default.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, libc::c_long::from(slack)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_at_the_deadline_and_not_before() {
        for wait in [1_000, 50_000, 300_000, 5_000_000] {
            let shortest_excess = (0..20).map(|_| {
                let deadline = now_ns() + wait;
                wait_until(deadline);
                now_ns().checked_sub(deadline).expect("returned before the deadline")
            });
            let excess = shortest_excess.min().unwrap();
            assert!(excess < 5_000_000, "{excess} ns late at best"); // others use the machine too
        }
    }

    #[test]
    fn a_deadline_of_the_past_does_not_wait() {
        wait_until(0);
        wait_until(now_ns() - 1);
    }
}
