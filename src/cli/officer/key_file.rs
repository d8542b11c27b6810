//! The file of an officer's private key.

use std::path::Path;

use anyhow::Context;
use zeroize::Zeroizing;

use crate::cli::new_file;
use crate::cli::two_officers::misuse;
use crate::domain::officers::OfficerKey;
use crate::token::pin::check_mode;

/// Reads a key from a file that is its owner's alone.
pub(crate) fn read_key(path: &Path) -> anyhow::Result<OfficerKey> {
    let context = || format!("the officer's key {}", path.display());
    // Before its mode is asked for, which would hide why.
    std::fs::metadata(path).with_context(context)?;
    check_mode(path).map_err(misuse).with_context(context)?;
    let text = Zeroizing::new(std::fs::read_to_string(path).with_context(context)?);
    OfficerKey::from_pem(&text).map_err(|error| misuse(error.to_string())).with_context(context)
}

/// Writes a key to a file that is not there yet; on disk when this returns.
pub(crate) fn write_key(path: &Path, key: &OfficerKey) -> anyhow::Result<()> {
    let cannot = || format!("cannot make the officer's key {}", path.display());
    new_file::write_new(path, new_file::PRIVATE, key.to_pem().as_bytes()).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_read_again_and_its_file_never_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let (path, key) = (home.path().join("ada.key"), OfficerKey::generate());
        write_key(&path, &key).unwrap();
        assert_eq!(read_key(&path).unwrap().public(), key.public());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let refused = format!("{:#}", write_key(&path, &OfficerKey::generate()).unwrap_err());
        assert!(refused.contains("cannot make") && refused.contains("exists"), "{refused}");
        assert_eq!(read_key(&path).unwrap().public(), key.public());
    }

    #[test]
    fn a_key_that_others_may_read_and_what_is_no_key_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ada.key");
        write_key(&path, &OfficerKey::generate()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(format!("{:#}", read_key(&path).unwrap_err()).contains("make it 0600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "no key").unwrap();
        assert!(format!("{:#}", read_key(&path).unwrap_err()).contains("`sceau officer key`"));
    }
}
