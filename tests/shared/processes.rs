//! The service's worker processes, seen from the outside.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Guards against hanging; nothing here is about speed.
const BOUND: Duration = Duration::from_secs(60);

/// The processes whose parent is another.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    processes.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

/// The second field behind the name in parentheses; nothing for a process that has ended.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    (fields.next()? != "Z").then(|| fields.next()?.parse().ok())?
}

/// Workers whose sessions are open. One that is killed during its login may leave SoftHSM's token file half written, which is
/// SoftHSM's weakness and not what is tested here.
pub(crate) fn ready_workers(server: u32) -> Vec<u32> {
    ready_workers_of(server, "softhsm-")
}

/// The same of one token, whose sessions' threads have its name.
pub(crate) fn ready_workers_of(server: u32, token: &str) -> Vec<u32> {
    children_of(server).into_iter().filter(|worker| has_threads(*worker, token)).collect()
}

pub(crate) fn has_threads(pid: u32, name: &str) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.into_iter().any(|thread| fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.starts_with(name)))
}

pub(crate) fn send(signal: &str, pid: u32) {
    // It may have ended by itself.
    let _ = Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status();
}

pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < BOUND, "{what} within {BOUND:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
