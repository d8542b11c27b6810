//! Where a PIN is, and reading it without leaving copies.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::TokenError;

/// Where a PIN is kept. The PIN itself is read when a login needs it, and wiped after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinSource {
    /// The first line of a file that only its owner may read.
    File(PathBuf),
    /// An environment variable of this process.
    Variable(String),
    /// A person has typed it, for this process alone.
    Typed(TypedPin),
}

/// A PIN in memory. It is shown nowhere, and wiped when the last of its holders is gone.
#[derive(Clone)]
pub struct TypedPin(Arc<SecretString>);

impl TypedPin {
    /// Takes what was typed.
    #[must_use]
    pub fn new(pin: SecretString) -> Self {
        Self(Arc::new(pin))
    }
}

impl fmt::Debug for TypedPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedPin(…)")
    }
}

/// Whether it is the same one, and not only an equal one.
impl PartialEq for TypedPin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TypedPin {}

impl PinSource {
    /// Reads the PIN.
    ///
    /// # Errors
    /// [`TokenError::PinUnreadable`] where the place is absent, empty, not UTF-8, or open to others.
    pub fn read(&self) -> Result<SecretString, TokenError> {
        let text = match self {
            Self::File(path) => read_file(path),
            Self::Variable(name) => read_variable(name),
            Self::Typed(TypedPin(pin)) => Ok(Zeroizing::new(pin.expose_secret().to_owned())),
        };
        let text = text.map_err(|reason| self.unreadable(reason))?;
        let pin = text.lines().next().unwrap_or_default();
        if pin.is_empty() {
            return Err(self.unreadable("it is empty".to_owned()));
        }
        Ok(SecretString::from(pin))
    }

    /// The new PIN of a change that has begun and was not settled.
    pub(super) fn pending(&self) -> Result<Option<SecretString>, TokenError> {
        match self.next() {
            Some(next) if next.exists() => Self::File(next).read().map(Some),
            _ => Ok(None),
        }
    }

    /// Writes a new PIN beside the one in force, durable, before the token hears of it: from then on a login tries it first.
    pub(super) fn begin_change(&self, new: &SecretString) -> Result<(), TokenError> {
        let next = self.next().ok_or_else(|| self.unwritable("no worker can change it there; keep the PIN in a pin_file"))?;
        let written = || {
            // Left by a change that was cut off.
            let _ = std::fs::remove_file(&next);
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&next)?;
            file.write_all(new.expose_secret().as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            sync_dir(&next)
        };
        written().map_err(|error: std::io::Error| {
            self.unwritable(&format!(
                "{error}; a worker writes the new PIN beside it, so its user has to be able to write the folder"
            ))
        })
    }

    /// The token has the new PIN: it takes the place of the old one.
    pub(super) fn settle(&self) -> Result<(), TokenError> {
        let (Some(next), Self::File(file)) = (self.next(), self) else { return Ok(()) };
        let settled = std::fs::rename(&next, file).and_then(|()| sync_dir(file));
        settled.map_err(|error| self.unwritable(&format!("{error}; the PIN in force is in {}", next.display())))
    }

    /// The token has the old PIN still.
    pub(super) fn drop_pending(&self) -> Result<(), TokenError> {
        match self.next().map(std::fs::remove_file) {
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => Err(self.unwritable(&error.to_string())),
            _ => Ok(()),
        }
    }

    fn next(&self) -> Option<PathBuf> {
        let Self::File(file) = self else { return None };
        let mut name = file.file_name()?.to_owned();
        name.push(".next");
        Some(file.with_file_name(name))
    }

    fn unwritable(&self, reason: &str) -> TokenError {
        TokenError::PinNotChanged { place: self.place(), reason: reason.to_owned() }
    }

    fn unreadable(&self, reason: String) -> TokenError {
        TokenError::PinUnreadable { place: self.place(), reason }
    }

    fn place(&self) -> String {
        match self {
            Self::File(path) => format!("the file {}", path.display()),
            Self::Variable(name) => format!("the environment variable {name}"),
            Self::Typed(_) => "what was typed".to_owned(),
        }
    }
}

fn sync_dir(file: &Path) -> std::io::Result<()> {
    std::fs::File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[expect(clippy::disallowed_methods, reason = "the PIN is read where it is used, so that no other room ever holds it")]
fn read_variable(name: &str) -> Result<Zeroizing<String>, String> {
    std::env::var(name).map(Zeroizing::new).map_err(|error| match error {
        std::env::VarError::NotPresent => "it is not set".to_owned(),
        // The error's own text quotes the value.
        std::env::VarError::NotUnicode(_) => "it is not UTF-8".to_owned(),
    })
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, String> {
    check_mode(path)?;
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| error.to_string())
}

/// Whether a file with a secret is its owner's alone: others may not read it, nor write it.
///
/// # Errors
/// Says what its mode is and what would be right.
pub fn check_mode(path: &Path) -> Result<(), String> {
    let mode = std::fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!("its mode is {:04o}, open to others; make it 0600", mode & 0o7777));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin_file(content: &str, mode: u32) -> (tempfile::TempDir, PinSource) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("user.pin");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, PinSource::File(path))
    }

    #[test]
    fn the_first_line_is_the_pin() {
        let (_dir, source) = pin_file("1234 abc\n", 0o600);
        assert_eq!(source.read().unwrap().expose_secret(), "1234 abc");
    }

    #[test]
    fn a_file_open_to_others_is_refused() {
        let (_dir, source) = pin_file("1234\n", 0o640);
        assert!(source.read().unwrap_err().to_string().contains("make it 0600"));
    }

    #[test]
    fn a_typed_pin_is_read_and_never_shown() {
        let source = PinSource::Typed(TypedPin::new(SecretString::from("1234")));
        assert_eq!(source.read().unwrap().expose_secret(), "1234");
        assert_eq!(format!("{source:?}"), "Typed(TypedPin(…))");
        assert!(source == source.clone() && source != PinSource::Typed(TypedPin::new(SecretString::from("1234"))));
    }

    #[test]
    fn an_absent_or_empty_pin_is_refused_with_its_place() {
        let (_dir, source) = pin_file("\n", 0o600);
        assert!(source.read().unwrap_err().to_string().contains("it is empty"));
        let absent = PinSource::Variable("SCEAU_TEST_NO_SUCH_PIN".into());
        assert!(absent.read().unwrap_err().to_string().contains("SCEAU_TEST_NO_SUCH_PIN"));
    }
}
