//! `sceau officer key`: a new key.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::key_file;
use crate::domain::officers::{Label, OfficerKey};

/// Make an officer's key, and print its public half as the configuration wants it.
///
/// For the officer's own machine, or a stick that the officer carries: nobody else may ever have the file, the service least of
/// all. There is no passphrase on it, so it lies on a disk that is encrypted. A file that is there is never overwritten.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sceau officer key --out /media/ada/ada.key
  sceau officer key --name ada --out ~/custody.key

The officer hands out what is printed: it stands in the configuration under [custody], or in the file of a ceremony.
Lost or seen by another: the others take this officer off the roster, and put a new key on it.")]
pub(super) struct KeyArgs {
    /// The file; made with mode 0600
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What the officer is called; as the file, where it is left out
    #[arg(long, value_name = "NAME")]
    name: Option<Label>,
}

pub(super) fn run(args: &KeyArgs) -> anyhow::Result<ExitCode> {
    let key = OfficerKey::generate();
    key_file::write_key(&args.out, &key)?;
    writeln!(io::stderr(), "sceau: made {}; keep it to yourself. What the others get:", args.out.display())?;
    let mut out = io::stdout().lock();
    super::write_section(&mut out, super::name_of(args.name.as_ref(), &args.out).as_ref(), &key.public().to_string())?;
    Ok(ExitCode::SUCCESS)
}
