//! The module's one thread: it looks at the script and the token's absence, and writes the stats.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;
use std::{fs, thread};

use crate::wrapper::Wrapper;

/// How often it looks. A script is taken up when it was the same twice, so that a half-written one is not.
const LOOK: Duration = Duration::from_millis(10);

/// The stats are written every so many looks.
const LOOKS_PER_STATS: u64 = 10;

/// Which process has the thread: one that is forked has none yet.
static WATCHED: AtomicU32 = AtomicU32::new(0);

/// Starts the thread, if this process does not have it. It ends with the process.
pub(crate) fn start(wrapper: &'static Wrapper) {
    let pid = std::process::id();
    if WATCHED.swap(pid, SeqCst) == pid {
        return;
    }
    let started = thread::Builder::new().name("faulty-token".to_owned()).spawn(move || watch(wrapper));
    if let Err(error) = started {
        eprintln!("sceau-faulty-token: cannot start its thread, the script stays as it is: {error}");
    }
}

fn watch(wrapper: &Wrapper) {
    for look in 1_u64.. {
        wrapper.look_at_script();
        wrapper.look_at_absence();
        if look.is_multiple_of(LOOKS_PER_STATS) {
            wrapper.write_stats();
        }
        thread::sleep(LOOK);
    }
}

/// What is known of the script's file.
#[derive(Debug, Default)]
pub(crate) struct ScriptFile {
    /// As it was when last taken up, or refused; `None` before the first time.
    taken: Option<Stamp>,
    /// As it was at the last look, if that was something else.
    pending: Option<Stamp>,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq)]
struct Stamp {
    /// 0 if there is no file.
    inode: u64,
    len: u64,
    modified: (i64, i64),
}

/// A script to take up.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) text: String,
    /// The same for the same file, unchanged, in all processes.
    pub(crate) key: u64,
}

impl ScriptFile {
    /// The script, if it is another one than before and not being written just now. No file is an empty script.
    pub(crate) fn changed(&mut self, path: &Path) -> Option<Result<Found, String>> {
        let stamp = Stamp::of(path);
        if self.taken == Some(stamp) {
            self.pending = None;
            return None;
        }
        let settled = self.taken.is_none() || self.pending == Some(stamp);
        self.pending = Some(stamp);
        if !settled {
            return None;
        }
        let text = match read(path) {
            Ok((read, _)) if read != stamp => return None, // it changed meanwhile: the next look
            Ok((_, text)) => Ok(text),
            Err(error) => Err(error.to_string()),
        };
        self.taken = Some(stamp);
        Some(text.map(|text| Found { key: key(path, stamp, &text), text }))
    }
}

impl Stamp {
    fn of(path: &Path) -> Self {
        fs::metadata(path).map_or(Self::default(), |metadata| Self::from(&metadata))
    }
}

impl From<&fs::Metadata> for Stamp {
    fn from(metadata: &fs::Metadata) -> Self {
        Self { inode: metadata.ino(), len: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

fn read(path: &Path) -> io::Result<(Stamp, String)> {
    let mut file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Stamp::default(), String::new())),
        file => file?,
    };
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((Stamp::from(&file.metadata()?), text))
}

/// Never 0, which stands for no script.
fn key(path: &Path, stamp: Stamp, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (path, stamp, text).hash(&mut hasher);
    hasher.finish() | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_up_at_the_second_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.toml");
        let mut file = ScriptFile::default();
        let mut look = || file.changed(&path).map(|found| found.unwrap().text);
        assert_eq!(look().as_deref(), Some("")); // the start does not wait, and no file is none
        assert_eq!(look(), None);
        fs::write(&path, "a").unwrap();
        assert_eq!(look(), None);
        fs::write(&path, "ab").unwrap();
        assert_eq!(look(), None); // still being written
        assert_eq!(look().as_deref(), Some("ab"));
        assert_eq!(look(), None);
        fs::remove_file(&path).unwrap();
        assert_eq!(look(), None);
        assert_eq!(look().as_deref(), Some(""));
    }

    #[test]
    fn a_script_that_is_written_again_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.toml");
        let key = || ScriptFile::default().changed(&path).unwrap().unwrap().key;
        fs::write(&path, "a").unwrap();
        let first = key();
        assert_eq!(key(), first);
        thread::sleep(Duration::from_millis(20));
        fs::write(&path, "a").unwrap();
        assert_ne!(key(), first);
    }

    #[test]
    fn a_script_that_is_no_text_is_an_error_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.toml");
        fs::write(&path, b"\xff").unwrap();
        let mut file = ScriptFile::default();
        assert!(file.changed(&path).unwrap().is_err());
        assert!(file.changed(&path).is_none());
    }
}
