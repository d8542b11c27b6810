//! How often a certificate asks the allocator for memory on its way. The count is exact on every machine, so that one more is
//! seen where no clock would show it.
//!
//! A program of its own: its allocator counts all of it.

#[path = "../../benches/suite/in_process.rs"]
mod in_process;
#[path = "../../benches/suite/payloads.rs"]
mod payloads;

use std::alloc::System;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};

use sceau::domain::{Algorithm, Digest, Kid, Lane, Signature};
use sceau::encode::{ClaimsSet, Hc1, ProtectedHeader};
use sceau::sign::Checking;
use sceau::token::software::SoftwareToken;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use payloads::Setting;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One measures at a time: the counters are the process's.
static ALONE: Mutex<()> = Mutex::new(());

/// What other threads of the test's own harness allocate now and then is in some rounds, never in all.
const ROUNDS: usize = 5;

/// The fewest allocations of one round, in all; growing is one too.
fn allocations<T>(mut round: impl FnMut() -> T) -> usize {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // What is set up once a thread.
    drop(black_box(round()));
    let count = || {
        let region = Region::new(ALLOCATOR);
        let made = black_box(round());
        let change = region.change();
        drop(made);
        change.allocations + change.reallocations
    };
    std::iter::repeat_with(count).take(ROUNDS).min().expect("there is a round")
}

/// 4: the JSON tree, of three objects and an array. 2: names in machine-readable form. 1 each: the identifier, the claims, the
/// signature as the token gave it, the COSE message, its compressed form, the text.
const OF_A_PLAIN_VACCINATION: usize = 12;

/// Names are in ASCII, so that each is transliterated in one pass.
const PLAIN_VACCINATION: &[u8] =
    br#"{"ver":"1.3.0","nam":{"fn":"Dupont","gn":"Jeanne"},"dob":"1984-03-02","v":[{"tg":"840539006",
"vp":"1119349007","mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":2,"dt":"2021-09-06","co":"FR","is":"DASS-NC"}]}"#;

#[test]
fn a_certificate_takes_no_more_allocations_than_are_explained() {
    let setting = Setting::new();
    let header = ProtectedHeader::new(Algorithm::Es256, Kid::from([1; 8]));
    let expires_at = setting.now.plus_seconds(365 * 86_400);
    let found = allocations(|| {
        let payload = setting.parse(black_box(PLAIN_VACCINATION));
        let claims = ClaimsSet { issuer: "FR", issued_at: setting.now, expires_at, payload }.to_cbor();
        let digest: Digest = header.digest(&claims);
        Hc1::encode(&header.assemble(claims, Signature::new([*digest.as_bytes(); 2].concat())))
    });
    assert_eq!(found, OF_A_PLAIN_VACCINATION, "fewer is welcome, and then the number here");
}

/// As many as go through the pipeline together.
const SLICE: usize = 128;

/// In a batch of the samples, by the whole way from a request to outcomes, keys in memory and each signature checked: those of
/// a certificate (names in other scripts take more), its payload's handle, and its share of the slice's own.
const OF_ONE_IN_A_BATCH: usize = 20;

#[test]
fn one_certificate_in_a_batch_takes_no_more_allocations_than_that() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let token = SoftwareToken::with_keys(1);
    let (_, public_key) = token.key(0);
    let signer = in_process::signer(Arc::new(token), &public_key, Checking::Batch, 1);
    let (profile, items) = (in_process::profile(), in_process::items(&payloads::payloads(), SLICE));
    let found = allocations(|| {
        let outcomes = runtime.block_on(signer.sign_batch(in_process::batch(&profile, Lane::Bulk, &items)));
        assert!(outcomes.iter().all(Result::is_ok));
        outcomes
    });
    println!("{found} allocations of {SLICE} certificates");
    assert!(found <= OF_ONE_IN_A_BATCH * SLICE, "{found} of {SLICE} certificates; at most {OF_ONE_IN_A_BATCH} each");
}
