//! `sceau token status`: how the tokens of a running service are.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::place::PlaceArgs;
use crate::service::admin::TokensAnswer;
use crate::token::{TokenStatus, WorkerStatus};

/// Show how the tokens of the running service are.
///
/// Asks the service on this machine over its admin socket, as the service's user or root, or one over the network, as a caller
/// with the role officer or operator: whether each token signs, why not, its
/// worker processes, what a signature takes, and whether a refused PIN keeps it from logging in. Where nothing is signed whatever the
/// tokens do, because the clock has jumped or the ledger cannot be written, that comes first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau token status --config /etc/sceau/sceau.toml
  sceau token status --endpoint https://sceau.example:7443 --ca ca.pem --certificate me.pem --key me.key
  sceau token status --config sceau.toml --json | jq '.tokens[] | select(.trouble)'

Exit codes: 0 every token signs, 2 one does not or nothing is signed, 69 no service runs.")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let place = args.place.place()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let TokensAnswer { tokens, standstill } = runtime.block_on(async { place.connect().await?.tokens().await })?;
    let mut out = io::stdout().lock();
    if args.json {
        let tokens: Vec<Value> = tokens.iter().map(|(status, outstanding)| token_json(status, *outstanding)).collect();
        writeln!(out, "{:#}", json!({ "standstill": standstill, "tokens": tokens }))?;
    } else {
        if let Some(standstill) = &standstill {
            writeln!(out, "NOTHING IS SIGNED: {standstill}")?;
        }
        for (status, outstanding) in &tokens {
            write_token(&mut out, status, *outstanding)?;
        }
    }
    let all_sign = standstill.is_none() && tokens.iter().all(|(status, _)| status.trouble.is_none());
    Ok(if all_sign { ExitCode::SUCCESS } else { ExitCode::from(crate::cli::exit::SOME_REFUSED) })
}

fn write_token(out: &mut impl Write, status: &TokenStatus, outstanding: u64) -> io::Result<()> {
    writeln!(out, "Token {}: {}", status.name, if status.trouble.is_none() { "signs" } else { "DOES NOT SIGN" })?;
    if let Some(trouble) = &status.trouble {
        writeln!(out, "  why               {trouble}")?;
    }
    if status.is_latched {
        writeln!(out, "  PIN               refused; put the right one in its place, then `sceau token unlatch`")?;
    }
    writeln!(out, "  items waiting     {outstanding}")?;
    if !status.signature_time.is_zero() {
        writeln!(out, "  a signature       {} of late, on one session", micros(status.signature_time))?;
    }
    writeln!(out, "  bad signatures    {}, none released", status.bad_signatures)?;
    writeln!(out, "  workers           {} alive, {} replaced", status.workers.len(), status.replaced)?;
    for worker in &status.workers {
        let WorkerStatus { pid, age, signatures, trouble } = worker;
        let trouble = trouble.as_ref().map_or_else(String::new, |trouble| format!("; does not sign: {trouble}"));
        writeln!(out, "    pid {pid:<8}    {signatures} signatures in {} s{trouble}", age.as_secs())?;
    }
    Ok(())
}

fn micros(time: Duration) -> String {
    if time < Duration::from_millis(1) {
        format!("{} µs", time.as_micros())
    } else {
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    }
}

fn token_json(status: &TokenStatus, outstanding: u64) -> Value {
    let workers: Vec<Value> = status
        .workers
        .iter()
        .map(|worker| {
            json!({
                "pid": worker.pid,
                "age_seconds": worker.age.as_secs(),
                "signatures": worker.signatures,
                "trouble": worker.trouble,
            })
        })
        .collect();
    json!({
        "name": status.name,
        "trouble": status.trouble,
        "is_latched": status.is_latched,
        "outstanding_items": outstanding,
        "signature_micros": status.signature_time.as_micros() as u64,
        "bad_signatures": status.bad_signatures,
        "replaced_workers": status.replaced,
        "workers": workers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_does_not_sign_says_why_and_what_to_do() {
        let worker = WorkerStatus {
            pid: 4711,
            age: Duration::from_secs(90),
            signatures: 12,
            trouble: Some("C_Sign gave DeviceRemoved".into()),
        };
        let status = TokenStatus {
            name: "hsm-a".into(),
            trouble: Some("a PIN was refused".into()),
            workers: vec![worker],
            replaced: 3,
            bad_signatures: 1,
            signature_time: Duration::from_micros(5_200),
            is_latched: true,
        };
        let mut out = Vec::new();
        write_token(&mut out, &status, 17).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in [
            "Token hsm-a: DOES NOT SIGN",
            "a PIN was refused",
            "sceau token unlatch",
            "items waiting     17",
            "5.2 ms of late",
            "1, none released",
            "1 alive, 3 replaced",
            "12 signatures in 90 s; does not sign: C_Sign gave DeviceRemoved",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(token_json(&status, 17)["workers"][0]["pid"], 4711);
    }
}
