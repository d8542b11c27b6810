//! Boot only: the command line is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    sceau::cli::main()
}
