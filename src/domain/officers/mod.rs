//! Two people: what officers propose and approve, how they sign it, and what counts.
//!
//! Each step is a *text*: one line of compact JSON that a person can read, made once, and kept, hashed and parsed as the
//! bytes that were signed. A text is refused unless it is, byte for byte, what this form writes: members in this order, each
//! once, no blank, no other escape. So there is one reading of it, for people and for programs.
//!
//! ```text
//! proposal  = {"v":1,"change":{…},"officer":…,"made_at":…,"valid_until":…,"roster":…,"head":{"seq":…,"link":…},"nonce":…}
//! verdict   = {"v":1,"decision":"approve"|"reject","proposal":…,"officer":…,"made_at":…,"head":{"seq":…,"link":…}}
//! id        = SHA-256(text of the proposal)
//! signature = ES256, r‖s, over SHA-256("sceau custody 1\n" ‖ role ‖ "\n" ‖ text)     role: propose, approve, reject, or witness
//! ```
//! Instants are RFC 3339 in UTC, whole seconds; hashes and nonce are hexadecimal digits, keys and certificates base64 of DER.
//!
//! | member | why it is signed |
//! |---|---|
//! | change | exactly what is to be done, [`Change`] |
//! | roster | the number of the [`Roster`] that it is made under: who is an officer, and how many have to agree, cannot be swapped |
//! | head | the end of the custody chain that the officer saw: it holds against a chain that was rewritten |
//! | nonce | two proposals of the same change differ, so that no approval serves twice |
//!
//! [`Roster::judge`] makes the one value that lets anything happen: [`Approved`]. [`Event`] is how all of it stands in the chain.

mod approved;
mod change;
mod event;
mod history;
mod key;
mod officer;
mod proposal;
mod refusal;
mod roster;
mod serial;
mod signed;
mod verdict;
mod words;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use approved::{Approved, Consent, NoConsent};
pub use change::{Activation, Certification, Change, Generation, KeyKind, KeyName, Revocation, RosterChange, Subject};
pub use event::{Event, GeneratedKey, Outcome};
pub use history::{BrokenHistory, RosterHistory};
pub use key::{InvalidOfficerKey, OfficerKey};
pub use officer::{InvalidOfficerPublicKey, Officer, OfficerPublicKey};
pub use proposal::{Proposal, ProposalId, ProposalText};
pub use refusal::Refusal;
pub use roster::{InvalidRoster, Roster};
pub use signed::{ChainHead, InvalidText, Role, SignedText};
pub use verdict::{Decision, Verdict, VerdictText};
pub use words::{InvalidWords, Label, Words};
