//! `sceau dsc list`: every key.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::ndjson;
use crate::cli::page::{line, table};
use crate::cli::place::PlaceArgs;
use crate::cli::two_officers::{Desk, Next, When, hex_id, instant, state_name, types_text};
use crate::service::proto::v1;

/// List the keys of the register: their states, when they sign, and what is left.
///
/// The [[dsc]] of the configuration are not in the register: `sceau dsc plan` counts them, and `sceau token probe` tries them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau dsc list --config sceau.toml
  sceau dsc list --config sceau.toml --at 2024-03-01T00:00:00Z      # as it will be, if nothing else is changed
  sceau dsc list --config sceau.toml --json | jq -r '.keys[] | select(.state == \"active\").label'")]
pub(super) struct ListArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The instant at which states are judged; now, where it is left out
    #[arg(long, value_name = "TIME")]
    at: Option<When>,
    /// Those that are destroyed as well
    #[arg(long)]
    all: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let mut desk = Desk::open(&args.place)?;
    let at = args.at.map_or(desk.scene.now, |at| at.instant(desk.scene.now)).seconds();
    if args.at.is_some() {
        desk.scene = desk.show(v1::ShowCustodyRequest { at: Some(at), with_ended: false })?;
    }
    let is_shown = |key: &&v1::CustodyKey| args.all || key.state() != v1::KeyState::Destroyed;
    let keys: Vec<&v1::CustodyKey> = desk.scene.keys.iter().filter(is_shown).collect();
    let waiting = desk.scene.proposals.len();
    ndjson::on_stdout(|out| {
        if args.json {
            let keys: Vec<Value> = keys.iter().map(|key| key_json(key, at)).collect();
            writeln!(out, "{:#}", json!({ "at": instant(at), "keys": keys, "open_proposals": waiting }))?;
            return Ok(ExitCode::SUCCESS);
        }
        if keys.is_empty() {
            line(out, "There is no key in the register.")?;
            let rest = "--token TOKEN --label LABEL --country CC --common-name 'DSC NAME' --officer NAME --officer-key FILE";
            Next::write(&[Next::of("make one", &args.place, &["dsc", "generate"], rest)], out)?;
        } else {
            let rows: Vec<_> = keys.iter().map(|key| row(key, at)).collect();
            table(out, ["label", "state", "kid", "token", "types", "from", "until", "days left"], &rows)?;
        }
        if waiting > 0 {
            let what = format!("{waiting} of officers' proposals wait to be decided on, or executed");
            Next::write(&[Next::of(what, &args.place, &["approvals"], "")], out)?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Of a key that signs, or will: its window. Of another with a certificate: that one's validity.
fn row(key: &v1::CustodyKey, at: i64) -> [String; 8] {
    let none = || "-".to_owned();
    let (from, until) = match &key.r#use {
        Some(used) => (instant(used.from), instant(used.to)),
        None => (none(), key.not_after.map_or_else(none, instant)),
    };
    let types = key.r#use.as_ref().map_or(&key.types_asked_for, |used| &used.types);
    [
        key.label.clone(),
        match key.state() {
            state @ v1::KeyState::Compromised => state_name(state).to_uppercase(),
            state => state_name(state),
        },
        key.kid.as_ref().map_or_else(none, |kid| hex_id(kid)),
        if key.is_here { key.token.clone() } else { format!("{} (elsewhere)", key.token) },
        types_text(types),
        from,
        until,
        days_left(key, at).map_or_else(none, |days| days.to_string()),
    ]
}

/// Whole days until a key ceases to be of use; nothing where it is over, or has no certificate yet.
pub(super) fn days_left(key: &v1::CustodyKey, at: i64) -> Option<i64> {
    let is_over = matches!(key.state(), v1::KeyState::Retired | v1::KeyState::Destroyed | v1::KeyState::Compromised);
    let end = key.r#use.as_ref().map(|used| used.to).or(key.not_after)?;
    (!is_over).then(|| (end - at).div_euclid(86_400))
}

/// A key for programs.
pub(super) fn key_json(key: &v1::CustodyKey, at: i64) -> Value {
    let used = key
        .r#use
        .as_ref()
        .map(|used| json!({ "from": instant(used.from), "to": instant(used.to), "types": used.types, "weight": used.weight }));
    json!({
        "label": key.label,
        "token": key.token,
        "is_here": key.is_here,
        "key": key.key,
        "state": state_name(key.state()),
        "kid": key.kid.as_ref().map(|kid| hex_id(kid)),
        "country": key.country,
        "organization": key.organization,
        "common_name": key.common_name,
        "types_asked_for": key.types_asked_for,
        "generated_at": instant(key.generated_at),
        "not_before": key.not_before.map(instant),
        "not_after": key.not_after.map(instant),
        "published_at": key.published_at.map(instant),
        "use": used,
        "destroyed_at": key.destroyed_at.map(instant),
        "compromised_at": key.compromised_at.map(instant),
        "days_left": days_left(key, at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(state: v1::KeyState) -> v1::CustodyKey {
        let used = v1::KeyUse { from: 0, to: 10 * 86_400, types: vec!["v".into()], weight: 100 };
        v1::CustodyKey {
            label: "dsc-1".into(),
            state: state.into(),
            not_after: Some(20 * 86_400),
            r#use: Some(used),
            is_here: true,
            ..Default::default()
        }
    }

    #[test]
    fn days_are_left_until_the_window_ends_or_else_the_certificate() {
        let mut active = key(v1::KeyState::Active);
        assert_eq!(days_left(&active, 86_400), Some(9));
        assert_eq!(days_left(&active, 10 * 86_400 - 1), Some(0));
        active.r#use = None;
        assert_eq!(days_left(&active, 86_400), Some(19));
        active.not_after = None;
        assert_eq!(days_left(&active, 86_400), None);
        assert_eq!(days_left(&key(v1::KeyState::Retired), 0), None);
    }

    #[test]
    fn what_is_compromised_catches_the_eye() {
        assert_eq!(row(&key(v1::KeyState::Compromised), 0)[1], "COMPROMISED");
        assert_eq!(row(&key(v1::KeyState::Active), 0)[6], "1970-01-11T00:00:00Z");
    }
}
