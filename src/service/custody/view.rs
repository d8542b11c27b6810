//! The register, as officers see it.

use crate::custody::office::{Canary, Carried, Decided, Office, Proposed, Specimen};
use crate::custody::register::{Effect, End, Filed, Key, Register, State, Use};
use crate::domain::officers::{ChainHead, Officer, Outcome, Proposal, Refusal, Roster, SignedText};
use crate::domain::{CertificateType, CertificateTypes, NumericDate};
use crate::ledger::index::Tally;
use crate::ledger::record::Head;
use crate::service::proto::v1;

use super::convert::revoked_summary;

/// The register at an instant.
pub(super) struct View<'a> {
    pub(super) office: &'a Office,
    pub(super) register: &'a Register,
    pub(super) now: NumericDate,
}

impl View<'_> {
    /// Everything; `at`: the instant at which states are judged.
    pub(super) fn whole(&self, at: NumericDate, with_ended: bool) -> v1::ShowCustodyResponse {
        let mut filed: Vec<(&Filed, v1::ProposalState)> =
            self.register.proposals().map(|filed| (filed, self.state(filed))).collect();
        filed.retain(|(_, state)| with_ended || is_open(*state));
        filed.sort_by_key(|(filed, state)| {
            let (text, id) = (filed.proposal().text(), filed.proposal().id());
            (!is_open(*state), if is_open(*state) { text.valid_until.seconds() } else { filed.follows().cast_signed() }, id)
        });
        v1::ShowCustodyResponse {
            now: self.now.seconds(),
            head: Some(chain_head(self.register.head())),
            lead_seconds: u32::try_from(self.office.lead().as_secs()).unwrap_or(u32::MAX),
            roster: Some(roster(self.register.roster())),
            keys: self.register.keys().map(|key| self.key(key, at)).collect(),
            proposals: filed.into_iter().map(|(filed, _)| self.proposal(filed)).collect(),
        }
    }

    fn key(&self, key: &Key, at: NumericDate) -> v1::CustodyKey {
        let (subject, dsc) = (key.subject(), key.dsc());
        v1::CustodyKey {
            label: key.label().to_string(),
            token: key.token().to_string(),
            key: key.kind().name().to_owned(),
            state: key_state(Some(key.state(at))).into(),
            generated_at: key.generated_at().seconds(),
            country: subject.country.to_string(),
            organization: subject.organization.as_ref().map(ToString::to_string),
            common_name: subject.common_name.to_string(),
            types_asked_for: types(key.types_asked_for()),
            certificate: dsc.map(|dsc| dsc.der().to_vec().into()),
            kid: dsc.map(|dsc| dsc.kid().as_bytes().to_vec().into()),
            not_before: dsc.map(|dsc| dsc.not_before().seconds()),
            not_after: dsc.map(|dsc| dsc.not_after().seconds()),
            published_at: key.published_at().map(NumericDate::seconds),
            r#use: key.used().map(key_use),
            destroyed_at: key.destroyed_at().map(NumericDate::seconds),
            compromised_at: key.compromised_at().map(NumericDate::seconds),
            is_here: self.office.has_token(key.token()),
        }
    }

    /// A proposal, as it stands now.
    pub(super) fn proposal(&self, filed: &Filed) -> v1::CustodyProposal {
        let (proposal, state) = (filed.proposal(), self.state(filed));
        let checked = is_open(state).then(|| self.register.check(proposal.change(), self.now, lead(self.office)));
        let (effect, contradiction) = match checked {
            Some(Ok(effect)) => (Some(self::effect(effect)), None),
            Some(Err(contradiction)) => (None, Some(contradiction.to_string())),
            None => (None, None),
        };
        let reason = match filed.end() {
            Some(End::Executed(Outcome::Failed { reason })) => Some(reason.to_string()),
            Some(End::Rejected { by }) => Some(format!("{by} rejected it")),
            _ => None,
        };
        v1::CustodyProposal {
            id: proposal.id().0.as_ref().to_vec().into(),
            state: state.into(),
            command: proposal.change().name().to_owned(),
            signed: Some(signed_text(proposal.signed())),
            officer: proposal.text().officer.to_string(),
            approvals: filed.approvals().iter().map(|approval| signed_text(approval.signed())).collect(),
            approvers: filed.approvals().iter().map(|approval| approval.text().officer.to_string()).collect(),
            needed: self.register.roster().approvals_needed(proposal),
            valid_until: proposal.text().valid_until.seconds(),
            effect,
            contradiction,
            reason,
        }
    }

    fn state(&self, filed: &Filed) -> v1::ProposalState {
        match filed.end() {
            Some(End::Executed(Outcome::Failed { .. })) => v1::ProposalState::Failed,
            Some(End::Executed(_)) => v1::ProposalState::Executed,
            Some(End::Rejected { .. }) => v1::ProposalState::Rejected,
            None => self.open_state(filed.proposal(), filed.approvals().len()),
        }
    }

    fn open_state(&self, proposal: &Proposal, approvals: usize) -> v1::ProposalState {
        let roster = self.register.roster();
        match roster.check_proposal(proposal, self.now) {
            Ok(()) if approvals as u64 >= u64::from(roster.approvals_needed(proposal)) => v1::ProposalState::Approved,
            Err(Refusal::Expired { .. }) => v1::ProposalState::Expired,
            Err(Refusal::RosterChanged { .. } | Refusal::Unknown { .. }) => v1::ProposalState::Void,
            // Where our clock is behind the officer's, it is open all the same.
            Ok(()) | Err(_) => v1::ProposalState::Open,
        }
    }
}

fn lead(office: &Office) -> u32 {
    u32::try_from(office.lead().as_secs()).unwrap_or(u32::MAX)
}

const fn is_open(state: v1::ProposalState) -> bool {
    matches!(state, v1::ProposalState::Open | v1::ProposalState::Approved)
}

/// What was proposed.
pub(super) fn proposed(proposed: Proposed) -> v1::ProposeResponse {
    let Proposed { id, effect, approvals_needed, head, warnings } = proposed;
    v1::ProposeResponse {
        id: id.0.as_ref().to_vec().into(),
        effect: Some(self::effect(effect)),
        approvals_needed,
        head: head.map(ledger_head),
        warnings: warnings.iter().map(ToString::to_string).collect(),
    }
}

/// What became of a proposal.
pub(super) fn decided(office: &Office, decided: Decided) -> v1::DecideResponse {
    let Decided { register, head, id, done, pending_because } = decided;
    let view = View { office, register: &register, now: office.now() };
    v1::DecideResponse {
        proposal: register.proposal(id).map(|filed| view.proposal(filed)),
        head: Some(ledger_head(head)),
        executed: done.map(executed),
        pending_because,
    }
}

fn executed(carried: Carried) -> v1::Executed {
    let Carried { key, next, request, revoked } = carried;
    v1::Executed {
        next: next.to_owned(),
        certificate_request: request.map(Into::into),
        revocation: revoked.map(revoked_summary),
        label: key.map(|key| key.to_string()),
    }
}

/// What came of specimens.
pub(super) fn canary(canary: Canary) -> v1::CanaryResponse {
    let result = |Specimen { label, kid, token, fault }: Specimen| v1::CanaryResult {
        label: label.to_string(),
        kid: kid.as_bytes().to_vec().into(),
        token: token.to_string(),
        is_good: fault.is_none(),
        reason: fault,
    };
    v1::CanaryResponse {
        at: canary.at.seconds(),
        results: canary.specimens.into_iter().map(result).collect(),
        uncovered_types: canary.uncovered.into_iter().map(|kind| kind.key().to_owned()).collect(),
    }
}

/// How much was signed.
pub(super) fn signed(tally: &Tally) -> v1::CountSignedResponse {
    let count = |kind: CertificateType| {
        let place = CertificateType::ALL.iter().position(|known| *known == kind);
        place.and_then(|place| tally.counts.get(place)).copied().unwrap_or_default()
    };
    v1::CountSignedResponse {
        certificates: tally.certificates(),
        vaccinations: count(CertificateType::Vaccination),
        tests: count(CertificateType::Test),
        recoveries: count(CertificateType::Recovery),
        first_at: tally.first_at.map(NumericDate::seconds),
        last_at: tally.last_at.map(NumericDate::seconds),
        expires_at: tally.expires_at.map(NumericDate::seconds),
    }
}

fn effect(effect: Effect) -> v1::ChangeEffect {
    let Effect { key, before, after, will, next } = effect;
    v1::ChangeEffect {
        label: key.map(|key| key.to_string()),
        before: key_state(before).into(),
        after: key_state(after).into(),
        will,
        next: next.to_owned(),
    }
}

const fn key_state(state: Option<State>) -> v1::KeyState {
    match state {
        None => v1::KeyState::Unspecified,
        Some(State::Generated) => v1::KeyState::Generated,
        Some(State::Certified) => v1::KeyState::Certified,
        Some(State::Published) => v1::KeyState::Published,
        Some(State::Active) => v1::KeyState::Active,
        Some(State::Retired) => v1::KeyState::Retired,
        Some(State::Destroyed) => v1::KeyState::Destroyed,
        Some(State::Compromised) => v1::KeyState::Compromised,
    }
}

fn key_use(used: &Use) -> v1::KeyUse {
    let Use { window, types: signed, weight } = used;
    let weight = u32::from(*weight);
    v1::KeyUse { from: window.from.seconds(), to: window.to.seconds(), types: types(*signed), weight }
}

fn types(types: CertificateTypes) -> Vec<String> {
    types.iter().map(|kind| kind.key().to_owned()).collect()
}

fn roster(roster: &Roster) -> v1::CustodyRoster {
    let officer = |officer: &Officer| v1::CustodyOfficer { name: officer.name.to_string(), key: officer.key.to_string() };
    v1::CustodyRoster {
        number: roster.number(),
        quorum: roster.quorum(),
        limit_seconds: roster.limit_seconds(),
        officers: roster.officers().iter().map(officer).collect(),
    }
}

fn signed_text(signed: &SignedText) -> v1::SignedText {
    v1::SignedText { text: signed.text.clone(), signature: signed.signature.as_ref().to_vec().into() }
}

fn chain_head(head: ChainHead) -> v1::CustodyHead {
    v1::CustodyHead { seq: head.seq, link: head.link.as_ref().to_vec().into() }
}

fn ledger_head(head: Head) -> v1::CustodyHead {
    chain_head(ChainHead { seq: head.seq, link: head.link })
}
