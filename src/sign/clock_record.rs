//! What the clock guard keeps on disk, so that a restart is no way around it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::clock_guard::Reading;

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
pub struct ClockFile(PathBuf);

impl ClockFile {
    /// A file, which is made at the first writing, with its folder.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What it says; nothing where it was never written.
    ///
    /// # Errors
    /// It cannot be read, or does not say what this program writes.
    pub fn read(&self) -> io::Result<Option<ClockRecord>> {
        match fs::read(&self.0) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a record in its place, whole or not at all; durable where it says that signing has stopped.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn write(&self, record: &ClockRecord) -> io::Result<()> {
        if let Some(dir) = self.0.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let new = self.0.with_extension("new");
        let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.write_all(b"\n")?;
        if record.stopped.is_some() {
            file.sync_all()?;
        }
        fs::rename(&new, &self.0)
    }
}
