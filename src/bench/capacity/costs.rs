//! What a certificate costs, as measured.

use serde::Serialize;

use super::question::{Impossible, range};

/// What was measured, and where.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Costs {
    /// The machine, the day and the commit, or the file that says so.
    pub source: String,
    /// A certificate of a batch of 500.
    pub bulk: Cost,
    /// A certificate alone in its call.
    pub interactive: Cost,
    /// The share of a device's own ceiling that is reached through Sceau, every check and the ledger on.
    pub device_share: f64,
    /// The share of a machine's cores that a run as fast as it goes keeps busy.
    pub cores_share: f64,
    /// What a single certificate takes longer than its signature in the median, in milliseconds, beside a busy bulk lane.
    pub interactive_over_ms: f64,
    /// Memory of a service without what it keeps for retries, in bytes.
    pub service_bytes: f64,
    /// Memory of a token worker, in bytes.
    pub worker_bytes: f64,
    /// Memory of an item that is kept for retries, in bytes.
    pub retry_bytes: f64,
}

/// One certificate of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Where a device signs.
    pub device: CpuTime,
    /// Where the token computes on this machine.
    pub local: CpuTime,
    /// Of the item in its request, as protobuf.
    pub request_bytes: f64,
    /// Of its result.
    pub answer_bytes: f64,
    /// How much larger both are on the wire: HTTP/2, TLS, TCP, IP and Ethernet.
    pub wire_factor: f64,
    /// In SQLite's files, the index included.
    pub sqlite_bytes: f64,
    /// In PostgreSQL, with its indexes.
    pub postgres_bytes: f64,
}

/// CPU time of a certificate, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CpuTime {
    /// Of the service: the server's side of gRPC, encoding, the check, the ledger.
    pub service_us: f64,
    /// Of the token's worker: frames, sessions, the waking of their threads, and what the library computes.
    pub worker_us: f64,
}

impl Costs {
    /// Sceau's own: CPU time by process while bulk keeps `sceau serve` busy on an otherwise idle machine, on SoftHSM with two workers,
    /// and with 5 ms before each signature of two tokens of 32 sessions (tests/soak repeats both: `shares`, `network_hsm::two`). A
    /// device's worker is that without what SoftHSM computes behind it; a vendor's library takes its own. Ledger bytes are those of
    /// ten million certificates.
    #[must_use]
    pub fn built_in() -> Self {
        Self {
            source: "built in: 2 cores, AMD EPYC, KVM, 2026-11-22, commit e2b902f".to_owned(),
            bulk: Cost {
                device: CpuTime { service_us: 42.0, worker_us: 60.0 },
                local: CpuTime { service_us: 30.0, worker_us: 65.0 },
                request_bytes: 257.0,
                answer_bytes: 629.0,
                // On loopback 1.01; frames of 1,500 bytes and TLS add the rest.
                wire_factor: 1.1,
                sqlite_bytes: 300.0,
                postgres_bytes: 400.0,
            },
            interactive: Cost {
                device: CpuTime { service_us: 840.0, worker_us: 175.0 },
                local: CpuTime { service_us: 830.0, worker_us: 175.0 },
                request_bytes: 257.0,
                answer_bytes: 629.0,
                // On loopback 1.46.
                wire_factor: 1.6,
                sqlite_bytes: 1_000.0,
                postgres_bytes: 1_300.0,
            },
            device_share: 0.98,
            // 19,951 a second on two cores, at 96.4 µs with the client's 1.8, are 96 %.
            cores_share: 0.95,
            interactive_over_ms: 1.2,
            service_bytes: 17.0 * MIB,
            worker_bytes: 16.0 * MIB,
            retry_bytes: 260.0,
        }
    }

    /// # Errors
    /// [`Impossible::Range`]: a cost that none can be.
    pub fn check(&self) -> Result<(), Impossible> {
        range(self.device_share, 0.01..=1.0, "the share of a device's ceiling", "1 % to 100 %")?;
        range(self.cores_share, 0.01..=1.0, "the share of the cores that can be kept busy", "1 % to 100 %")?;
        for cost in [self.bulk, self.interactive] {
            for time in [cost.device, cost.local].map(|time| [time.service_us, time.worker_us]).concat() {
                range(time, 0.01..=1e7, "a certificate's CPU time", "0.01 to 10,000,000 µs")?;
            }
            for bytes in [cost.request_bytes, cost.answer_bytes, cost.sqlite_bytes, cost.postgres_bytes] {
                range(bytes, 0.0..=1e7, "a certificate's bytes", "0 to 10,000,000")?;
            }
        }
        Ok(())
    }
}

const MIB: f64 = 1_048_576.0;

impl Cost {
    pub(super) const fn cpu_time(&self, is_local: bool) -> CpuTime {
        if is_local { self.local } else { self.device }
    }
}
