//! The ceremony in the offline room: what is to be done stands in one file that officers have reviewed, the [`Plan`]; what was
//! done stands in one text that they have signed, the [`Transcript`].
//!
//! ```text
//! 1d8f0c1e0a6b9f42  sceau ceremony transcript 1
//! 0c53a2f5d1b07c9e  title: First ceremony of issuer-a
//! a94b6f0e7d3c1852  plan: sha256 5f1e…
//! …                 officer: ada MFkwEwYHKoZIzj0CAQ…
//! …                 begin: 2026-11-22T12:00:00Z, sceau 0.1.0, sha256 77c0…
//! …                 step 1: generate the key dsc-2026-01, p256
//! …                   public key: sha256 90ab…
//! …                 done 1: 2026-11-22T12:00:03Z
//! …                 end: 2026-11-22T12:01:00Z
//! …                 present: ada, 2026-11-22T12:01:07Z, signs the 57 lines above, link 3c1f…
//! …                 signature: lSyu…
//! ```
//! Each line begins with its link: `link = SHA-256(link before ‖ text ‖ "\n")`, of which the first 8 bytes are shown. The one before
//! the first line is 32 bytes of zero. Who was there signs the whole link of what stands above (ES256, in the role
//! [`Role::Witness`](crate::domain::officers::Role::Witness), the text of the `present:` line). So a changed, missing or added line
//! breaks the chain from there on, and one who writes the chain anew has no signature.
//!
//! Pure: the caller reads and writes the files. Reading order: [`plan`], [`line`](mod@line), [`transcript`], [`progress`], [`check`](mod@check).

pub mod check;
pub mod line;
pub mod plan;
pub mod progress;
pub mod transcript;

#[cfg(test)]
mod tests;

pub use check::{Finding, Reading, check};
pub use line::Line;
pub use plan::{FileName, InvalidPlan, Plan, PlannedKey, PlannedOfficer, Step, WITNESSES};
pub use progress::{OutOfPlace, Progress};
pub use transcript::{Broken, Chain, Link, Transcript};
