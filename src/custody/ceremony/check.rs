//! Whether a transcript is what the officers signed, of this plan, with these files.

use std::collections::BTreeSet;

use super::line::Line;
use super::plan::{Plan, WITNESSES};
use super::progress::{OutOfPlace, Progress};
use super::transcript::{Broken, Chain, Transcript};
use crate::domain::officers::{Label, Role, SignedText};
use crate::domain::{Digest, Octets};

/// What was read in a transcript. The same files give the same reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How many lines it has.
    pub lines: usize,
    /// How many steps of the plan were done.
    pub done: usize,
    /// How many the plan has.
    pub steps: usize,
    /// Every step was done, and it was said that it is over.
    pub is_ended: bool,
    /// Who has signed the whole of it, in the plan's order.
    pub witnesses: Vec<Label>,
    /// Files that were found as they were, inputs and outputs.
    pub files: usize,
    /// What is wrong; nothing, where all is well.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong with a transcript or its files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The text was changed.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A line stands where none like it could.
    #[error(transparent)]
    OutOfPlace(#[from] OutOfPlace),
    /// The last line was cut off.
    #[error("the last line was cut off: the ceremony was interrupted there; `sceau ceremony --continue` goes on")]
    Torn,
    /// It is not over.
    #[error("the ceremony is not over: {done} of {steps} steps were done; `sceau ceremony --continue` goes on")]
    NotEnded {
        /// Steps that were done.
        done: usize,
        /// Steps of the plan.
        steps: usize,
    },
    /// A signature is not the officer's.
    #[error("line {number}: the signature is not {officer}'s over the lines above it")]
    Signature {
        /// The line that says who was there.
        number: usize,
        /// Who is said to have signed.
        officer: Label,
    },
    /// Who signed is none of the plan's officers.
    #[error("line {number}: {officer} is no officer of the plan")]
    Stranger {
        /// The line.
        number: usize,
        /// Who.
        officer: Label,
    },
    /// Too few have signed what stands there now.
    #[error("{signed} have signed the whole transcript; it takes {WITNESSES} officers at least, each once")]
    TooFew {
        /// How many.
        signed: usize,
    },
    /// A file is not there.
    #[error("{file} is not there, or cannot be read; the transcript has it with SHA-256 {digest}")]
    FileAbsent {
        /// Its name.
        file: String,
        /// What it should be.
        digest: Octets<32>,
    },
    /// A file is another.
    #[error("{file} is another one: its SHA-256 is {found}, in the transcript it is {digest}")]
    FileChanged {
        /// Its name.
        file: String,
        /// What it is.
        found: Octets<32>,
        /// What it should be.
        digest: Octets<32>,
    },
}

/// Checks a transcript against the plan that officers reviewed: its chain, its order, each signature, and each file, whose digest
/// `digest_of` gives by the file's name.
///
/// Whose keys count is the plan's to say: the caller has to have the very file that was reviewed.
#[must_use]
pub fn check(plan: &Plan, plan_digest: &Digest, text: &str, digest_of: impl Fn(&str) -> Option<Digest>) -> Reading {
    let mut reading = Reading {
        lines: 0,
        done: 0,
        steps: plan.steps.len(),
        is_ended: false,
        witnesses: Vec::new(),
        files: 0,
        findings: Vec::new(),
    };
    let transcript = match Transcript::read(text) {
        Ok(transcript) => transcript,
        Err(broken) => {
            reading.findings.push(broken.into());
            return reading;
        }
    };
    reading.lines = transcript.end().lines();
    if transcript.torn_bytes() > 0 {
        reading.findings.push(Finding::Torn);
    }
    match Progress::of(plan, plan_digest, &transcript) {
        Ok(progress) => reading.take(&progress, digest_of),
        Err(out_of_place) => reading.findings.push(out_of_place.into()),
    }
    reading.take_signatures(plan, &transcript);
    reading
}

impl Reading {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_well(&self) -> bool {
        self.findings.is_empty()
    }

    fn take(&mut self, progress: &Progress, digest_of: impl Fn(&str) -> Option<Digest>) {
        (self.done, self.is_ended) = (progress.done, progress.is_ended);
        if !progress.is_ended {
            self.findings.push(Finding::NotEnded { done: self.done, steps: self.steps });
        }
        for (file, digest) in progress.inputs.iter().chain(&progress.outputs) {
            let (file, digest) = (file.clone(), *digest);
            match digest_of(&file).map(Octets::from) {
                Some(found) if found == digest => self.files += 1,
                Some(found) => self.findings.push(Finding::FileChanged { file, found, digest }),
                None => self.findings.push(Finding::FileAbsent { file, digest }),
            }
        }
    }

    /// Every signature has to be right; those count that stand below everything else.
    fn take_signatures(&mut self, plan: &Plan, transcript: &Transcript) {
        let mut witnesses = BTreeSet::new();
        let mut above = Chain::EMPTY;
        let mut lines = transcript.lines().peekable();
        while let Some((number, line, chain)) = lines.next() {
            match line {
                Line::Present { officer, lines: said, link, .. } => {
                    let signature = lines.next_if(|(_, line, _)| matches!(line, Line::Signature(_)));
                    let signed = signature.map(|(_, signature, end)| (signature, *end));
                    let is_whole = (*said, *link) == (above.lines(), above.link());
                    above = signed.map_or(*chain, |(_, end)| end);
                    let Some(known) = plan.officers.iter().find(|known| known.name == *officer) else {
                        self.findings.push(Finding::Stranger { number, officer: officer.clone() });
                        continue;
                    };
                    let text = signed.and_then(|(signature, _)| signed_text(line, signature));
                    if is_whole && text.is_some_and(|text| known.key.has_signed(Role::Witness, &text)) {
                        witnesses.insert(officer.clone());
                    } else {
                        self.findings.push(Finding::Signature { number, officer: officer.clone() });
                    }
                }
                _ => {
                    witnesses.clear();
                    above = *chain;
                }
            }
        }
        if witnesses.len() < WITNESSES {
            self.findings.push(Finding::TooFew { signed: witnesses.len() });
        }
        self.witnesses =
            plan.officers.iter().map(|officer| officer.name.clone()).filter(|name| witnesses.contains(name)).collect();
    }
}

/// What an officer signs: the text of the line that says so.
fn signed_text(present: &Line, signature: &Line) -> Option<SignedText> {
    match signature {
        Line::Signature(signature) => Some(SignedText { text: present.to_string(), signature: *signature }),
        _ => None,
    }
}
