//! What comes next, as commands that can be copied.

use std::io::{self, Write};

use super::{Scene, command};
use crate::cli::page::line;
use crate::cli::place::PlaceArgs;
use crate::domain::officers::{Change, KeyName, ProposalId};

/// A step: what it is for, and the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) what: String,
    pub(crate) command: String,
}

impl Next {
    /// `sceau` with these words, where this command was asked; then what follows.
    pub(crate) fn of(what: impl Into<String>, place: &PlaceArgs, words: &[&str], rest: &str) -> Self {
        let all = std::iter::once("sceau").chain(words.iter().copied()).map(str::to_owned).chain(place.words());
        let rest = if rest.is_empty() { String::new() } else { format!(" {rest}") };
        Self { what: what.into(), command: format!("{}{rest}", command(all)) }
    }

    pub(crate) fn write(steps: &[Self], out: &mut dyn Write) -> io::Result<()> {
        Self::write_under("Next:", steps, out)
    }

    pub(super) fn write_under(heading: &str, steps: &[Self], out: &mut dyn Write) -> io::Result<()> {
        if steps.is_empty() {
            return Ok(());
        }
        line(out, heading)?;
        steps.iter().try_for_each(|step| {
            line(out, &format!("  {}:", step.what))?;
            line(out, &format!("    {}", step.command))
        })
    }

    pub(crate) fn commands(steps: &[Self]) -> Vec<&str> {
        steps.iter().map(|step| step.command.as_str()).collect()
    }
}

/// Who signs, where this command does not know who that is.
pub(crate) const OTHER: &str = "--officer NAME --officer-key FILE";

/// The step after a proposal.
pub(super) fn approval(id: &str, change: &Change, place: &PlaceArgs) -> Next {
    let check = if matches!(change, Change::Certify(_)) { " --csca csca.pem --trust-list trust-list.json" } else { "" };
    Next::of("another officer reads it, and approves it", place, &["approve", id], &format!("{OTHER}{check}"))
}

/// The steps after a change was executed.
pub(crate) fn then(change: &Change, id: ProposalId, scene: &Scene, place: &PlaceArgs) -> Vec<Next> {
    let which = |kid: &crate::domain::Kid| match scene.label_of(*kid) {
        Some(label) => format!("--label {label}"),
        None => format!("--kid {kid}"),
    };
    let step = |what: &str, words: &[&str], rest: String| Next::of(what, place, words, &rest);
    match change {
        Change::Generate(generation) => {
            let label = &generation.label;
            let after = format!("--label {label} --dsc {label}.pem --csca csca.pem --trust-list trust-list.json {OTHER}");
            vec![
                step("write the request for the CSCA", &["dsc", "csr"], format!("--label {label} --out {label}.csr")),
                step("take the certificate that the CSCA issues", &["dsc", "import"], after),
            ]
        }
        Change::Certify(certification) => {
            let label = &certification.label;
            vec![
                step(
                    "make the upload for the gateway",
                    &["dsc", "publish"],
                    format!("--label {label} --out {label}.upload.cms.b64"),
                ),
                step(
                    "once the gateway lists it, say since when",
                    &["dsc", "publish"],
                    format!("--label {label} --at now {OTHER}"),
                ),
            ]
        }
        Change::Publish { kid, .. } => vec![step(
            "once verifiers have it, let it sign, from an instant that leaves time to approve",
            &["dsc", "activate"],
            format!("{} --at 2024-03-01T00:00:00Z {OTHER}", which(kid)),
        )],
        Change::Activate(activation) => vec![
            step("see that every key signs then", &["dsc", "canary"], format!("--at {}", activation.from)),
            step(
                "retire the key that it takes over from, no sooner than that",
                &["dsc", "retire"],
                format!("--label OLD --at {} {OTHER}", activation.from),
            ),
        ],
        Change::Retire { kid, at } => vec![
            step("see that every key signs then", &["dsc", "canary"], format!("--at {at}")),
            step("destroy its private half, once it is retired", &["dsc", "destroy"], format!("{} {OTHER}", which(kid))),
        ],
        Change::Destroy(KeyName::Kid(kid)) => vec![step("see how it stands", &["dsc", "show"], which(kid))],
        Change::Destroy(KeyName::Label(label)) => vec![step("see how it stands", &["dsc", "show"], format!("--label {label}"))],
        Change::Roster(_) => vec![step("see the officers", &["roster", "show"], String::new())],
        Change::ChangePin { .. } => vec![step("see that it signs", &["token", "status"], String::new())],
        Change::InitialiseToken { token } => vec![
            step("take so_pin_file away, and see that the token opens", &["token", "status"], String::new()),
            step(
                "make keys on it",
                &["dsc", "generate"],
                format!("--token {token} --label LABEL --country CC --common-name 'DSC NAME' {OTHER}"),
            ),
        ],
        Change::Revoke(_) => vec![step("fetch the lists, and upload them", &["revoke"], format!("--fetch {id} --out lists"))],
        // Its command says what was signed, and all that follows.
        Change::Compromise { .. } => Vec::new(),
    }
}
