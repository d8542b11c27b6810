//! Officers with keys of their own, and a token that does what they agreed on, for tests of the service and of its stores.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use sceau::custody::import::KnownKids;
use sceau::custody::office::{Hands, HandsFuture, NotDone, OfficeParts};
use sceau::custody::revocation::Revoker;
use sceau::domain::officers::{
    ChainHead, Change, Decision, GeneratedKey, Generation, KeyKind, Label, Officer, OfficerKey, Proposal, ProposalId,
    ProposalText, Roster, SignedText, Subject, VerdictText,
};
use sceau::domain::time::FixedClock;
use sceau::domain::{CertificateTypes, NumericDate, Octets, PublicKey};
use sceau::ledger::store::Store;
use sceau::token::{Managed, Management, Task};

use crate::support::signing_time;

/// ada, grace and hedy, of whom two have to agree.
pub(crate) struct Officers(BTreeMap<&'static str, OfficerKey>);

/// What an officer signs upon.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) now: NumericDate,
    pub(crate) roster: u32,
    pub(crate) head: ChainHead,
}

pub(crate) fn label(text: &str) -> Label {
    text.parse().unwrap()
}

impl Officers {
    pub(crate) fn new() -> Self {
        Self(["ada", "grace", "hedy"].map(|name| (name, OfficerKey::generate())).into())
    }

    pub(crate) fn roster(&self) -> Roster {
        let officers = self.0.iter().map(|(name, key)| Officer { name: label(name), key: key.public() }).collect();
        Roster::new(officers, 1, 86_400).unwrap()
    }

    /// As a configuration names them.
    pub(crate) fn section(&self) -> String {
        let officer =
            |(name, key): (&&str, &OfficerKey)| format!("[[custody.officer]]\nname = \"{name}\"\nkey = \"{}\"\n", key.public());
        std::iter::once("[custody]\n".to_owned()).chain(self.0.iter().map(officer)).collect()
    }

    pub(crate) fn propose(&self, officer: &str, change: Change, Seen { now, roster, head }: Seen) -> Proposal {
        let (officer, valid_until) = (label(officer), now.plus_seconds(3_600));
        let nonce = Octets(rand::random());
        let text = ProposalText { v: 1, change, officer: officer.clone(), made_at: now, valid_until, roster, head, nonce };
        self.0[officer.as_str()].propose(&text).unwrap()
    }

    pub(crate) fn decide(
        &self,
        officer: &str,
        decision: Decision,
        proposal: ProposalId,
        Seen { now, head, .. }: Seen,
    ) -> SignedText {
        let text = VerdictText { v: 1, decision, proposal, officer: label(officer), made_at: now, head };
        self.0[officer].judge(&text).unwrap().signed().clone()
    }

    pub(crate) fn parts(&self, store: Arc<dyn Store>, hands: Arc<dyn Hands>, revoker: Option<Arc<Revoker>>) -> OfficeParts {
        OfficeParts {
            store,
            clock: Arc::new(FixedClock(signing_time())),
            first_roster: self.roster(),
            lead: Duration::from_secs(60),
            hands,
            revoker,
            audit: None,
            known: KnownKids::new(),
        }
    }
}

pub(crate) fn generate(name: &str) -> Change {
    let common_name = format!("DSC of {name}").parse().unwrap();
    let subject = Subject { country: "FR".parse().unwrap(), organization: None, common_name };
    let types = CertificateTypes::ANY;
    Change::Generate(Generation { label: label(name), token: label("hsm-a"), key: KeyKind::P256, subject, types })
}

/// Makes keys, each consent once.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    made: Mutex<BTreeMap<ProposalId, GeneratedKey>>,
    pub(crate) executed: AtomicU32,
    pub(crate) hangs: AtomicBool,
}

impl Hands for Keys {
    fn has(&self, token: &Label) -> bool {
        token.as_str() == "hsm-a"
    }

    fn manage(&self, _token: &Label, errand: Management) -> HandsFuture {
        if self.hangs.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        let request = b"request".to_vec();
        let proposal = Proposal::read(errand.consent.proposal).unwrap();
        let done = match (errand.task, proposal.change()) {
            (Task::Request, _) => Ok(Managed::Requested { request }),
            (Task::Execute, Change::Generate(_)) => {
                let mut made = self.made.lock().unwrap();
                let key = made.entry(proposal.id()).or_insert_with(|| {
                    self.executed.fetch_add(1, Ordering::SeqCst);
                    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                    let point = key.public_key().as_ref().try_into().unwrap();
                    GeneratedKey::of(&PublicKey::P256 { point }).unwrap()
                });
                Ok(Managed::Generated { key: key.clone(), request })
            }
            _ => Err(NotDone { reason: "it makes keys alone".to_owned(), may_retry: false }),
        };
        Box::pin(std::future::ready(done))
    }
}
