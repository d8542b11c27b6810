//! What a script counts: a rule's calls, when it came into force, the queue for signatures.
//!
//! It may be shared by the processes that name one file: a rule that hits "once" then hits one worker of a service and not
//! its successor too, and a capacity is that of the HSM, whoever calls. Otherwise it is the process's own.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::script::MAX_RULES;

/// Past scripts whose counters are kept, for calls that are still under them.
const KEPT: usize = 8;

/// The counters of one script. Zeroes are one that has counted nothing.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Counters {
    /// Which script; 0 is none.
    key: AtomicU64,
    /// When the first process had it in force.
    pub(crate) began_ns: AtomicU64,
    /// When the signature that is asked for next may begin, if that is not past.
    pub(crate) queue_ns: AtomicU64,
    /// Of each rule, in their order.
    pub(crate) calls: [AtomicU64; MAX_RULES],
}

/// The counters of the last few scripts, in memory that is never given back.
#[derive(Debug)]
pub(crate) struct Shelf {
    kept: &'static [Counters; KEPT],
    /// The file that they are in, if they are shared.
    file: Option<File>,
}

impl Shelf {
    /// Opens or makes the file, or makes counters of the process's own.
    ///
    /// # Errors
    /// If the file cannot be made, made as long as needed, or mapped.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self { kept: Box::leak(Box::new(std::array::from_fn(|_| Counters::new()))), file: None });
        };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(size_of::<[Counters; KEPT]>() as u64)?;
        Ok(Self { kept: map(&file)?, file: Some(file) })
    }

    /// The counters of the script with this key: those that it has, or new ones.
    pub(crate) fn counters(&self, key: u64, now_ns: u64) -> &'static Counters {
        let _locked = self.file.as_ref().map(FileLock::of);
        let known = self.kept.iter().find(|counters| counters.key.load(Relaxed) == key);
        let of_this_boot = known.filter(|counters| counters.began_ns.load(Relaxed) <= now_ns);
        of_this_boot.unwrap_or_else(|| {
            let oldest = self.kept.iter().min_by_key(|counters| counters.began_ns.load(Relaxed)).expect("KEPT is not 0");
            let place = known.unwrap_or(oldest);
            place.restart(key, now_ns);
            place
        })
    }
}

impl Counters {
    fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self { key: zero(), began_ns: zero(), queue_ns: zero(), calls: std::array::from_fn(|_| zero()) }
    }

    fn restart(&self, key: u64, now_ns: u64) {
        self.key.store(key, Relaxed);
        self.began_ns.store(now_ns, Relaxed);
        self.queue_ns.store(0, Relaxed);
        self.calls.iter().for_each(|calls| calls.store(0, Relaxed));
    }
}

fn map(file: &File) -> io::Result<&'static [Counters; KEPT]> {
    let len = size_of::<[Counters; KEPT]>();
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, placed by the kernel, of a file that is open for reading and writing and `len` long.
    let address = unsafe { libc::mmap(std::ptr::null_mut(), len, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping is page-aligned, `len` long and never undone. Whatever the file holds is a value of `AtomicU64`,
    // and whatever other processes do to it they do by atomics. Who cuts the file short has the process end by SIGBUS.
    Ok(unsafe { &*address.cast::<[Counters; KEPT]>() })
}

/// The file's lock among processes. An error to lock leaves the moment of a script's change unguarded, no more.
struct FileLock<'a>(&'a File);

impl<'a> FileLock<'a> {
    fn of(file: &'a File) -> Self {
        // SAFETY: the descriptor is open as long as `file` is borrowed.
        unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) };
        Self(file)
    }
}

impl Drop for FileLock<'_> {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_UN) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_is_known_keeps_its_counters() {
        let shelf = Shelf::open(None).unwrap();
        shelf.counters(1, 100).calls[3].store(7, Relaxed);
        assert_eq!(shelf.counters(2, 200).calls[3].load(Relaxed), 0);
        assert_eq!(shelf.counters(1, 300).calls[3].load(Relaxed), 7);
        assert_eq!(shelf.counters(1, 300).began_ns.load(Relaxed), 100);
    }

    #[test]
    fn the_oldest_script_gives_way() {
        let shelf = Shelf::open(None).unwrap();
        for key in 1..=9 {
            shelf.counters(key, key * 100).calls[0].store(key, Relaxed);
        }
        assert_eq!(shelf.counters(2, 1000).calls[0].load(Relaxed), 2);
        assert_eq!(shelf.counters(1, 1000).calls[0].load(Relaxed), 0);
    }

    #[test]
    fn a_script_from_before_the_clock_began_anew_starts_again() {
        let shelf = Shelf::open(None).unwrap();
        shelf.counters(1, 1000).calls[0].store(7, Relaxed);
        assert_eq!(shelf.counters(1, 10).calls[0].load(Relaxed), 0);
        assert_eq!(shelf.counters(1, 20).began_ns.load(Relaxed), 10);
    }

    #[test]
    fn who_opens_one_file_shares_its_counters() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (one, other) = (Shelf::open(Some(&path)).unwrap(), Shelf::open(Some(&path)).unwrap());
        one.counters(5, 100).calls[0].store(7, Relaxed);
        assert_eq!(other.counters(5, 200).calls[0].load(Relaxed), 7);
        assert_eq!(other.counters(5, 200).began_ns.load(Relaxed), 100);
        assert!(Shelf::open(Some(&folder.path().join("missing/state"))).is_err());
    }
}
