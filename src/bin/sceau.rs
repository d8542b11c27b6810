//! Boot only: the command line is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// A batch is decoded by one thread, signed for by another and freed by a third. The C library's allocator keeps in an arena a
/// thread what each of them once needed; this one, as .cargo/config.toml sets it, gives it back, and is no slower
/// (tests/soak/README.md has figures).
///
/// It stands in for `malloc` itself (Cargo.toml): a PKCS#11 module that computes in a worker allocates with it, too, and SoftHSM,
/// which asks for memory some 340 times a signature, signs a tenth faster for it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    sceau::cli::main()
}
