//! Two people's judgement, as a worker passes it: what may be done on its token, and why not. Pure.
//!
//! | rule | why |
//! |---|---|
//! | the history leads from the first roster of the worker's own configuration | who asks does not say who the officers are |
//! | a consent that is to be executed counts now, and its roster is the last that the worker has heard of | yesterday's officers do nothing today |
//! | a consent that is history counted when it was signed, under the roster of its number | a key is admitted long after it was made |
//! | the change is about this token, and each id is executed once | nothing is done twice, or elsewhere |
//! | a key that was stopped or destroyed is not admitted | also after a restart |
//!
//! What it cannot see: whether the custody chain holds the proposal. Officers who were removed could date a consent back and
//! have a key admitted that is on the token and that a CSCA certified; they cannot have anything executed.

use super::denial::Denial;
use super::manage::{Admission, CertifiedKey, Management, Stop, Task};
use super::memory::Remembered;
use crate::domain::officers::{Approved, Change, Consent, Generation, KeyKind, KeyName, Label, ProposalId, Roster};
use crate::domain::{Dsc, Kid, NumericDate, PublicKey};

/// Judges what is asked in officers' names.
#[derive(Clone, Debug)]
pub(super) struct Overseer {
    token: String,
    first: Option<Roster>,
}

/// What may be done.
#[derive(Clone, Debug)]
pub(super) enum Allowed {
    /// Once: it is remembered before it is done.
    Once(Order),
    /// As often as it is asked for.
    Request(Generation),
    /// As often as it is asked for.
    Specimen { label: Label, dsc: Box<Dsc>, iat: NumericDate },
}

/// One act, which is done once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) id: ProposalId,
    /// After it the consent is void anyway.
    pub(super) valid_until: NumericDate,
    /// The number of the roster that is in force.
    pub(super) roster: u32,
    pub(super) act: Act,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Generate(Generation),
    Destroy {
        label: Label,
        /// From the certificate, where the officers named the key by it.
        public_key: Option<PublicKey>,
    },
    ChangePin,
    /// A free slot becomes the token; a process of its own does it.
    Initialise,
}

/// A key that may sign certificates.
#[derive(Clone, Debug)]
pub(super) struct Admitted {
    pub(super) label: Label,
    pub(super) dsc: Dsc,
    pub(super) roster: u32,
}

/// A key that may sign nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopped {
    pub(super) kid: Kid,
    pub(super) roster: u32,
}

impl Overseer {
    /// For a token, under the officers of the worker's own configuration.
    pub(super) const fn new(token: String, first: Option<Roster>) -> Self {
        Self { token, first }
    }

    /// Whether what officers agreed on may be done, at an instant.
    pub(super) fn judge(&self, asked: &Management, memory: &Remembered, now: NumericDate) -> Result<Allowed, Denial> {
        let rosters = asked.history.rosters(self.first()?)?;
        match &asked.task {
            Task::Execute => self.once(&rosters, &asked.consent, None, memory, now).map(Allowed::Once),
            Task::ExecuteOn { certification } => {
                self.once(&rosters, &asked.consent, Some(certification), memory, now).map(Allowed::Once)
            }
            Task::Request => self.generated(&asked.consent.judge_when_signed(&rosters)?).map(Allowed::Request),
            Task::Specimen { iat } => {
                let key = certified(&asked.consent, &rosters)?;
                memory.check(&key)?;
                Ok(Allowed::Specimen { label: key.label, dsc: Box::new(key.dsc), iat: *iat })
            }
        }
    }

    /// Whether a key may sign certificates from now on.
    pub(super) fn admit(&self, asked: &Admission, memory: &Remembered) -> Result<Admitted, Denial> {
        let rosters = asked.history.rosters(self.first()?)?;
        let generation = self.generated(&asked.generation.judge_when_signed(&rosters)?)?;
        let key = certified(&asked.certification, &rosters)?;
        if key.label != generation.label {
            return Err(different(&format_args!("the key {}", generation.label), &format_args!("the key {}", key.label)));
        }
        if KeyKind::of(key.dsc.public_key()) != Some(generation.key) {
            return Err(Denial::Kind { wanted: generation.key.name() });
        }
        let activation = asked.activation.judge_when_signed(&rosters)?;
        match activation.change() {
            Change::Activate(activation) if activation.kid == key.dsc.kid() => {}
            Change::Activate(activation) => {
                return Err(different(&format_args!("the DSC {}", activation.kid), &format_args!("the DSC {}", key.dsc.kid())));
            }
            other => return Err(Denial::NotThat { found: other.name(), wanted: "activate" }),
        }
        memory.check(&key)?;
        Ok(Admitted { label: key.label, dsc: key.dsc, roster: last(&rosters) })
    }

    /// Whether a key signs no more from now on. It counts whenever it was signed: it only stops.
    pub(super) fn stop(&self, asked: &Stop) -> Result<Stopped, Denial> {
        let rosters = asked.history.rosters(self.first()?)?;
        let emergency = Consent { proposal: asked.emergency.clone(), approvals: Vec::new() };
        match emergency.judge_when_signed(&rosters)?.change() {
            Change::Compromise { kid, .. } => Ok(Stopped { kid: *kid, roster: last(&rosters) }),
            other => Err(Denial::NotThat { found: other.name(), wanted: "compromise" }),
        }
    }

    fn once(
        &self,
        rosters: &[Roster],
        consent: &Consent,
        certification: Option<&Consent>,
        memory: &Remembered,
        now: NumericDate,
    ) -> Result<Order, Denial> {
        let roster = rosters.last().ok_or(Denial::NoOfficers)?;
        if roster.number() < memory.roster {
            return Err(Denial::OldRoster { given: roster.number(), seen: memory.roster });
        }
        let approved = consent.judge(roster, now)?;
        let act = match approved.change() {
            Change::Generate(_) => Act::Generate(self.generated(&approved)?),
            Change::Destroy(name) => destruction(name, certification.map(|consent| certified(consent, rosters)).transpose()?)?,
            Change::ChangePin { token } => self.check_token(token).map(|()| Act::ChangePin)?,
            Change::InitialiseToken { token } => self.check_token(token).map(|()| Act::Initialise)?,
            other => return Err(Denial::NoTask { change: other.name() }),
        };
        let proposal = approved.proposal();
        Ok(Order { id: proposal.id(), valid_until: proposal.text().valid_until, roster: roster.number(), act })
    }

    fn generated(&self, approved: &Approved) -> Result<Generation, Denial> {
        match approved.change() {
            Change::Generate(generation) => self.check_token(&generation.token).map(|()| generation.clone()),
            other => Err(Denial::NotThat { found: other.name(), wanted: "generate" }),
        }
    }

    fn check_token(&self, wanted: &Label) -> Result<(), Denial> {
        if wanted.as_str() == self.token {
            return Ok(());
        }
        Err(Denial::OtherToken { wanted: wanted.clone(), this: self.token.clone() })
    }

    fn first(&self) -> Result<&Roster, Denial> {
        self.first.as_ref().ok_or(Denial::NoOfficers)
    }
}

impl Act {
    /// The command that proposed it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Generate(_) => "generate",
            Self::Destroy { .. } => "destroy",
            Self::ChangePin => "change_pin",
            Self::Initialise => "initialise_token",
        }
    }
}

fn certified(consent: &Consent, rosters: &[Roster]) -> Result<CertifiedKey, Denial> {
    match consent.judge_when_signed(rosters)?.change() {
        Change::Certify(certification) => CertifiedKey::of(certification),
        other => Err(Denial::NotThat { found: other.name(), wanted: "certify" }),
    }
}

fn destruction(name: &KeyName, certified: Option<CertifiedKey>) -> Result<Act, Denial> {
    match (name, certified) {
        (KeyName::Label(label), _) => Ok(Act::Destroy { label: label.clone(), public_key: None }),
        (KeyName::Kid(kid), Some(key)) if key.dsc.kid() == *kid => {
            Ok(Act::Destroy { label: key.label, public_key: Some(key.dsc.public_key().clone()) })
        }
        (KeyName::Kid(kid), Some(key)) => {
            Err(different(&format_args!("the DSC {kid}"), &format_args!("the DSC {}", key.dsc.kid())))
        }
        (KeyName::Kid(kid), None) => Err(Denial::WhichKey { kid: *kid }),
    }
}

fn different(one: &dyn std::fmt::Display, other: &dyn std::fmt::Display) -> Denial {
    Denial::Different { one: one.to_string(), other: other.to_string() }
}

fn last(rosters: &[Roster]) -> u32 {
    rosters.last().map_or(0, Roster::number)
}

#[cfg(test)]
mod tests;
