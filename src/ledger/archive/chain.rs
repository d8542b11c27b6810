//! Checks one chain of an export: the order of its records, their links, and its end.

use super::certificate::TrustedAuditors;
use super::content;
use super::finding::{Finding, Findings, Flaw, Part};
use super::line::RecordLine;
use super::places::Places;
use super::report::ChainSummary;
use super::seals::Seals;
use super::settlement::Settlements;
use super::trailer::ChainEnd;
use crate::ledger::record::{Body, Head, Link, Record};

/// A chain, as far as it was read.
#[derive(Clone, Debug)]
pub(super) struct ChainAudit {
    instance: String,
    /// Heads that the auditor knows.
    pins: Vec<Head>,
    /// Where it has come to, by the links in the lines: these are checked against each other, and where they lead to.
    head: Head,
    /// The link at the head as it comes out of what stands there, where the line has another.
    computed: Option<Link>,
    /// Places that were passed over, and have not turned up.
    missing: Places,
    /// All that were ever passed over: what refers to them cannot be judged.
    passed: Places,
    /// Places whose records turned up too early.
    early: Places,
    seals: Seals,
    settlements: Settlements,
    summary: Counts,
    /// How many findings it has.
    flaws: u64,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    records: u64,
    forgotten: u64,
    entries: u64,
    first_at: Option<i64>,
    last_at: Option<i64>,
}

/// Where a line of a chain stands among the lines of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Among {
    /// Its own.
    Own,
    /// Those of a chain that goes on after it.
    Earlier,
    /// Those of a chain that comes after its own.
    Later,
}

/// A line that is looked at: where it is, and where findings go.
struct Look<'l, 'f> {
    number: u64,
    line: &'l RecordLine,
    findings: &'f mut Findings,
}

impl ChainAudit {
    pub(super) fn new(instance: String, pins: impl Iterator<Item = Head>) -> Self {
        Self {
            instance,
            pins: pins.collect(),
            head: Head::EMPTY,
            computed: None,
            missing: Places::default(),
            passed: Places::default(),
            early: Places::default(),
            seals: Seals::default(),
            settlements: Settlements::default(),
            summary: Counts::default(),
            flaws: 0,
        }
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    /// The place that comes next.
    pub(super) const fn expected(&self) -> u64 {
        self.head.seq.saturating_add(1)
    }

    /// Whether something is missing, or forgotten, unless a later record explains it.
    #[cfg(test)]
    pub(super) fn lacks(&self) -> (bool, bool) {
        (!self.missing.is_empty(), self.settlements.unpruned().next().is_some())
    }

    /// Its lines are over: what only they needed is let go.
    pub(super) fn leave(&mut self) {
        self.seals.forget_links();
    }

    /// Takes a line. `next` is the place of the line after it, where that is of the same chain.
    pub(super) fn take(
        &mut self,
        number: u64,
        line: &RecordLine,
        next: Option<u64>,
        among: Among,
        trusted: &TrustedAuditors,
        findings: &mut Findings,
    ) {
        let mut look = Look { number, line, findings };
        let record = self.check_content(&mut look);
        if among != Among::Own {
            self.find(&mut look, Flaw::Reordered);
        }
        if among == Among::Earlier {
            self.early.insert(line.seq, line.seq);
        } else if self.is_in_order(&mut look, next) {
            self.check_link(&mut look);
            self.check_time(&mut look, record.as_ref());
            self.count(line, record.as_ref());
            if let Some(record) = &record {
                self.check_meaning(&mut look, record, trusted);
            } else if line.record.is_none() {
                self.settlements.forgotten_record(line.seq);
            } else {
                self.passed.insert(line.seq, line.seq);
            }
        }
    }

    fn find(&mut self, look: &mut Look<'_, '_>, flaw: Flaw) {
        let places = Some((look.line.seq, look.line.seq));
        self.push(look.findings, Finding { chain: None, places, line: Some(look.number), flaw });
    }

    fn find_at(&mut self, findings: &mut Findings, places: (u64, u64), flaw: Flaw) {
        self.push(findings, Finding { chain: None, places: Some(places), line: None, flaw });
    }

    fn push(&mut self, findings: &mut Findings, finding: Finding) {
        self.flaws += 1;
        findings.push(Finding { chain: Some(self.instance.clone()), ..finding });
    }

    /// Gives the record where it can be read and is of this place.
    fn check_content(&mut self, look: &mut Look<'_, '_>) -> Option<Record> {
        let checked = content::check(&self.instance, look.line);
        checked.flaws.into_iter().for_each(|flaw| self.find(look, flaw));
        checked.record
    }

    /// Whether the line stands where it belongs; where places were passed over before it, these are noted.
    fn is_in_order(&mut self, look: &mut Look<'_, '_>, next: Option<u64>) -> bool {
        let (seq, expected) = (look.line.seq, self.expected());
        if seq < expected {
            let is_late = self.missing.take(seq);
            self.find(
                look,
                if is_late { Flaw::Reordered } else { Flaw::Inserted("a record of this place stands there already") },
            );
            return false;
        }
        if seq > expected && next.is_some_and(|next| seq.checked_add(1) != Some(next)) {
            self.early.insert(seq, seq);
            self.find(look, Flaw::Reordered);
            return false;
        }
        if seq > expected {
            self.pass_over(expected, seq - 1);
        }
        true
    }

    fn pass_over(&mut self, from: u64, to: u64) {
        self.passed.insert(from, to);
        self.missing.insert(from, to);
        let early: Vec<_> = self.early.ranges().collect();
        early.into_iter().for_each(|(from, to)| self.missing.remove(from, to));
        self.computed = None;
        self.seals.forget_links();
    }

    /// A line's own link tells whether the line was changed, or one before it.
    fn check_link(&mut self, look: &mut Look<'_, '_>) {
        let (line, digest) = (look.line, look.line.record_digest());
        let follows = line.seq == self.expected();
        let after = |link: Link| digest.map(|digest| Head { seq: line.seq - 1, link }.next(&digest).link);
        let computed = after(self.head.link);
        // The link of the line before was changed, and not its record.
        let other = self.computed.take().filter(|link| after(*link) == Some(line.link));
        if let Some(link) = other {
            self.seals.correct(link);
        }
        if follows && computed != Some(line.link) && other.is_none() {
            self.computed = computed;
            let part = if line.record.is_some() { Part::Record } else { Part::Digest };
            self.find(look, Flaw::Changed(part));
        }
        self.head = Head { seq: line.seq, link: line.link };
        self.seals.pass(self.head);
        if self.pins.iter().any(|pin| pin.seq == self.head.seq && pin.link != self.head.link) {
            self.find(look, Flaw::NotPinned);
        }
    }

    /// A writer keeps its chain's time where its clock is set back.
    fn check_time(&mut self, look: &mut Look<'_, '_>, record: Option<&Record>) {
        if record.zip(self.summary.last_at).is_some_and(|(record, last)| record.at < last) {
            self.find(look, Flaw::Contradiction("the record says that it is older than the one before it"));
        }
    }

    fn count(&mut self, line: &RecordLine, record: Option<&Record>) {
        self.summary.records += u64::from(line.record.is_some());
        self.summary.forgotten += u64::from(line.record.is_none());
        let Some(record) = record else { return };
        self.summary.first_at = self.summary.first_at.or(Some(record.at));
        self.summary.last_at = Some(record.at);
        if let (Body::Outcome(outcome), true) = (&record.body, line.detail.is_some()) {
            self.summary.entries += u64::from(outcome.signed);
        }
    }

    /// What a record says of others.
    fn check_meaning(&mut self, look: &mut Look<'_, '_>, record: &Record, trusted: &TrustedAuditors) {
        if look.line.detail.is_none() {
            self.settlements.forgotten_detail(record.seq);
        }
        if let Body::Seal(seal) = &record.body
            && let Err(refusal) = self.seals.check(&self.instance, record.seq, seal, &self.passed, trusted)
        {
            match refusal.places {
                Some(places) => self.find_at(look.findings, places, refusal.flaw),
                None => self.find(look, refusal.flaw),
            }
        }
        let detail = look.line.detail.as_ref().map(|detail| detail.0.as_slice());
        for flaw in self.settlements.take(record, detail, &self.passed) {
            self.find(look, flaw);
        }
    }

    /// The lines are over: what is still missing, and whether it ends as the trailer says.
    pub(super) fn end(&mut self, end: Option<&ChainEnd>, findings: &mut Findings) {
        let missing: Vec<_> = self.missing.ranges().collect();
        missing.into_iter().for_each(|places| self.find_at(findings, places, Flaw::Missing));
        if let Some(end) = end {
            self.check_end(end, findings);
        }
        let forgotten: Vec<_> = self.settlements.unpruned().collect();
        forgotten.into_iter().for_each(|places| self.find_at(findings, places, Flaw::Forgotten));
        let beyond: Vec<u64> = self.pins.iter().map(|pin| pin.seq).filter(|seq| *seq > self.head.seq).collect();
        for seq in beyond {
            let flaw = Flaw::CutOff("the export ends before the pinned head: it is older, or its end was taken off");
            self.find_at(findings, (self.expected(), seq), flaw);
        }
        if let Some(end) = end.filter(|_| self.flaws == 0) {
            self.check_counts(end, findings);
        }
    }

    fn check_end(&mut self, end: &ChainEnd, findings: &mut Findings) {
        let (last, expected) = (self.head.seq, self.expected());
        if end.seq < last {
            let flaw = Flaw::Inserted("the trailer says that the chain ends before");
            self.find_at(findings, (end.seq + 1, last), flaw);
        } else if end.seq == last && end.link != self.head.link {
            let first = self.seals.unsealed_from();
            self.find_at(findings, (first.min(last), last), Flaw::Changed(Part::Past));
        }
        let mut tail = Places::default();
        tail.insert(expected, end.seq);
        self.early.ranges().for_each(|(from, to)| tail.remove(from, to));
        for places in tail.ranges() {
            self.find_at(findings, places, Flaw::CutOff("the trailer says that the chain goes on up to there"));
        }
    }

    /// Where all else holds: whether something was forgotten since the trailer was signed.
    fn check_counts(&mut self, end: &ChainEnd, findings: &mut Findings) {
        let counts = (self.summary.records, self.summary.entries);
        if counts != (end.records, end.entries) {
            let flaw =
                Flaw::Contradiction("the trailer counts more records or certificates; what is forgotten here was still there");
            self.push(findings, Finding { chain: None, places: None, line: None, flaw });
        }
    }

    pub(super) fn summary(&self) -> ChainSummary {
        let counts = &self.summary;
        let settlements = &self.settlements;
        ChainSummary {
            instance: self.instance.clone(),
            head: self.head,
            records: counts.records,
            forgotten: counts.forgotten,
            certificates: settlements.certificates(),
            revoked: settlements.revoked(),
            first_at: counts.first_at,
            last_at: counts.last_at,
            seals: self.seals.count(),
            sealed: self.seals.last(),
            in_doubt: settlements.in_doubt().to_vec(),
            in_doubt_count: settlements.in_doubt_count(),
            open: settlements.open(),
        }
    }
}
