//! `sceau officer`: the key that an officer signs with.

mod key;
mod key_file;
mod show;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::domain::officers::{Label, Officer};

pub(crate) use key_file::{read_key, write_key};

/// Make the key that an officer signs with, and show its public half.
#[derive(Debug, Args)]
pub(crate) struct OfficerArgs {
    #[command(subcommand)]
    command: OfficerCommand,
}

#[derive(Debug, Subcommand)]
enum OfficerCommand {
    Key(key::KeyArgs),
    Show(show::ShowArgs),
}

pub(crate) fn run(args: &OfficerArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        OfficerCommand::Key(args) => key::run(args),
        OfficerCommand::Show(args) => show::run(args),
    }
}

/// What an officer is called: as it was said, or else as the file is.
fn name_of(said: Option<&Label>, file: &Path) -> Option<Label> {
    said.cloned().or_else(|| file.file_stem()?.to_str()?.parse().ok())
}

/// An officer as the configuration wants them.
fn write_section(out: &mut impl Write, name: Option<&Label>, officer_key: &str) -> io::Result<()> {
    writeln!(out, "[[custody.officer]]")?;
    match name {
        Some(name) => writeln!(out, "name = \"{name}\"")?,
        None => writeln!(out, "name = \"\"  # 1 to 64 characters of A-Z a-z 0-9 . _ -")?,
    }
    writeln!(out, "key = \"{officer_key}\"")
}

/// Several of them.
pub(crate) fn write_sections(out: &mut impl Write, officers: &[Officer]) -> io::Result<()> {
    officers.iter().try_for_each(|officer| {
        writeln!(out)?;
        write_section(out, Some(&officer.name), &officer.key.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_officer_is_called_as_the_file_where_nothing_else_is_said() {
        let file = Path::new("/media/ada/ada.key");
        let said: Label = "grace".parse().unwrap();
        assert_eq!(name_of(None, file).unwrap().as_str(), "ada");
        assert_eq!(name_of(Some(&said), file), Some(said));
        assert_eq!(name_of(None, Path::new("/media/my key.pem")), None);
    }
}
