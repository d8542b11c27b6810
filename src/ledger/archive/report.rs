//! What an audit came to.

use serde::Serialize;

use super::finding::Findings;
use crate::domain::Octets;
use crate::ledger::record::Head;

/// What an audit of an export came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// What speaks against it.
    pub findings: Findings,
    /// Each chain, in the order of the header.
    pub chains: Vec<ChainSummary>,
    /// When it was made, in milliseconds since 1970; nothing where there is no trailer.
    pub made_at: Option<i64>,
    /// The subject of the certificate under which the trailer was signed; nothing where that counts for nothing.
    pub signed_by: Option<String>,
}

impl Report {
    /// Whether nothing speaks against it.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.findings.count() == 0
    }
}

/// What is in a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainSummary {
    /// Whose chain it is.
    pub instance: String,
    /// Its last place and the link there.
    pub head: Head,
    /// How many records are there.
    pub records: u64,
    /// How many were forgotten, of which the digest is there.
    pub forgotten: u64,
    /// How many certificates are on record, those too whose entries are forgotten.
    pub certificates: u64,
    /// How many certificates were revoked.
    pub revoked: u64,
    /// When the first record was written, in milliseconds since 1970.
    pub first_at: Option<i64>,
    /// When the last one was.
    pub last_at: Option<i64>,
    /// How many seals hold.
    pub seals: u64,
    /// The last place that a seal vouches for, and when it was made. What comes after is vouched for by the trailer alone.
    pub sealed: Option<(u64, i64)>,
    /// Intents of which it is not known whether something was signed, the first of them.
    pub in_doubt: Vec<DoubtfulIntent>,
    /// How many there are.
    pub in_doubt_count: u64,
    /// Intents that were neither settled nor put in doubt when the export was made.
    pub open: u64,
}

/// An intent of which it is not known whether something was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoubtfulIntent {
    /// Its place in the chain.
    pub seq: u64,
    /// How many certificates it was for; none of them left.
    pub certificates: u32,
    /// The DSC that was to sign.
    pub kid: Octets<8>,
    /// Who asked.
    pub caller: String,
    /// When it was written, in milliseconds since 1970.
    pub at: i64,
}

/// How many of the intents in doubt are listed.
pub const MOST_DOUBTS_LISTED: usize = 1_000;
