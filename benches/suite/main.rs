//! `cargo bench --features software-token`: one file a stage, results asserted, throughput in certificates.
//!
//! Names are `stage/case`; `cargo bench --features software-token -- path` runs those of the whole path alone. Plots are
//! in target/criterion.

mod path;
mod payloads;
mod stages;

criterion::criterion_main!(path::benches, stages::benches);
