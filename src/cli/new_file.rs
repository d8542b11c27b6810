//! Files that commands make, and never overwrite.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What only its owner may read.
pub(super) const PRIVATE: u32 = 0o600;

/// Makes a file that is not there yet.
pub(super) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Writes a file that is not there yet; on disk when this returns.
pub(super) fn write_new(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file = create_new(path, mode)?;
    file.write_all(content)?;
    file.sync_all()
}
