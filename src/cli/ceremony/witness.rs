//! The officers who are present: they sign what was done, each with their own key.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};

use super::paper::Paper;
use super::room::now;
use super::{PlanFile, terminal};
use crate::cli::officer::read_key;
use crate::custody::ceremony::{Line, PlannedOfficer, WITNESSES};
use crate::domain::officers::{Label, OfficerKey, Role};

/// Whether enough officers can sign at the end, as far as that can be seen at the beginning. A key that is there has to be right.
pub(super) fn look(file: &PlanFile) -> anyhow::Result<()> {
    let terminal = terminal::open();
    let mut present = 0;
    for officer in &file.plan.officers {
        let is_present = match &officer.key_file {
            Some(name) => key_at(&file.at(name.as_str()), officer)?.is_some(),
            None => terminal.is_some(),
        };
        present += usize::from(is_present);
    }
    ensure!(
        present >= WITNESSES,
        "{present} of the officers can sign here, and it takes {WITNESSES} at least: bring the sticks with their key files{}",
        if terminal.is_none() { "; there is no terminal to ask for others at" } else { "" }
    );
    Ok(())
}

/// Nothing where there is no such file: the officer is not there.
fn key_at(path: &Path, officer: &PlannedOfficer) -> anyhow::Result<Option<OfficerKey>> {
    if !path.exists() {
        return Ok(None);
    }
    let key = read_key(path)?;
    let name = &officer.name;
    ensure!(key.public() == officer.key, "{} is not {name}'s: its public half is another than the file says", path.display());
    Ok(Some(key))
}

/// Has those sign who have not yet.
pub(super) fn sign(file: &PlanFile, paper: &mut Paper, signed: &[Label]) -> anyhow::Result<()> {
    let terminal = terminal::open();
    let mut count = signed.len();
    for officer in file.plan.officers.iter().filter(|officer| !signed.contains(&officer.name)) {
        let key = match (&officer.key_file, &terminal) {
            (Some(name), _) => key_at(&file.at(name.as_str()), officer)?,
            (None, Some(tty)) => ask_for(tty, officer)?,
            (None, None) => None,
        };
        match key {
            Some(key) => {
                sign_as(&officer.name, &key, paper)?;
                count += 1;
            }
            None => writeln!(io::stderr(), "sceau: {} is not present", officer.name).context("cannot write the output")?,
        }
    }
    ensure!(
        count >= WITNESSES,
        "{count} officers have signed, and it takes {WITNESSES}: bring their key files, then `sceau ceremony --continue {}`",
        file.path.display()
    );
    Ok(())
}

/// Asks until the file is the officer's, or none is given.
fn ask_for(tty: &File, officer: &PlannedOfficer) -> anyhow::Result<Option<OfficerKey>> {
    let question = format!("{}, the file of your key (nothing: not present)", officer.name);
    while let Some(path) = terminal::ask(tty, &question)? {
        match key_at(Path::new(&path), officer) {
            Ok(Some(key)) => return Ok(Some(key)),
            Ok(None) => writeln!(&mut &*tty, "{path} is not there").context("cannot write to the terminal")?,
            Err(error) => writeln!(&mut &*tty, "{error:#}").context("cannot write to the terminal")?,
        }
    }
    Ok(None)
}

fn sign_as(name: &Label, key: &OfficerKey, paper: &mut Paper) -> anyhow::Result<()> {
    let chain = paper.chain();
    let present = Line::Present { officer: name.clone(), at: now(), lines: chain.lines(), link: chain.link() };
    let signed = key.sign(Role::Witness, present.to_string());
    paper.write(&[present, Line::Signature(signed.signature)])
}
