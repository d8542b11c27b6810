//! The officer who signs, held against the roster before anything is signed.

use aws_lc_rs::rand;

use super::args::OfficerArgs;
use super::{Scene, misuse};
use crate::cli::officer::read_key;
use crate::domain::Octets;
use crate::domain::officers::{
    Change, Decision, InvalidText, Label, OfficerKey, Proposal, ProposalId, ProposalText, Verdict, VerdictText,
};

/// An officer with a key.
#[derive(Debug)]
pub(super) struct Signer {
    name: Label,
    key: OfficerKey,
}

impl Signer {
    /// Reads the key.
    ///
    /// # Errors
    /// Nobody is named, the file is no key or open to others, or the roster knows the officer by another key.
    pub(super) fn open(args: &OfficerArgs, scene: &Scene) -> anyhow::Result<Self> {
        let (Some(name), Some(file)) = (&args.officer, &args.officer_key) else {
            return Err(misuse(
                "an officer signs this: --officer NAME and --officer-key FILE, or SCEAU_OFFICER and SCEAU_OFFICER_KEY",
            ));
        };
        let signer = Self { name: name.clone(), key: read_key(file)? };
        let roster = &scene.roster;
        match roster.officer(name) {
            None => {
                let names: Vec<&str> = roster.officers().iter().map(|officer| officer.name.as_str()).collect();
                let (number, names) = (roster.number(), names.join(", "));
                Err(misuse(format!("{name} is no officer of the roster number {number}; there are {names}")))
            }
            Some(officer) if officer.key != signer.key.public() => {
                let file = file.display();
                Err(misuse(format!("the key in {file} is not {name}'s: the roster has {}", officer.key)))
            }
            Some(_) => Ok(signer),
        }
    }

    pub(super) const fn name(&self) -> &Label {
        &self.name
    }

    pub(super) fn propose(&self, text: &ProposalText) -> Result<Proposal, InvalidText> {
        self.key.propose(text)
    }

    /// By the service's clock, upon the head that was seen.
    pub(super) fn judge(&self, scene: &Scene, proposal: ProposalId, decision: Decision) -> Result<Verdict, InvalidText> {
        let (officer, made_at, head) = (self.name.clone(), scene.now, scene.head);
        self.key.judge(&VerdictText { v: VerdictText::VERSION, decision, proposal, officer, made_at, head })
    }
}

/// The text of a proposal: by the service's clock, under its roster, upon its chain's end.
pub(super) fn proposing(scene: &Scene, officer: Label, change: Change, open_for: Option<i64>) -> anyhow::Result<ProposalText> {
    let limit = i64::from(scene.roster.limit_seconds());
    let seconds = open_for.unwrap_or(limit);
    if !(1..=limit).contains(&seconds) {
        return Err(misuse(format!("--open-for: a proposal is open for 1 s to {limit} s, which is the officers' limit")));
    }
    let mut nonce = [0; 16];
    rand::fill(&mut nonce).map_err(|_| anyhow::anyhow!("the random generator does not work"))?;
    Ok(ProposalText {
        v: ProposalText::VERSION,
        change,
        officer,
        made_at: scene.now,
        valid_until: scene.now.plus_seconds(seconds),
        roster: scene.roster.number(),
        head: scene.head,
        nonce: Octets(nonce),
    })
}
