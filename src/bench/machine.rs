//! Where something was measured.

use std::fs;
use std::thread;

use serde::{Deserialize, Serialize};

/// The machine of this process: figures mean nothing without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name, as the kernel has it.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: u32,
    /// Whether it is a virtual machine.
    pub is_virtual: bool,
    /// In bytes; 0 where the kernel does not say.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// This one, as /proc has it.
    #[must_use]
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cores = thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
        Self::new(&read("/proc/cpuinfo"), &read("/proc/meminfo"), &read("/proc/sys/kernel/osrelease"), cores)
    }

    fn new(cpuinfo: &str, meminfo: &str, release: &str, cores: u32) -> Self {
        let field = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.trim() == name));
            line.map(|(_, value)| value.trim().to_owned())
        };
        let memory = field(meminfo, "MemTotal").and_then(|total| total.split_whitespace().next()?.parse::<u64>().ok());
        Self {
            cpu: field(cpuinfo, "model name").unwrap_or_else(|| "unknown processor".to_owned()),
            cores,
            is_virtual: field(cpuinfo, "flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            memory_bytes: memory.map_or(0, |kib| kib.saturating_mul(1_024)),
            kernel: release.trim().to_owned(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (virtual_machine, gib) =
            (if self.is_virtual { ", virtual" } else { "" }, self.memory_bytes as f64 / (1u64 << 30) as f64);
        let cores = if self.cores == 1 { "core" } else { "cores" };
        write!(f, "{} {cores}, {}{virtual_machine}, {gib:.1} GiB, Linux {}", self.cores, self.cpu, self.kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_read_from_what_the_kernel_says() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R)\nflags\t\t: fpu hypervisor avx2\n";
        let machine = Machine::new(cpuinfo, "MemTotal:        4194304 kB\n", "6.1.0\n", 2);
        assert_eq!(machine.to_string(), "2 cores, Intel(R) Xeon(R), virtual, 4.0 GiB, Linux 6.1.0");
        assert_eq!(Machine::new("", "", "", 1).cpu, "unknown processor");
    }
}
