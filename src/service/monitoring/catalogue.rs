//! Every metric that the service shows, in one place.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

use crate::ledger::writer::COMMIT_SECONDS;
use crate::sign::stage::STAGE_SECONDS;

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, with the unit in it as Prometheus wants it.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// Its unit.
    pub unit: Unit,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// What a metric does with time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

pub(super) const ITEMS: &str = "sceau_items_total";
pub(super) const REFUSALS: &str = "sceau_refusals_total";
pub(super) const DENIALS: &str = "sceau_denials_total";
pub(super) const BATCH_ITEMS: &str = "sceau_batch_items";
pub(super) const ITEMS_WAITING: &str = "sceau_items_waiting";
pub(super) const ITEMS_IN_WORK: &str = "sceau_items_in_work";
pub(super) const QUEUE_CAPACITY: &str = "sceau_queue_capacity_items";
pub(super) const QUEUE_FULL: &str = "sceau_queue_full_total";
pub(super) const CALLS: &str = "sceau_calls_total";
pub(super) const CALL_SECONDS: &str = "sceau_call_seconds";
pub(super) const TOKEN_READY: &str = "sceau_token_ready";
pub(super) const TOKEN_LATCHED: &str = "sceau_token_latched";
pub(super) const TOKEN_WORKERS: &str = "sceau_token_workers";
pub(super) const TOKEN_SESSIONS: &str = "sceau_token_sessions";
pub(super) const TOKEN_SESSIONS_BUSY: &str = "sceau_token_sessions_busy";
pub(super) const TOKEN_STOPPED_KEYS: &str = "sceau_token_stopped_keys";
pub(super) const TOKEN_OUTSTANDING: &str = "sceau_token_outstanding_items";
pub(super) const TOKEN_RESTARTS: &str = "sceau_token_worker_restarts_total";
pub(super) const TOKEN_SIGNATURES: &str = "sceau_token_signatures_total";
pub(super) const TOKEN_BAD_SIGNATURES: &str = "sceau_token_bad_signatures_total";
pub(super) const TOKEN_SIGNATURE_SECONDS: &str = "sceau_token_signature_seconds";
pub(super) const DSC_NOT_AFTER: &str = "sceau_dsc_not_after_timestamp_seconds";
pub(super) const DSC_REMAINING: &str = "sceau_dsc_remaining_seconds";
pub(super) const DSC_ISSUABLE_UNTIL: &str = "sceau_dsc_issuable_until_timestamp_seconds";
pub(super) const DSC_ISSUABLE_REMAINING: &str = "sceau_dsc_issuable_remaining_seconds";
pub(super) const DSC_USE_END: &str = "sceau_dsc_use_end_timestamp_seconds";
pub(super) const DSC_USE_REMAINING: &str = "sceau_dsc_use_remaining_seconds";
pub(super) const TLS_NOT_AFTER: &str = "sceau_tls_not_after_timestamp_seconds";
pub(super) const TLS_REMAINING: &str = "sceau_tls_remaining_seconds";
pub(super) const CLIENT_CRL_NOT_AFTER: &str = "sceau_client_crl_not_after_timestamp_seconds";
pub(super) const CLIENT_CRL_REMAINING: &str = "sceau_client_crl_remaining_seconds";
pub(super) const PROFILE_READY: &str = "sceau_profile_ready";
pub(super) const PROFILE_COVERED_UNTIL: &str = "sceau_profile_covered_until_timestamp_seconds";
pub(super) const PROFILE_COVERED_REMAINING: &str = "sceau_profile_covered_remaining_seconds";
pub(super) const CUSTODY_KEYS: &str = "sceau_custody_keys";
pub(super) const CUSTODY_PENDING: &str = "sceau_custody_pending_proposals";
pub(super) const CUSTODY_REGISTER_AGE: &str = "sceau_custody_register_age_seconds";
pub(super) const CUSTODY_ABSENT_KEYS: &str = "sceau_custody_absent_keys";
pub(super) const CLOCK_STOPPED: &str = "sceau_clock_stopped";
pub(super) const CUSTODY_STALE: &str = "sceau_custody_stale";
pub(super) const CUSTODY_HEAD: &str = "sceau_custody_head";
pub(super) const LEDGER_TROUBLE: &str = "sceau_ledger_trouble";
pub(super) const LEDGER_RECORDS: &str = "sceau_ledger_records_total";
pub(super) const LEDGER_CERTIFICATES: &str = "sceau_ledger_certificates_total";
pub(super) const LEDGER_DOUBTS: &str = "sceau_ledger_doubts_total";
pub(super) const LEDGER_HEAD: &str = "sceau_ledger_head";
pub(super) const LEDGER_UNSEALED: &str = "sceau_ledger_unsealed_records";
pub(super) const LEDGER_SEAL_AGE: &str = "sceau_ledger_seal_age_seconds";
pub(super) const LEDGER_INDEX_LAG: &str = "sceau_ledger_index_lag_records";
pub(super) const LEDGER_KEPT_ITEMS: &str = "sceau_ledger_kept_items";
pub(super) const LEDGER_CLAIMED_ITEMS: &str = "sceau_ledger_claimed_items";
pub(super) const LEDGER_FILE_BYTES: &str = "sceau_ledger_file_bytes";
pub(super) const BUILD_INFO: &str = "sceau_build_info";

/// From a tenth of a millisecond, less than which no stage with a signature takes, to the longest that a batch may take.
const SECONDS: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

const SIZES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0];

const fn counter(name: &'static str, unit: Unit, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit, labels, help }
}

const fn gauge(name: &'static str, unit: Unit, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, labels, help }
}

const fn histogram(
    name: &'static str,
    unit: Unit,
    labels: &'static [&'static str],
    buckets: &'static [f64],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Histogram(buckets), unit, labels, help }
}

/// Every metric of this service. Those of its process (`process_*`) come from their crate, under Prometheus' own names.
pub const CATALOGUE: &[Metric] = &[
    counter(
        ITEMS,
        Unit::Count,
        &["profile", "type", "lane", "outcome"],
        "Items that were answered. outcome: signed, replayed (signed before), validated (nothing was to be signed), refused (the item \
         is at fault), failed (the signing is). type: v, t or r; none where the item was not signed",
    ),
    counter(
        REFUSALS,
        Unit::Count,
        &["rule"],
        "Faults of refused items, by the rule that `sceau rules` lists; an item may have several",
    ),
    counter(
        DENIALS,
        Unit::Count,
        &["rule"],
        "Calls that their caller may not make: unknown, without the role, profile, lane or person, or past its quota",
    ),
    histogram(BATCH_ITEMS, Unit::Count, &["lane"], SIZES, "Items a batch: a call of SignBatch, or a chunk of SignStream"),
    gauge(ITEMS_WAITING, Unit::Count, &["lane"], "Items that wait for their turn to be worked on"),
    gauge(ITEMS_IN_WORK, Unit::Count, &["lane"], "Items that are worked on"),
    gauge(
        QUEUE_CAPACITY,
        Unit::Count,
        &["lane"],
        "Items that may wait or be in work at the same time; more are refused, or held back",
    ),
    counter(
        QUEUE_FULL,
        Unit::Count,
        &["lane"],
        "Items that were refused because their lane was full, or would have taken too long",
    ),
    histogram(
        STAGE_SECONDS,
        Unit::Seconds,
        &["stage", "lane"],
        SECONDS,
        "Time in a stage. queue: a batch waits for its place; the others are of a slice of 128 items or fewer. prepare: validated and \
         encoded, in one pass over each item; token: signed; finish: signatures verified and certificates put together, in one pass; ledger: \
         claimed, an intent to sign put on record, or an outcome; prepare and finish with the wait for a thread",
    ),
    counter(CALLS, Unit::Count, &["rpc", "code"], "Calls that have ended, by gRPC code; CANCELLED where the caller has gone"),
    histogram(
        CALL_SECONDS,
        Unit::Seconds,
        &["rpc"],
        SECONDS,
        "Time from a call's head to the end of its answer; a stream's is its life",
    ),
    gauge(
        TOKEN_READY,
        Unit::Count,
        &["token"],
        "1 where a worker of the token signs, else 0: its breaker is open, and it gets no work until a worker's trial signatures verify",
    ),
    gauge(TOKEN_LATCHED, Unit::Count, &["token"], "1 where a refused PIN keeps the token's workers from logging in, else 0"),
    gauge(TOKEN_WORKERS, Unit::Count, &["token"], "Workers of the token that sign"),
    gauge(
        TOKEN_SESSIONS,
        Unit::Count,
        &["token"],
        "Sessions of the token's workers that sign, without those kept for interactive work",
    ),
    gauge(
        TOKEN_SESSIONS_BUSY,
        Unit::Count,
        &["token"],
        "Sessions that have work, as far as the service knows; all of them: the token is the limit",
    ),
    gauge(
        TOKEN_STOPPED_KEYS,
        Unit::Count,
        &["token"],
        "Keys that the token has refused to sign with: their breaker is open, and they get no work until a trial signature verifies",
    ),
    gauge(TOKEN_OUTSTANDING, Unit::Count, &["token"], "Items that are on their way to the token and not finished"),
    counter(TOKEN_RESTARTS, Unit::Count, &["token"], "Workers of the token that died and were replaced"),
    counter(TOKEN_SIGNATURES, Unit::Count, &["token"], "Signatures that the token has made, proofs for stopped keys among them"),
    counter(TOKEN_BAD_SIGNATURES, Unit::Count, &["token"], "Signatures of the token that did not verify; none was released"),
    gauge(
        TOKEN_SIGNATURE_SECONDS,
        Unit::Seconds,
        &["token"],
        "What a signature takes on a session of the token, smoothed; 0 before the first",
    ),
    gauge(DSC_NOT_AFTER, Unit::Seconds, &["kid"], "When the DSC ends, in seconds since 1970"),
    gauge(DSC_REMAINING, Unit::Seconds, &["kid"], "Seconds until the DSC ends"),
    gauge(
        DSC_ISSUABLE_UNTIL,
        Unit::Seconds,
        &["kid", "profile"],
        "Until when the DSC signs certificates of the profile's longest duration, in seconds since 1970: a certificate must not outlive its DSC",
    ),
    gauge(DSC_ISSUABLE_REMAINING, Unit::Seconds, &["kid", "profile"], "Seconds until then"),
    gauge(
        DSC_USE_END,
        Unit::Seconds,
        &["kid"],
        "When officers have the DSC's key sign no more, in seconds since 1970; NaN for a DSC of the configuration",
    ),
    gauge(DSC_USE_REMAINING, Unit::Seconds, &["kid"], "Seconds until then"),
    gauge(TLS_NOT_AFTER, Unit::Seconds, &[], "When the service's TLS certificate ends, in seconds since 1970; NaN in plain text"),
    gauge(TLS_REMAINING, Unit::Seconds, &[], "Seconds until then"),
    gauge(
        CLIENT_CRL_NOT_AFTER,
        Unit::Seconds,
        &[],
        "When the first of the callers' revocation lists expires, and with it every connection, in seconds since 1970; NaN without one",
    ),
    gauge(CLIENT_CRL_REMAINING, Unit::Seconds, &[], "Seconds until that"),
    gauge(
        PROFILE_READY,
        Unit::Count,
        &["profile", "type"],
        "1 where a certificate of that type can be signed now, else 0; of the types for which the profile has DSCs",
    ),
    gauge(
        PROFILE_COVERED_UNTIL,
        Unit::Seconds,
        &["profile", "type"],
        "From when on no DSC that is known signs certificates of that type, of the profile's duration, in seconds since 1970; of the \
         types for which the profile has DSCs",
    ),
    gauge(PROFILE_COVERED_REMAINING, Unit::Seconds, &["profile", "type"], "Seconds until then; 0 where none does now"),
    gauge(
        CUSTODY_KEYS,
        Unit::Count,
        &["state"],
        "Keys of the register by state: generated, certified, published, active, retired, destroyed, compromised; NaN without \
         custody, as are the others of it",
    ),
    gauge(
        CUSTODY_PENDING,
        Unit::Count,
        &[],
        "Proposals that officers may decide on, or that are approved and not executed; 64 at most",
    ),
    gauge(
        CUSTODY_REGISTER_AGE,
        Unit::Seconds,
        &[],
        "Time since the register of keys was read; past custody.lead_seconds none of its keys signs here",
    ),
    gauge(
        CUSTODY_ABSENT_KEYS,
        Unit::Count,
        &[],
        "Keys of the register that are to sign, now or later, and that their token does not have; /readyz says why",
    ),
    gauge(CLOCK_STOPPED, Unit::Count, &[], "1 where the clock has jumped and nothing is signed until an operator agrees, else 0"),
    gauge(
        CUSTODY_STALE,
        Unit::Count,
        &[],
        "1 where the custody chain is damaged, or was not read for longer than the lead: nothing is signed with its keys until it is; \
         else 0",
    ),
    gauge(CUSTODY_HEAD, Unit::Count, &[], "The place of the last record of the custody chain, as this replica knows it"),
    gauge(
        LEDGER_TROUBLE,
        Unit::Count,
        &[],
        "1 where the ledger cannot be written and nothing is signed until it can, else 0; absent where nothing is put on record, as are \
         the others of the ledger",
    ),
    histogram(
        COMMIT_SECONDS,
        Unit::Seconds,
        &[],
        SECONDS,
        "Time that the database takes to make records durable; several calls' at once",
    ),
    counter(
        LEDGER_RECORDS,
        Unit::Count,
        &[],
        "Records that were written; a group of certificates has two, an intent and an outcome",
    ),
    counter(LEDGER_CERTIFICATES, Unit::Count, &[], "Certificates that were put on record"),
    counter(
        LEDGER_DOUBTS,
        Unit::Count,
        &[],
        "Intents of which nobody knows what became, since the start and found at it: a process died, or the database failed in between",
    ),
    gauge(LEDGER_HEAD, Unit::Count, &[], "The place of the last record in this signer's chain"),
    gauge(
        LEDGER_UNSEALED,
        Unit::Count,
        &[],
        "Records that no seal of the audit key vouches for, of those since the start; absent without an audit key",
    ),
    gauge(
        LEDGER_SEAL_AGE,
        Unit::Seconds,
        &[],
        "Time since the last seal, or since the start; a chain that does not grow is not sealed",
    ),
    gauge(
        LEDGER_INDEX_LAG,
        Unit::Count,
        &[],
        "Records at the end of the chain that are not indexed; questions look through them one by one. Some thousand are usual",
    ),
    gauge(LEDGER_KEPT_ITEMS, Unit::Count, &[], "Items that this process keeps for retries; absent where the database does"),
    gauge(
        LEDGER_CLAIMED_ITEMS,
        Unit::Count,
        &[],
        "Items that are claimed and not yet kept or free; absent where the database has them",
    ),
    gauge(
        LEDGER_FILE_BYTES,
        Unit::Bytes,
        &[],
        "Size of the SQLite file, its index, and their write-ahead logs; absent with PostgreSQL",
    ),
    gauge(BUILD_INFO, Unit::Count, &["version"], "1; the version is in its label"),
];

/// Tells the recorder what each metric is.
pub(super) fn describe() {
    for metric in CATALOGUE {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.unit, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.unit, metric.help),
            Kind::Histogram(_) => describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_ours_stands_once_and_ends_as_its_kind_demands() {
        for (index, metric) in CATALOGUE.iter().enumerate() {
            assert!(metric.name.starts_with("sceau_"), "{}", metric.name);
            assert!(CATALOGUE[..index].iter().all(|other| other.name != metric.name), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert_eq!(metric.unit == Unit::Seconds, metric.name.ends_with("_seconds"), "{}", metric.name);
            assert!(!metric.help.is_empty() && !metric.help.ends_with('.'), "{}", metric.name);
        }
    }

    #[test]
    fn buckets_rise() {
        for metric in CATALOGUE {
            let Kind::Histogram(buckets) = metric.kind else { continue };
            assert!(buckets.windows(2).all(|pair| pair[0] < pair[1]), "{}", metric.name);
        }
    }
}
