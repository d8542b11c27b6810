//! `sceau ceremony --dry-run`: what will happen.

use std::io::{self, Write};
use std::process::ExitCode;

use super::PlanFile;
use super::room::may_come_later;
use super::steps::subject_text;
use crate::custody::ceremony::{PlannedKey, Step, WITNESSES};
use crate::domain::CertificateTypes;

pub(super) fn dry_run(file: &PlanFile) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let plan = &file.plan;
    let token = &plan.token;
    writeln!(out, "{}", plan.title)?;
    writeln!(out, "  plan        {}, sha256 {}", file.path.display(), hex::encode(file.digest.as_bytes()))?;
    writeln!(
        out,
        "  transcript  {}{}",
        plan.transcript,
        state(file, plan.transcript.as_str(), "is there: --continue goes on with it")
    )?;
    let serial = token.serial.as_ref().map(|serial| format!(", serial {serial}")).unwrap_or_default();
    writeln!(out, "  token       {}{serial}, behind {}", token.label, token.module)?;
    let initialises = plan.steps.iter().any(|step| matches!(step, Step::Initialise {}));
    let asked = "asked for on the terminal";
    writeln!(out, "  user PIN    {}", token.pin_file.as_ref().map_or_else(|| asked.to_owned(), |name| format!("from {name}")))?;
    if initialises {
        writeln!(
            out,
            "  SO PIN      {}",
            token.so_pin_file.as_ref().map_or_else(|| asked.to_owned(), |name| format!("from {name}"))
        )?;
    }
    writeln!(out, "\nOfficers, of whom {WITNESSES} at least sign at the end, and at each pause:")?;
    for officer in &plan.officers {
        let key = officer.key_file.as_ref().map_or_else(
            || "the file of the key is asked for".to_owned(),
            |name| format!("key in {name}{}", absence(file, name.as_str(), "NOT THERE: not present")),
        );
        writeln!(out, "  {}: {key}", officer.name)?;
        writeln!(out, "    {}", officer.key)?;
    }
    writeln!(out, "\nSteps, in this order:")?;
    for (number, step) in (1..).zip(&plan.steps) {
        writeln!(out, "  {number}. {step}")?;
        step_details(&mut out, file, step)?;
    }
    writeln!(out, "\nNothing was done.")?;
    Ok(ExitCode::SUCCESS)
}

fn step_details(out: &mut impl Write, file: &PlanFile, step: &Step) -> io::Result<()> {
    let key: Option<&PlannedKey> = step.key().and_then(|label| file.plan.key(label));
    match (step, key) {
        (Step::Initialise {}, _) => {
            writeln!(out, "     a free slot becomes the token, with both PINs; refused where one of its label is there")?
        }
        (Step::Generate { .. }, Some(key)) => {
            writeln!(out, "     {}; private, sensitive, never extractable; refused where one of its label is there", key.kind)?;
        }
        (Step::Request { .. }, Some(key)) => {
            writeln!(out, "     {}; for {}; signed by the key", subject_text(key), types_text(key))?
        }
        (Step::Import { .. }, Some(key)) => {
            writeln!(
                out,
                "     held against the token's key, C={}, {}, the CSCAs and the known kids",
                key.subject.country,
                types_text(key)
            )?;
        }
        (Step::Attest { .. }, _) => writeln!(out, "     reads the token's facts and the key's attributes, and has it sign")?,
        (Step::Roster { approvals, valid_hours, .. }, _) => {
            writeln!(out, "     [custody] with the officers above, approvals = {approvals}, valid_hours = {valid_hours}")?;
        }
        _ => {}
    }
    for name in step.inputs() {
        let absent = if may_come_later(&file.plan, name) { "not there yet: the ceremony pauses for it" } else { "NOT THERE" };
        writeln!(out, "     reads {name}{}", absence(file, name.as_str(), absent))?;
    }
    let is_there = "IS THERE: nothing is overwritten, so move it away";
    step.out().map_or(Ok(()), |name| writeln!(out, "     writes {name}{}", state(file, name.as_str(), is_there)))
}

fn types_text(key: &PlannedKey) -> String {
    if key.types == CertificateTypes::ANY { "any type".to_owned() } else { key.types.to_string() }
}

fn state(file: &PlanFile, name: &str, if_there: &str) -> String {
    if file.at(name).exists() { format!(" ({if_there})") } else { String::new() }
}

fn absence(file: &PlanFile, name: &str, if_absent: &str) -> String {
    if file.at(name).exists() { String::new() } else { format!(" ({if_absent})") }
}
