//! Why a change does not fit what there is.

use crate::domain::officers::{InvalidRoster, KeyName, Label};
use crate::domain::{CertificateTypes, Country, DscError, Kid, NumericDate};

use super::State;

/// Why a change does not fit the register.
#[derive(Debug, thiserror::Error)]
pub enum Contradiction {
    /// A key had the label before.
    #[error("there is, or was, a key {label}: each key has a label of its own")]
    LabelTaken {
        /// The label.
        label: Label,
    },
    /// A key was asked to be certified under the name before.
    #[error("the key {label} has the CN {name:?}: no two DSCs of a state have the same")]
    NameTaken {
        /// The CN.
        name: String,
        /// Whose it is.
        label: Label,
    },
    /// There is no such key.
    #[error("{key} is not in the register")]
    NoKey {
        /// How it was named.
        key: KeyName,
    },
    /// The key is in a state from which there is no such step.
    #[error("the key {label} is {state}; {change} takes one that is {wanted}")]
    State {
        /// The key.
        label: Label,
        /// Its state.
        state: State,
        /// What was to be done.
        change: &'static str,
        /// What it would have to be.
        wanted: &'static str,
    },
    /// The certificate cannot be a DSC's.
    #[error("the certificate cannot be a DSC: {0}")]
    Certificate(#[from] DscError),
    /// The certificate is of another key.
    #[error("the certificate's public key is not that of {label}")]
    ForeignKey {
        /// The key that it was given for.
        label: Label,
    },
    /// The certificate does not let its key sign.
    #[error("the certificate's key usage lacks digitalSignature; a DSC has it")]
    KeyUsage,
    /// The certificate is of another country.
    #[error("the certificate's country is {}, and {asked} was asked for", .found.map_or_else(|| "missing".to_owned(), |country| country.to_string()))]
    Country {
        /// The certificate's.
        found: Option<Country>,
        /// The one of the request.
        asked: Country,
    },
    /// The certificate has ended.
    #[error("the certificate ended at {at}; its CSCA has to issue another")]
    Ended {
        /// Its `notAfter`.
        at: NumericDate,
    },
    /// Another certificate has the kid: verifiers could not tell them apart.
    #[error("the kid {kid} is another certificate's: the CSCA has to issue it anew, with another serial number")]
    KidTaken {
        /// The kid.
        kid: Kid,
    },
    /// The CSCA gave the serial number twice.
    #[error(
        "the certificate of the key {label} has the same issuer and serial number: the CSCA has to issue it anew, with another"
    )]
    SerialTaken {
        /// Whose certificate has it.
        label: Label,
    },
    /// The instant is too soon.
    #[error("{at} is too soon: a change reaches every replica by {earliest}")]
    TooSoon {
        /// What was asked for.
        at: NumericDate,
        /// The first instant that can be had.
        earliest: NumericDate,
    },
    /// The window is empty.
    #[error("the window from {from} to {to} is empty: it holds its first instant, and not its end")]
    EmptyWindow {
        /// Its first instant.
        from: NumericDate,
        /// Its end.
        to: NumericDate,
    },
    /// The window begins when verifiers do not have the certificate.
    #[error("the window begins at {from}, and the certificate is on the trust list from {published} on")]
    BeforeList {
        /// Its first instant.
        from: NumericDate,
        /// From when on the certificate is published.
        published: NumericDate,
    },
    /// The window begins when the certificate is not valid.
    #[error("the window begins at {from}, and the certificate is valid from {not_before} to {not_after}")]
    OutsideValidity {
        /// Its first instant.
        from: NumericDate,
        /// The certificate's first instant.
        not_before: NumericDate,
        /// The certificate's last instant.
        not_after: NumericDate,
    },
    /// The certificate does not allow the types.
    #[error("the certificate allows {allowed:?}, and not all of {asked:?}")]
    Types {
        /// What was asked for.
        asked: CertificateTypes,
        /// What the certificate allows.
        allowed: CertificateTypes,
    },
    /// The weight is out of range.
    #[error("the weight is {weight}; it is 1 to 1000")]
    Weight {
        /// What was asked for.
        weight: u16,
    },
    /// The key ends no later already.
    #[error("the key {label} signs until {to} already")]
    EndsBefore {
        /// The key.
        label: Label,
        /// The end of its window.
        to: NumericDate,
    },
    /// The key signs, or will.
    #[error("the key {label} is to sign until {to}: retire it first")]
    InUse {
        /// The key.
        label: Label,
        /// The end of its window.
        to: NumericDate,
    },
    /// The token has keys, which an initialisation would destroy.
    #[error("the token {token} holds the key {label}: destroy its keys first, each by its name")]
    TokenInUse {
        /// The token.
        token: Label,
        /// One of its keys.
        label: Label,
    },
    /// The officers would be none who can agree.
    #[error(transparent)]
    Roster(#[from] InvalidRoster),
}
