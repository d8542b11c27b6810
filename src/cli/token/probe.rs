//! `sceau token probe`: what a token is, how fast it signs, and what to configure for it.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use super::report::{self, Report};
use crate::cli::environment::start_in_environment;
use crate::cli::ndjson;
use crate::cli::open::{read_certificate, wanted};
use crate::config::{Config, NoDsc};
use crate::domain::{Digest, Dsc, Kid, Signature, SignatureCheck};
use crate::sign::KeyringError;
use crate::token::probe::{Curve, KeyFacts, Probe, Step, advise, next_step};
use crate::token::{Purpose, TokenKey, cores};

/// Measure a token, and say what to configure for it.
///
/// Logs in once, as the service does: a PIN that is refused is latched. Shows what the token says of itself and of the keys of
/// its DSCs; then signs for a time at 1, 2, 4, 8 … sessions, until more of them bring less than 5 % or some fail, and
/// checks every signature. What is signed is one digest that stands for nothing. Ends with the lines to paste into the
/// configuration, and why.
///
/// It is one more client of the token, also while the service runs. It costs the HSM some seconds of full load, in which the
/// service signs more slowly. Run it as the user of the service, whose files it reads.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau token probe --config /etc/sceau/sceau.toml --token hsm-a
  sceau token probe --config sceau.toml --token hsm-a --seconds-a-step 5
  sceau token probe --config sceau.toml --token hsm-a --max-sessions 8
  sceau token probe --config sceau.toml --token hsm-a --json | jq .recommendation

Exit codes:
  0   every DSC's key signs
  69  the token cannot be reached, or hangs
  78  a DSC, PIN, key or mechanism is not as it has to be")]
pub(super) struct ProbeArgs {
    /// The configuration file of the service
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The name of the token
    #[arg(long, value_name = "NAME")]
    token: String,
    /// The most sessions to try; never more than the token's own limit less two
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_sessions: u16,
    /// How long each number of sessions signs, in seconds (0.1 to 60)
    #[arg(long, value_name = "S", default_value = "1", value_parser = parse_seconds)]
    seconds_a_step: Duration,
    /// One JSON document: {"name", "token", "keys", "measurements", "recommendation", "problems"}
    #[arg(long)]
    json: bool,
    /// This process has the token's environment
    #[arg(long, hide = true)]
    in_environment: bool,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=60.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "a number of seconds from 0.1 to 60".to_owned())
}

pub(super) fn run(args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let spec = config.token(&args.token).with_context(|| format!("{}", args.config.display()))?;
    if !args.in_environment && !spec.environment.is_empty() {
        return Err(start_in_environment(&spec.environment));
    }
    // What an audit key signs is a signature now and then.
    let mut keys = config.keys_of(&spec.name);
    keys.retain(|key| key.purpose == Purpose::Certificate);
    let dscs: Vec<Dsc> = keys.iter().map(read_certificate).collect::<anyhow::Result<_>>()?;
    let probe = Probe::open(spec, wanted(&keys)?).with_context(|| format!("token {:?}", spec.name))?;
    ndjson::on_stdout(|out| {
        let mut job = Job { args, name: &spec.name, probe, dscs, out, bar: spinner(), curves: Vec::new(), problems: Vec::new() };
        let done = job.run();
        job.bar.finish_and_clear();
        done?;
        let first = job.problems.into_iter().next();
        first.map_or(Ok(ExitCode::SUCCESS), |problem| Err(problem.context(format!("token {:?}", spec.name))))
    })
}

/// On a terminal: what is measured.
fn spinner() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// One run of the command.
struct Job<'j> {
    args: &'j ProbeArgs,
    name: &'j str,
    probe: Probe,
    dscs: Vec<Dsc>,
    out: &'j mut dyn Write,
    bar: ProgressBar,
    curves: Vec<Curve>,
    /// What keeps the service from starting, or a key from being used.
    problems: Vec<anyhow::Error>,
}

/// Signatures that do not verify.
#[derive(Debug, thiserror::Error)]
#[error("DSC {kid}: signatures that do not verify: {wrong} of {all}; {}", meaning(.wrong == .all))]
pub(crate) struct WrongSignatures {
    kid: Kid,
    wrong: u64,
    all: u64,
}

const fn meaning(all_are_wrong: bool) -> &'static str {
    if all_are_wrong {
        "key and certificate do not belong together"
    } else {
        "the token gives wrong signatures: do not issue with it until its vendor has found why"
    }
}

impl Job<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        let (name, token, keys) = (self.name, self.probe.token().clone(), self.probe.keys().to_vec());
        self.tell(|out| report::facts(out, name, &token, &keys))?;
        self.note_problems(&keys);
        for (key, number) in representatives(&keys) {
            self.measure(&keys[number], key, number)?;
        }
        let advice = advise(&self.curves, cores());
        if let Some(advice) = &advice {
            self.tell(|out| report::advice(out, name, advice))?;
        }
        if self.args.json {
            let (measurements, recommendation) = (&self.curves, advice.as_ref());
            let problems = self.problems.iter().map(|problem| format!("{problem:#}")).collect();
            let report = Report { name, token: &token, keys: &keys, measurements, recommendation, problems };
            ndjson::write_line(self.out, &report)?;
        }
        self.out.flush().context("cannot write the output")
    }

    fn note_problems(&mut self, keys: &[KeyFacts]) {
        if keys.is_empty() {
            self.problems.push(NoDsc { token: self.name.to_owned() }.into());
        }
        for facts in keys {
            if let Err(error) = &facts.key {
                self.problems.push(anyhow::Error::from(error.clone()).context(format!("DSC {}", facts.kid)));
            }
        }
    }

    /// Measures one key at more and more sessions.
    fn measure(&mut self, facts: &KeyFacts, key: TokenKey, number: usize) -> anyhow::Result<()> {
        let (kid, check) = (self.dscs[number].kid(), signature_check(&self.dscs[number])?);
        let (most, limit) = self.most_sessions();
        let mut curve =
            Curve { kid: facts.kid.clone(), algorithm: facts.algorithm, kind: facts.kind.clone(), steps: Vec::new(), end: None };
        let time = self.args.seconds_a_step;
        self.tell(|out| report::table_head(out, &curve, time))?;
        let end = loop {
            let sessions = match next_step(&curve.steps, most) {
                Ok(sessions) => sessions,
                Err(end) => break end,
            };
            self.bar.set_message(format!("{}: {sessions} at a time, for {} s", facts.algorithm, time.as_secs_f64()));
            let step = self.probe.measure(key, sessions, time, |digest, made| count_wrong(&check, digest, made));
            let step = step.with_context(|| format!("token {:?}", self.name))?;
            self.tell(|out| report::row(out, &step))?;
            self.note_failures(kid, &step);
            curve.steps.push(step);
        };
        curve.end = Some(end);
        self.tell(|out| report::table_end(out, &curve, limit))?;
        self.curves.push(curve);
        Ok(())
    }

    /// How many sessions are tried at most, and what sets the limit.
    fn most_sessions(&self) -> (usize, &'static str) {
        let asked = self.args.max_sessions.into();
        match self.probe.token().most_sessions() {
            Some(most) if most < asked => (most, "two fewer than the token has free"),
            _ => (asked, "--max-sessions"),
        }
    }

    /// Wrong signatures are a problem at any number of sessions; failures where there is one session.
    fn note_failures(&mut self, kid: Kid, step: &Step) {
        if step.wrong > 0 {
            self.problems.push(WrongSignatures { kid, wrong: step.wrong, all: step.signatures }.into());
        }
        if let (1, Some(failure)) = (step.sessions, step.failures.first()) {
            let error = anyhow::Error::from(failure.error.clone());
            self.problems.push(error.context(format!("DSC {kid}: its key fails with one session already")));
        }
    }

    /// Writes text where text is wanted, and shows it at once.
    fn tell(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
        if self.args.json {
            return Ok(());
        }
        let out = &mut *self.out;
        self.bar.suspend(|| write(out).and_then(|()| out.flush())).context("cannot write the output")
    }
}

/// The first usable key of each kind: others of the kind are as fast.
fn representatives(keys: &[KeyFacts]) -> Vec<(TokenKey, usize)> {
    let mut kinds = Vec::new();
    let mut chosen = Vec::new();
    for (number, facts) in keys.iter().enumerate() {
        if let (Ok(key), false) = (&facts.key, kinds.contains(&&facts.kind)) {
            kinds.push(&facts.kind);
            chosen.push((*key, number));
        }
    }
    chosen
}

fn signature_check(dsc: &Dsc) -> Result<SignatureCheck, KeyringError> {
    SignatureCheck::new(dsc.public_key()).map_err(|source| KeyringError::PublicKey { kid: dsc.kid(), source })
}

fn count_wrong(check: &SignatureCheck, digest: &Digest, signatures: &[Signature]) -> u64 {
    signatures.par_iter().filter(|signature| !check.accepts(digest, signature.as_bytes())).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Algorithm;
    use crate::token::TokenError;

    fn key(kind: &str, place: Result<usize, TokenError>) -> KeyFacts {
        KeyFacts {
            kid: "00".into(),
            algorithm: Algorithm::Es256,
            kind: kind.into(),
            label: None,
            id: None,
            attributes: Vec::new(),
            key: place.map(TokenKey),
        }
    }

    #[test]
    fn one_usable_key_of_each_kind_is_measured() {
        let keys = [key("P-256", Err(TokenError::Closed)), key("P-256", Ok(0)), key("P-256", Ok(1)), key("RSA-3072", Ok(2))];
        assert_eq!(representatives(&keys), [(TokenKey(0), 1), (TokenKey(2), 3)]);
    }

    #[test]
    fn a_step_takes_a_tenth_of_a_second_to_a_minute() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "61", "-1", "NaN", "inf", "soon", ""] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}
