//! The faulty token: a PKCS#11 module that wraps a real one and injects faults below the PKCS#11 interface.
//!
//! An application loads it in the place of the real module. It forwards every call of the v2.40 function list and, by a
//! script that may change while it runs, has calls fail, wait, hang, end the process or answer a wrong signature.
//! `README.md` beside this package is the manual; `script.rs` is the script's format.
//!
//! # What holds throughout
//! - **Without a script the application sees the real module**, a few atomics later.
//! - **No lock is held while a call waits**: a hang hangs its own call only.
//! - **A fault keeps to the standard**: an operation that an error ends has ended in the real module too, and a session
//!   lost with its token is closed there, unless the script says otherwise.
//! - **Limits are reported where the standard reports them**: `CK_TOKEN_INFO`, the slot list, the slot's flags.
//!
//! # The way of a call
//! `forward` (C interface, written by the table in `table`) or `special` (those with more to them) → `wrapper` (what a
//! call goes through) → `armed` (which rules apply) → the real module, or the `processor` by way of `own` where the token has
//! one of its own. `watch` is the one thread: script, absence, stats.
//!
//! Deliberately absent: the v3 interfaces, so that callers use the 2.40 list; Windows.

mod armed;
mod clock;
mod codes;
mod forward;
mod function;
mod output;
mod own;
mod processor;
mod script;
mod sessions;
mod settings;
mod shared;
mod special;
mod table;
mod tally;
mod watch;
mod when;
mod wrapper;

pub use special::C_GetFunctionList;
