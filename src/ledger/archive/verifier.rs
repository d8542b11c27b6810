//! Checks an export line by line: its order, its chains, its trailer.

use std::cmp::Ordering;

use super::certificate::TrustedAuditors;
use super::chain::{Among, ChainAudit};
use super::finding::{Finding, Findings, Flaw};
use super::line::{Header, InvalidLine, Line, RecordLine};
use super::pin::Expectations;
use super::report::Report;
use super::trailer::{ChainEnd, SignedTrailer, Trailer};

/// Checks an export. What it holds does not grow with the export, but for what is open, missing, or forgotten in it.
#[derive(Clone, Debug)]
pub struct Verifier<'t> {
    trusted: &'t TrustedAuditors,
    expectations: Expectations,
    chains: Vec<ChainAudit>,
    /// The chain that the lines are in.
    current: usize,
    /// A record that waits for the next one, which tells where it belongs.
    held: Option<(u64, RecordLine)>,
    trailer: Option<Trailer>,
    has_end: bool,
    signed_by: Option<String>,
    findings: Findings,
}

/// Where a record is: in which chain of the header, at which place.
type Spot = (usize, u64);

impl<'t> Verifier<'t> {
    /// One for an export with this header.
    #[must_use]
    pub fn new(header: &Header, trusted: &'t TrustedAuditors, expectations: Expectations) -> Self {
        let mut verifier = Self {
            trusted,
            chains: Vec::with_capacity(header.instances.len()),
            expectations,
            current: 0,
            held: None,
            trailer: None,
            has_end: false,
            signed_by: None,
            findings: Findings::default(),
        };
        for instance in &header.instances {
            if verifier.chains.iter().any(|chain| chain.instance() == instance) {
                verifier.find(1, Flaw::Inserted("the header names a chain twice"));
            } else {
                let pins = verifier.expectations.heads.iter().filter(|pin| pin.instance == *instance);
                verifier.chains.push(ChainAudit::new(instance.clone(), pins.map(|pin| pin.head)));
            }
        }
        verifier
    }

    /// Takes the next line.
    pub fn push(&mut self, number: u64, line: Result<Line, InvalidLine>) {
        match line {
            Err(error) => self.find(number, Flaw::Unreadable(error.to_string())),
            Ok(_) if self.has_end => self.find(number, Flaw::Inserted("a line after the trailer")),
            Ok(Line::Record(record)) => {
                let next = self.spot(&record);
                self.take_held(next);
                self.held = Some((number, record));
            }
            Ok(Line::Trailer(trailer)) => {
                self.take_held(None);
                self.has_end = true;
                self.take_trailer(number, &trailer);
            }
        }
    }

    /// What the whole comes to.
    #[must_use]
    pub fn end(mut self) -> Report {
        self.take_held(None);
        if !self.has_end {
            let flaw = Flaw::CutOff("there is no trailer, which is the last line of an export");
            self.findings.push(Finding { chain: None, places: None, line: None, flaw });
        }
        for chain in &mut self.chains {
            let end = self.trailer.as_ref().and_then(|trailer| trailer.chain(chain.instance()));
            chain.end(end, &mut self.findings);
        }
        self.check_expectations();
        Report {
            findings: self.findings,
            chains: self.chains.iter().map(ChainAudit::summary).collect(),
            made_at: self.trailer.map(|trailer| trailer.at),
            signed_by: self.signed_by,
        }
    }

    /// What was found so far.
    #[must_use]
    pub const fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether something of an instance's chain is missing, or forgotten, unless a later record explains it.
    #[cfg(test)]
    pub(super) fn lacks(&self, instance: &str) -> (bool, bool) {
        self.chains.iter().find(|chain| chain.instance() == instance).map(ChainAudit::lacks).unwrap_or_default()
    }

    fn find(&mut self, line: u64, flaw: Flaw) {
        self.findings.push(Finding { chain: None, places: None, line: Some(line), flaw });
    }

    fn spot(&self, record: &RecordLine) -> Option<Spot> {
        let chain = self.chains.iter().position(|chain| chain.instance() == record.chain)?;
        Some((chain, record.seq))
    }

    /// Takes the record that was held, now that it is known where the next one is.
    fn take_held(&mut self, next: Option<Spot>) {
        let Some((number, record)) = self.held.take() else { return };
        let Some((chain, _)) = self.spot(&record) else {
            return self.find(number, Flaw::Inserted("a record of a chain that the header does not name"));
        };
        let among = self.among(chain, next);
        if among == Among::Own && chain != self.current {
            self.chains[self.current].leave();
            self.current = chain;
        }
        let next = next.filter(|(next, _)| *next == chain).map(|(_, seq)| seq);
        self.chains[chain].take(number, &record, next, among, self.trusted, &mut self.findings);
    }

    /// Where a line of a chain stands, now that it is known where the next one is.
    fn among(&self, chain: usize, next: Option<Spot>) -> Among {
        let goes_on = || next == Some((self.current, self.chains[self.current].expected()));
        match chain.cmp(&self.current) {
            Ordering::Equal => Among::Own,
            Ordering::Less => Among::Later,
            Ordering::Greater if goes_on() => Among::Earlier,
            Ordering::Greater => Among::Own,
        }
    }

    fn take_trailer(&mut self, number: u64, signed: &SignedTrailer) {
        let Some(trailer) = signed.read() else {
            return self.find(number, Flaw::Unreadable("its trailer is of another form, or of a later version".to_owned()));
        };
        match signed.check(self.trusted, trailer.at) {
            Ok(certificate) => self.signed_by = Some(certificate.subject().to_owned()),
            Err(why) => self.find(number, Flaw::Untrusted(why)),
        }
        let are_named = trailer.chains.len() == self.chains.len()
            && trailer.chains.iter().zip(&self.chains).all(|(end, chain)| end.instance == chain.instance());
        if !are_named {
            self.find(number, Flaw::Contradiction("the trailer and the header name other chains"));
            self.add_unnamed(&trailer.chains);
        }
        self.trailer = Some(trailer);
    }

    /// The chains that the trailer alone names: all of them is missing.
    fn add_unnamed(&mut self, ends: &[ChainEnd]) {
        for end in ends {
            if !self.chains.iter().any(|chain| chain.instance() == end.instance) {
                self.chains.push(ChainAudit::new(end.instance.clone(), std::iter::empty()));
            }
        }
    }

    fn check_expectations(&mut self) {
        let expectations = std::mem::take(&mut self.expectations);
        let is_there = |instance: &str| self.chains.iter().any(|chain| chain.instance() == instance);
        for pin in expectations.heads.iter().filter(|pin| !is_there(&pin.instance)) {
            let flaw = Flaw::CutOff("the export has no such chain, of which a head is pinned");
            self.findings.push(Finding { chain: Some(pin.instance.clone()), places: None, line: None, flaw });
        }
        if let (Some(earliest), Some(trailer)) = (expectations.not_before, &self.trailer) {
            let made = super::certificate::instant(trailer.at);
            if made < earliest {
                self.findings.push(Finding { chain: None, places: None, line: None, flaw: Flaw::Older(made) });
            }
        }
    }
}
