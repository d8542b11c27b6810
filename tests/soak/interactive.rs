//! How long somebody waits for a single certificate: on an idle service, and beside bulk that keeps SoftHSM busy.

use std::time::Duration;

use crate::ceiling::{BareToken, ONE};
use crate::line::Line;
use crate::service::make_token;
use crate::{alone, or_in_trial};

const SINGLES: usize = 10_000;
const MEASURED: Duration = Duration::from_secs(5);
/// More than the token's own signature, in the median.
const WANTED_MORE_MS: f64 = 1.0;
const WANTED_P99_MS: f64 = 10.0;

#[test]
fn a_single_certificate_takes_little_more_than_its_signature() {
    let _alone = alone();
    let bare = tempfile::tempdir().unwrap();
    make_token(bare.path());
    let line = Line::start("idle", |_| ());
    let signature_ms = BareToken::softhsm(bare.path()).measure(ONE, MEASURED).p50_us / 1e3;
    println!("the token's own signature: p50 {signature_ms:.3} ms");
    let singles = line.load.interactive(&line.service.endpoint, or_in_trial(SINGLES, 1_000));
    println!("single certificates, nothing else: {singles}");
    let more = singles.percentile(50) - signature_ms;
    assert!(more <= WANTED_MORE_MS, "{more:.3} ms more; wanted: {WANTED_MORE_MS} ms at most");
}

#[test]
fn a_single_certificate_waits_for_no_bulk_that_saturates_softhsm() {
    let _alone = alone();
    let line = Line::start("busy", |_| ());
    let (singles, rate) = line.load.saturate(|answers| {
        let rate = answers.rate_over(MEASURED);
        (line.load.interactive(&line.service.endpoint, or_in_trial(SINGLES, 1_000)), rate)
    });
    println!("single certificates, beside bulk of {rate:.0} a second: {singles}");
    let p99 = singles.percentile(99);
    assert!(p99 <= WANTED_P99_MS, "p99 {p99:.1} ms; wanted: {WANTED_P99_MS:.0} ms at most");
}
