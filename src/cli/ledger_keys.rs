//! The file of ledger keys: read at the start, and made where nothing was written down yet.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use zeroize::Zeroizing;

use crate::ledger::LedgerKeys;
use crate::token::pin::check_mode;

/// Reads the keys; makes one where there is no file and no ledger either. What a ledger holds is found under its own keys alone,
/// so that one whose keys are gone is not gone on with.
pub(crate) fn load_or_make(path: &Path, has_ledger: bool) -> anyhow::Result<LedgerKeys> {
    if !path.exists() {
        anyhow::ensure!(
            !has_ledger,
            "the ledger's keys {} are gone, and the ledger is there: put them back from the backup; without them nothing in it is \
             found by item_id, and no retry gets its certificate again",
            path.display()
        );
        make(path).with_context(|| format!("cannot make the ledger's keys {}", path.display()))?;
        tracing::info!(file = %path.display(), "ledger key made: back it up, with the ledger");
    }
    load(path)
}

/// Reads the keys.
pub(crate) fn load(path: &Path) -> anyhow::Result<LedgerKeys> {
    let context = || format!("the ledger's keys {}", path.display());
    check_mode(path).map_err(anyhow::Error::msg).with_context(context)?;
    let text = Zeroizing::new(std::fs::read_to_string(path).with_context(context)?);
    LedgerKeys::parse(&text).with_context(context)
}

fn make(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let secret = Zeroizing::new(rand::random::<[u8; 32]>());
    let line = Zeroizing::new(format!("{}\n", hex::encode(secret.as_ref())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_only_where_there_is_no_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state").join("ledger.keys");
        let refused = load_or_make(&path, true).unwrap_err().to_string();
        assert!(refused.contains("put them back"), "{refused}");
        let made = load_or_make(&path, false).unwrap();
        assert_eq!(load_or_make(&path, true).unwrap().ids(), made.ids());
    }

    #[test]
    fn keys_that_others_may_read_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.keys");
        make(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(load(&path).is_err());
    }
}
