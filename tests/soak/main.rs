//! Long runs, done by hand: README.md in this folder says what each shows and how to start it.
//!
//! Everything goes through the binary and the public client. What is wanted of a run is asserted at its end, when all its
//! figures are printed.

#![cfg(test)]

mod bare;
mod kills;
mod ledger;
mod load;
mod memory;
mod network_hsm;
mod package;
#[path = "../it/postgres/server.rs"]
#[expect(dead_code, reason = "the tests of replicas use the rest of it")]
mod postgres;
mod proc;
mod rotation;
mod sandbox;
mod service;
#[path = "../shared/mod.rs"]
mod shared;

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
    alone
}
