//! The rotation calendar: which DSCs a profile needs, when each is generated, certified, published, activated and retired, and
//! what of it is due.
//!
//! ```text
//! generate        certify, publish      activate                        retire                     notAfter
//!    |-- certify days --|-- publish days --|------- months of use --------|-- longest certificate ---|
//!                                          |--- weeks ---| the next is activated
//! ```
//! A certificate's exp is within its DSC's validity, so a DSC signs until its notAfter less the longest validity of what it
//! signs, however long it might be used otherwise.
//!
//! Days are those of UTC; a DSC is activated and retired as its day begins. A pure function: [`plan`] reads no clock.
//!
//! # Source
//! Certificate governance, sections on validity: a DSC is valid for two years, used for six months, and renewed a month before;
//! the practice of issuers (overlapping DSCs, a new one every three weeks to a quarter).

mod calendar;
mod policy;
mod row;
#[cfg(test)]
mod tests;

pub use calendar::{Plan, plan};
pub use policy::{Policy, PolicyFault, Series};
pub use row::{Due, Existing, Gap, Row, Stage, Step, Window};
