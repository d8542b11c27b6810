//! The ceremony itself: step after step, each on paper before and after.

use std::fs;

use anyhow::{Context, bail, ensure};

use super::PlanFile;
use super::desk::Desk;
use super::paper::Paper;
use super::steps::{Hands, Work};
use super::witness;
use crate::cli::new_file;
use crate::custody::ceremony::line::{Run, visible};
use crate::custody::ceremony::progress::head;
use crate::custody::ceremony::{FileName, Line, Plan, Progress, Step, check};
use crate::domain::officers::Label;
use crate::domain::{Clock, Digest, NumericDate, Octets, SystemClock};

/// A ceremony that is going on.
pub(super) struct Room<'p> {
    file: &'p PlanFile,
    hands: Hands<'p>,
    paper: Paper,
    progress: Progress,
    /// Who has signed all that stands there now.
    signed: Vec<Label>,
}

/// How a run ended that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every step was done.
    Done,
    /// The next one waits for a file.
    Waits,
}

impl<'p> Room<'p> {
    /// Begins, after everything was looked at that can be seen before.
    pub(super) fn enter(file: &'p PlanFile) -> anyhow::Result<Self> {
        let desk = Desk::of(file)?;
        witness::look(file)?;
        look_at_files(file, &Progress::default())?;
        let heading = [head(&file.plan, &file.digest), vec![Line::Begin(this_run()?)]].concat();
        let paper = Paper::begin(&file.at(file.plan.transcript.as_str()), &heading)?;
        Ok(Self { file, hands: Hands { file, desk, serial: None }, paper, progress: Progress::default(), signed: Vec::new() })
    }

    /// Goes on with what is there.
    pub(super) fn enter_again(file: &'p PlanFile) -> anyhow::Result<Self> {
        let path = file.at(file.plan.transcript.as_str());
        let desk = Desk::of(file)?;
        witness::look(file)?;
        let (mut paper, text, transcript) = Paper::open(&path)?;
        let heading = head(&file.plan, &file.digest).len();
        let is_headed = transcript.end().lines() > heading;
        ensure!(is_headed, "{} was cut off before anything was done: delete it, and begin anew", path.display());
        let progress =
            Progress::of(&file.plan, &file.digest, &transcript).with_context(|| format!("the transcript {}", path.display()))?;
        let signed = check(&file.plan, &file.digest, &text, |_| None).witnesses;
        if !progress.is_ended {
            look_at_files(file, &progress)?;
            paper.write(&[Line::Resume(this_run()?)])?;
        }
        let hands = Hands { file, desk, serial: progress.serial.clone() };
        Ok(Self { file, hands, paper, progress, signed })
    }

    /// Does what is left.
    pub(super) fn work(&mut self) -> anyhow::Result<Ended> {
        if self.progress.is_ended {
            return Ok(Ended::Done);
        }
        self.signed.clear();
        let steps: Vec<(usize, Step)> = (1..).zip(self.file.plan.steps.clone()).skip(self.progress.done).collect();
        for (number, step) in steps {
            let is_again = std::mem::take(&mut self.progress.is_begun);
            if is_again && self.has_written_all() {
                self.paper.write(&[Line::Done { number, at: now() }])?;
                continue;
            }
            let absent: Vec<&str> = step.inputs().map(FileName::as_str).filter(|name| !self.file.at(name).exists()).collect();
            if !absent.is_empty() {
                let why = visible(&format!("step {number} waits for {}", absent.join(", ")));
                self.paper.write(&[Line::Pause { at: now(), why }])?;
                return Ok(Ended::Waits);
            }
            if let Err(error) = self.step(number, &step, is_again) {
                let why = visible(&format!("step {number}: {error:#}"));
                self.paper.write(&[Line::Stop { at: now(), why }])?;
                let name = self.file.path.display();
                return Err(error.context(format!(
                    "step {number}, to {step}, was not done; what was done before is in {}. Put right what is wrong, then \
                     `sceau ceremony --continue {name}`",
                    self.file.plan.transcript
                )));
            }
        }
        self.paper.write(&[Line::End { at: now() }])?;
        Ok(Ended::Done)
    }

    fn step(&mut self, number: usize, step: &Step, is_again: bool) -> anyhow::Result<()> {
        if !is_again {
            self.hands.look_before(step)?;
        }
        self.paper.write(&[Line::Step { number, what: visible(&step.to_string()) }])?;
        let Work { mut lines, outputs } = self.hands.take(step, is_again)?;
        lines.extend(outputs.iter().map(|(name, bytes)| Line::Out { digest: Digest::of(bytes).into(), file: name.clone() }));
        self.paper.write(&lines)?;
        outputs.iter().try_for_each(|(name, bytes)| self.put(name, bytes))?;
        self.paper.write(&[Line::Done { number, at: now() }])
    }

    /// Whether a step that was broken off had written what it was about to write.
    fn has_written_all(&self) -> bool {
        let pending = &self.progress.pending;
        !pending.is_empty() && pending.iter().all(|(name, digest)| digest_of(self.file, name.as_str()) == Some(*digest))
    }

    /// Writes a new file; on disk when this returns.
    fn put(&self, name: &FileName, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.file.at(name.as_str());
        new_file::write_new(&path, 0o666, bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Has the officers sign who are present.
    pub(super) fn sign(&mut self) -> anyhow::Result<()> {
        witness::sign(self.file, &mut self.paper, &self.signed)
    }
}

/// What is there that may not be, and what is not there that has to be.
fn look_at_files(file: &PlanFile, progress: &Progress) -> anyhow::Result<()> {
    let plan = &file.plan;
    let left = plan.steps.iter().skip(progress.done);
    for out in left.clone().filter_map(Step::out) {
        let path = file.at(out.as_str());
        let was_begun =
            progress.pending.iter().any(|(name, digest)| name == out && digest_of(file, name.as_str()) == Some(*digest));
        let is_there = path.symlink_metadata().is_ok();
        ensure!(was_begun || !is_there, "{} is there already, and is never overwritten: move it away", path.display());
    }
    if progress.done > 0 || progress.is_begun {
        return Ok(());
    }
    for absent in left.flat_map(Step::inputs).filter(|name| !file.at(name.as_str()).exists()) {
        if !may_come_later(plan, absent) {
            bail!(
                "{} is not there, and no request in this ceremony is for it: bring it first",
                file.at(absent.as_str()).display()
            );
        }
    }
    Ok(())
}

/// What is imported for a key that is requested before may come while the ceremony waits.
pub(super) fn may_come_later(plan: &Plan, name: &FileName) -> bool {
    let import = plan.steps.iter().position(|step| matches!(step, Step::Import { .. }) && step.inputs().any(|file| file == name));
    import.is_some_and(|import| {
        let key = plan.steps[import].key();
        plan.steps[..import].iter().any(|step| matches!(step, Step::Request { .. }) && step.key() == key)
    })
}

fn digest_of(file: &PlanFile, name: &str) -> Option<Octets<32>> {
    fs::read(file.at(name)).ok().map(|bytes| Digest::of(&bytes).into())
}

pub(super) fn now() -> NumericDate {
    SystemClock.now()
}

fn this_run() -> anyhow::Result<Run> {
    let program = std::env::current_exe().and_then(fs::read).context("cannot read this program, whose SHA-256 is noted")?;
    let version = env!("CARGO_PKG_VERSION").parse().context("this program's version")?;
    Ok(Run { at: now(), version, digest: Digest::of(&program).into() })
}
