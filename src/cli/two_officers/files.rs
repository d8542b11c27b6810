//! Files that a command makes, and never overwrites.

use std::path::Path;

use anyhow::Context;

use super::misuse;
use crate::cli::new_file;

/// Says so before anything is done.
pub(crate) fn refuse_existing(path: &Path) -> anyhow::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(misuse(format!("{} is there, and is not overwritten: name another file", path.display())));
    }
    Ok(())
}

/// Writes a file that is not there yet; on disk when this returns.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    refuse_existing(path)?;
    new_file::write_new(path, 0o644, content).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.csr");
        write_new(&path, b"one").unwrap();
        assert!(write_new(&path, b"two").unwrap_err().to_string().contains("is not overwritten"));
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
    }
}
