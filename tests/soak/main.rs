//! Long runs, done by hand: README.md in this folder says what each shows and how to start it.
//!
//! Everything goes through the binary and the public client. What is wanted of a run is asserted at its end, when all its
//! figures are printed.

#![cfg(test)]

mod ceiling;
mod interactive;
mod kills;
mod ledger;
mod line;
mod load;
mod memory;
mod network_hsm;
mod night;
mod package;
mod peer;
#[path = "../it/postgres/server.rs"]
#[expect(dead_code, reason = "the tests of replicas use the rest of it")]
mod postgres;
mod proc;
mod rotation;
mod sandbox;
mod service;
#[path = "../shared/mod.rs"]
mod shared;
mod shares;

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One run at a time, of the release build.
fn alone() -> MutexGuard<'static, ()> {
    if cfg!(debug_assertions) {
        panic!("a long run measures the release build: cargo test --release");
    }
    in_turn()
}

/// One run at a time, and the machine and commit in front of what it prints.
fn in_turn() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
        output.map_or_else(|_| "?".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = said("git", &["describe", "--always", "--dirty"]);
    println!("\n{}; commit {commit}; {}", proc::machine(), said("date", &["-I"]));
    if is_trial() {
        println!("A TRIAL, SHORTENED: its figures say little");
    }
    alone
}

/// What a run takes, or in a trial, which only shows that it works, something smaller.
fn or_in_trial<T>(full: T, trial: T) -> T {
    if is_trial() { trial } else { full }
}

#[expect(clippy::disallowed_methods, reason = "whoever starts the run says so; no boot hands it down")]
fn is_trial() -> bool {
    std::env::var_os("SCEAU_SOAK_TRIAL").is_some()
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
