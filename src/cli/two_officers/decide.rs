//! The way of a verdict: the proposal's own text is read and checked here, shown, agreed to, signed, filed.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::ask::ask;
use super::next::{Next, approval, then};
use super::propose::write_checked;
use super::signer::Signer;
use super::view::{hex_id, proposal_state, read_proposal, read_signed, to_wire};
use super::{Checked, Desk, Scene, SigningArgs, misuse, proposal_json, tell};
use crate::cli::page::{fields, line};
use crate::cli::place::PlaceArgs;
use crate::domain::officers::{Change, Decision, Proposal, Verdict};
use crate::service::proto::v1;

/// What became of a proposal.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) proposal: Proposal,
    pub(crate) answer: v1::DecideResponse,
    pub(crate) next: Vec<Next>,
    /// Nothing was signed.
    is_dry: bool,
}

/// Approves a proposal.
pub(crate) fn approve(args: &SigningArgs, desk: &mut Desk, id: &str, against: Option<Checked>) -> anyhow::Result<Decided> {
    let (told, proposal) = read_open(desk, id, &[v1::ProposalState::Open])?;
    show(&mut io::stderr(), &desk.scene, &told, &proposal)?;
    if let Change::Certify(certification) = proposal.change() {
        match &against {
            Some(checked) => {
                let warnings = checked.check(certification, &desk.scene)?;
                write_checked(&mut io::stderr(), checked, &warnings)?;
            }
            None => {
                line(&mut io::stderr(), "NOT CHECKED against a CSCA on this machine: --csca FILE --trust-list FILE does that.")?
            }
        }
    } else if against.is_some() {
        return Err(misuse("--csca is for the approval of a certificate; this proposal is about something else"));
    }
    let import = against.as_ref().map(Checked::to_wire);
    sign(args, desk, told, proposal, (Decision::Approve, "Sign and approve?"), import)
}

/// Rejects a proposal, which ends it.
pub(crate) fn reject(args: &SigningArgs, desk: &mut Desk, id: &str) -> anyhow::Result<Decided> {
    let (told, proposal) = read_open(desk, id, &[v1::ProposalState::Open, v1::ProposalState::Approved])?;
    show(&mut io::stderr(), &desk.scene, &told, &proposal)?;
    sign(args, desk, told, proposal, (Decision::Reject, "Sign and reject? That ends it."), None)
}

fn sign(
    args: &SigningArgs,
    desk: &mut Desk,
    told: v1::CustodyProposal,
    proposal: Proposal,
    (decision, question): (Decision, &str),
    import: Option<v1::ImportCheck>,
) -> anyhow::Result<Decided> {
    if args.dry_run {
        // A verdict that was signed counts wherever it goes; a dry run makes none.
        let answer = v1::DecideResponse { proposal: Some(told), ..Default::default() };
        return Ok(Decided { proposal, answer, next: Vec::new(), is_dry: true });
    }
    let signer = Signer::open(&args.officer, &desk.scene)?;
    if decision == Decision::Approve {
        refuse_in_vain(&told, signer.name().as_str())?;
    }
    ask(question, args.yes)?;
    let verdict = signer.judge(&desk.scene, proposal.id(), decision)?;
    let request = v1::DecideRequest { verdict: Some(to_wire(verdict.signed())), dry_run: false, import };
    let answer = desk.decide(request)?;
    Ok(decided(&desk.scene, &args.place, proposal, answer))
}

/// What an answer comes to.
pub(crate) fn decided(scene: &Scene, place: &PlaceArgs, proposal: Proposal, answer: v1::DecideResponse) -> Decided {
    let state = answer.proposal.as_ref().map(v1::CustodyProposal::state).unwrap_or_default();
    let id = proposal.id().to_string();
    let next = match state {
        v1::ProposalState::Executed => then(proposal.change(), proposal.id(), scene, place),
        v1::ProposalState::Approved => vec![Next::of("have it executed", place, &["execute", &id], "")],
        v1::ProposalState::Open => vec![approval(&id, proposal.change(), place)],
        _ => Vec::new(),
    };
    Decided { proposal, answer, next, is_dry: false }
}

/// Reads the proposal that is meant, in a state that may be decided on, from its signed text, and checks every signature under the
/// roster.
fn read_open(desk: &Desk, id: &str, right: &[v1::ProposalState]) -> anyhow::Result<(v1::CustodyProposal, Proposal)> {
    let told = desk.scene.proposal(id)?;
    let proposal = read_proposal(told)?;
    if !right.contains(&told.state()) {
        let state = proposal_state(told.state());
        let hint = match told.state() {
            v1::ProposalState::Approved => ": `sceau execute` has it done",
            v1::ProposalState::Void => ": the officers have changed since; propose it anew",
            v1::ProposalState::Expired => ": propose it anew",
            _ => "",
        };
        let reason = told.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
        return Err(misuse(format!("the proposal {} is {state}{reason}{hint}", proposal.id())));
    }
    check_signatures(&desk.scene, told, &proposal)?;
    Ok((told.clone(), proposal))
}

fn check_signatures(scene: &Scene, told: &v1::CustodyProposal, proposal: &Proposal) -> anyhow::Result<()> {
    scene.roster.check_proposal(proposal, scene.now)?;
    for signed in &told.approvals {
        let verdict = Verdict::read(read_signed(signed)?)?;
        scene.roster.check_verdict(proposal, &verdict, scene.now)?;
    }
    Ok(())
}

/// The rules that can be seen to be broken before anything is signed.
fn refuse_in_vain(told: &v1::CustodyProposal, officer: &str) -> anyhow::Result<()> {
    if told.officer == officer {
        return Err(misuse(format!("{officer} proposed it; another officer approves it")));
    }
    if told.approvers.iter().any(|name| name == officer) {
        return Err(misuse(format!("{officer} has approved it already; each officer counts once")));
    }
    match &told.contradiction {
        Some(contradiction) => Err(misuse(format!("it cannot be done any more: {contradiction}; it can be rejected"))),
        None => Ok(()),
    }
}

/// All that an officer reads before signing.
fn show(out: &mut dyn Write, scene: &Scene, told: &v1::CustodyProposal, proposal: &Proposal) -> io::Result<()> {
    let (text, what) = (proposal.text(), tell(proposal.change(), scene));
    line(out, &format!("{} proposed, at {}:", text.officer, text.made_at))?;
    line(out, "")?;
    line(out, &format!("  {}", what.headline))?;
    fields(out, &what.facts)?;
    line(out, "")?;
    let approvers = if told.approvers.is_empty() { "nobody yet".to_owned() } else { told.approvers.join(", ") };
    let mut facts = vec![
        ("proposal", proposal.id().to_string()),
        ("signatures", "each is its officer's, under the roster that the service shows".to_owned()),
        ("approved by", format!("{approvers}; {} needed", told.needed)),
        ("open until", text.valid_until.to_string()),
        ("made upon", format!("record {} of the custody chain", text.head.seq)),
    ];
    if let Some(effect) = &told.effect {
        facts.push(("the service says", effect.will.clone()));
    }
    if let Some(contradiction) = &told.contradiction {
        facts.push(("IT CANNOT BE DONE", contradiction.clone()));
    }
    fields(out, &facts)
}

impl Decided {
    /// Whether what was agreed on was tried, and is not done: it failed, or waits to be tried again.
    pub(crate) fn is_left_undone(&self) -> bool {
        let waits = self.state() == v1::ProposalState::Approved && self.answer.pending_because.is_some();
        waits || self.state() == v1::ProposalState::Failed
    }

    fn state(&self) -> v1::ProposalState {
        self.answer.proposal.as_ref().map(v1::CustodyProposal::state).unwrap_or_default()
    }

    pub(crate) fn tell(&self, scene: &Scene, json: bool, out: &mut dyn Write) -> io::Result<()> {
        if json {
            return writeln!(out, "{:#}", self.json(scene));
        }
        if self.is_dry {
            return line(out, "Nothing was signed, and nothing has changed.");
        }
        let told = self.answer.proposal.clone().unwrap_or_default();
        let headline = tell(self.proposal.change(), scene).headline;
        line(out, &format!("{}: {headline}", proposal_state(self.state())))?;
        match self.state() {
            v1::ProposalState::Open => {
                line(out, &format!("  {} of {} approvals: {}", told.approvers.len(), told.needed, told.approvers.join(", ")))?;
            }
            v1::ProposalState::Approved => {
                let because = self.answer.pending_because.as_deref().unwrap_or("nobody has tried yet");
                line(out, &format!("  it waits to be executed: {because}"))?;
            }
            v1::ProposalState::Failed => {
                line(out, &format!("  {}", told.reason.as_deref().unwrap_or("nobody says why")))?;
                line(out, "  nothing has changed; propose it anew once that is put right")?;
            }
            _ => {}
        }
        Next::write(&self.next, out)
    }

    fn json(&self, scene: &Scene) -> Value {
        let executed = self.answer.executed.as_ref().map(|executed| {
            json!({
                "next": executed.next,
                "label": executed.label,
                "certificate_request": executed.certificate_request.as_ref().map(|der| {
                    use base64::Engine;
                    base64::engine::general_purpose::STANDARD.encode(der)
                }),
                "certificates_revoked": executed.revocation.as_ref().map(|summary| summary.certificates),
            })
        });
        json!({
            "proposal": self.answer.proposal.as_ref().map(|told| proposal_json(told, scene)),
            "dry_run": self.is_dry,
            "head": self.answer.head.as_ref().map(|head| json!({ "seq": head.seq, "link": hex_id(&head.link) })),
            "executed": executed,
            "pending_because": self.answer.pending_because,
            "next": Next::commands(&self.next),
        })
    }
}
