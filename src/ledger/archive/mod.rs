//! The archive: chains as a file, and the audit of it by whoever has nothing but the audit certificate.
//!
//! An export is NDJSON, one JSON object a line, bytes in base64 and hashes in hexadecimal digits:
//!
//! ```text
//! { "sceau_export": 1, "instances": [ … ] }                                           the first line
//! { "chain": instance, "seq", "link", "record": CBOR, "detail": bytes }               one a record, chain after chain
//! { "chain": instance, "seq", "link", "digest": SHA-256 }                             one that is forgotten
//! { "trailer": CBOR, "certificate": SHA-256 of the audit certificate, "signature" }   the last line
//!
//! trailer = CBOR { v: 1, at, chains: [ { instance, seq, link, records, entries } ] }
//! signed  = SHA-256("sceau export v1" 0 ‖ trailer)
//! ```
//!
//! A proof is one JSON object:
//!
//! ```text
//! { "sceau_proof": 1, "instance", "place": { seq, index }, "passage", "signed": { "seal": … } or { "end": the last line } }
//!
//! passage = { entry: bytes, path: [ hash … ], before: head, intent: CBOR, between: [ digest … ], outcome: CBOR, after: [ digest … ] }
//! ```
//!
//! Reading order: [`mod@line`] and [`trailer`] (the form), [`writer`], [`export`], [`reader`]; [`verifier`] (the audit), which goes
//! over `chain` (order and links), `content` (one record by itself), `seals` and `settlement` (what records say of others) to
//! [`finding`] and [`report`]; [`proof`] (one certificate, without the rest).

pub mod certificate;
mod chain;
mod content;
pub mod export;
pub mod finding;
pub mod line;
pub mod pin;
mod places;
pub mod proof;
pub mod reader;
pub mod report;
mod seals;
mod settlement;
pub mod trailer;
pub mod verifier;
pub mod writer;

#[cfg(test)]
mod tests;

use std::io::BufRead;

pub use certificate::{AuditCertificate, Distrust, InvalidAuditCertificate, TrustedAuditors, instant};
pub use export::{Export, ExportError};
pub use finding::{Finding, Findings, Flaw, Part};
pub use pin::{Expectations, InvalidPinnedHead, PinnedHead};
pub use proof::{NoProof, Proof, Proven, Prover, Wanted};
pub use reader::{ExportReader, ReadError};
pub use report::{ChainSummary, DoubtfulIntent, Report};
pub use trailer::{SignedTrailer, Trailer};
pub use verifier::Verifier;
pub use writer::{ExportWriter, UnsignedExport};

/// Audits an export from its first line to its last.
///
/// # Errors
/// Where the input is no export at all, or cannot be read. All that speaks against an export is in the report.
pub fn verify(input: impl BufRead, trusted: &TrustedAuditors, expectations: Expectations) -> Result<Report, ReadError> {
    let mut reader = ExportReader::open(input)?;
    let mut verifier = Verifier::new(reader.header(), trusted, expectations);
    while let Some((number, line)) = reader.next_line()? {
        verifier.push(number, line);
    }
    Ok(verifier.end())
}

/// Proves certificates from an export: one proof each, and of how many that were found the records do not hold together.
///
/// # Errors
/// As [`verify`].
pub fn prove(input: impl BufRead, wanted: Wanted) -> Result<(Vec<Proof>, u64), ReadError> {
    let mut reader = ExportReader::open(input)?;
    let mut prover = Prover::new(wanted);
    while let Some((_, line)) = reader.next_line()? {
        if let Ok(line) = line {
            prover.push(line);
        }
    }
    Ok(prover.end())
}
