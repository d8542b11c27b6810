//! From a configuration to an office where officers change keys, and a keyring that follows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::config::CustodySettings;
use crate::custody::duty::{self, Duty, Holding, KeyHolder, Post};
use crate::custody::import::KnownKids;
use crate::custody::office::{Hands, HandsFuture, NotDone, Office, OfficeParts, OfficeTask};
use crate::custody::register::{Papers, StopOrder};
use crate::custody::revocation::Revoker;
use crate::domain::officers::Label;
use crate::service::admin::AdminToken;
use crate::service::auditor::Auditing;
use crate::service::custody::Custodian;
use crate::service::monitoring::WatchedCustody;
use crate::sign::LiveKeyring;
use crate::token::{Admission, Management, Stop, SupervisedToken, Token, TokenKey};

/// What officers revoke by.
pub(crate) struct OpenCustody<'a> {
    pub(crate) auditing: &'a Auditing,
    pub(crate) revoker: Arc<Revoker>,
    pub(crate) custodian: Custodian,
}

/// An office, and what goes on beside it.
#[derive(Debug)]
pub(crate) struct CustodyAtWork {
    /// What monitoring looks at.
    pub(crate) watched: WatchedCustody,
    office: OfficeTask,
    duty: JoinHandle<()>,
}

impl CustodyAtWork {
    /// Seals what was written, and ends.
    pub(crate) async fn end(self) {
        self.duty.abort();
        self.office.end().await;
    }
}

impl OpenCustody<'_> {
    /// Opens the office: two officers look after keys, and revoke; the keyring, which holds the keys of the configuration, follows.
    pub(crate) async fn with_office(
        self,
        settings: &CustodySettings,
        tokens: &[AdminToken],
        keyring: &Arc<LiveKeyring>,
    ) -> (Custodian, CustodyAtWork) {
        let Self { auditing, revoker, custodian } = self;
        let (tokens, clock) = (by_name(tokens), &auditing.clock);
        let fixed: Vec<_> = keyring.snapshot().iter().cloned().collect();
        let mut known = KnownKids::new();
        fixed.iter().for_each(|key| known.add(key.dsc().der(), "the configuration"));
        let parts = OfficeParts {
            store: Arc::clone(auditing.records.store()),
            clock: Arc::clone(clock),
            first_roster: settings.first_roster.clone(),
            lead: settings.lead,
            hands: Arc::new(TokenHands(tokens.iter().map(|(name, token)| (name.clone(), Arc::clone(&token.token))).collect())),
            revoker: Some(revoker),
            audit: auditing.audit.clone(),
            known,
        };
        let (office, task) = Office::start(parts).await;
        let post =
            |token: &AdminToken| Post { holder: Arc::new(Holder(Arc::clone(&token.token))), station: Arc::clone(&token.station) };
        let posts = tokens.into_iter().map(|(name, token)| (name, post(token))).collect();
        let duty = duty::Settings { standings: office.watch(), posts, fixed, lead: settings.lead };
        let duty = Duty::new(duty, Arc::clone(keyring), Arc::clone(clock));
        let watched = WatchedCustody { office: Arc::clone(&office), duty: duty.view() };
        (custodian.with_office(office), CustodyAtWork { watched, office: task, duty: tokio::spawn(duty.run()) })
    }
}

/// The tokens of this service, by their names.
#[derive(Debug)]
struct TokenHands(BTreeMap<Label, Arc<SupervisedToken>>);

impl Hands for TokenHands {
    fn has(&self, token: &Label) -> bool {
        self.0.contains_key(token)
    }

    fn check_initialise(&self, token: &Label) -> Result<(), NotDone> {
        self.0.get(token).map_or(Ok(()), |token| token.check_initialise().map_err(NotDone::from))
    }

    fn manage(&self, token: &Label, order: Management) -> HandsFuture {
        let managed = self.0.get(token).map(|token| token.manage(order));
        Box::pin(async {
            match managed {
                Some(managed) => managed.await.map_err(NotDone::from),
                None => Err(NotDone { reason: "it is not in this replica's configuration".to_owned(), may_retry: true }),
            }
        })
    }
}

/// A token as what takes the register's keys.
#[derive(Debug)]
struct Holder(Arc<SupervisedToken>);

impl KeyHolder for Holder {
    fn admit(&self, papers: Papers) -> Holding<TokenKey> {
        let Papers { history, generation, certification, activation } = papers;
        Box::pin(self.0.admit(Admission { history, generation, certification, activation }))
    }

    fn stop(&self, order: StopOrder) -> Holding<()> {
        let StopOrder { history, emergency } = order;
        Box::pin(self.0.stop(Stop { history, emergency }))
    }
}

/// The tokens under names that officers can write; another one's is told of, and gets no keys.
fn by_name(tokens: &[AdminToken]) -> BTreeMap<Label, &AdminToken> {
    let named = tokens.iter().filter_map(|token| {
        let name = token.token.name();
        let label = name.parse().inspect_err(|error| tracing::warn!(token = name, %error, "officers cannot name the token"));
        Some((label.ok()?, token))
    });
    named.collect()
}
