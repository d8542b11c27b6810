//! What is in a backup: its files, and where each belongs.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::Context;
use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::cli::new_file;
use crate::config::{Config, StoreSettings};
use crate::domain::{NumericDate, Octets};
use crate::ledger::record::Head;

/// Its name in the backup's folder.
pub(super) const MANIFEST: &str = "manifest.json";

/// The version of the form; a reader refuses another.
const VERSION: u8 = 1;

/// The name of the ledger's copy, where it is in SQLite.
pub(super) const LEDGER: &str = "ledger.db";

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    sceau_backup: u8,
    /// When it was made.
    pub(super) made_at: NumericDate,
    /// By which version.
    program: String,
    /// Each chain's end.
    pub(super) heads: Vec<ChainHead>,
    /// Its files.
    pub(super) files: Vec<KeptFile>,
}

/// The end of an instance's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainHead {
    pub(super) instance: String,
    pub(super) head: Head,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptFile {
    pub(super) name: String,
    bytes: u64,
    sha256: Octets<32>,
}

impl Manifest {
    /// Of files that stand in a folder.
    pub(super) fn of(folder: &Path, names: &[String], made_at: NumericDate, heads: Vec<ChainHead>) -> anyhow::Result<Self> {
        let files = names.iter().map(|name| KeptFile::read(folder, name)).collect::<anyhow::Result<_>>()?;
        Ok(Self { sceau_backup: VERSION, made_at, program: env!("CARGO_PKG_VERSION").to_owned(), heads, files })
    }

    /// Reads that of a folder, and checks that its files are what they were.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(MANIFEST);
        let text = fs::read(&path).with_context(|| format!("cannot read {}: is it a whole backup?", path.display()))?;
        let manifest: Self = serde_json::from_slice(&text).with_context(|| format!("{} is no manifest", path.display()))?;
        anyhow::ensure!(
            manifest.sceau_backup == VERSION,
            "{} has version {}; this program reads version {VERSION}",
            path.display(),
            manifest.sceau_backup
        );
        for file in &manifest.files {
            let is_plain = !file.name.contains('/') && !file.name.starts_with('.');
            anyhow::ensure!(is_plain, "{} names a file outside its folder: {:?}", path.display(), file.name);
            let found = KeptFile::read(folder, &file.name)?;
            anyhow::ensure!(found == *file, "{} is not the file that was backed up", folder.join(&file.name).display());
        }
        Ok(manifest)
    }

    /// Writes it, as the last file.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(self).context("the manifest")?;
        write_new(&folder.join(MANIFEST), &text)?;
        File::open(folder)?.sync_all().context("the backup's folder")
    }
}

impl KeptFile {
    fn read(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let path = folder.join(name);
        let (bytes, sha256) = hash(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { name: name.to_owned(), bytes, sha256 })
    }
}

fn hash(path: &Path) -> io::Result<(u64, Octets<32>)> {
    let (mut file, mut context) = (File::open(path)?, digest::Context::new(&digest::SHA256));
    let (mut buffer, mut bytes) = (vec![0; 1 << 20], 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        context.update(&buffer[..read]);
        bytes += read as u64;
    }
    Ok((bytes, Octets::head_of(context.finish().as_ref()).expect("SHA-256 has 32 bytes")))
}

/// Where each file of a backup belongs, by its name there, as a configuration has it.
pub(super) fn places(config: &Config) -> Vec<(String, PathBuf)> {
    let mut places = vec![
        ("ledger.keys".to_owned(), config.ledger.key_file.clone()),
        ("clock-guard".to_owned(), config.clock_file.clone()),
        ("day-counts.json".to_owned(), config.state_dir.join("day-counts.json")),
    ];
    for token in &config.tokens {
        places.push((format!("{}.pin-latch", token.name), token.latch.path().to_owned()));
        places.push((format!("{}.custody-memory", token.name), token.latch.custody_memory()));
    }
    if let StoreSettings::Sqlite(path) = &config.ledger.store {
        places.push((LEDGER.to_owned(), path.clone()));
    }
    places
}

/// Writes a file of mode 0600 that is not there yet, durably.
pub(super) fn write_new(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    new_file::write_new(path, new_file::PRIVATE, content).with_context(|| format!("cannot write {}", path.display()))
}

/// Copies a file to where none is, durably, mode 0600. What root copies goes to the owner of the folder.
pub(super) fn copy_new(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copy = || {
        let mut file = new_file::create_new(to, new_file::PRIVATE)?;
        if let (Some(folder), 0) = (to.parent(), file.metadata()?.uid()) {
            let owner = fs::metadata(folder)?;
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        io::copy(&mut File::open(from)?, &mut file)?;
        file.sync_all()
    };
    copy().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
