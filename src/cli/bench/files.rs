//! The files of a result.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use crate::bench::report::Report;

/// Where a result goes.
#[derive(Clone, Debug, Args)]
pub(super) struct FileArgs {
    /// The result as JSON, - for standard output instead of the summary; an existing file is replaced
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The result as one HTML page that opens offline; an existing file is replaced
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Files that are open: what cannot be written is known before the run and not behind it.
pub(super) struct Files {
    json: Option<(PathBuf, Option<File>)>,
    html: Option<(PathBuf, File)>,
}

impl FileArgs {
    pub(super) fn open(&self) -> anyhow::Result<Files> {
        let create = |path: &PathBuf| File::create(path).with_context(|| format!("cannot create {}", path.display()));
        let json = match &self.json {
            Some(path) if path == Path::new("-") => Some((path.clone(), None)),
            Some(path) => Some((path.clone(), Some(create(path)?))),
            None => None,
        };
        let html = self.html.as_ref().map(|path| create(path).map(|file| (path.clone(), file))).transpose()?;
        Ok(Files { json, html })
    }
}

impl Files {
    /// Whether the JSON has standard output for itself.
    pub(super) fn is_stdout_taken(&self) -> bool {
        matches!(self.json, Some((_, None)))
    }

    /// Writes what was asked for; says where it is.
    pub(super) fn write(self, result: &impl Serialize, report: &Report<'_>) -> anyhow::Result<()> {
        if let Some((path, file)) = self.json {
            let out: Box<dyn Write> =
                file.map_or_else(|| Box::new(std::io::stdout().lock()) as Box<dyn Write>, |file| Box::new(file));
            write_json(result, out).with_context(|| format!("cannot write {}", path.display()))?;
        }
        if let Some((path, mut file)) = self.html {
            file.write_all(report.html().as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
            let _ = writeln!(std::io::stderr(), "report: {}", path.display());
        }
        Ok(())
    }
}

fn write_json(result: &impl Serialize, out: Box<dyn Write>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(out);
    serde_json::to_writer_pretty(&mut out, result)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}
