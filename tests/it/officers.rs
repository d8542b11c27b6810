//! A token that does what officers agreed on, and an office over it, for tests of the service and of its stores.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use sceau::custody::import::KnownKids;
use sceau::custody::office::{Hands, HandsFuture, NotDone, OfficeParts};
use sceau::custody::revocation::Revoker;
use sceau::domain::officers::{Change, GeneratedKey, Generation, KeyKind, Label, Officer, Proposal, ProposalId, Roster, Subject};
use sceau::domain::time::FixedClock;
use sceau::domain::{CertificateTypes, PublicKey};
use sceau::ledger::store::Store;
use sceau::token::{Managed, Management, Task};

pub(crate) use crate::shared::officers::{Officers, Seen, label};
use crate::support::signing_time;

impl Officers {
    pub(crate) fn roster(&self) -> Roster {
        let officers = self.0.iter().map(|(name, key)| Officer { name: label(name), key: key.public() }).collect();
        Roster::new(officers, 1, 86_400).unwrap()
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
