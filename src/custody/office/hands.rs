//! What does what officers agreed on, where a token has to: it gets the texts and signatures, and checks them itself.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::domain::officers::Label;
use crate::token::{Disposition, Managed, Management, TokenError};

/// Why a token did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotDone {
    /// In words for the officer: no PIN, nothing personal.
    pub reason: String,
    /// Whether another try may do it: the token did not answer, or is held up. Where not, the proposal has failed.
    pub may_retry: bool,
}

impl From<TokenError> for NotDone {
    fn from(error: TokenError) -> Self {
        Self { reason: error.to_string(), may_retry: error.disposition() != Disposition::StopKey }
    }
}

/// A token's answer to come.
pub type HandsFuture = Pin<Box<dyn Future<Output = Result<Managed, NotDone>> + Send>>;

/// The tokens of this replica.
pub trait Hands: Send + Sync + fmt::Debug {
    /// Whether a token is among them.
    fn has(&self, token: &Label) -> bool;

    /// Whether officers can have a slot initialised as a token, as far as it shows without asking it.
    ///
    /// # Errors
    /// [`NotDone`] says what stands in the way, and what would be right.
    fn check_initialise(&self, _token: &Label) -> Result<(), NotDone> {
        Ok(())
    }

    /// Has a token do something. It goes on where the future is dropped, and does a consent once, however often it is asked.
    fn manage(&self, token: &Label, order: Management) -> HandsFuture;
}
