//! `sceau config check`: everything that is wrong with a configuration, before anything starts.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::exit::CONFIG;
use super::inspect::{Inspection, inspect};
use crate::config::{Config, Problem};
use crate::domain::{Clock, SystemClock};

/// Look after the configuration.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    Check(CheckArgs),
}

/// Check a configuration whole, and say what would run.
///
/// Lists everything that is wrong at once, each key with its line, and looks at the files that are named: certificates, PIN files,
/// modules. It opens no token and tries no PIN; `sceau token probe` does.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau config check --config /etc/sceau/sceau.toml
  sceau config check --config new.toml --json | jq -r '.problems[].message'

Exit codes: 0 nothing is wrong, 78 something is. Warnings are no fault.")]
struct CheckArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let ConfigCommand::Check(args) = &args.command;
    let report = Report::of(&args.config);
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", report.json(&args.config))?;
    } else {
        report.write(&mut out, &args.config)?;
    }
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CONFIG) })
}

struct Report {
    problems: Vec<Problem>,
    warnings: Vec<String>,
    would_run: Option<(Config, Inspection)>,
}

impl Report {
    fn of(path: &Path) -> Self {
        let config = match Config::load(path) {
            Ok(config) => config,
            Err(error) => return Self { problems: error.problems().to_vec(), warnings: Vec::new(), would_run: None },
        };
        let mut inspection = inspect(&config, SystemClock.now());
        let faults = [std::mem::take(&mut inspection.faults), std::mem::take(&mut inspection.token_faults)].concat();
        let problems = faults.into_iter().map(|text| Problem { line: None, text }).collect();
        Self { problems, warnings: std::mem::take(&mut inspection.warnings), would_run: Some((config, inspection)) }
    }

    fn write(&self, out: &mut impl Write, path: &Path) -> io::Result<()> {
        match self.problems.len() {
            0 => writeln!(out, "{}: nothing is wrong", path.display())?,
            1 => writeln!(out, "{}: one thing is wrong", path.display())?,
            count => writeln!(out, "{}: {count} things are wrong", path.display())?,
        }
        for problem in &self.problems {
            writeln!(out, "  {}", problem.to_string().replace('\n', "\n    "))?;
        }
        for warning in &self.warnings {
            writeln!(out, "  warning: {warning}")?;
        }
        if let (true, Some((config, inspection))) = (self.problems.is_empty(), &self.would_run) {
            write_summary(out, config, inspection)?;
        }
        Ok(())
    }

    fn json(&self, path: &Path) -> Value {
        let problem = |problem: &Problem| json!({ "line": problem.line, "message": problem.text });
        json!({
            "file": path.display().to_string(),
            "problems": self.problems.iter().map(problem).collect::<Vec<_>>(),
            "warnings": self.warnings,
            "would_run": self.would_run.as_ref().map(|(config, inspection)| summary_json(config, inspection)),
        })
    }
}

fn write_summary(out: &mut impl Write, config: &Config, inspection: &Inspection) -> io::Result<()> {
    writeln!(out, "  listens on {}", config.listen)?;
    for token in &config.tokens {
        writeln!(out, "  token {}: {:?} behind {}", token.name, token.label, token.module.display())?;
    }
    for (file, dsc) in &inspection.dscs {
        let (kid, algorithm, end) = (dsc.kid(), dsc.algorithm(), dsc.not_after());
        writeln!(out, "  DSC {kid}: {algorithm}, until {end}, on {}", file.tokens.join(", "))?;
    }
    if let (Some(file), Some(country)) = (&config.revocation, inspection.uploads_for) {
        writeln!(out, "  revocation lists: signed for {country}, on {}", file.tokens.join(", "))?;
    }
    for profile in &config.profiles {
        writeln!(out, "  profile {}: {}, issued by {}", profile.name, profile.algorithm, profile.issuer)?;
    }
    Ok(())
}

fn summary_json(config: &Config, inspection: &Inspection) -> Value {
    let dsc = |(file, dsc): &(crate::config::KeyFile, crate::domain::Dsc)| {
        json!({
            "kid": dsc.kid().to_string(),
            "algorithm": dsc.algorithm().to_string(),
            "not_before": dsc.not_before().seconds(),
            "not_after": dsc.not_after().seconds(),
            "tokens": file.tokens,
        })
    };
    json!({
        "listen": config.listen.to_string(),
        "tokens": config.tokens.iter().map(|token| token.name.as_str()).collect::<Vec<_>>(),
        "dscs": inspection.dscs.iter().map(dsc).collect::<Vec<_>>(),
        "uploads_for": inspection.uploads_for.map(|country| country.to_string()),
        "profiles": config.profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>(),
    })
}
