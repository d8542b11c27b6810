//! What a worker remembers of officers' work, on disk beside the PIN latch: all workers of a token share it, and a restart
//! forgets nothing.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::denial::Denial;
use super::manage::CertifiedKey;
use super::overseer::{Act, Order};
use super::{PinLatch, TokenError};
use crate::domain::officers::{Label, ProposalId};
use crate::domain::{Kid, NumericDate};

/// What there is to remember.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Remembered {
    v: u8,
    /// The highest number of a roster that was seen.
    pub(super) roster: u32,
    /// Proposals that were executed, as long as they could be again.
    executed: Vec<Executed>,
    /// Keys that officers stopped, by kid; for good.
    stopped: BTreeSet<String>,
    /// Keys that were destroyed, or are to be, by label; for good.
    destroyed: BTreeSet<Label>,
}

/// A proposal that was executed: that was noted before anything was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Executed {
    id: ProposalId,
    valid_until: NumericDate,
    /// Whether it came to its end.
    done: bool,
}

/// How far an act came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nobody has begun it.
    New,
    /// It was begun; what came of it stands on the token alone.
    Begun,
    /// It was done.
    Done,
}

const VERSION: u8 = 1;

/// For so long after its end a proposal is remembered: a clock that goes back does not bring it back.
const KEPT_SECONDS: i64 = 7 * 86_400;

impl Default for Remembered {
    fn default() -> Self {
        Self { v: VERSION, roster: 0, executed: Vec::new(), stopped: BTreeSet::new(), destroyed: BTreeSet::new() }
    }
}

impl Remembered {
    /// How far an act came.
    pub(super) fn progress(&self, id: ProposalId) -> Progress {
        match self.executed.iter().find(|executed| executed.id == id) {
            None => Progress::New,
            Some(executed) if executed.done => Progress::Done,
            Some(_) => Progress::Begun,
        }
    }

    /// Notes that an act is about to be done.
    pub(super) fn begin(&mut self, order: &Order, now: NumericDate) {
        self.executed.retain(|executed| now < executed.valid_until.plus_seconds(KEPT_SECONDS));
        self.see(order.roster);
        self.executed.push(Executed { id: order.id, valid_until: order.valid_until, done: false });
        if let Act::Destroy { label, .. } = &order.act {
            self.destroyed.insert(label.clone());
        }
    }

    /// Notes that it was done.
    pub(super) fn finish(&mut self, id: ProposalId) {
        self.executed.iter_mut().filter(|executed| executed.id == id).for_each(|executed| executed.done = true);
    }

    /// Notes that a roster was in force.
    pub(super) fn see(&mut self, roster: u32) {
        self.roster = self.roster.max(roster);
    }

    /// Notes that a key signs no more.
    pub(super) fn stop(&mut self, kid: Kid) {
        self.stopped.insert(kid.to_string());
    }

    /// Whether a key of that name, a kid, was stopped.
    pub(super) fn is_stopped(&self, name: &str) -> bool {
        self.stopped.contains(name)
    }

    /// Whether a label was a destroyed key's.
    pub(super) fn is_destroyed(&self, label: &Label) -> bool {
        self.destroyed.contains(label)
    }

    /// Whether a key may sign.
    pub(super) fn check(&self, key: &CertifiedKey) -> Result<(), Denial> {
        let kid = key.dsc.kid();
        if self.is_stopped(&kid.to_string()) {
            return Err(Denial::Stopped { kid });
        }
        if self.is_destroyed(&key.label) { Err(Denial::Destroyed { label: key.label.clone() }) } else { Ok(()) }
    }
}

/// The file of it. Where there is none, nothing happened yet; where it cannot be read, nobody knows, and nothing is done.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    path: PathBuf,
}

impl Memory {
    /// Beside a token's PIN latch.
    pub(super) fn beside(latch: &PinLatch) -> Self {
        Self { path: latch.custody_memory() }
    }

    /// What is remembered.
    pub(super) fn read(&self) -> Result<Remembered, TokenError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Remembered::default()),
            Err(error) => return Err(self.lost(error)),
        };
        let remembered: Remembered = serde_json::from_slice(&text).map_err(|error| self.lost(error))?;
        if remembered.v == VERSION { Ok(remembered) } else { Err(self.lost(format_args!("it has version {}", remembered.v))) }
    }

    /// Changes it, one process at a time, durable before this returns. Where `change` fails, nothing changes.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut Remembered) -> Result<T, TokenError>) -> Result<T, TokenError> {
        let _alone = self.alone().map_err(|error| self.lost(error))?;
        let before = self.read()?;
        let mut after = before.clone();
        let done = change(&mut after)?;
        if after != before {
            self.replace(&after).map_err(|error| self.lost(error))?;
        }
        Ok(done)
    }

    fn alone(&self) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(self.dir())?;
        let path = self.path.with_extension("custody-lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        file.lock()?;
        Ok(file)
    }

    fn replace(&self, remembered: &Remembered) -> io::Result<()> {
        let next = self.path.with_extension("custody-next");
        // Left by a process that was killed.
        let _ = fs::remove_file(&next);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&next)?;
        serde_json::to_writer(&mut file, remembered)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        File::open(self.dir())?.sync_all()
    }

    fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn lost(&self, reason: impl std::fmt::Display) -> TokenError {
        TokenError::Memory { path: self.path.clone(), reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Octets;

    fn memory() -> (tempfile::TempDir, Memory) {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::beside(&PinLatch::at(dir.path().join("state/hsm.pin-latch")));
        (dir, memory)
    }

    fn order(id: u8, until: i64) -> Order {
        Order {
            id: ProposalId(Octets([id; 32])),
            valid_until: NumericDate::from_seconds(until),
            roster: 3,
            act: Act::Destroy { label: "dsc-1".parse().unwrap(), public_key: None },
        }
    }

    #[test]
    fn what_was_noted_is_read_again_and_absence_is_a_beginning() {
        let (_dir, memory) = memory();
        assert_eq!(memory.read().unwrap(), Remembered::default());
        let (order, kid) = (order(1, 100), "870aaa4460b56d17".parse::<Kid>().unwrap());
        let noted = memory.update(|memory| {
            memory.begin(&order, NumericDate::from_seconds(50));
            memory.stop(kid);
            Ok(())
        });
        noted.unwrap();
        let read = memory.read().unwrap();
        assert_eq!((read.progress(order.id), read.roster), (Progress::Begun, 3));
        assert!(read.is_stopped("870aaa4460b56d17") && read.is_destroyed(&"dsc-1".parse().unwrap()));
        memory
            .update(|memory| {
                memory.finish(order.id);
                Ok(())
            })
            .unwrap();
        assert_eq!(memory.read().unwrap().progress(order.id), Progress::Done);
    }

    #[test]
    fn a_proposal_is_forgotten_a_week_after_its_end_and_a_stop_never() {
        let (mut memory, late) = (Remembered::default(), NumericDate::from_seconds(100 + KEPT_SECONDS));
        memory.begin(&order(1, 100), NumericDate::from_seconds(50));
        memory.begin(&order(2, 200), late.plus_seconds(-1));
        assert_eq!(memory.progress(order(1, 0).id), Progress::Begun);
        memory.begin(&order(3, 200), late);
        assert_eq!(memory.progress(order(1, 0).id), Progress::New);
        assert!(memory.is_destroyed(&"dsc-1".parse().unwrap()));
    }

    #[test]
    fn a_memory_that_cannot_be_read_is_no_beginning() {
        let (dir, memory) = memory();
        fs::create_dir(dir.path().join("state")).unwrap();
        for text in ["", "{}", "{\"v\":2,\"roster\":0,\"executed\":[],\"stopped\":[],\"destroyed\":[]}"] {
            fs::write(&memory.path, text).unwrap();
            assert!(matches!(memory.read(), Err(TokenError::Memory { .. })), "{text:?}");
            assert!(memory.update(|_| Ok(())).is_err(), "{text:?}");
            assert_eq!(fs::read_to_string(&memory.path).unwrap(), text, "it is left for whoever looks at it");
        }
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let (_dir, memory) = memory();
        let failed = memory.update(|memory| {
            memory.see(9);
            Err::<(), _>(TokenError::Closed)
        });
        assert!(failed.is_err() && memory.read().unwrap() == Remembered::default());
    }
}
