//! What the environment says: which module, which files.

use std::env;
use std::ffi::{CStr, OsStr, OsString, c_void};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The settings. Once, when the function list is first asked for.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `SCEAU_FAULTY_MODULE`: the real module.
    pub(crate) module: PathBuf,
    /// `SCEAU_FAULTY_SCRIPT`: the script. May be missing, or come later.
    pub(crate) script: Option<PathBuf>,
    /// `SCEAU_FAULTY_STATS`: where stats are written.
    pub(crate) stats: Option<PathBuf>,
    /// `SCEAU_FAULTY_STATE`: where counters are that several processes share.
    pub(crate) state: Option<PathBuf>,
}

impl Settings {
    /// Reads the environment. `{name}` in a path is the file name, without its extension, by which this module was loaded
    /// (so that one file under two names is two tokens with scripts of their own), `{pid}` is the process.
    ///
    /// # Errors
    /// If there is no `SCEAU_FAULTY_MODULE`.
    pub(crate) fn from_environment() -> Result<Self, String> {
        let path = |variable| env::var_os(variable).filter(|value| !value.is_empty());
        let filled = |variable| path(variable).map(|value| fill(&value, &own_name()));
        let module = path("SCEAU_FAULTY_MODULE").ok_or("SCEAU_FAULTY_MODULE has to name the real PKCS#11 module")?;
        Ok(Self {
            module: module.into(),
            script: filled("SCEAU_FAULTY_SCRIPT"),
            stats: filled("SCEAU_FAULTY_STATS"),
            state: filled("SCEAU_FAULTY_STATE"),
        })
    }
}

fn fill(path: &OsStr, name: &[u8]) -> PathBuf {
    let pid = std::process::id().to_string();
    let mut filled = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let place = [(b"{name}".as_slice(), name), (b"{pid}".as_slice(), pid.as_bytes())];
        match place.iter().find_map(|(place, value)| Some((rest.strip_prefix(*place)?, *value))) {
            Some((after, value)) => {
                filled.extend_from_slice(value);
                rest = after;
            }
            None => {
                filled.push(*first);
                rest = others;
            }
        }
    }
    OsString::from_vec(filled).into()
}

/// The name by which this module was loaded; empty if the loader does not know it.
fn own_name() -> Vec<u8> {
    let address: *const c_void = (own_name as fn() -> Vec<u8>) as *const c_void;
    // SAFETY: `Dl_info` is plain pointers, for which zeroes are a value.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is ours, and the address is only looked up.
    if unsafe { libc::dladdr(address, &mut info) } == 0 || info.dli_fname.is_null() {
        return Vec::new();
    }
    // SAFETY: dladdr has answered with the loader's own string, which stays as long as this module.
    let path = unsafe { CStr::from_ptr(info.dli_fname) };
    let stem = Path::new(OsStr::from_bytes(path.to_bytes())).file_stem();
    stem.unwrap_or_default().as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_paths_are_filled() {
        let pid = std::process::id();
        let filled = fill(OsStr::new("/a/{name}/{pid}-{name}.{x}"), b"hsm-1");
        assert_eq!(filled, Path::new(&format!("/a/hsm-1/{pid}-hsm-1.{{x}}")));
    }

    #[test]
    fn the_name_is_that_of_the_file_that_this_code_is_in() {
        let name = String::from_utf8(own_name()).unwrap();
        assert!(name.starts_with("sceau_faulty_token"), "{name}"); // of the test's executable
    }
}
