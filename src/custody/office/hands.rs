//! What does what officers agreed on, where a token has to: it gets the texts and signatures, and checks them itself.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::domain::officers::{Consent, GeneratedKey, Label, RosterHistory};
use crate::domain::{NumericDate, Signature};

/// What a token is to do, with everything that lets it judge whether it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// How the officers became the officers.
    pub history: RosterHistory,
    /// The proposal and its approvals.
    pub consent: Consent,
    /// What is wanted of it.
    pub task: Task,
}

/// What is wanted of a consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// That it is done, once.
    Execute,
    /// Of one to generate: the request to the CSCA again.
    Request,
    /// Of one to certify: the one specimen, signed as of an instant.
    Specimen {
        /// The specimen's `iat`.
        iat: NumericDate,
    },
}

/// What a token did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It made a key, and signed the request for it.
    Generated {
        /// The public half.
        key: GeneratedKey,
        /// PKCS#10 in DER.
        request: Vec<u8>,
    },
    /// It signed the request again: PKCS#10 in DER.
    Requested {
        /// The request.
        request: Vec<u8>,
    },
    /// It signed the specimen.
    Specimen {
        /// The signature.
        signature: Signature,
    },
    /// It forgot a key.
    Destroyed,
    /// It has another PIN.
    PinChanged,
    /// It is a token now.
    Initialised,
}

/// Why a token did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotDone {
    /// In words for the officer: no PIN, nothing personal.
    pub reason: String,
    /// Whether another try may do it: the token did not answer, or is held up. Where not, the proposal has failed.
    pub may_retry: bool,
}

/// A token's answer to come.
pub type HandsFuture = Pin<Box<dyn Future<Output = Result<Done, NotDone>> + Send>>;

/// The tokens of this replica.
pub trait Hands: Send + Sync + fmt::Debug {
    /// Whether a token is among them.
    fn has(&self, token: &Label) -> bool;

    /// Has a token do something. It goes on where the future is dropped, and does a consent once, however often it is asked.
    fn manage(&self, token: &Label, errand: Errand) -> HandsFuture;

    /// The digest that a specimen's signature is over, for a certificate in DER.
    fn specimen(&self, certificate: &[u8], iat: NumericDate) -> Option<crate::domain::Digest>;
}
