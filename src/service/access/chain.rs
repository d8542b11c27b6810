//! The certificates that a client has shown in its handshake, held against the CAs and revocation lists in force.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::CertificateDer;

use crate::domain::NumericDate;
use crate::service::tls::{LiveTls, Tls};

/// A client's chain of certificates. A connection may live for weeks, and what its handshake found may have changed since.
pub(crate) struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    live: Arc<LiveTls>,
    judged: Mutex<Judged>,
}

/// What came of the chain, and by what it was judged: as long as that stays in force it is not verified again.
struct Judged {
    by: Arc<Tls>,
    outcome: Result<(), Lapse>,
}

/// Why a chain that has opened a connection would not open one any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lapse {
    /// The client's certificate is at its end.
    #[error("the client's certificate has expired since it connected; connect with a new one")]
    Expired,
    /// Another CA or revocation list is in force.
    #[error("the client's certificate is no longer taken: {reason}; connect with another one")]
    Refused {
        /// What the verification said.
        reason: String,
    },
    /// What a revocation list said no longer counts.
    #[error(
        "the service's revocation list has expired at {at}; it takes nobody's certificate until its operator gives it a newer one"
    )]
    List {
        /// When.
        at: NumericDate,
    },
}

impl Chain {
    /// A chain that a handshake has just verified.
    pub(crate) fn verified(certificates: Vec<CertificateDer<'static>>, live: Arc<LiveTls>, by: Arc<Tls>) -> Self {
        Self { certificates, live, judged: Mutex::new(Judged { by, outcome: Ok(()) }) }
    }

    /// Whether it would still open a connection. Where nothing has changed that costs a comparison; after a change, one
    /// verification a connection.
    pub(super) fn check(&self, now: NumericDate) -> Result<(), Lapse> {
        let tls = self.live.current();
        if let Some(at) = tls.lists_until().filter(|at| now >= *at) {
            return Err(Lapse::List { at });
        }
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&judged.by, &tls) {
            let outcome = tls.verify(&self.certificates, now).map_err(|error| Lapse::Refused { reason: error.to_string() });
            *judged = Judged { by: tls, outcome };
        }
        judged.outcome.clone()
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("certificates", &self.certificates.len()).finish_non_exhaustive()
    }
}
