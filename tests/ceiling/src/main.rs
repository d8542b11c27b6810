//! What a PKCS#11 token can sign: a thread a session, `C_SignInit` and `C_Sign` in a loop, and nothing else.
//!
//! `README.md` beside this package says how to use it and how to read what it prints.
//!
//! # The way of a measurement
//! `processes` starts this program again, once a process, → `part`, in each of them: its sessions' threads, the measured
//! window → `token` (login, key, sessions) → `module` (the C interface; all unsafe code) → `report` sums up.

mod mechanism;
mod module;
mod part;
mod processes;
mod report;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::mechanism::Mechanism;

/// Measure how many signatures a second a PKCS#11 token makes when nobody does anything but sign.
///
/// One JSON line for each number of processes with each number of sessions. The token is not changed: it logs in, finds a key
/// and signs. A refused PIN is tried once.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  ceiling --module /usr/lib/softhsm/libsofthsm2.so --label sceau-dev --pin-file demo/user.pin
  ceiling … --sessions 1,2,4,8,16,32                   how many sessions a network HSM wants
  ceiling … --sessions 2 --processes 1                 two threads in one process
  ceiling … --sessions 1 --processes 2                 two processes of one session each
  ceiling … --mechanism rsa-pss --key-label dsc-ps256  PS256

The module's settings come from the environment, such as SOFTHSM2_CONF."
)]
struct Arguments {
    /// The PKCS#11 module, the shared library of the HSM's vendor
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// The token's label
    #[arg(long)]
    label: String,
    /// A file whose first line is the user PIN
    #[arg(long, value_name = "FILE")]
    pin_file: PathBuf,
    /// The private key's label; without it the first key that suits the mechanism
    #[arg(long, value_name = "LABEL")]
    key_label: Option<String>,
    /// Sessions in each process, a thread each
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,2,4")]
    sessions: Vec<u16>,
    /// Processes at the same time
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,2")]
    processes: Vec<u16>,
    /// How long each is measured, after half a second that does not count
    #[arg(long, value_parser = seconds, default_value = "3")]
    seconds: Duration,
    /// How is signed
    #[arg(long, value_enum, default_value = "ecdsa")]
    mechanism: Mechanism,
    /// Be one of the processes
    #[arg(long, hide = true)]
    part: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds, such as 3 or 0.5, would be right".to_owned())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or("more than 0 would be right".to_owned())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.part { part::run(&arguments) } else { processes::run(&arguments) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ceiling: {error:#}");
            ExitCode::FAILURE
        }
    }
}
