//! A batch as the service hands it over, and what comes back.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::Profile;
use super::keyring::{KeysLacking, Unbound};
use crate::domain::{
    CallerId, CertificateType, CertificateTypes, ClockStopped, Fault, Faults, ItemId, Kid, Lane, NumericDate, Rule, Signature,
};
use crate::encode::{CoseBytes, Hc1, ProtectedHeader};
use crate::ledger::LedgerError;
use crate::token::TokenError;

/// A batch of one caller under one profile.
#[derive(Debug)]
pub struct BatchRequest {
    /// Who asks.
    pub caller: CallerId,
    /// The pseudonym of the person behind the call.
    pub person: Option<Arc<str>>,
    /// The call's request id.
    pub request: Arc<str>,
    /// How to issue.
    pub profile: Arc<Profile>,
    /// With which priority.
    pub lane: Lane,
    /// Only say what is wrong; sign nothing.
    pub validate_only: bool,
    /// What may be signed for whoever asks.
    pub permits: Permits,
    /// When the answer is of no use any more, where that is sooner than the signatures of a batch may take.
    pub deadline: Option<Instant>,
    /// What to sign.
    pub items: Vec<BatchItem>,
}

/// The certificate types that may be signed for whoever asks.
#[derive(Clone, Copy, Debug)]
pub struct Permits {
    /// The caller's.
    pub caller: CertificateTypes,
    /// Those of the person behind the call.
    pub person: CertificateTypes,
}

impl Permits {
    /// Every type.
    pub const ALL: Self = Self { caller: CertificateTypes::ANY, person: CertificateTypes::ANY };

    /// Refuses a type that is not among them.
    pub(super) fn check(self, kind: CertificateType) -> Result<(), Fault> {
        let (rule, whose, types) = if !self.caller.allows(kind) {
            (Rule::CallerTypes, "caller", self.caller)
        } else if !self.person.allows(kind) {
            (Rule::PersonTypes, "person's profession", self.person)
        } else {
            return Ok(());
        };
        let names: Vec<String> = types.iter().map(|kind| kind.to_string()).collect();
        let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(Fault::new(kind.key(), rule, format!("a {kind} certificate; this {whose} may have signed: {has}")))
    }
}

/// One payload. Its `item_id` is known to be well-formed and alone in its batch.
#[derive(Debug)]
pub struct BatchItem {
    /// The caller's reference.
    pub item_id: ItemId,
    /// The DCC as JSON.
    pub payload: Bytes,
    /// An end of validity sooner than the profile's.
    pub expires_at: Option<NumericDate>,
}

/// What became of one item.
pub type ItemOutcome = Result<Certificate, ItemError>;

/// A certificate, or with `validate_only` what it would be.
#[derive(Debug)]
pub struct Certificate {
    /// The code's text and the COSE message in it; nothing with `validate_only`.
    pub signed: Option<SignedForms>,
    /// The identifier, given or made.
    pub uvci: String,
    /// Vaccination, test or recovery.
    pub kind: CertificateType,
    /// The DSC that signs.
    pub kid: Kid,
    /// `iat`.
    pub issued_at: NumericDate,
    /// `exp`.
    pub expires_at: NumericDate,
    /// Whether it is the certificate of an earlier item again. Callers cannot tell, but an operator may want to count.
    pub is_replayed: bool,
}

impl Certificate {
    /// Whether a token has signed it now.
    pub(crate) const fn took_a_signature(&self) -> bool {
        self.signed.is_some() && !self.is_replayed
    }
}

/// The two forms of a signed certificate.
#[derive(Debug)]
pub struct SignedForms {
    /// The text for a QR code.
    pub hc1: Hc1,
    /// The COSE_Sign1 message.
    pub cose: CoseBytes,
}

impl SignedForms {
    /// Puts claims and signature together.
    pub(super) fn assemble(header: &ProtectedHeader, claims: Vec<u8>, signature: Signature) -> Self {
        let cose = header.assemble(claims, signature);
        Self { hc1: Hc1::encode(&cose), cose }
    }
}

/// Why there is no certificate.
#[derive(Debug)]
pub enum ItemError {
    /// The item is at fault.
    Refused(Faults),
    /// The signing is.
    Failed(SignFailure),
}

impl From<Faults> for ItemError {
    fn from(faults: Faults) -> Self {
        Self::Refused(faults)
    }
}

impl From<Fault> for ItemError {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault.into())
    }
}

impl From<Unbound> for ItemError {
    fn from(unbound: Unbound) -> Self {
        match unbound {
            Unbound::Unavailable(fault) => fault.into(),
            Unbound::Lacking(lacking) => Self::Failed(lacking.into()),
        }
    }
}

/// Why a good item was not signed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignFailure {
    /// The token did not sign.
    #[error("the token did not sign: {0}")]
    Token(TokenError),
    /// The token gave no answer in time.
    #[error("the token gave no answer in time")]
    Timeout,
    /// The token gave a signature that does not verify. It is never released.
    #[error("the token gave a signature that does not verify")]
    BadSignature,
    /// The machine's clock is not to be trusted.
    #[error(transparent)]
    Clock(#[from] ClockStopped),
    /// The same item is in work for another call, which did not end in time.
    #[error("the same item is still being signed for another call")]
    InWork,
    /// The ledger of signed items did not answer, or did not keep the item.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A key that is to sign it cannot at present.
    #[error(transparent)]
    Keys(#[from] KeysLacking),
    /// The service is ending.
    #[error("the service is ending")]
    Closing,
}
