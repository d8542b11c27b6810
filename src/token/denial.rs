//! Why a worker does not do what it is asked in officers' names.

use crate::domain::Kid;
use crate::domain::officers::{BrokenHistory, Label, NoConsent};

/// A rule that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Nobody is an officer.
    #[error("the worker's configuration has no [custody], so that nobody is an officer to it")]
    NoOfficers,
    /// The rosters do not follow from the first one.
    #[error(transparent)]
    History(#[from] BrokenHistory),
    /// The consent is none.
    #[error(transparent)]
    Consent(#[from] NoConsent),
    /// A later roster was in force already.
    #[error("it comes with the roster number {given}, and the worker has seen number {seen}: officers have changed since")]
    OldRoster {
        /// The one at the end of the history.
        given: u32,
        /// The highest that was seen.
        seen: u32,
    },
    /// It is about another token.
    #[error("it is about the token {wanted}, and this is {this}")]
    OtherToken {
        /// The one that officers agreed on.
        wanted: Label,
        /// The worker's.
        this: String,
    },
    /// The text is about something else.
    #[error("the officers agreed on {found}, where {wanted} is needed")]
    NotThat {
        /// What they agreed on.
        found: &'static str,
        /// What it takes.
        wanted: &'static str,
    },
    /// A token has no part in it.
    #[error("a token does nothing for {change}: the custody chain's record is all of it")]
    NoTask {
        /// What they agreed on.
        change: &'static str,
    },
    /// Not by a worker.
    #[error("a slot is initialised by a process for that alone; this one has the token open, so that it is initialised already")]
    Initialise,
    /// The consents are about different keys.
    #[error("the consents are not about one key: {one} and {other}")]
    Different {
        /// What one says.
        one: String,
        /// What the other says.
        other: String,
    },
    /// The destruction names a kid, and nothing says which key that is.
    #[error("the key to be destroyed is named by its kid {kid}: the consent that certified it is needed to find it on the token")]
    WhichKey {
        /// The kid.
        kid: Kid,
    },
    /// A certificate cannot be read.
    #[error("the certificate that the officers agreed on cannot be read: {reason}")]
    Certificate {
        /// What is wrong.
        reason: String,
    },
    /// The certificate's key is of another kind than the one that was made.
    #[error("the certificate's key is not the {wanted} key that the officers agreed on")]
    Kind {
        /// The kind.
        wanted: &'static str,
    },
    /// An officer stopped it.
    #[error("the key of DSC {kid} was stopped by an officer; it signs no more")]
    Stopped {
        /// Of its certificate.
        kid: Kid,
    },
    /// It was destroyed, or is to be.
    #[error("the key {label} was destroyed, or is to be; a label is not used again")]
    Destroyed {
        /// Its label.
        label: Label,
    },
    /// It was begun before and did not come to an end.
    #[error("this {change} was begun before, and nothing came of it: propose it anew")]
    Unfinished {
        /// What was agreed on.
        change: &'static str,
    },
}
