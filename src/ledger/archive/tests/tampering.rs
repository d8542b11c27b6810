//! Whatever is done to one record of an export of a thousand is found, each tried.

use rayon::prelude::*;

use super::*;

/// An export of 1,000 records in two chains, with the audit of its first lines behind each of them.
struct Table<'t> {
    lines: Vec<String>,
    /// Before the line with the same index; that of the header has none.
    before: Vec<Verifier<'t>>,
    /// Each chain, and the line of its last pruning.
    pruned: Vec<(String, usize)>,
}

impl<'t> Table<'t> {
    fn new(chains: &[&Chain], auditor: &Auditor, trusted: &'t TrustedAuditors) -> Self {
        let lines = lines(chains, auditor);
        let mut verifier = Verifier::new(&Header::read(lines[0].as_bytes()).unwrap(), trusted, Expectations::default());
        let mut before = vec![verifier.clone()];
        for (number, line) in (2..).zip(&lines[1..]) {
            before.push(verifier.clone());
            verifier.push(number, Line::read(line.as_bytes()));
            assert_eq!(verifier.findings().count(), 0);
        }
        assert!(verifier.end().is_intact());
        let pruned = chains.iter().map(|chain| (chain.instance.clone(), last_pruning(&lines, &chain.instance))).collect();
        Self { lines, before, pruned }
    }

    /// The indices of the records.
    fn records(&self) -> std::ops::Range<usize> {
        1..self.lines.len() - 1
    }

    /// Whether it is found that from a line on others stand there. What comes after the first finding changes nothing about it.
    fn is_found<'l>(&self, from: usize, lines: impl Iterator<Item = &'l str>) -> bool {
        let mut verifier = self.before[from].clone();
        for (number, line) in (from as u64 + 1..).zip(lines) {
            verifier.push(number, Line::read(line.as_bytes()));
            if verifier.findings().count() > 0 || self.is_lost(&verifier, number as usize) {
                return true;
            }
        }
        !verifier.end().is_intact()
    }

    /// Whether something is missing, or is forgotten and no pruning can come that says so: a finding follows at the end.
    fn is_lost(&self, verifier: &Verifier<'_>, lines: usize) -> bool {
        self.pruned.iter().any(|(instance, pruned)| {
            let (is_missing, is_forgotten) = verifier.lacks(instance);
            is_missing || is_forgotten && lines > pruned + 3
        })
    }

    fn from(&self, index: usize) -> impl Iterator<Item = &str> {
        self.lines[index..].iter().map(String::as_str)
    }

    fn is_replacement_found(&self, index: usize, by: &RecordLine) -> bool {
        let by = text(by);
        assert_ne!(by, self.lines[index]);
        self.is_found(index, std::iter::once(by.as_str()).chain(self.from(index + 1)))
    }

    fn is_swap_found(&self, one: usize, other: usize) -> bool {
        let mut lines = self.lines[one..].to_vec();
        lines.swap(0, other - one);
        self.is_found(one, lines.iter().map(String::as_str))
    }
}

fn last_pruning(lines: &[String], instance: &str) -> usize {
    let is_pruning = |line: &String| {
        let line = record_line(line);
        line.chain == instance
            && line.record.is_some_and(|record| matches!(Record::from_cbor(&record.0).unwrap().body, Body::Pruning(_)))
    };
    1 + lines[1..lines.len() - 1].iter().rposition(is_pruning).unwrap()
}

/// Tries something with each record.
fn with_each_record(tried: impl Fn(&Table<'_>, usize) -> Vec<(&'static str, bool)> + Sync) {
    let auditor = Auditor::new();
    let trusted = auditor.trusted();
    let (north, south) = (chain("north", &auditor, 700), chain("south", &auditor, 300));
    let table = Table::new(&[&north, &south], &auditor, &trusted);
    assert_eq!(table.records().len(), 1_000);
    let unfound: Vec<_> = table
        .records()
        .into_par_iter()
        .flat_map_iter(|index| tried(&table, index).into_iter().map(move |(what, is_found)| (index, what, is_found)))
        .filter(|(_, _, is_found)| !is_found)
        .collect();
    assert_eq!(unfound, []);
}

#[test]
fn every_removal_is_found() {
    with_each_record(|table, index| vec![("removed", table.is_found(index, table.from(index + 1)))]);
}

#[test]
fn every_change_is_found() {
    with_each_record(|table, index| {
        let line = record_line(&table.lines[index]);
        changes(&line, index).into_iter().map(|(what, by)| (what, table.is_replacement_found(index, &by))).collect()
    });
}

/// All that can be changed in a line, a bit at a time; in long ones at a few places of which each record has others.
fn changes(line: &RecordLine, index: usize) -> Vec<(&'static str, RecordLine)> {
    let mut changes = Vec::new();
    for place in [0, index * 7, index * 31 + 11, usize::MAX] {
        let mut add = |what, part: Option<&[u8]>, make: &dyn Fn(Vec<u8>) -> RecordLine| {
            if let Some(part) = part.filter(|part| !part.is_empty()) {
                let mut part = part.to_vec();
                let place = if place == usize::MAX { part.len() - 1 } else { place % part.len() };
                part[place] ^= 1 << (index % 8);
                changes.push((what, make(part)));
            }
        };
        let record = line.record.as_ref().map(|record| record.0.as_slice());
        add("record", record, &|record| RecordLine { record: Some(Blob(record)), ..line.clone() });
        let detail = line.detail.as_ref().map(|detail| detail.0.as_slice());
        add("detail", detail, &|detail| RecordLine { detail: Some(Blob(detail)), ..line.clone() });
        let digest = line.digest.as_ref().map(AsRef::as_ref);
        add("digest", digest, &|digest| RecordLine { digest: Octets::head_of(&digest), ..line.clone() });
        add("link", Some(line.link.as_ref()), &|link| RecordLine { link: Octets::head_of(&link).unwrap(), ..line.clone() });
    }
    changes.extend(rewritings(line));
    changes
}

/// What is changed without a bit being wrong.
fn rewritings(line: &RecordLine) -> Vec<(&'static str, RecordLine)> {
    let other = if line.chain == "north" { "south" } else { "north" };
    let longer = line.detail.as_ref().map(|detail| Blob([detail.0.as_slice(), &[0]].concat()));
    let mut rewritings = vec![
        ("another chain", RecordLine { chain: other.to_owned(), ..line.clone() }),
        ("an unknown chain", RecordLine { chain: "west".to_owned(), ..line.clone() }),
        ("the place before", RecordLine { seq: line.seq - 1, ..line.clone() }),
        ("the place after", RecordLine { seq: line.seq + 1, ..line.clone() }),
        ("the last place", RecordLine { seq: u64::MAX, ..line.clone() }),
        ("nothing", RecordLine { record: None, digest: None, detail: None, ..line.clone() }),
    ];
    if line.record.is_some() {
        let digest = line.record_digest();
        rewritings.push(("forgotten", RecordLine { record: None, digest, detail: None, ..line.clone() }));
        rewritings.push(("the record forgotten", RecordLine { record: None, digest, ..line.clone() }));
    }
    if line.detail.is_some() {
        rewritings.push(("the detail forgotten", RecordLine { detail: None, ..line.clone() }));
    }
    rewritings.push(("a longer detail", RecordLine { detail: longer.or(Some(Blob(vec![0]))), ..line.clone() }));
    // Where it was forgotten already, forgetting it changes nothing.
    rewritings.retain(|(_, other)| other != line);
    rewritings
}

#[test]
fn every_swap_is_found() {
    with_each_record(|table, index| {
        let last = table.records().end - 1;
        let others = [index + 1, index + 2, index + 40, index + 1 + (index * 7919) % 1_000, last];
        let others = others.into_iter().filter(|other| (index + 1..=last).contains(other));
        others.map(|other| ("swapped", table.is_swap_found(index, other))).collect()
    });
}

#[test]
fn every_move_is_found() {
    with_each_record(|table, index| {
        let to = table.records().start + (index * 7919) % 1_000;
        if to.abs_diff(index) == 0 {
            return Vec::new();
        }
        let mut lines = table.lines.clone();
        let line = lines.remove(index);
        lines.insert(to, line);
        let from = index.min(to);
        vec![("moved", table.is_found(from, lines[from..].iter().map(String::as_str)))]
    });
}

#[test]
fn every_insertion_is_found() {
    let auditor = Auditor::new();
    let foreign = lines(&[&chain("north", &auditor, 700), &chain("south", &auditor, 300)], &auditor);
    let west = lines(&[&chain("west", &auditor, 3)], &auditor);
    with_each_record(|table, index| {
        let inserted = |line: &str| table.is_found(index, std::iter::once(line).chain(table.from(index)));
        let other = 1 + (index * 7919) % 1_000;
        vec![
            ("itself", inserted(&table.lines[index])),
            ("another of this export", inserted(&table.lines[other])),
            ("one of the same place elsewhere", inserted(&foreign[index])),
            ("one of another ledger", inserted(&west[1])),
            ("a header", inserted(&table.lines[0])),
            ("a trailer", inserted(foreign.last().unwrap())),
            ("the trailer", inserted(table.lines.last().unwrap())),
            ("something else", inserted("{}")),
        ]
    });
}

#[test]
fn every_truncation_is_found_with_its_trailer_and_without() {
    with_each_record(|table, index| {
        let trailer = table.lines.last().unwrap().as_str();
        let line = &table.lines[index];
        let half = &line[..line.len() / 2];
        vec![
            ("before it", table.is_found(index, std::iter::empty())),
            ("before it, with the trailer", table.is_found(index, std::iter::once(trailer))),
            ("within it", table.is_found(index, std::iter::once(half))),
            ("within it, with the trailer", table.is_found(index, [half, trailer].into_iter())),
            ("all before it", table.is_found(1, table.from(index + 1))),
        ]
    });
}

#[test]
fn an_end_without_a_trailer_or_with_half_of_one_is_found() {
    let auditor = Auditor::new();
    let whole = lines(&[&chain("north", &auditor, 20)], &auditor);
    let last = whole.len() - 1;
    assert!(!audit(&whole[..last], &auditor, Expectations::default()).is_intact());
    for end in 0..whole[last].len() {
        let mut cut = whole.clone();
        cut[last].truncate(end);
        assert!(!audit(&cut, &auditor, Expectations::default()).is_intact(), "{end}");
    }
    for end in 0..whole[0].len() {
        assert!(verify(&whole[0].as_bytes()[..end], &auditor.trusted(), Expectations::default()).is_err(), "{end}");
    }
}

/// Whoever has the file, and no audit key, can make every link anew; what was signed tells.
#[test]
fn a_change_with_every_link_made_anew_is_found() {
    with_each_record(|table, index| {
        // As whole files, and so only some of them.
        if index % 29 != 0 {
            return Vec::new();
        }
        let line = record_line(&table.lines[index]);
        let (Some(record), trailer) = (&line.record, table.lines.len() - 1) else { return Vec::new() };
        let mut record = Record::from_cbor(&record.0).unwrap();
        record.at += 1;
        let mut changed = table.lines.clone();
        changed[index] = text(&RecordLine { record: Some(Blob(record.to_cbor())), ..line });
        relink(&mut changed[..trailer]);
        let mut removed = table.lines.clone();
        removed.remove(index);
        renumber(&mut removed, index);
        vec![
            ("changed", table.is_found(1, changed[1..].iter().map(String::as_str))),
            ("removed", table.is_found(1, removed[1..].iter().map(String::as_str))),
        ]
    });
}

/// Gives the records from a line on the places that they come to stand at.
fn renumber(lines: &mut [String], from: usize) {
    let chain = record_line(&lines[from]).chain;
    for line in lines[from..].iter_mut().filter(|line| line.starts_with(&format!("{{\"chain\":\"{chain}\""))) {
        let mut line_of = record_line(line);
        if let Some(record) = &line_of.record {
            let mut record = Record::from_cbor(&record.0).unwrap();
            record.seq -= 1;
            line_of.record = Some(Blob(record.to_cbor()));
        }
        *line = text(&line_of);
    }
    let trailer = lines.len() - 1;
    relink(&mut lines[..trailer]);
}
