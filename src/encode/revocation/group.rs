//! From revoked certificates to batches.

use super::batch::{MAX_ENTRIES, RevocationBatch};
use crate::domain::{Country, HashType, Kid, NumericDate, RevocationHashes};

/// How finely certificates are told apart by their expiry.
///
/// A batch has one. A certificate may stand in a list longer than it lives, never shorter, so expiries are rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiryStep {
    /// Each second has batches of its own. Certificates that were issued one by one fill one batch each.
    Second,
    /// One a day, at midnight UTC: a month of issuing under one kid is 30 expiries, however many certificates it is.
    #[default]
    Day,
}

/// The latest expiry that has a text: 9999-12-30T22:00:00Z, where jiff's timestamps end.
const LATEST: i64 = 253_402_207_200;
const DAY_SECONDS: i64 = 86_400;

impl ExpiryStep {
    /// The expiry of the batch that holds a certificate.
    fn round_up(self, expires_at: NumericDate) -> NumericDate {
        let seconds = expires_at.seconds();
        let over = match self {
            Self::Second => 0,
            Self::Day => seconds.rem_euclid(DAY_SECONDS),
        };
        let rounded = if over == 0 { seconds } else { seconds.saturating_add(DAY_SECONDS - over) };
        NumericDate::from_seconds(rounded.clamp(0, LATEST))
    }
}

/// What became of revoked certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batches {
    /// By kid, then expiry, then hash: the same certificates give the same batches, in whatever order they come.
    pub batches: Vec<RevocationBatch>,
    /// How many certificates had expired and were left out.
    pub expired: usize,
    /// How many came more than once: their kid and hash are in the batches already.
    pub repeated: usize,
}

/// Groups certificates into batches of one kid, one expiry and at most [`MAX_ENTRIES`] hashes.
///
/// A hash stands in one batch of its kid, with the latest of its expiries. One that is under two kids stands under both, because
/// verifiers look under the kid of the certificate before them. 32 bytes of memory a certificate.
pub fn batches(
    country: Country,
    hash_type: HashType,
    now: NumericDate,
    step: ExpiryStep,
    revoked: impl IntoIterator<Item = (Kid, NumericDate, RevocationHashes)>,
) -> Batches {
    let mut expired = 0;
    let live = revoked.into_iter().filter(|(_, expires_at, _)| {
        let is_live = *expires_at > now;
        expired += usize::from(!is_live);
        is_live
    });
    let mut entries: Vec<Entry> = live
        .map(|(kid, expires_at, hashes)| Entry { kid, expires: step.round_up(expires_at), hash: hashes.of_type(hash_type) })
        .collect();
    let count = entries.len();
    entries.sort_unstable_by_key(|entry| (entry.kid, entry.hash, std::cmp::Reverse(entry.expires)));
    entries.dedup_by_key(|entry| (entry.kid, entry.hash));
    let repeated = count - entries.len();
    entries.sort_unstable_by_key(|entry| (entry.kid, entry.expires, entry.hash));
    let alike = entries.chunk_by(|one, next| (one.kid, one.expires) == (next.kid, next.expires));
    let batches = alike.flat_map(|group| group.chunks(MAX_ENTRIES)).map(|chunk| batch(country, hash_type, chunk)).collect();
    Batches { batches, expired, repeated }
}

/// One hash on its way into a batch.
#[derive(Clone, Copy)]
struct Entry {
    kid: Kid,
    expires: NumericDate,
    hash: [u8; 16],
}

/// A batch of entries that have kid and expiry in common.
fn batch(country: Country, hash_type: HashType, entries: &[Entry]) -> RevocationBatch {
    let Entry { kid, expires, .. } = entries[0];
    let entries = entries.iter().map(|entry| entry.hash).collect();
    RevocationBatch { country, expires, kid: Some(kid), hash_type, entries }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_634_688_000;

    fn kid(number: u8) -> Kid {
        Kid::from([number; 8])
    }

    fn certificate(kid_number: u8, expires_at: i64, hash: u32) -> (Kid, NumericDate, RevocationHashes) {
        let mut signature = [0; 16];
        signature[..4].copy_from_slice(&hash.to_be_bytes());
        let hashes = RevocationHashes { signature, uci: [kid_number; 32], country_uci: [hash as u8; 32] };
        (kid(kid_number), NumericDate::from_seconds(expires_at), hashes)
    }

    fn grouped(step: ExpiryStep, revoked: impl IntoIterator<Item = (Kid, NumericDate, RevocationHashes)>) -> Batches {
        batches("FR".parse().unwrap(), HashType::Signature, NumericDate::from_seconds(NOW), step, revoked)
    }

    fn sizes(batches: &Batches) -> Vec<(Option<Kid>, i64, usize)> {
        let size = |batch: &RevocationBatch| (batch.kid(), batch.expires().seconds(), batch.entries().len());
        batches.batches.iter().map(size).collect()
    }

    #[test]
    fn a_batch_has_one_kid_and_one_expiry_and_at_most_a_thousand_entries() {
        let of_one = (0..2001).map(|hash| certificate(1, NOW + 5, hash));
        let others = [certificate(2, NOW + 5, 1), certificate(1, NOW + 6, 9000)];
        let found = grouped(ExpiryStep::Second, of_one.chain(others));
        let (one, two) = (Some(kid(1)), Some(kid(2)));
        let expected = [(one, NOW + 5, 1000), (one, NOW + 5, 1000), (one, NOW + 5, 1), (one, NOW + 6, 1), (two, NOW + 5, 1)];
        assert_eq!(sizes(&found), expected);
        assert_eq!((found.expired, found.repeated), (0, 0));
    }

    #[test]
    fn the_order_of_the_certificates_does_not_matter() {
        let certificates: Vec<_> =
            (0..500).map(|hash| certificate(hash as u8 % 3, NOW + 1 + i64::from(hash % 7), hash)).collect();
        let there = grouped(ExpiryStep::Second, certificates.iter().copied());
        assert_eq!(there, grouped(ExpiryStep::Second, certificates.into_iter().rev()));
        assert_eq!(there.batches.len(), 21);
    }

    #[test]
    fn what_has_expired_is_left_out_and_counted() {
        let found = grouped(ExpiryStep::Day, [certificate(1, NOW - 1, 1), certificate(1, NOW, 2), certificate(1, NOW + 1, 3)]);
        assert_eq!((found.expired, sizes(&found)), (2, vec![(Some(kid(1)), NOW + 86_400, 1)]));
    }

    #[test]
    fn a_hash_stands_once_under_its_kid_with_its_latest_expiry() {
        let certificates = [certificate(1, NOW + 5, 7), certificate(1, NOW + 9, 7), certificate(2, NOW + 5, 7)];
        let found = grouped(ExpiryStep::Second, certificates);
        assert_eq!(sizes(&found), [(Some(kid(1)), NOW + 9, 1), (Some(kid(2)), NOW + 5, 1)]);
        assert_eq!(found.repeated, 1);
    }

    #[test]
    fn an_expiry_is_rounded_up_to_midnight_and_never_down() {
        for (expires_at, expected) in [(NOW + 1, NOW + 86_400), (NOW + 86_400, NOW + 86_400), (NOW + 86_401, NOW + 172_800)] {
            assert_eq!(ExpiryStep::Day.round_up(NumericDate::from_seconds(expires_at)).seconds(), expected);
        }
        let latest = NumericDate::from_seconds(LATEST);
        assert_eq!(ExpiryStep::Day.round_up(NumericDate::from_seconds(i64::MAX)), latest);
        assert_eq!(latest.to_string(), "9999-12-30T22:00:00Z");
    }

    #[test]
    fn the_entries_are_hashes_of_the_type_that_is_asked_for() {
        let found = batches(
            "FR".parse().unwrap(),
            HashType::Uci,
            NumericDate::from_seconds(NOW),
            ExpiryStep::Day,
            [certificate(4, NOW + 1, 1), certificate(4, NOW + 1, 2)],
        );
        assert_eq!((found.batches[0].hash_type(), found.batches[0].entries()), (HashType::Uci, &[[4; 16]][..]));
        assert_eq!(found.repeated, 1, "both have one UVCI");
    }

    #[test]
    fn nothing_revoked_is_no_batch() {
        assert_eq!(grouped(ExpiryStep::Day, []), Batches { batches: Vec::new(), expired: 0, repeated: 0 });
    }
}
