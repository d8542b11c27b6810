//! What Linux says of processes and of the machine.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// CPU times in /proc are in these, whatever the kernel's own clock.
const TICKS_A_SECOND: u64 = 100;

/// Processor and number of cores.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap();
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let cores = std::thread::available_parallelism().unwrap();
    format!("{cores} cores of {}", model.map_or("an unknown processor", |(_, name)| name))
}

/// CPU time that a process has had, in user and kernel.
pub(crate) fn cpu_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    ticks(fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
}

/// CPU time of a process's threads that live, by their names; those of one name together.
pub(crate) fn thread_times(pid: u32) -> BTreeMap<String, Duration> {
    let mut times = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let read = |file: &str| fs::read_to_string(task.path().join(file));
        // One may have ended.
        let (Ok(name), Ok(schedule)) = (read("comm"), read("schedstat")) else { continue };
        let nanoseconds = schedule.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or_default();
        *times.entry(name.trim().to_owned()).or_default() += Duration::from_nanos(nanoseconds);
    }
    times
}

/// CPU time of the whole machine, over all cores, since it started.
#[derive(Clone, Copy)]
pub(crate) struct MachineTime {
    pub(crate) idle: Duration,
    pub(crate) total: Duration,
}

pub(crate) fn machine_time() -> MachineTime {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let first = stat.lines().next().unwrap();
    // user nice system idle iowait irq softirq steal; guests are in user already.
    let fields: Vec<u64> = first.split_whitespace().skip(1).take(8).map(|field| field.parse().unwrap()).collect();
    MachineTime { idle: ticks(fields[3] + fields[4]), total: ticks(fields.iter().sum()) }
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / TICKS_A_SECOND)
}

/// A process's memory, in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident, as `top` shows it.
    pub(crate) resident: u64,
    /// Of that, what is no file's: heap and stacks. Pages of the binary come and go with the system's needs.
    pub(crate) anonymous: u64,
    /// Resident, with what several processes share divided among them.
    pub(crate) proportional: u64,
}

pub(crate) fn memory(pid: u32) -> Memory {
    let field = |file: &str, name: &str| -> u64 {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    Memory {
        resident: field("status", "VmRSS:"),
        anonymous: field("status", "RssAnon:"),
        proportional: field("smaps_rollup", "Pss:"),
    }
}
