//! `sceau dsc show`: one key.

use std::process::ExitCode;

use clap::Args;
use der::pem::{LineEnding, encode_string};
use serde_json::{Value, json};

use super::list::{days_left, key_json};
use crate::cli::ndjson;
use crate::cli::page::{fields, line};
use crate::cli::place::PlaceArgs;
use crate::cli::two_officers::{Desk, KeyArgs, Next, dsc_of, instant, misuse, state_name, types_text};
use crate::service::proto::v1;

/// Show a key: its state, its certificate, when it signs, what was signed under it, and what comes next.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc show --config sceau.toml --label dsc-2024-03
  sceau dsc show --config sceau.toml --kid 870aaa4460b56d17 --json
  sceau dsc show --config sceau.toml --label dsc-2024-03 --pem | openssl x509 -noout -text")]
pub(super) struct ShowArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    key: KeyArgs,
    /// Print the certificate in PEM, and nothing else
    #[arg(long, conflicts_with = "json")]
    pem: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let mut desk = Desk::open(&args.place)?;
    let key = desk.scene.key(&args.key)?.clone();
    let (dsc, now) = (dsc_of(&key)?, desk.scene.now.seconds());
    if args.pem {
        let dsc = dsc.ok_or_else(|| misuse(format!("the key {} has no certificate yet", key.label)))?;
        let pem = encode_string("CERTIFICATE", LineEnding::LF, dsc.der()).map_err(|error| anyhow::anyhow!("no PEM: {error}"))?;
        return ndjson::on_stdout(|out| {
            write!(out, "{pem}")?;
            Ok(ExitCode::SUCCESS)
        });
    }
    let signed = dsc.as_ref().map(|dsc| desk.count_signed(dsc.kid().as_bytes()));
    let next = comes_next(&key, &args.place);
    ndjson::on_stdout(|out| {
        if args.json {
            let mut document = key_json(&key, now);
            if let Value::Object(members) = &mut document {
                let count = signed.as_ref().and_then(|signed| signed.as_ref().ok()).map(|signed| signed.certificates);
                members.insert("certificates_signed".to_owned(), json!(count));
                members.insert("subject".to_owned(), json!(dsc.as_ref().map(crate::domain::Dsc::subject)));
                members.insert("next".to_owned(), json!(Next::commands(&next)));
            }
            writeln!(out, "{document:#}")?;
            return Ok(ExitCode::SUCCESS);
        }
        line(out, &format!("{}: {}", key.label, state_name(key.state())))?;
        let mut facts = facts(&key, now);
        if let Some(dsc) = &dsc {
            facts.extend(crate::cli::two_officers::certificate_facts(dsc));
        }
        match &signed {
            Some(Ok(signed)) => {
                let v1::CountSignedResponse { certificates, vaccinations, tests, recoveries, .. } = signed;
                facts.push(("signed", format!("{certificates} certificates (v {vaccinations}, t {tests}, r {recoveries})")));
            }
            Some(Err(error)) => facts.push(("signed", format!("cannot be counted now: {error}"))),
            None => {}
        }
        fields(out, &facts)?;
        Next::write(&next, out)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn facts(key: &v1::CustodyKey, now: i64) -> Vec<(&'static str, String)> {
    let elsewhere = if key.is_here { "" } else { ", which is not in this service's configuration" };
    let mut facts = vec![
        ("token", format!("{}{elsewhere}", key.token)),
        ("key", key.key.clone()),
        ("asked for", format!("CN={}, C={}, types {}", key.common_name, key.country, types_text(&key.types_asked_for))),
        ("generated", instant(key.generated_at)),
    ];
    let times = [("published", key.published_at), ("destroyed", key.destroyed_at), ("COMPROMISED", key.compromised_at)];
    facts.extend(times.into_iter().filter_map(|(name, at)| Some((name, instant(at?)))));
    if let Some(used) = &key.r#use {
        let (from, to, types) = (instant(used.from), instant(used.to), types_text(&used.types));
        facts.push(("signs", format!("{types} with weight {}, from {from} until just before {to}", used.weight)));
    }
    if let Some(days) = days_left(key, now) {
        facts.push(("days left", days.to_string()));
    }
    facts
}

/// What is to be done with a key in its state.
fn comes_next(key: &v1::CustodyKey, place: &PlaceArgs) -> Vec<Next> {
    const SIGN: &str = "--officer NAME --officer-key FILE";
    let label = &key.label;
    let step = |what: &str, words: &[&str], rest: String| vec![Next::of(what, place, words, &format!("--label {label} {rest}"))];
    match key.state() {
        v1::KeyState::Generated => step("write the request for the CSCA", &["dsc", "csr"], format!("--out {label}.csr")),
        v1::KeyState::Certified if key.published_at.is_none() => {
            step("make the upload for the gateway", &["dsc", "publish"], format!("--out {label}.upload.cms.b64"))
        }
        v1::KeyState::Certified | v1::KeyState::Published if key.r#use.is_none() => {
            step("let it sign", &["dsc", "activate"], format!("--at 2024-03-01T00:00:00Z {SIGN}"))
        }
        v1::KeyState::Active => step("let it sign no more, once another does", &["dsc", "retire"], format!("--at +8h {SIGN}")),
        v1::KeyState::Retired => step("destroy its private half", &["dsc", "destroy"], SIGN.to_owned()),
        _ => Vec::new(),
    }
}
