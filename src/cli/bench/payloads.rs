//! What a bench has signed: the made-up people of `sceau sample`.

use crate::bench::Payloads;
use crate::cli::sample::{Recipe, Samples};

/// Other people each; then the same again, as other items: 4 MB.
const PEOPLE: u64 = 10_000;

/// Payloads in memory, under item ids that no other run has.
pub(super) fn made_up() -> anyhow::Result<Payloads> {
    let samples = Samples::new(&Recipe { count: PEOPLE, ..Recipe::default() })?;
    let payloads = samples.map(|sample| sample.payload.into()).collect();
    Ok(Payloads::new(payloads, &format!("bench-{:016x}", rand::random::<u64>())))
}
