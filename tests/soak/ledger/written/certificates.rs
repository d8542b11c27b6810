//! Certificates as a ledger sees them: random but for what is asked by, which follows from their number.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sceau::domain::{Algorithm, CallerId, CertificateType, Country, Digest, ItemId, Kid, NumericDate, Octets, Signature};
use sceau::ledger::record::Entry;
use sceau::ledger::{Expiry, Group, Kept, LedgerKeys};

/// So many callers and DSCs take turns.
const CALLERS: u64 = 40;
const DSCS: u64 = 4;
/// One group in so many is for a person, of so many.
const PERSON_EACH: u64 = 4;
const PERSONS: u64 = 1_000;

/// Makes certificates of numbers that follow each other.
pub(crate) struct Certificates {
    keys: LedgerKeys,
    random: ChaCha8Rng,
    next: u64,
}

/// A group that is about to be signed, and what will stand on record of it.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) group: Group,
    pub(crate) items: Vec<ItemId>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) kept: Vec<Kept>,
}

impl Certificates {
    /// Those from a number on.
    pub(crate) fn from(keys: LedgerKeys, next: u64) -> Self {
        Self { keys, random: ChaCha8Rng::seed_from_u64(next), next }
    }

    pub(crate) fn item_id(number: u64) -> ItemId {
        ItemId::new(&format!("made-{number:09}")).expect("the form is right")
    }

    pub(crate) fn uvci(number: u64) -> String {
        format!("URN:UVCI:01:FR:MADE{number:09}")
    }

    pub(crate) fn kid(batch: u64) -> Kid {
        Kid::from((0x5ced_0000_0000_0000 + batch % DSCS).to_be_bytes())
    }

    pub(crate) fn caller(batch: u64) -> String {
        format!("clinic-{:02}", batch % CALLERS)
    }

    pub(crate) fn person(batch: u64) -> Option<String> {
        batch.is_multiple_of(PERSON_EACH).then(|| format!("person-{:04}", batch / PERSON_EACH % PERSONS))
    }

    /// The next of them, signed at an instant.
    pub(crate) fn batch(&mut self, size: usize, issued_at: NumericDate) -> Batch {
        let numbers = self.next..self.next + size as u64;
        let number = self.next / size as u64;
        self.next = numbers.end;
        let (kid, profile) = (Self::kid(number), "dcc".into());
        let expires_at = issued_at.plus_seconds(365 * 86_400);
        let kept = |random: &mut ChaCha8Rng| Kept {
            digest: Digest::of(&bytes::<16>(random)),
            signature: Signature::new(bytes::<64>(random).to_vec()),
            kid,
            algorithm: Algorithm::Es256,
            issued_at,
            expires_at,
            expiry: Expiry::OfProfile,
            profile: std::sync::Arc::clone(&profile),
        };
        let kept: Vec<Kept> = numbers.clone().map(|_| kept(&mut self.random)).collect();
        let group = Group {
            caller: CallerId::new(&Self::caller(number)),
            person: Self::person(number).map(Into::into),
            request: format!("{:032x}", self.random.next_u64()).into(),
            profile: std::sync::Arc::clone(&profile),
            kid,
            algorithm: Algorithm::Es256,
            issuer: country(),
            issued_at,
            digests: kept.iter().map(|kept| kept.digest).collect(),
        };
        let entries = numbers.clone().zip(0..).map(|(number, place)| self.entry(number, place, expires_at)).collect();
        Batch { group, items: numbers.map(Self::item_id).collect(), entries, kept }
    }

    fn entry(&mut self, number: u64, place: u16, expires_at: NumericDate) -> Entry {
        let uvci = Self::uvci(number);
        let kind = match number % 20 {
            0..14 => CertificateType::Vaccination,
            14..19 => CertificateType::Test,
            _ => CertificateType::Recovery,
        };
        Entry {
            place,
            kind,
            expires_at,
            item: self.keys.item(&Self::item_id(number)),
            payload: Octets(bytes(&mut self.random)),
            uci: Digest::of(uvci.as_bytes()).into(),
            country_uci: Digest::of_parts(&[b"FR", uvci.as_bytes()]).into(),
            signature: Octets(bytes(&mut self.random)),
        }
    }
}

fn bytes<const N: usize>(random: &mut ChaCha8Rng) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill_bytes(&mut bytes);
    bytes
}

fn country() -> Country {
    "FR".parse().expect("two capitals")
}
