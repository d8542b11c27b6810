//! Why an officer's wish is not done.

use std::time::Duration;

use super::reader::Unreadable;
use crate::custody::import::{CscaError, Refused};
use crate::custody::publish::PublishError;
use crate::custody::register::{Contradiction, Misfit};
use crate::custody::revocation::RevokeError;
use crate::domain::officers::{InvalidText, KeyName, Label, ProposalId};
use crate::domain::{ClockStopped, NumericDate};
use crate::ledger::store::StoreError;
use crate::sign::UploadError;

/// Why nothing was changed, or nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// A text has not the form.
    #[error(transparent)]
    Text(#[from] InvalidText),
    /// It does not follow from what there is.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// A certificate is not one that was asked for.
    #[error("the certificate is not taken: {0}")]
    Import(#[from] Refused),
    /// Nothing to check a certificate against.
    #[error("a certificate is checked against the CSCA that issued it: give one at least")]
    NoCsca,
    /// A CSCA is none.
    #[error("one of the CSCAs is none: {0}")]
    Csca(#[from] CscaError),
    /// A trust list is none.
    #[error("the trust list: {reason}")]
    TrustList {
        /// What is wrong.
        reason: String,
    },
    /// A question that officers would sign cannot be asked.
    #[error("the question to the ledger {reason}: take `asked` of a revocation's dry run")]
    Question {
        /// What is wrong.
        reason: String,
    },
    /// Nothing would be revoked, or something else.
    #[error(transparent)]
    Revoke(#[from] RevokeError),
    /// Nothing is written down here.
    #[error("nothing can be revoked here: no record of certificates is kept")]
    NoRecord,
    /// The chain cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The chain cannot be written.
    #[error("the custody chain cannot be written: {0}")]
    Store(StoreError),
    /// Another replica is at it.
    #[error("another replica is {doing}: try again in a moment")]
    Busy {
        /// What it does.
        doing: &'static str,
        /// When it is done, at the latest.
        left: Duration,
    },
    /// By a clock that cannot be trusted nobody knows what has expired.
    #[error(transparent)]
    Clock(#[from] ClockStopped),
    /// There are enough to decide on.
    #[error("{open} proposals are open, and {most} may be: decide on them first, or let them expire")]
    TooManyOpen {
        /// How many there are.
        open: usize,
        /// How many there may be.
        most: usize,
    },
    /// There is no such key.
    #[error("{key} is not in the register")]
    NoKey {
        /// Which.
        key: KeyName,
    },
    /// The token is none of this service.
    #[error("the token {token} is not in this service's configuration")]
    NotHere {
        /// Which.
        token: Label,
    },
    /// It could not be done now.
    #[error("{reason}")]
    NotReady {
        /// What stands in the way, and what would be right.
        reason: String,
    },
    /// The token did not do it.
    #[error("the token {token}: {reason}")]
    Token {
        /// Which.
        token: Label,
        /// Why.
        reason: String,
    },
    /// The proposal would be void before it stands on record what was done.
    #[error("it expires at {until}, and what a token has to do begins {seconds} s before that at the latest: propose it anew")]
    TooLate {
        /// When it expires.
        until: NumericDate,
        /// What there has to be left.
        seconds: i64,
    },
    /// A proposal is not what was asked for.
    #[error("the proposal {id} is no revocation that was executed")]
    NoRevocation {
        /// Which.
        id: ProposalId,
    },
    /// There is no key to sign uploads.
    #[error("{reason}")]
    NoUpload {
        /// Why.
        reason: String,
    },
    /// There is nothing to upload.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The upload is not signed.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The audit key does not sign.
    #[error("{reason}")]
    NotSealed {
        /// Why.
        reason: String,
    },
    /// The work was given up, as the service is ending.
    #[error("the service is ending; ask another, or this one when it is back, how it stands")]
    Ending,
}

impl From<Contradiction> for OfficeError {
    fn from(error: Contradiction) -> Self {
        Self::Misfit(error.into())
    }
}
