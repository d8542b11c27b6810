//! What the clock guard keeps on disk, so that a restart is no way around it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::clock_guard::Reading;
use super::state_file::StateFile;

/// The last that was known of the clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockRecord {
    /// The wall clock, in milliseconds since 1970.
    pub wall_ms: i64,
    /// Milliseconds since the machine was started, at the same moment.
    pub elapsed_ms: i64,
    /// Which start of the machine that was.
    pub boot: String,
    /// Why nothing is signed until an operator agrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

impl ClockRecord {
    /// What is known at a moment.
    #[must_use]
    pub fn of(reading: Reading, boot: &str, stopped: Option<String>) -> Self {
        Self { wall_ms: reading.wall_ms, elapsed_ms: reading.elapsed_ms, boot: boot.to_owned(), stopped }
    }
}

/// The file of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockFile(StateFile);

impl ClockFile {
    /// A file, which is made at the first writing, with its folder.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(StateFile::at(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// What it says; nothing where it was never written.
    ///
    /// # Errors
    /// It cannot be read, or does not say what this program writes.
    pub fn read(&self) -> io::Result<Option<ClockRecord>> {
        Ok(self.0.read()?.map(|text| serde_json::from_slice(&text)).transpose()?)
    }

    /// Puts a record in its place, whole or not at all, and durable: a file that a loss of power had emptied would stop signing.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn write(&self, record: &ClockRecord) -> io::Result<()> {
        let mut text = serde_json::to_vec(record)?;
        text.push(b'\n');
        self.0.replace(&text)
    }
}
