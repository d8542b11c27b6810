//! `cargo bench --features software-token --bench suite`: one file a stage, results asserted, throughput in certificates.
//!
//! Names are `stage/case/items`; `-- path` behind it runs those of the whole path alone. Plots are in target/criterion.
//!
//! | stage | from, to |
//! |---|---|
//! | [`parse`] | JSON to content, every rule applied |
//! | [`encode`] | content to claims in CBOR, and to their digest |
//! | [`prepare`] | both: JSON to what a token signs |
//! | [`verify`] | a signature's check, alone and with others |
//! | [`assemble`] | a signature to COSE, HC1 and what is recorded; and back |
//! | [`path`] | JSON to HC1, all but the signature |
//! | [`ledger`], [`retries`] | what it costs to put a batch on record, and to know its items again |
//! | [`frames`] | what it costs that a token is in a process of its own |
//! | [`grpc`] | what client and server cost an item |
//! | [`sign_batch`] | a call as a backend sees it, on three tokens |

mod assemble;
#[path = "../../tests/shared/binary.rs"]
#[expect(clippy::unwrap_used, dead_code, reason = "it is of the tests, which use the rest of it")]
mod binary;
mod cpu_time;
mod encode;
mod frames;
mod grpc;
mod in_process;
mod ledger;
mod line;
mod parse;
mod path;
mod payloads;
mod prepare;
mod retries;
#[path = "../../tests/soak/service.rs"]
#[expect(clippy::unwrap_used, dead_code, reason = "it is of the long runs, which use the rest of it")]
mod service;
mod sign_batch;
mod verify;

/// Where the tests have it.
mod shared {
    pub(crate) use crate::binary;
}

fn main() {
    if frames::run_as_worker() {
        return;
    }
    parse::benches();
    encode::benches();
    prepare::benches();
    verify::benches();
    assemble::benches();
    path::benches();
    retries::benches();
    ledger::benches();
    ledger::cpu_benches();
    frames::benches();
    grpc::benches();
    sign_batch::benches();
    criterion::Criterion::default().configure_from_args().final_summary();
}
