//! What a token has to see of a key's life, so that it needs to believe nobody: the texts and signatures that carried each step.

use super::{Filed, Key, Register};
use crate::domain::officers::{Change, Consent, Label, RosterHistory, SignedText};

/// Why a key may sign: officers had it made, took its certificate, and put it in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Papers {
    /// How the officers became the officers.
    pub history: RosterHistory,
    /// That the key be made.
    pub generation: Consent,
    /// That this be its certificate.
    pub certification: Consent,
    /// That it sign, when and what.
    pub activation: Consent,
}

/// Why a key may sign no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopOrder {
    /// How the officers became the officers.
    pub history: RosterHistory,
    /// What one officer signed: that the key is compromised.
    pub emergency: SignedText,
}

impl Register {
    /// The papers of a key; nothing where it was not put in use.
    #[must_use]
    pub fn papers(&self, key: &Key) -> Option<Papers> {
        let (label, kid) = (key.label(), key.kid()?);
        let is_its_own = |change: &Change| matches!(change, Change::Activate(activation) if activation.kid == kid);
        Some(Papers {
            history: self.history.clone(),
            generation: self.generation(label)?,
            certification: self.certification(label)?,
            activation: self.done(is_its_own)?.consent(),
        })
    }

    /// What officers signed to have the key of a label made; nothing where it was not.
    #[must_use]
    pub fn generation(&self, label: &Label) -> Option<Consent> {
        let is_its_own = |change: &Change| matches!(change, Change::Generate(generation) if generation.label == *label);
        self.done(is_its_own).map(Filed::consent)
    }

    /// What officers signed to have the certificate of a label's key taken; nothing where it was not.
    #[must_use]
    pub fn certification(&self, label: &Label) -> Option<Consent> {
        let is_its_own = |change: &Change| matches!(change, Change::Certify(certification) if certification.label == *label);
        self.done(is_its_own).map(Filed::consent)
    }

    /// What stops a key that is compromised; nothing for others.
    #[must_use]
    pub fn stop_order(&self, key: &Key) -> Option<StopOrder> {
        let stopped = key.kid().filter(|_| key.compromised_at().is_some())?;
        let filed = self.done(|change| matches!(change, Change::Compromise { kid, .. } if *kid == stopped))?;
        Some(StopOrder { history: self.history.clone(), emergency: filed.proposal().signed().clone() })
    }

    fn done(&self, is_meant: impl Fn(&Change) -> bool) -> Option<&Filed> {
        self.proposals.values().find(|filed| filed.is_carried_out() && is_meant(filed.proposal().change()))
    }
}
