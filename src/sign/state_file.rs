//! A file in which the service keeps what a restart must not forget.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// A small file that is replaced whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFile(PathBuf);

const ROOT: u32 = 0;

impl StateFile {
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

    /// What it holds; nothing where it was never written.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(&self.0) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts other contents in its place, whole or not at all, and durable before this returns: after a loss of power the file
    /// holds one or the other, and is never empty. It costs what the disk takes to write, which may be long.
    ///
    /// The owner stays: root may write it for a service that runs as a user of its own, and that reads it afterwards.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn replace(&self, contents: &[u8]) -> io::Result<()> {
        let dir = self.0.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let next = self.0.with_extension("next");
        // Left by a process that was killed; perhaps another user's.
        let _ = fs::remove_file(&next);
        // Made anew, so that no link is followed that somebody has put there.
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&next)?;
        self.give_to_owner(&file, dir)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&next, &self.0)?;
        File::open(dir)?.sync_all()
    }

    /// What root writes goes to whoever has the file that was there, or else the folder.
    fn give_to_owner(&self, file: &File, dir: &Path) -> io::Result<()> {
        if file.metadata()?.uid() != ROOT {
            return Ok(());
        }
        let owner = fs::symlink_metadata(&self.0).or_else(|_| fs::metadata(dir))?;
        if owner.uid() == ROOT { Ok(()) } else { fchown(file, Some(owner.uid()), Some(owner.gid())) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_is_its_users_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = StateFile::at(home.path().join("state/file"));
        assert_eq!(file.read().unwrap(), None);
        for contents in [b"one".as_slice(), b"two"] {
            file.replace(contents).unwrap();
            assert_eq!(file.read().unwrap().as_deref(), Some(contents));
        }
        assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.path().join("state")).unwrap().count(), 1);
    }

    #[test]
    fn what_root_writes_stays_the_services() {
        if !rustix::process::geteuid().is_root() {
            // Nobody else could give a file away.
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("state");
        fs::create_dir(&dir).unwrap();
        chown(&dir, Some(4_711), Some(4_712)).unwrap();
        let file = StateFile::at(dir.join("file"));
        for owner in [(4_711, 4_712), (4_713, 4_714)] {
            file.replace(b"by root").unwrap();
            let found = fs::metadata(file.path()).unwrap();
            assert_eq!((found.uid(), found.gid()), owner);
            chown(file.path(), Some(4_713), Some(4_714)).unwrap();
        }
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let (file, other) = (StateFile::at(home.path().join("file")), home.path().join("other"));
        fs::write(&other, "untouched").unwrap();
        std::os::unix::fs::symlink(&other, home.path().join("file.next")).unwrap();
        file.replace(b"new").unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"untouched");
        assert_eq!(file.read().unwrap().unwrap(), b"new");
    }
}
