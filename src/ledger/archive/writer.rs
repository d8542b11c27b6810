//! Writes an export, as its rows come.

use std::io::{self, Write};

use serde::Serialize;

use super::line::{Header, RecordLine, VERSION};
use super::trailer::{ChainEnd, SignedTrailer, Trailer, VERSION as TRAILER_VERSION};
use crate::domain::{Digest, Octets};
use crate::ledger::record::{Blob, Body, Head, Record};
use crate::ledger::store::Row;

/// Writes an export: the rows of one chain in order, then those of the next.
///
/// It writes what is stored, whole or not: what is wrong with it is for an auditor to find.
#[derive(Debug)]
pub struct ExportWriter<W> {
    out: W,
    chains: Vec<ChainEnd>,
}

impl<W: Write> ExportWriter<W> {
    /// Begins an export of some instances' chains, which then come in this order.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn begin(mut out: W, instances: &[String]) -> io::Result<Self> {
        write_line(&mut out, &Header { sceau_export: VERSION, instances: instances.to_vec() })?;
        let Head { seq, link } = Head::EMPTY;
        let end = |instance: &String| ChainEnd { instance: instance.clone(), seq, link, records: 0, entries: 0 };
        Ok(Self { out, chains: instances.iter().map(end).collect() })
    }

    /// Writes the next row of a chain.
    ///
    /// # Errors
    /// Where it cannot be written, or the chain was not announced.
    pub fn write(&mut self, instance: &str, row: &Row) -> io::Result<()> {
        let end = self.chains.iter_mut().find(|end| end.instance == instance);
        let end = end.ok_or_else(|| io::Error::other("a row of a chain that the header does not name"))?;
        write_line(&mut self.out, &RecordLine::of(instance, row))?;
        (end.seq, end.link) = (row.seq, row.link);
        end.records += u64::from(row.record.is_some());
        end.entries += entries(row);
        Ok(())
    }

    /// Where it is written to.
    pub const fn out(&mut self) -> &mut W {
        &mut self.out
    }

    /// Ends it at an instant, in milliseconds since 1970; the trailer is still to be signed.
    pub fn end(self, at: i64) -> UnsignedExport<W> {
        let trailer = Trailer { v: TRAILER_VERSION, at, chains: self.chains }.to_cbor();
        UnsignedExport { out: self.out, trailer }
    }
}

/// How many certificates a row holds.
fn entries(row: &Row) -> u64 {
    let (Some(record), Some(_)) = (&row.record, &row.detail) else { return 0 };
    match Record::from_cbor(record) {
        Ok(Record { body: Body::Outcome(outcome), .. }) => outcome.signed.into(),
        _ => 0,
    }
}

/// An export that lacks its trailer's signature.
#[derive(Debug)]
pub struct UnsignedExport<W> {
    out: W,
    trailer: Vec<u8>,
}

impl<W: Write> UnsignedExport<W> {
    /// What the audit key is to sign.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Trailer::digest_of(&self.trailer)
    }

    /// Writes the trailer, and gives back where to.
    ///
    /// `certificate`: SHA-256 of the audit certificate. `signature`: r‖s for P-256, PSS with a salt of 32 bytes for RSA.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(mut self, certificate: Octets<32>, signature: Vec<u8>) -> io::Result<W> {
        let trailer = SignedTrailer { trailer: Blob(self.trailer), certificate, signature: Blob(signature) };
        write_line(&mut self.out, &trailer)?;
        Ok(self.out)
    }
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
