//! How far a ceremony has come, by its transcript.

use std::collections::BTreeMap;

use super::line::Line;
use super::plan::{FileName, Plan};
use super::transcript::Transcript;
use crate::domain::officers::Words;
use crate::domain::{Digest, Octets};

/// What was done of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many steps were done.
    pub done: usize,
    /// The step after them was begun.
    pub is_begun: bool,
    /// What that step was about to write.
    pub pending: Vec<(FileName, Octets<32>)>,
    /// Files that steps have read, by name: the last reading.
    pub inputs: BTreeMap<String, Octets<32>>,
    /// Files that steps have written.
    pub outputs: BTreeMap<String, Octets<32>>,
    /// The serial number of the token.
    pub serial: Option<Words<1000>>,
    /// It is over.
    pub is_ended: bool,
}

impl Progress {
    /// Reads a transcript as one of a plan, whose file has a digest.
    ///
    /// # Errors
    /// [`OutOfPlace`] names the first line that could not stand where it does.
    pub fn of(plan: &Plan, digest: &Digest, transcript: &Transcript) -> Result<Self, OutOfPlace> {
        let head = head(plan, digest);
        let mut progress = Self::default();
        let mut is_running = false;
        for (number, line, _) in transcript.lines() {
            let wrong = |why| Err(OutOfPlace { number, why });
            if let Some(wanted) = head.get(number - 1) {
                match (wanted, line) {
                    (wanted, found) if wanted == found => {}
                    (Line::Plan(_), _) => return wrong("the transcript is of another file than the one given"),
                    _ => return wrong("the heading is not what the file says"),
                }
                continue;
            }
            if progress.is_ended && !matches!(line, Line::Present { .. } | Line::Signature(_)) {
                return wrong("the ceremony was over");
            }
            match line {
                Line::Begin(_) if number == head.len() + 1 => is_running = true,
                Line::Resume(_) if number > head.len() + 1 => is_running = true,
                Line::Pause { .. } | Line::Stop { .. } if is_running => is_running = false,
                Line::Present { .. } | Line::Signature(_) => {}
                _ if !is_running => return wrong("no run of the ceremony was begun"),
                Line::Step { number, what } => {
                    let planned = plan.steps.get(progress.done).map(ToString::to_string);
                    if *number != progress.done + 1 || planned.as_deref() != Some(what.as_str()) {
                        return wrong("it is not the next step of the plan");
                    }
                    progress.is_begun = true;
                    progress.pending.clear();
                }
                Line::Fact { .. } | Line::In { .. } | Line::Out { .. } | Line::Done { .. } if !progress.is_begun => {
                    return wrong("no step was begun");
                }
                Line::Fact { name: "serial", value } if progress.serial.as_ref().is_some_and(|serial| serial != value) => {
                    return wrong("it is another token than before");
                }
                Line::Fact { name: "serial", value } => progress.serial = Some(value.clone()),
                Line::Fact { .. } => {}
                Line::In { digest, file } => drop(progress.inputs.insert(file.to_string(), *digest)),
                Line::Out { digest, file } => progress.pending.push((file.clone(), *digest)),
                Line::Done { number, .. } if *number == progress.done + 1 => progress.finish_step(),
                Line::End { .. } if progress.done == plan.steps.len() => {
                    progress.is_ended = true;
                    is_running = false;
                }
                _ => return wrong("it cannot stand here"),
            }
        }
        Ok(progress)
    }

    fn finish_step(&mut self) {
        self.done += 1;
        self.is_begun = false;
        let pending = std::mem::take(&mut self.pending);
        self.outputs.extend(pending.into_iter().map(|(file, digest)| (file.to_string(), digest)));
    }
}

/// The lines that a transcript begins with.
#[must_use]
pub fn head(plan: &Plan, digest: &Digest) -> Vec<Line> {
    let heading = [Line::Head, Line::Title(plan.title.clone()), Line::Plan((*digest).into())];
    let officers = plan.officers.iter().map(|officer| Line::Officer { name: officer.name.clone(), key: officer.key.clone() });
    heading.into_iter().chain(officers).collect()
}

/// A line that could not have been written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {number} is out of place: {why}")]
pub struct OutOfPlace {
    number: usize,
    why: &'static str,
}
