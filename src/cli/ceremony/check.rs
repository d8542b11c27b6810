//! `sceau ceremony --check`: a transcript, read again.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::PlanFile;
use crate::cli::exit::SOME_REFUSED;
use crate::custody::ceremony::{Finding, Reading, check};
use crate::domain::Digest;

pub(super) fn run(file: &PlanFile, transcript: &Path, is_json: bool) -> anyhow::Result<ExitCode> {
    let bytes = fs::read(transcript).with_context(|| format!("the transcript {}", transcript.display()))?;
    // What is no UTF-8 is in no chain either.
    let text = String::from_utf8_lossy(&bytes);
    let digest_of = |name: &str| fs::read(file.at(name)).ok().map(|bytes| Digest::of(&bytes));
    let reading = check(&file.plan, &file.digest, &text, digest_of);
    let mut out = io::stdout().lock();
    if is_json {
        writeln!(out, "{:#}", as_json(file, &reading))?;
    } else {
        write(&mut out, file, transcript, &reading)?;
    }
    Ok(if reading.is_well() { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) })
}

fn write(out: &mut impl Write, file: &PlanFile, transcript: &Path, reading: &Reading) -> io::Result<()> {
    let Reading { lines, done, steps, files, findings, .. } = reading;
    writeln!(out, "{}: {}", transcript.display(), file.plan.title)?;
    writeln!(out, "  plan       {}, sha256 {}", file.path.display(), hex::encode(file.digest.as_bytes()))?;
    writeln!(out, "  lines      {lines}")?;
    writeln!(out, "  steps      {done} of {steps} done{}", if reading.is_ended { ", and it is over" } else { "" })?;
    writeln!(out, "  files      {files} found as they were")?;
    writeln!(out, "  signed by  {}", names(reading))?;
    for finding in findings {
        writeln!(out, "  WRONG      {finding}")?;
    }
    match findings.len() {
        0 => writeln!(out, "It is what the officers have signed."),
        1 => writeln!(out, "One thing is wrong."),
        count => writeln!(out, "{count} things are wrong."),
    }
}

fn names(reading: &Reading) -> String {
    let names: Vec<&str> = reading.witnesses.iter().map(|name| name.as_str()).collect();
    if names.is_empty() { "nobody, as it stands now".to_owned() } else { names.join(", ") }
}

fn as_json(file: &PlanFile, reading: &Reading) -> serde_json::Value {
    json!({
        "title": file.plan.title.as_str(),
        "plan_sha256": hex::encode(file.digest.as_bytes()),
        "lines": reading.lines,
        "steps_done": reading.done,
        "steps": reading.steps,
        "is_ended": reading.is_ended,
        "files": reading.files,
        "signed_by": reading.witnesses,
        "findings": reading.findings.iter().map(Finding::to_string).collect::<Vec<_>>(),
    })
}
