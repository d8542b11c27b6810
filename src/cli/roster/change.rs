//! `sceau roster change`: other officers.

use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context;
use clap::Args;

use crate::cli::ndjson;
use crate::cli::two_officers::{Desk, ProposingArgs, Wish, misuse, propose, tell_proposed};
use crate::domain::officers::{Change, Label, Officer, OfficerPublicKey, RosterChange};

/// Propose other officers, or another number of approvals.
///
/// Two of the present officers agree on it, as on anything else. With it every open proposal is void, and is proposed anew. An officer
/// whose key is lost is removed and added in one change, with a new key.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau roster change --config sceau.toml --add joan=joan.pub.pem --officer ada --officer-key /media/ada/ada.key
  sceau roster change --config sceau.toml --remove hedy --add hedy=MFkwEwYHKoZIzj0CAQYI… --officer ada --officer-key ada.key
  sceau roster change --config sceau.toml --approvals 2 --dry-run

A key is what `sceau officer show` prints, or a file with the public key in PEM. Compare it with its owner, by another way.

Exit codes: 0 proposed, 1 you said no, 64 it cannot be: too few officers, a name or a key twice.")]
pub(super) struct ChangeArgs {
    #[command(flatten)]
    proposing: ProposingArgs,
    /// Who comes, with their public key: base64, or a PEM file; repeated for several
    #[arg(long, value_name = "NAME=KEY")]
    add: Vec<Comer>,
    /// Who goes; repeated for several
    #[arg(long, value_name = "NAME")]
    remove: Vec<Label>,
    /// How many approvals a proposal needs then, beside who proposes; as many as now, where it is left out
    #[arg(long, value_name = "N")]
    approvals: Option<u32>,
}

/// An officer who comes: the key itself, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Comer {
    name: Label,
    key: String,
}

impl FromStr for Comer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, key) = text.split_once('=').ok_or("it is NAME=KEY, the key in base64 or a PEM file")?;
        Ok(Self { name: name.parse().map_err(|error| format!("{error}"))?, key: key.to_owned() })
    }
}

impl Comer {
    fn officer(&self) -> anyhow::Result<Officer> {
        let name = self.name.clone();
        if let Ok(key) = self.key.parse() {
            return Ok(Officer { name, key });
        }
        let text = std::fs::read_to_string(&self.key).with_context(|| format!("the public key of {name}, {}", self.key))?;
        let key = OfficerPublicKey::from_pem(&text).map_err(|error| misuse(format!("{}: {error}", self.key)))?;
        Ok(Officer { name, key })
    }
}

pub(super) fn run(args: &ChangeArgs) -> anyhow::Result<ExitCode> {
    if args.add.is_empty() && args.remove.is_empty() && args.approvals.is_none() {
        return Err(misuse("there is nothing to change: --add, --remove or --approvals"));
    }
    let add = args.add.iter().map(Comer::officer).collect::<anyhow::Result<Vec<_>>>()?;
    let mut desk = Desk::open(&args.proposing.signing.place)?;
    let quorum = args.approvals.unwrap_or(desk.scene.roster.quorum());
    let change = RosterChange { add, remove: args.remove.clone(), quorum };
    desk.scene.roster.with(&change).map_err(|error| misuse(error.to_string()))?;
    let proposed = propose(&args.proposing, &mut desk, Wish::of(Change::Roster(change)))?;
    ndjson::on_stdout(|out| {
        tell_proposed(&args.proposing, &desk, &proposed, out)?;
        Ok(ExitCode::SUCCESS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::officers::OfficerKey;

    #[test]
    fn an_officer_comes_with_a_key_in_base64_or_in_a_file() {
        let home = tempfile::tempdir().unwrap();
        let (key, file) = (OfficerKey::generate().public(), home.path().join("joan.pub.pem"));
        std::fs::write(&file, key.to_pem()).unwrap();
        for place in [key.to_string(), file.display().to_string()] {
            let officer = format!("joan={place}").parse::<Comer>().unwrap().officer().unwrap();
            assert_eq!((officer.name.as_str(), &officer.key), ("joan", &key));
        }
        assert!("joan".parse::<Comer>().is_err() && "jo an=x".parse::<Comer>().is_err());
        assert!("joan=/no/such/file".parse::<Comer>().unwrap().officer().is_err());
    }
}
