//! How the findings about a token are written, for a terminal of 80 columns and for programs.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use crate::cli::rules::wrap;
use crate::token::probe::{Advice, Curve, End, KeyFacts, KeyFlag, MechanismFacts, PinFacts, Step, TokenFacts};

/// All of it, for programs.
#[derive(Serialize)]
pub(super) struct Report<'r> {
    pub(super) name: &'r str,
    pub(super) token: &'r TokenFacts,
    pub(super) keys: &'r [KeyFacts],
    pub(super) measurements: &'r [Curve],
    pub(super) recommendation: Option<&'r Advice>,
    pub(super) problems: Vec<String>,
}

const COLUMNS: usize = 80;
/// Where values begin.
const INDENT: usize = 20;

pub(super) fn facts(out: &mut dyn Write, name: &str, token: &TokenFacts, keys: &[KeyFacts]) -> io::Result<()> {
    writeln!(out, "Token {name}")?;
    fact(out, "label", &shown(&token.label))?;
    fact(out, "serial", &shown(&token.serial))?;
    fact(out, "manufacturer", &shown(&token.manufacturer))?;
    fact(out, "model", &shown(&token.model))?;
    fact(out, "versions", &format!("hardware {}, firmware {}", token.hardware_version, token.firmware_version))?;
    fact(out, "module", &token.library.as_deref().map_or_else(|| "does not say".to_owned(), shown))?;
    fact(out, "sessions", &sessions_text(token))?;
    fact(out, "user PIN", &pin_text(token.pin))?;
    token.mechanisms.iter().try_for_each(|mechanism| fact(out, mechanism.name, &mechanism_text(mechanism)))?;
    keys.iter().try_for_each(|facts| key(out, facts))
}

fn key(out: &mut dyn Write, facts: &KeyFacts) -> io::Result<()> {
    writeln!(out, "\nDSC {}: {}, {}", facts.kid, facts.algorithm, facts.kind)?;
    if let Some(label) = &facts.label {
        fact(out, "CKA_LABEL", &shown(label))?;
    }
    if let Some(id) = &facts.id {
        fact(out, "CKA_ID", id)?;
    }
    if !facts.attributes.is_empty() {
        fact(out, "attributes", &facts.attributes.iter().map(flag_text).collect::<Vec<_>>().join(" "))?;
    }
    facts.key.as_ref().err().map_or(Ok(()), |problem| fact(out, "PROBLEM", &problem.to_string()))
}

/// A name, and a value that wraps within its own column.
fn fact(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    let lines = wrap(value, COLUMNS - INDENT);
    for (number, line) in lines.iter().enumerate() {
        let name = if number == 0 { name } else { "" };
        writeln!(out, "  {name:0$}{line}", INDENT - 2)?;
    }
    Ok(())
}

/// What a device says may hold anything; a terminal obeys control characters.
fn shown(text: &str) -> String {
    text.escape_debug().to_string()
}

fn sessions_text(token: &TokenFacts) -> String {
    let open = token.open_sessions.map_or_else(String::new, |open| format!(", {open} open before the probe"));
    token.max_sessions.map_or_else(|| format!("no limit named{open}"), |most| format!("{most} at most{open}"))
}

fn pin_text(pin: PinFacts) -> String {
    let flags = [
        (!pin.initialized, "NOT SET"),
        (pin.count_low, "a wrong one has been tried"),
        (pin.final_try, "the next wrong one locks it"),
        (pin.locked, "LOCKED"),
        (pin.to_be_changed, "has to be changed"),
    ];
    let set: Vec<&str> = flags.into_iter().filter_map(|(is_set, text)| is_set.then_some(text)).collect();
    if set.is_empty() { "set; no wrong one has been tried".to_owned() } else { set.join("; ") }
}

fn mechanism_text(mechanism: &MechanismFacts) -> String {
    let algorithm = mechanism.algorithm;
    mechanism.key_bits.map_or_else(
        || format!("absent: no {algorithm}"),
        |(least, most)| format!("for {algorithm}, keys of {least} to {most} bits"),
    )
}

/// Capitals for what is not as it should be.
fn flag_text(flag: &KeyFlag) -> String {
    let name = flag.attribute.to_string().to_uppercase();
    let value = if flag.found { "yes" } else { "no" };
    if flag.found == flag.wanted { format!("{name}={value}") } else { format!("{name}={}", value.to_uppercase()) }
}

pub(super) fn table_head(out: &mut dyn Write, curve: &Curve, time: Duration) -> io::Result<()> {
    let seconds = time.as_secs_f64();
    writeln!(out, "\n{}, {}: the key of DSC {}, {seconds} s a step, latency in ms", curve.algorithm, curve.kind, curve.kid)?;
    writeln!(out, "sessions  signatures/s      p50      p95      p99       max     CPU  failures")
}

pub(super) fn row(out: &mut dyn Write, step: &Step) -> io::Result<()> {
    let latency = step.latency_ms;
    let failures = step.wrong + step.failures.iter().map(|failure| failure.count).sum::<u64>();
    writeln!(
        out,
        "{:>8}  {:>12.0} {:>8.2} {:>8.2} {:>8.2} {:>9.2} {:>5.0} %  {failures:>8}",
        step.sessions,
        step.signatures_per_second,
        latency.p50,
        latency.p95,
        latency.p99,
        latency.max,
        step.cpu_share * 100.0
    )
}

/// Why there is no further row.
pub(super) fn table_end(out: &mut dyn Write, curve: &Curve, limit: &str) -> io::Result<()> {
    match curve.end {
        Some(End::NoGain) => writeln!(out, "More sessions bring hardly more.")?,
        Some(End::Most) => writeln!(out, "As many as may be tried: {limit}.")?,
        Some(End::Failures) | None => {}
    }
    for step in curve.steps.iter().filter(|step| !step.is_good()) {
        let wrong = (step.wrong > 0).then(|| format!("{} x a signature does not verify", step.wrong));
        let failed = step.failures.iter().map(|failure| format!("{} x {}", failure.count, failure.error));
        for text in wrong.into_iter().chain(failed) {
            writeln!(out, "At {}: {text}", step.sessions)?;
        }
    }
    Ok(())
}

/// Lines to paste, the reason as their comment.
pub(super) fn advice(out: &mut dyn Write, name: &str, advice: &Advice) -> io::Result<()> {
    writeln!(out, "\nFor the [[token]] {name:?}:\n")?;
    wrap(&advice.reason, COLUMNS - 2).iter().try_for_each(|line| writeln!(out, "# {line}"))?;
    writeln!(out, "workers = {}", advice.workers)?;
    writeln!(out, "sessions = {}", advice.sessions)?;
    writeln!(out, "hang_timeout_ms = {}", advice.hang_timeout_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Algorithm;
    use crate::token::probe::{Failure, Latency};
    use crate::token::{KeyAttribute, TokenError};

    fn text(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn token() -> TokenFacts {
        TokenFacts {
            label: "issuer\u{1b}[2J".into(),
            serial: "0123456789abcdef".into(),
            manufacturer: "A manufacturer of thirty-two chs".into(),
            model: "Model".into(),
            hardware_version: "1.0".into(),
            firmware_version: "7.4".into(),
            library: Some("Its library 10.5".into()),
            max_sessions: Some(16),
            open_sessions: Some(3),
            pin: PinFacts { initialized: true, count_low: true, final_try: false, locked: false, to_be_changed: false },
            mechanisms: vec![MechanismFacts { name: "CKM_RSA_PKCS_PSS", algorithm: Algorithm::Ps256, key_bits: None }],
        }
    }

    fn extractable_key() -> KeyFacts {
        let attributes = [KeyAttribute::Sensitive, KeyAttribute::AlwaysSensitive, KeyAttribute::NeverExtractable];
        KeyFacts {
            kid: "8e3e8bae77356097".into(),
            algorithm: Algorithm::Ps256,
            kind: "RSA-3072".into(),
            label: Some("dsc-2026-01".into()),
            id: Some("26".repeat(32)),
            attributes: attributes.map(|attribute| KeyFlag { attribute, found: false, wanted: true }).to_vec(),
            key: Err(TokenError::KeyAttribute { attribute: KeyAttribute::NeverExtractable, found: false, wanted: true }),
        }
    }

    fn slow_step() -> Step {
        Step {
            sessions: 1024,
            signatures: 9,
            signatures_per_second: 123_456.7,
            latency_ms: Latency { p50: 1.0, p95: 1.0, p99: 9999.994, max: 60_000.0 },
            cpu_share: 1.0,
            core_wait_share: 0.0,
            wrong: 2,
            failures: vec![Failure { error: TokenError::Closed, count: 1021 }],
        }
    }

    #[test]
    fn everything_fits_into_80_columns() {
        let curve = Curve {
            kid: "8e3e8bae77356097".into(),
            algorithm: Algorithm::Ps256,
            kind: "RSA-3072".into(),
            steps: vec![slow_step()],
            end: Some(End::Failures),
        };
        let advised = Advice { workers: 1, sessions: 16, hang_timeout_ms: 5000, reason: "because ".repeat(30).trim().into() };
        let texts = [
            text(|out| facts(out, "hsm-a", &token(), &[KeyFacts { id: None, ..extractable_key() }])),
            text(|out| table_head(out, &curve, Duration::from_millis(2500))),
            text(|out| row(out, &slow_step())),
            text(|out| table_end(out, &Curve { end: Some(End::Most), ..curve.clone() }, "two fewer than the token has free")),
            text(|out| advice(out, "hsm-a", &advised)),
        ];
        for line in texts.concat().lines() {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
    }

    #[test]
    fn the_head_stands_over_its_columns() {
        let curve = Curve { kid: "00".into(), algorithm: Algorithm::Es256, kind: "P-256".into(), steps: Vec::new(), end: None };
        let head = text(|out| table_head(out, &curve, Duration::from_secs(1)));
        let row = text(|out| row(out, &slow_step()));
        assert_eq!(head.lines().last().unwrap().len(), row.trim_end().len());
    }

    #[test]
    fn what_is_wrong_stands_out_and_nothing_reaches_the_terminal_as_a_command() {
        let text = text(|out| facts(out, "hsm-a", &token(), &[extractable_key()]));
        assert!(text.contains("NEVER_EXTRACTABLE=NO") && text.contains("PROBLEM") && text.contains("absent: no PS256"), "{text}");
        assert!(text.contains("a wrong one has been tried") && text.contains("16 at most, 3 open before the probe"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn the_advice_is_toml_with_its_reason_as_a_comment() {
        let advised = Advice { workers: 2, sessions: 1, hang_timeout_ms: 5000, reason: "it computes here ".repeat(9) };
        let text = text(|out| advice(out, "hsm-a", &advised));
        let pasted = text.split_once("\n\n").unwrap().1;
        let table: toml::Table = pasted.parse().unwrap();
        assert_eq!(table["workers"].as_integer(), Some(2), "{text}");
        assert_eq!(table["hang_timeout_ms"].as_integer(), Some(5000), "{text}");
    }

    #[test]
    fn programs_get_every_finding() {
        let (token, keys) = (token(), [extractable_key()]);
        let steps = vec![slow_step()];
        let curve = Curve { kid: "00".into(), algorithm: Algorithm::Es256, kind: "P-256".into(), steps, end: Some(End::NoGain) };
        let report = Report {
            name: "hsm-a",
            token: &token,
            keys: &keys,
            measurements: &[curve],
            recommendation: None,
            problems: vec!["one".into()],
        };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["keys"][0]["attributes"]["never_extractable"], false);
        assert!(json["keys"][0]["problem"].as_str().unwrap().contains("never_extractable"), "{json}");
        assert_eq!(json["measurements"][0]["end"], "no_gain");
        assert_eq!(json["measurements"][0]["steps"][0]["failures"][0]["code"], "the token is closed");
    }
}
