//! A wrong PIN latches, on disk: a service that restarts spends no further try, and an HSM is not locked by a supervisor.
//!
//! The latch is written before a login is tried, says what came of it, and is gone after a login that succeeded. Only an
//! officer takes it off (`sceau token unlatch`).

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::TokenError;

/// The latch of one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinLatch {
    path: PathBuf,
}

/// What a file that begins so means.
const TRYING: &str = "trying";
const REFUSED: &str = "refused";

impl PinLatch {
    /// A latch in a file. The folder is made when a login is tried.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file beside it, in which the token's workers remember what officers had them do.
    #[must_use]
    pub fn custody_memory(&self) -> PathBuf {
        self.path.with_extension("custody-memory")
    }

    /// Whether a PIN was refused and nobody has looked since.
    ///
    /// # Errors
    /// [`TokenError::PinLatched`]; [`TokenError::PinUnreadable`] where the latch cannot be read, for then nobody knows.
    pub fn check(&self) -> Result<(), TokenError> {
        match self.read()? {
            Some(text) if text.starts_with(REFUSED) => Err(self.latched("a PIN was refused")),
            _ => Ok(()),
        }
    }

    /// Takes the latch off; whether it was on. The mark of a login that is being tried, or was interrupted, is none, and stays: only
    /// the login's end, or what the token has counted, says what it means.
    ///
    /// # Errors
    /// Where the file cannot be read or removed.
    pub fn take_off(&self) -> io::Result<bool> {
        match fs::read(&self.path) {
            // Nothing stands there for the moment in which the mark is made.
            Ok(text) if text.is_empty() || text.starts_with(TRYING.as_bytes()) => Ok(false),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.remove(),
        }
    }

    /// Whether there was a file.
    fn remove(&self) -> io::Result<bool> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One login at a time, whichever process tries it, until this is dropped: between the check and the verdict another would
    /// spend a try of its own.
    pub(super) fn alone(&self) -> Result<fs::File, TokenError> {
        let opened = || {
            if let Some(dir) = self.path.parent() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            }
            let path = self.path.with_extension("pin-lock");
            let file = fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
            file.lock()?;
            Ok(file)
        };
        opened().map_err(|error: io::Error| self.unwritable(&error))
    }

    /// Notes that a login is about to be tried. A try whose end is not known counts as refused where the token says that it
    /// has counted a wrong PIN.
    pub(super) fn begin(&self, token_counts_a_failure: bool) -> Result<(), TokenError> {
        self.check()?;
        if token_counts_a_failure && self.read()?.is_some() {
            self.refused()?;
            return Err(self.latched("a login was interrupted, and the token has counted a wrong PIN"));
        }
        self.write(TRYING)
    }

    pub(super) fn refused(&self) -> Result<(), TokenError> {
        self.write(REFUSED)
    }

    /// Nothing is known against the PIN: it was right, or was not judged.
    pub(super) fn clear(&self) {
        if let Err(error) = self.remove() {
            tracing::warn!(file = %self.path.display(), %error, "the PIN latch cannot be removed after a login that went well");
        }
    }

    fn read(&self) -> Result<Option<String>, TokenError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.unwritable(&error)),
        }
    }

    /// Durable before it returns: the machine may lose its power during the login.
    fn write(&self, state: &str) -> Result<(), TokenError> {
        let written = || {
            if let Some(dir) = self.path.parent() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            }
            let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&self.path)?;
            writeln!(file, "{state}")?;
            file.sync_all()
        };
        written().map_err(|error: io::Error| self.unwritable(&error))
    }

    fn latched(&self, why: &'static str) -> TokenError {
        TokenError::PinLatched { why, path: self.path.clone() }
    }

    fn unwritable(&self, error: &io::Error) -> TokenError {
        TokenError::PinUnreadable { place: format!("(its latch) {}", self.path.display()), reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latch() -> (tempfile::TempDir, PinLatch) {
        let dir = tempfile::tempdir().unwrap();
        let latch = PinLatch::at(dir.path().join("state/hsm.pin-latch"));
        (dir, latch)
    }

    #[test]
    fn a_refused_pin_latches_until_somebody_takes_it_off() {
        let (_dir, latch) = latch();
        latch.begin(false).unwrap();
        latch.refused().unwrap();
        assert!(matches!(latch.begin(false), Err(TokenError::PinLatched { .. })));
        assert!(latch.take_off().unwrap());
        assert!(!latch.take_off().unwrap());
        latch.begin(false).unwrap();
    }

    #[test]
    fn a_login_that_went_well_leaves_nothing() {
        let (_dir, latch) = latch();
        latch.begin(false).unwrap();
        latch.clear();
        assert!(!latch.path().exists());
        latch.begin(true).unwrap();
    }

    #[test]
    fn an_interrupted_try_counts_where_the_token_has_counted_it() {
        let (_dir, latch) = latch();
        latch.begin(false).unwrap();
        latch.begin(false).unwrap();
        assert!(matches!(latch.begin(true), Err(TokenError::PinLatched { .. })));
    }

    #[test]
    fn an_officer_who_takes_off_a_latch_that_is_not_on_leaves_the_mark_of_a_try() {
        let (_dir, latch) = latch();
        latch.begin(false).unwrap();
        assert!(!latch.take_off().unwrap());
        assert!(matches!(latch.begin(true), Err(TokenError::PinLatched { .. })), "the try is not forgotten");
        assert!(latch.take_off().unwrap());
        latch.begin(true).unwrap();
    }

    #[test]
    fn a_latch_that_cannot_be_written_stops_the_login() {
        let (dir, _) = latch();
        fs::write(dir.path().join("state"), "a file where the folder should be").unwrap();
        let latch = PinLatch::at(dir.path().join("state/hsm.pin-latch"));
        assert!(latch.begin(false).is_err());
    }

    #[test]
    fn a_login_waits_for_the_verdict_on_another_processes_login() {
        let (_dir, latch) = latch();
        let other = {
            let _alone = latch.alone().unwrap();
            let other = latch.clone();
            let other = std::thread::spawn(move || other.alone().and_then(|_alone| other.begin(false)));
            latch.begin(false).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(50));
            latch.refused().unwrap();
            other
        };
        assert!(matches!(other.join().unwrap(), Err(TokenError::PinLatched { .. })));
    }
}
