//! The way of a proposal: judged by the service, shown, agreed to, signed, filed.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::ask::ask;
use super::next::{Next, approval, then};
use super::signer::{Signer, proposing};
use super::view::{effect_json, hex_id, instant, to_wire};
use super::{Checked, Desk, ProposingArgs, tell};
use crate::cli::page::{fields, line};
use crate::domain::officers::{ChainHead, Change, Label, ProposalId, ProposalText};
use crate::service::proto::v1;

/// What an officer wants to have done.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) change: Change,
    /// What a certificate was checked against, and what is unusual about it.
    pub(crate) checked: Option<(Checked, Vec<String>)>,
}

impl Wish {
    pub(crate) const fn of(change: Change) -> Self {
        Self { change, checked: None }
    }
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Proposed {
    pub(crate) answer: v1::ProposeResponse,
    pub(crate) text: ProposalText,
    /// Absent in a dry run, in which nothing is signed.
    pub(crate) id: Option<ProposalId>,
    pub(crate) next: Vec<Next>,
}

/// Has a change judged, shows it, asks, signs, and files it.
pub(crate) fn propose(args: &ProposingArgs, desk: &mut Desk, wish: Wish) -> anyhow::Result<Proposed> {
    let signing = &args.signing;
    let signer = if signing.dry_run { None } else { Some(Signer::open(&signing.officer, &desk.scene)?) };
    // Nobody signs a dry run; the text wants a name all the same.
    let unsigned = || Label::try_from("nobody".to_owned()).expect("it is a name");
    let name = signer.as_ref().map(Signer::name).or(signing.officer.officer.as_ref()).cloned().unwrap_or_else(unsigned);
    let text = proposing(&desk.scene, name, wish.change, args.open_for)?;
    let import = wish.checked.as_ref().map(|(checked, _)| checked.to_wire());
    let to_try = v1::SignedText { text: text.to_text(), signature: Vec::new().into() };
    let tried = desk.propose(v1::ProposeRequest { proposal: Some(to_try), dry_run: true, import: import.clone() })?;
    let Some(signer) = signer else {
        return Ok(Proposed { answer: tried, text, id: None, next: Vec::new() });
    };
    show(&mut io::stderr(), desk, &text, &tried, wish.checked.as_ref())?;
    let is_emergency = text.change.is_emergency();
    ask(if is_emergency { "Sign, and stop the key now?" } else { "Sign and propose?" }, signing.yes)?;
    let proposal = signer.propose(&text)?;
    let request = v1::ProposeRequest { proposal: Some(to_wire(proposal.signed())), dry_run: false, import };
    let answer = desk.propose(request)?;
    let id = proposal.id();
    let mut next = then(&text.change, id, &desk.scene, &signing.place);
    if !is_emergency {
        next.insert(0, approval(&id.to_string(), &text.change, &signing.place));
    }
    Ok(Proposed { answer, text, id: Some(id), next })
}

/// All that an officer reads before signing.
fn show(
    out: &mut dyn Write,
    desk: &Desk,
    text: &ProposalText,
    tried: &v1::ProposeResponse,
    checked: Option<&(Checked, Vec<String>)>,
) -> io::Result<()> {
    let told = tell(&text.change, &desk.scene);
    line(out, &format!("{} signs, to propose:", text.officer))?;
    line(out, "")?;
    line(out, &format!("  {}", told.headline))?;
    fields(out, &told.facts)?;
    line(out, "")?;
    if let Some((checked, warnings)) = checked {
        write_checked(out, checked, warnings)?;
    }
    for warning in &tried.warnings {
        if checked.is_none_or(|(_, here)| !here.contains(warning)) {
            line(out, &format!("UNUSUAL: {warning}"))?;
        }
    }
    let effect = tried.effect.clone().unwrap_or_default();
    line(out, &format!("What will happen: {}.", effect.will))?;
    line(out, &format!("What comes next:  {}.", effect.next))?;
    line(out, &format!("Who else:         {}.", who_else(desk, text, tried.approvals_needed)))
}

/// How a certificate stood up to the checks on this machine.
pub(super) fn write_checked(out: &mut dyn Write, checked: &Checked, warnings: &[String]) -> io::Result<()> {
    let list = if checked.has_list() {
        ", and its kid is free in the trust list"
    } else {
        "; no trust list was looked at (--trust-list)"
    };
    line(out, &format!("Checked on this machine: issued by a CSCA that you gave, for this key's country and types{list}."))?;
    warnings.iter().try_for_each(|warning| line(out, &format!("UNUSUAL: {warning}")))
}

fn who_else(desk: &Desk, text: &ProposalText, needed: u32) -> String {
    if needed == 0 {
        return "nobody: one officer may stop a key, and it is on record as an emergency".to_owned();
    }
    let others: Vec<&str> = desk
        .scene
        .roster
        .officers()
        .iter()
        .map(|officer| officer.name.as_str())
        .filter(|name| *name != text.officer.as_str())
        .collect();
    format!("{needed} of {}, who approve it before {}", others.join(", "), text.valid_until)
}

/// Prints what became of a proposal.
pub(crate) fn tell_proposed(args: &ProposingArgs, desk: &Desk, proposed: &Proposed, out: &mut dyn Write) -> io::Result<()> {
    if args.signing.json {
        return writeln!(out, "{:#}", proposed_json(proposed));
    }
    let Some(id) = proposed.id else {
        let told = tell(&proposed.text.change, &desk.scene);
        line(out, &told.headline)?;
        fields(out, &told.facts)?;
        proposed.answer.warnings.iter().try_for_each(|warning| line(out, &format!("UNUSUAL: {warning}")))?;
        let effect = proposed.answer.effect.clone().unwrap_or_default();
        line(out, &format!("What would happen: {}.", effect.will))?;
        line(out, &format!("What comes next:   {}.", effect.next))?;
        line(out, &format!("Who else:          {}.", who_else(desk, &proposed.text, proposed.answer.approvals_needed)))?;
        return line(out, "Nothing was signed, and nothing has changed.");
    };
    if proposed.answer.approvals_needed == 0 {
        line(out, &format!("done, by one officer alone: {id}"))?;
        return Next::write(&proposed.next, out);
    }
    line(out, &format!("proposed, until {}: {id}", proposed.text.valid_until))?;
    let (now, later) = proposed.next.split_at(1.min(proposed.next.len()));
    Next::write(now, out)?;
    Next::write_under("Once it is approved:", later, out)
}

/// The same for programs.
pub(crate) fn proposed_json(proposed: &Proposed) -> Value {
    let text = &proposed.text;
    let head = |head: &v1::CustodyHead| json!({ "seq": head.seq, "link": hex_id(&head.link) });
    let ChainHead { seq, link } = text.head;
    json!({
        "proposal": proposed.id,
        "command": text.change.name(),
        "text": serde_json::to_value(text).unwrap_or_default(),
        "dry_run": proposed.id.is_none(),
        "effect": proposed.answer.effect.as_ref().map(effect_json),
        "approvals_needed": proposed.answer.approvals_needed,
        "valid_until": instant(text.valid_until.seconds()),
        "warnings": proposed.answer.warnings,
        "seen_head": { "seq": seq, "link": link },
        "head": proposed.answer.head.as_ref().map(head),
        "next": Next::commands(&proposed.next),
    })
}
