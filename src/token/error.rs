//! What goes wrong with a token, and what to do about it.

use std::path::PathBuf;

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use serde::{Deserialize, Serialize};

use super::denial::Denial;
use crate::domain::{Algorithm, InvalidKey};

/// A failure of a token. It keeps the C function and the `CK_RV`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// The module is no PKCS#11 library, or is not there.
    #[error("cannot load the PKCS#11 module {}: {reason}", .path.display())]
    Module {
        /// Where it was looked for.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// No slot holds the token.
    #[error("no token with the label {label:?}{}; the module shows {}", serial_text(.serial.as_deref()), list(.found))]
    Absent {
        /// The label that was looked for.
        label: String,
        /// The serial that was looked for.
        serial: Option<String>,
        /// The labels that are there.
        found: Vec<String>,
    },
    /// More than one slot holds such a token.
    #[error("{count} tokens have the label {label:?}; name the serial of the one that is meant")]
    Ambiguous {
        /// The label.
        label: String,
        /// How many have it.
        count: usize,
    },
    /// The PIN cannot be read.
    #[error("cannot read the PIN from {place}: {reason}")]
    PinUnreadable {
        /// The file or variable.
        place: String,
        /// What went wrong.
        reason: String,
    },
    /// The token says that the next wrong PIN locks it, so none is tried.
    #[error("the token's flags say that {reason}, so no login is tried; an officer has to look at the token first")]
    PinAtRisk {
        /// What the flags say.
        reason: &'static str,
    },
    /// A PIN was refused before, and no officer has looked since.
    #[error("{why}, and no login is tried until an officer acts: put the right PIN in its place, then `sceau token unlatch` ({})", .path.display())]
    PinLatched {
        /// What happened.
        why: &'static str,
        /// The file that keeps it.
        path: PathBuf,
    },
    /// A PIN was refused once; it is not tried again.
    #[error("the PIN was refused ({code:?}) and is not tried again; put the right PIN in its place, then `sceau token unlatch`")]
    PinRefused {
        /// The code of the refusal.
        code: RvError,
    },
    /// No key on the token belongs to the certificate.
    #[error("the token has no {what}; the certificate is not this key's, or the key is on another token")]
    KeyAbsent {
        /// What was looked for.
        what: &'static str,
    },
    /// Several keys belong to the certificate.
    #[error("the token has {count} of the {what}; one is needed, and none is picked")]
    KeyAmbiguous {
        /// What was looked for.
        what: &'static str,
        /// How many there are.
        count: usize,
    },
    /// The key is not protected as an issuer's key has to be.
    #[error("the key's attribute {attribute} is {found}; it has to be {wanted} (relax_key_attributes can name it)")]
    KeyAttribute {
        /// Which one.
        attribute: KeyAttribute,
        /// What the token says.
        found: bool,
        /// What it should say.
        wanted: bool,
    },
    /// One of the keys that the token is opened with is not as it should be.
    #[error("the key of DSC {name}: {source}")]
    Key {
        /// The DSC.
        name: String,
        /// What is wrong.
        source: Box<Self>,
    },
    /// A failure inside a worker process.
    #[error("{message}")]
    Worker {
        /// What to do about it.
        disposition: Disposition,
        /// The failure, in words.
        message: String,
    },
    /// A worker process cannot be started, or cannot be understood.
    #[error("the worker process of the token {token:?}: {reason}")]
    Process {
        /// The token.
        token: String,
        /// What went wrong.
        reason: String,
    },
    /// Every worker of the token is down.
    #[error("the token {token:?} is down: {reason}; it is started again and again until it signs")]
    Down {
        /// The token.
        token: String,
        /// What its last worker said.
        reason: String,
    },
    /// Every slot holds a token, or none is plugged in.
    #[error("no slot is free to initialise a token in; the module shows {}: plug in the device, or free a slot with the vendor's tool", list(.found))]
    NoFreeSlot {
        /// The labels of the tokens that are there.
        found: Vec<String>,
    },
    /// A token that is there is not initialised anew.
    #[error(
        "a token with the label {label:?} is there already, with the serial {serial}, and is never initialised anew: name another label, or have the vendor's tool remove it"
    )]
    TokenExists {
        /// The label.
        label: String,
        /// Its serial number.
        serial: String,
    },
    /// A slot cannot become the token, as the configuration is.
    #[error("the token {token:?} cannot be initialised: {reason}")]
    NotInitialised {
        /// The token's name.
        token: String,
        /// What stands in the way, and what would be right.
        reason: String,
    },
    /// A label or id that a new key was to have is taken.
    #[error("a key with the label {label:?} is on the token already; keys are never replaced")]
    KeyExists {
        /// The label.
        label: String,
    },
    /// Officers did not agree on it, or on something else.
    #[error("refused: {0}")]
    Denied(#[from] Denial),
    /// An officer stopped the key.
    #[error("the key {name} was stopped by an officer, or destroyed; it signs no more")]
    KeyStopped {
        /// What officers call it: the kid of its certificate, as a rule.
        name: String,
    },
    /// A place among the keys cannot be the one that is meant.
    #[error("the place {number} among the worker's keys is another key's, or beyond them")]
    KeyPlace {
        /// Its number.
        number: usize,
    },
    /// Nobody knows what officers did before.
    #[error("cannot use the custody memory {}: {reason}; nothing is signed or changed without it: restore it, or have two officers look at the token before it is removed", .path.display())]
    Memory {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No new PIN was given to the token, or it is not in its place.
    #[error("cannot change the PIN in {place}: {reason}")]
    PinNotChanged {
        /// Where the PIN is.
        place: String,
        /// What went wrong.
        reason: String,
    },
    /// A request to the CSCA cannot be made for a key.
    #[error("no certification request is made: {reason}")]
    Request {
        /// What is wrong.
        reason: String,
    },
    /// What is asked for does not fit a frame to the worker.
    #[error("the texts that officers signed have {bytes} bytes together; a worker takes {most}")]
    TooLong {
        /// How many there are.
        bytes: usize,
        /// How many there may be.
        most: usize,
    },
    /// A worker does too many things for officers at once.
    #[error("the worker has {0} things to do for officers already; ask again when they are done")]
    TooMany(usize),
    /// A call failed.
    #[error("C_{function:?} gave {code:?}")]
    Call {
        /// The C function.
        function: Function,
        /// What it returned.
        code: RvError,
    },
    /// The binding could not make the call.
    #[error("the PKCS#11 call could not be made: {reason}")]
    Binding {
        /// What the binding said.
        reason: String,
    },
    /// A signature had another length than its key makes.
    #[error("a signature had {found} bytes; this key makes {wanted}")]
    SignatureLength {
        /// As it came.
        found: usize,
        /// As it should be.
        wanted: usize,
    },
    /// A signature over a digest that proves the key does not verify with the certificate.
    #[error("a signature does not verify with the certificate; it is another key's, or the token is at fault")]
    BadSignature,
    /// The public key in a certificate is none.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
    /// A worker was asked for what its configuration does not let it sign.
    #[error("the worker's configuration does not let the key sign {purpose}")]
    Purpose {
        /// What it was asked for.
        purpose: &'static str,
    },
    /// The token cannot do what a key is for.
    #[error(
        "the token does not have {mechanism}, which {algorithm} needs: allow it on the HSM, or take a DSC of another algorithm"
    )]
    MechanismAbsent {
        /// Its name in PKCS#11.
        mechanism: &'static str,
        /// What it is needed for.
        algorithm: Algorithm,
    },
    /// A session gives no answer.
    #[error("a session has given no answer for {seconds} s: the token hangs, or hang_timeout_ms is too short for it")]
    Hung {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The token is being closed.
    #[error("the token is closed")]
    Closed,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// This session is gone: open another, and sign again there.
    ReplaceSession,
    /// The login or the handles are gone: log in once, find the keys again, sign again.
    LogInAgain,
    /// The token is gone: others take over.
    TokenGone,
    /// Too much at once: later.
    Overloaded,
    /// The PIN is wrong, or not in its place: nothing until an officer acts.
    LatchPin,
    /// The configuration is wrong, or the code: stop this key.
    StopKey,
}

impl TokenError {
    /// What to do about it.
    ///
    /// # Source
    /// PKCS#11 v2.40 section 5.1, and what tokens are known to mean by the codes.
    #[must_use]
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::Call { code, .. } => disposition_of(*code),
            Self::Key { source, .. } => source.disposition(),
            Self::PinUnreadable { .. }
            | Self::PinAtRisk { .. }
            | Self::PinLatched { .. }
            | Self::PinRefused { .. }
            | Self::NotInitialised { .. } => Disposition::LatchPin,
            Self::TooMany(_) => Disposition::Overloaded,
            Self::SignatureLength { .. } => Disposition::ReplaceSession,
            Self::Worker { disposition, .. } => *disposition,
            Self::Module { .. }
            | Self::Absent { .. }
            | Self::NoFreeSlot { .. }
            | Self::Process { .. }
            | Self::Memory { .. }
            | Self::Down { .. }
            | Self::Hung { .. }
            | Self::Closed => Disposition::TokenGone,
            _ => Disposition::StopKey,
        }
    }

    /// The same failure, with the key that it is about.
    pub(super) fn about(self, name: &str) -> Self {
        Self::Key { name: name.to_owned(), source: Box::new(self) }
    }

    pub(super) fn of_call(error: Error) -> Self {
        match error {
            Error::Pkcs11(code, function) => Self::Call { function, code },
            other => Self::Binding { reason: other.to_string() },
        }
    }
}

const fn disposition_of(code: RvError) -> Disposition {
    match code {
        RvError::SessionHandleInvalid | RvError::SessionClosed | RvError::OperationActive | RvError::OperationNotInitialized => {
            Disposition::ReplaceSession
        }
        RvError::UserNotLoggedIn | RvError::ObjectHandleInvalid | RvError::KeyHandleInvalid => Disposition::LogInAgain,
        RvError::DeviceRemoved
        | RvError::TokenNotPresent
        | RvError::TokenNotRecognized
        | RvError::SlotIdInvalid
        | RvError::DeviceError
        | RvError::CryptokiNotInitialized
        | RvError::GeneralError => Disposition::TokenGone,
        RvError::FunctionFailed
        | RvError::DeviceMemory
        | RvError::HostMemory
        | RvError::SessionCount
        | RvError::VendorDefined(_)
        | RvError::UnknownErrorCode(_) => Disposition::Overloaded,
        RvError::PinIncorrect | RvError::PinLocked | RvError::PinExpired | RvError::UserPinNotInitialized => {
            Disposition::LatchPin
        }
        _ => Disposition::StopKey,
    }
}

/// An attribute that says how a private key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyAttribute {
    /// `CKA_SENSITIVE`: never shown in clear.
    Sensitive,
    /// `CKA_ALWAYS_SENSITIVE`: and never was.
    AlwaysSensitive,
    /// `CKA_NEVER_EXTRACTABLE`: never could leave the token.
    NeverExtractable,
    /// `CKA_LOCAL`: made on the token.
    Local,
    /// `CKA_SIGN`: for signatures.
    Sign,
    /// `CKA_ALWAYS_AUTHENTICATE`: wants the PIN for each signature, which a service cannot give.
    AlwaysAuthenticate,
}

impl std::fmt::Display for KeyAttribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sensitive => "sensitive",
            Self::AlwaysSensitive => "always_sensitive",
            Self::NeverExtractable => "never_extractable",
            Self::Local => "local",
            Self::Sign => "sign",
            Self::AlwaysAuthenticate => "always_authenticate",
        })
    }
}

fn list(labels: &[String]) -> String {
    if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }
}

fn serial_text(serial: Option<&str>) -> String {
    serial.map_or_else(String::new, |serial| format!(" and the serial {serial:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disposition(code: RvError) -> Disposition {
        TokenError::Call { function: Function::Sign, code }.disposition()
    }

    #[test]
    fn a_lost_session_is_replaced_and_a_wrong_pin_latches() {
        assert_eq!(disposition(RvError::SessionHandleInvalid), Disposition::ReplaceSession);
        assert_eq!(disposition(RvError::UserNotLoggedIn), Disposition::LogInAgain);
        assert_eq!(disposition(RvError::DeviceRemoved), Disposition::TokenGone);
        assert_eq!(disposition(RvError::VendorDefined(0x8000_0001)), Disposition::Overloaded);
        assert_eq!(disposition(RvError::PinIncorrect), Disposition::LatchPin);
        assert_eq!(disposition(RvError::MechanismInvalid), Disposition::StopKey);
    }

    #[test]
    fn an_error_names_the_function_and_the_code() {
        let text = TokenError::Call { function: Function::Sign, code: RvError::DeviceRemoved }.to_string();
        assert_eq!(text, "C_Sign gave DeviceRemoved");
    }
}
