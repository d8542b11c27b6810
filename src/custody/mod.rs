//! The life of a DSC, and what officers do about certificates: what is written and read on the way of a DSC, which keys there are
//! and who may change that, how one is issued for development, and revocation.
//!
//! Reading order: [`import`] (what comes back from the CSCA, checked; what it is asked for is [`crate::encode::csr`]), [`publish`] and
//! [`trust_list`] (how verifiers hear of it), [`plan`] (when each of these is due), [`register`] (keys, their states, and what
//! officers propose), [`ceremony`] (the offline room: a plan, and the transcript of what was done), [`development`] (a CSCA for
//! tests). These are pure: the token signs a digest that a draft gives, and the caller reads and writes the files. [`office`] takes
//! what officers sign, writes the chain that the register is read from, and has tokens and the ledger do what was agreed on. [`duty`]
//! has the keyring follow the register, and tokens take its keys. [`revocation`] asks the ledger and writes to it.

pub mod ceremony;
pub mod development;
pub mod duty;
pub mod import;
pub mod office;
pub mod plan;
pub mod publish;
pub mod register;
pub mod revocation;
pub mod trust_list;
