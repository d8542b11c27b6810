//! The folder of lists.

use std::collections::HashMap;
use std::fs::{DirBuilder, read_dir};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::cli::new_file;
use crate::service::proto::v1;

/// A folder that lists are written to.
pub(super) struct Folder {
    dir: PathBuf,
    /// How many lists each kid has.
    written: HashMap<Bytes, u32>,
}

/// Where a list is.
pub(super) struct Files {
    pub(super) json: PathBuf,
    pub(super) cms: Option<PathBuf>,
}

impl Folder {
    /// Makes the folder where it is absent. One that has lists is refused before anything is revoked.
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot use the folder {}", dir.display());
        DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(cannot)?;
        for entry in read_dir(dir).with_context(cannot)? {
            let name = entry.with_context(cannot)?.file_name();
            let is_list = name.to_string_lossy().starts_with("batch-");
            ensure!(!is_list, "{} has lists, as {}; nothing was revoked: name another folder", dir.display(), name.display());
        }
        Ok(Self { dir: dir.to_owned(), written: HashMap::new() })
    }

    /// Writes a list, plain and signed; on disk when this returns.
    pub(super) fn write(&mut self, list: &v1::RevocationList) -> anyhow::Result<Files> {
        let number = self.written.entry(list.kid.clone()).or_default();
        *number += 1;
        let name = format!("batch-{}-{number}", hex::encode(&list.kid));
        let json = self.write_file(&format!("{name}.json"), &list.json)?;
        let cms = list.cms.as_ref().map(|cms| self.write_file(&format!("{name}.cms"), STANDARD.encode(cms).as_bytes()));
        Ok(Files { json, cms: cms.transpose()? })
    }

    fn write_file(&self, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
        let path = self.dir.join(name);
        let cannot = || format!("cannot write {}", path.display());
        new_file::write_new(&path, new_file::PRIVATE, content).with_context(cannot)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn list(kid: u8, cms: Option<&'static [u8]>) -> v1::RevocationList {
        v1::RevocationList {
            kid: vec![kid; 8].into(),
            json: Bytes::from_static(b"{}"),
            cms: cms.map(Bytes::from_static),
            ..Default::default()
        }
    }

    #[test]
    fn lists_are_named_by_kid_and_number_and_are_their_owners_alone() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("a/lists");
        let mut folder = Folder::open(&dir).unwrap();
        for (kid, cms) in [(1, Some(&b"\x30\x00"[..])), (1, None), (0xab, None)] {
            folder.write(&list(kid, cms)).unwrap();
        }
        let mut names: Vec<_> = read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        let of_one = "batch-0101010101010101";
        let expected = [format!("{of_one}-1.cms"), format!("{of_one}-1.json"), format!("{of_one}-2.json")];
        assert_eq!(names[..3], expected);
        assert_eq!(names[3..], ["batch-abababababababab-1.json"]);
        assert_eq!(std::fs::read_to_string(dir.join(&names[0])).unwrap(), "MAA=");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join(&names[0]))), (0o700, 0o600));
    }

    #[test]
    fn a_folder_that_has_lists_is_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("notes.txt"), "").unwrap();
        Folder::open(home.path()).unwrap().write(&list(1, None)).unwrap();
        let refused = Folder::open(home.path()).err().unwrap().to_string();
        assert!(refused.contains("has lists") && refused.contains("nothing was revoked"), "{refused}");
    }
}
