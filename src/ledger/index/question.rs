//! What is asked of a ledger.

use serde::Serialize;

use super::HashKind;
use crate::domain::{CertificateType, NumericDate, Octets};
use crate::ledger::record::{Entry, Intent, Outcome};

/// Which certificates are meant: all that everything here holds for.
///
/// Its JSON has hashes where an identifier was asked for, so it may be put on record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Question {
    /// SHA-256 of the UVCI.
    pub uci: Option<Octets<32>>,
    /// What the `item_id` hashes to, under each ledger key.
    pub item: Option<Vec<Octets<16>>>,
    /// The hash of the signature.
    pub signature: Option<Octets<16>>,
    /// The DSC.
    pub kid: Option<Octets<8>>,
    /// The caller's name.
    pub caller: Option<String>,
    /// The pseudonym of the person behind the call.
    pub person: Option<String>,
    /// The type.
    pub kind: Option<CertificateType>,
    /// Signed at this instant or later.
    pub from: Option<NumericDate>,
    /// Signed before this instant.
    pub to: Option<NumericDate>,
}

impl Question {
    /// The hashes that point to single certificates; empty where none is asked for.
    pub(super) fn hashes(&self) -> Vec<(HashKind, &[u8])> {
        let mut hashes: Vec<(HashKind, &[u8])> = Vec::new();
        hashes.extend(self.uci.as_ref().map(|hash| (HashKind::Uci, hash.as_ref())));
        if hashes.is_empty() {
            hashes.extend(self.signature.as_ref().map(|hash| (HashKind::Signature, hash.as_ref())));
        }
        if hashes.is_empty() {
            hashes.extend(self.item.iter().flatten().map(|hash| (HashKind::Item, hash.as_ref())));
        }
        hashes
    }

    /// Whether single certificates are pointed to.
    #[must_use]
    pub const fn is_pointed(&self) -> bool {
        self.uci.is_some() || self.signature.is_some() || self.item.is_some()
    }

    /// Whether a group may hold what is meant.
    #[must_use]
    pub fn admits(&self, signing: &Signing) -> bool {
        is_or_any(self.kid.as_ref(), &signing.kid)
            && is_or_any(self.caller.as_ref(), &signing.caller)
            && self.person.as_ref().is_none_or(|person| signing.person.as_ref() == Some(person))
            && self.kind.is_none_or(|kind| signing.count(kind) > 0)
            && self.from.is_none_or(|from| signing.at >= from)
            && self.to.is_none_or(|to| signing.at < to)
    }

    /// Whether an entry of such a group is meant.
    #[must_use]
    pub fn means(&self, entry: &Entry) -> bool {
        is_or_any(self.uci.as_ref(), &entry.uci)
            && is_or_any(self.signature.as_ref(), &entry.signature)
            && self.item.as_ref().is_none_or(|items| items.contains(&entry.item))
            && self.kind.is_none_or(|kind| kind == entry.kind)
    }
}

fn is_or_any<T: PartialEq>(wanted: Option<&T>, is: &T) -> bool {
    wanted.is_none_or(|wanted| wanted == is)
}

/// A group of certificates that were signed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signing {
    /// The number of its chain.
    #[serde(skip)]
    pub chain: i64,
    /// The outcome's place in it.
    pub seq: u64,
    /// The intent's.
    pub intent: u64,
    /// When the outcome was written.
    pub at: NumericDate,
    /// The caller's name.
    pub caller: String,
    /// The pseudonym of the person behind the call.
    pub person: Option<String>,
    /// The profile's name.
    pub profile: String,
    /// The DSC.
    pub kid: Octets<8>,
    /// How many of each type, in the order of [`CertificateType::ALL`].
    pub counts: [u32; 3],
    /// The last `exp` among them.
    pub expires_at: NumericDate,
}

impl Signing {
    pub(super) fn new(chain: i64, seq: u64, at: NumericDate, intent: &Intent, outcome: &Outcome, entries: &[Entry]) -> Self {
        let count = |kind| u32::try_from(entries.iter().filter(|entry| entry.kind == kind).count()).unwrap_or(u32::MAX);
        Self {
            chain,
            seq,
            intent: outcome.intent,
            at,
            caller: intent.caller.clone(),
            person: intent.person.clone(),
            profile: intent.profile.clone(),
            kid: intent.kid,
            counts: CertificateType::ALL.map(count),
            expires_at: entries.iter().map(|entry| entry.expires_at).max().unwrap_or(NumericDate::from_seconds(0)),
        }
    }

    /// How many of a type.
    #[must_use]
    pub fn count(&self, kind: CertificateType) -> u32 {
        let place = CertificateType::ALL.iter().position(|known| *known == kind);
        place.and_then(|place| self.counts.get(place)).copied().unwrap_or_default()
    }
}
