//! `cargo bench --features software-token`: one file a stage, results asserted, throughput in certificates.
//!
//! Names are `stage/case`; `cargo bench --features software-token -- path` runs those of the whole path alone. Plots are
//! in target/criterion.

mod boundary;
mod cpu_time;
mod grpc;
mod ledger;
mod path;
mod payloads;
mod retries;
mod stages;
mod verify;

fn main() {
    if boundary::run_as_worker() {
        return;
    }
    path::benches();
    stages::benches();
    verify::benches();
    boundary::benches();
    grpc::benches();
    retries::benches();
    ledger::benches();
    ledger::cpu_benches();
    criterion::Criterion::default().configure_from_args().final_summary();
}
