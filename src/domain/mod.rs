//! The words of the field: what a certificate says, and who may vouch for it.
//!
//! Everything here is parsed, so that a value that exists is valid. There is no I/O, no clock and no randomness in
//! this room: the time comes from a [`Clock`], identities from a secret that the caller holds. ([`officers::OfficerKey`] alone
//! takes the crypto library's randomness: it makes keys and ECDSA signatures.)
//!
//! Reading order: [`hcert`] (what is certified), [`payload`] (how a JSON payload becomes one), [`rule`] and
//! [`fault`] (what is refused, and how that is said), then the small words; [`officers`] (who may change which keys there are)
//! stands by itself.

pub mod algorithm;
pub mod batch;
pub mod batch_check;
pub mod check;
pub mod digest;
pub mod dsc;
pub mod fault;
pub mod hcert;
pub mod json;
pub mod key_use;
pub mod kid;
pub mod octets;
pub mod officers;
pub mod payload;
pub mod pem;
pub mod revocation;
pub mod rule;
pub mod text;
pub mod time;
pub mod transliteration;
pub mod uvci;
pub mod value_sets;

pub use algorithm::Algorithm;
pub use batch::{CallerId, ItemId, Lane};
pub use batch_check::{BatchCheck, NoBatchCheck};
pub use check::{InvalidKey, SignatureCheck};
pub use digest::{Digest, Signature};
pub use dsc::{CertificateTypes, Dsc, DscError, PublicKey};
pub use fault::{Fault, Faults};
pub use hcert::{CertificateType, Hcert};
pub use key_use::{KeyUse, Window};
pub use kid::Kid;
pub use octets::Octets;
pub use payload::Rulebook;
pub use revocation::{HashType, RevocationHashes};
pub use rule::{Rule, RuleSet};
pub use time::{Clock, ClockStopped, NumericDate, SystemClock};
pub use transliteration::transliterate;
pub use uvci::{Country, Uvci, UvciMaker};
pub use value_sets::ValueSets;
