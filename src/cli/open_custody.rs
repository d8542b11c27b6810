//! From a configuration to an office where officers change keys.

use std::sync::Arc;

use crate::config::CustodySettings;
use crate::custody::import::KnownKids;
use crate::custody::office::{Errand, Hands, HandsFuture, NotDone, Office, OfficeParts, OfficeTask};
use crate::custody::revocation::Revoker;
use crate::domain::officers::Label;
use crate::domain::{Digest, NumericDate};
use crate::service::admin::AdminToken;
use crate::service::auditor::Auditing;
use crate::service::custody::Custodian;
use crate::sign::Keyring;

/// What officers revoke by.
pub(crate) struct OpenCustody<'a> {
    pub(crate) auditing: &'a Auditing,
    pub(crate) revoker: Arc<Revoker>,
    pub(crate) custodian: Custodian,
}

impl OpenCustody<'_> {
    /// Opens the office: two officers look after keys, and revoke.
    pub(crate) async fn with_office(
        self,
        settings: &CustodySettings,
        tokens: &[AdminToken],
        keyring: &Keyring,
    ) -> (Custodian, OfficeTask) {
        let Self { auditing, revoker, custodian } = self;
        let mut known = KnownKids::new();
        keyring.iter().for_each(|key| known.add(key.dsc().der(), "the configuration"));
        let parts = OfficeParts {
            store: Arc::clone(auditing.records.store()),
            clock: Arc::clone(&auditing.clock),
            first_roster: settings.first_roster.clone(),
            lead: settings.lead,
            hands: Arc::new(TokenHands::of(tokens)),
            revoker: Some(revoker),
            audit: auditing.audit.clone(),
            known,
        };
        let (office, task) = Office::start(parts).await;
        (custodian.with_office(office), task)
    }
}

/// The tokens of this service, by their names.
#[derive(Debug)]
struct TokenHands {
    names: Vec<String>,
}

impl TokenHands {
    fn of(tokens: &[AdminToken]) -> Self {
        Self { names: tokens.iter().map(|token| token.token.status().name).collect() }
    }
}

impl Hands for TokenHands {
    fn has(&self, token: &Label) -> bool {
        self.names.iter().any(|name| name == token.as_str())
    }

    fn manage(&self, _token: &Label, _errand: Errand) -> HandsFuture {
        let reason = "its worker makes and destroys no keys yet".to_owned();
        Box::pin(std::future::ready(Err(NotDone { reason, may_retry: true })))
    }

    fn specimen(&self, _certificate: &[u8], _iat: NumericDate) -> Option<Digest> {
        None
    }
}
