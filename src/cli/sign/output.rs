//! Writing results, in input order.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::cli::ndjson::write_line;
use crate::service::client::{ItemRefusal, SignedCertificate};

/// The two files.
pub(super) struct Output {
    out: BufWriter<Box<dyn Write>>,
    rejects: BufWriter<Box<dyn Write>>,
}

#[derive(Serialize)]
struct SignedLine<'a> {
    id: &'a str,
    uvci: &'a str,
    kid: String,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    hc1: &'a str,
}

#[derive(Serialize)]
struct RefusedLine<'a> {
    line: u64,
    id: Option<&'a str>,
    code: &'a str,
    message: &'a str,
    faults: Vec<FaultLine<'a>>,
}

#[derive(Serialize)]
struct FaultLine<'a> {
    path: &'a str,
    rule: &'a str,
    message: &'a str,
}

impl Output {
    /// Opens both for appending; [`super::resume`] has cut them to where the job goes on.
    pub(super) fn open(out: &Path, rejects: Option<&Path>) -> anyhow::Result<Self> {
        let rejects = rejects.map_or_else(|| Ok(Box::new(io::stderr()) as Box<dyn Write>), append)?;
        Ok(Self { out: BufWriter::new(append(out)?), rejects: BufWriter::new(rejects) })
    }

    pub(super) fn signed(&mut self, id: &str, certificate: &SignedCertificate) -> io::Result<()> {
        let line = SignedLine {
            id,
            uvci: &certificate.uvci,
            kid: certificate.kid.to_string(),
            iat: certificate.issued_at.seconds(),
            exp: certificate.expires_at.seconds(),
            hc1: &certificate.hc1,
        };
        write_line(&mut self.out, &line)
    }

    pub(super) fn refused(&mut self, line: u64, id: Option<&str>, refusal: &ItemRefusal) -> io::Result<()> {
        let faults = refusal.faults.iter().map(|(path, rule, message)| FaultLine { path, rule, message }).collect();
        write_line(&mut self.rejects, &RefusedLine { line, id, code: refusal.code, message: &refusal.message, faults })
    }

    /// Hands everything to the system, refusals first: what is cut after a kill is then certificates, which come again.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.rejects.flush().context("cannot write the refused items")?;
        self.out.flush().context("cannot write the certificates")
    }
}

/// Holds a file for one run: a second one on the same files would write everything twice. Given back with the value.
pub(super) fn hold(out: &Path) -> anyhow::Result<Option<File>> {
    if out == Path::new("-") || std::fs::metadata(out).is_ok_and(|metadata| !metadata.is_file()) {
        return Ok(None);
    }
    let file = open_to_append(out)?;
    let locked = file.try_lock();
    ensure!(locked.is_ok(), "another run writes {}; wait for its end, or take another --out", out.display());
    Ok(Some(file))
}

fn append(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    Ok(Box::new(open_to_append(path)?))
}

/// Certificates are health data: a new file is its owner's alone.
fn open_to_append(path: &Path) -> anyhow::Result<File> {
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    opened.with_context(|| format!("cannot write {}", path.display()))
}
