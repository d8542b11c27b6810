//! Which certificate is asked about: it is personal, and a command line is for all of a machine to see.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;

use crate::cli::{ndjson, qr};
use crate::encode::SignedHcert;

/// The longest UVCI with room, in bytes.
const MAX_UVCI_BYTES: u64 = 1024;

/// One certificate, by what identifies it.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub(super) struct AskedArgs {
    /// The certificate with this UVCI. Every process of this machine sees it; --uvci-file keeps it to yourself.
    #[arg(long, value_name = "UVCI")]
    uvci: Option<String>,
    /// The certificate with the UVCI in this file; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    uvci_file: Option<PathBuf>,
    /// The certificate with this text. Every process of this machine sees it; --hc1-file keeps it to yourself.
    #[arg(long, value_name = "HC1")]
    hc1: Option<String>,
    /// The certificate in this file, an HC1 text or a line of `sceau sign`; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    hc1_file: Option<PathBuf>,
}

/// What was asked about.
pub(super) enum Asked {
    /// A UVCI.
    Uvci(String),
    /// A whole certificate.
    Certificate(Box<SignedHcert>),
}

impl AskedArgs {
    /// Reads what was asked about; nothing where nothing was. `other` is read by the same command.
    ///
    /// # Errors
    /// It cannot be read, or is no certificate. The message quotes nothing of it.
    pub(super) fn read(&self, other: &Path) -> anyhow::Result<Option<Asked>> {
        for file in [&self.uvci_file, &self.hc1_file].into_iter().flatten() {
            let is_stdin = |path: &Path| path == Path::new("-");
            ensure!(!(is_stdin(file) && is_stdin(other)), "standard input can be read once only; name a file");
        }
        if let Some(uvci) = &self.uvci {
            return Ok(Some(Asked::Uvci(uvci.trim().to_owned())));
        }
        if let Some(file) = &self.uvci_file {
            return Ok(Some(Asked::Uvci(uvci_in(file)?)));
        }
        let hc1 = match (&self.hc1, &self.hc1_file) {
            (Some(hc1), _) => hc1.clone(),
            (None, Some(file)) => qr::find(ndjson::open(file)?.as_mut(), None)?,
            (None, None) => return Ok(None),
        };
        let hcert = SignedHcert::decode(&hc1).context("the certificate cannot be read")?;
        Ok(Some(Asked::Certificate(Box::new(hcert))))
    }
}

/// The first line of a file.
fn uvci_in(file: &Path) -> anyhow::Result<String> {
    let mut line = String::new();
    ndjson::open(file)?.take(MAX_UVCI_BYTES).read_line(&mut line).with_context(|| format!("cannot read {}", file.display()))?;
    let uvci = line.trim();
    ensure!(!uvci.is_empty(), "there is no UVCI in the first line of {}", file.display());
    Ok(uvci.to_owned())
}
