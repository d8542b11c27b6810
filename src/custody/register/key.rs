//! One key: what happened to it, and what state that makes at an instant.

use std::fmt;

use crate::domain::officers::{Activation, Generation, KeyKind, Label, Subject};
use crate::domain::{CertificateTypes, Dsc, Kid, NumericDate, PublicKey};

pub use crate::domain::{KeyUse as Use, Window};

/// Where a key is in its life. It goes forward only, one or several steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// A token made it.
    Generated,
    /// A CSCA certified it.
    Certified,
    /// Its certificate is on the trust list.
    Published,
    /// It signs.
    Active,
    /// It signs no more; what it signed is valid.
    Retired,
    /// The token has forgotten it; what it signed is valid.
    Destroyed,
    /// It signs no more, and what it signed is in doubt.
    Compromised,
}

impl State {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Certified => "certified",
            Self::Published => "published",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Destroyed => "destroyed",
            Self::Compromised => "compromised",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A key of the register.
#[derive(Clone, Debug)]
pub struct Key {
    generation: Generation,
    public_key: PublicKey,
    generated_at: NumericDate,
    dsc: Option<Dsc>,
    published_at: Option<NumericDate>,
    used: Option<Use>,
    destroyed_at: Option<NumericDate>,
    compromised_at: Option<NumericDate>,
}

impl Key {
    pub(super) const fn new(generation: Generation, public_key: PublicKey, generated_at: NumericDate) -> Self {
        Self {
            generation,
            public_key,
            generated_at,
            dsc: None,
            published_at: None,
            used: None,
            destroyed_at: None,
            compromised_at: None,
        }
    }

    /// Its label on the token.
    #[must_use]
    pub const fn label(&self) -> &Label {
        &self.generation.label
    }

    /// The name of its token in the configuration.
    #[must_use]
    pub const fn token(&self) -> &Label {
        &self.generation.token
    }

    /// What kind of key it is.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.generation.key
    }

    /// The subject that its certificate is asked for with.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.generation.subject
    }

    /// The types that its certificate is asked for with.
    #[must_use]
    pub const fn types_asked_for(&self) -> CertificateTypes {
        self.generation.types
    }

    /// Its public half.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// When it was made.
    #[must_use]
    pub const fn generated_at(&self) -> NumericDate {
        self.generated_at
    }

    /// Its certificate, from [`State::Certified`] on.
    #[must_use]
    pub const fn dsc(&self) -> Option<&Dsc> {
        self.dsc.as_ref()
    }

    /// Its certificate's kid.
    #[must_use]
    pub fn kid(&self) -> Option<Kid> {
        self.dsc.as_ref().map(Dsc::kid)
    }

    /// From when on its certificate is on the trust list.
    #[must_use]
    pub const fn published_at(&self) -> Option<NumericDate> {
        self.published_at
    }

    /// What it is used for, once it was activated.
    #[must_use]
    pub const fn used(&self) -> Option<&Use> {
        self.used.as_ref()
    }

    /// When it was destroyed; a key may be compromised and destroyed, both.
    #[must_use]
    pub const fn destroyed_at(&self) -> Option<NumericDate> {
        self.destroyed_at
    }

    /// When it was stopped as compromised.
    #[must_use]
    pub const fn compromised_at(&self) -> Option<NumericDate> {
        self.compromised_at
    }

    /// The state at an instant, as the register knows it now. A stop counts for every instant, one before it too: nothing is
    /// signed with an earlier `iat` either.
    #[must_use]
    pub fn state(&self, at: NumericDate) -> State {
        if self.compromised_at.is_some() {
            return State::Compromised;
        }
        if self.destroyed_at.is_some() {
            return State::Destroyed;
        }
        match (&self.dsc, &self.used) {
            (None, _) => State::Generated,
            (Some(_), Some(used)) if at >= used.window.to => State::Retired,
            (Some(_), Some(used)) if at >= used.window.from => State::Active,
            (Some(_), _) if self.published_at.is_some_and(|published| at >= published) => State::Published,
            (Some(_), _) => State::Certified,
        }
    }

    /// What it is used for at an instant, where it is active then.
    pub(super) fn in_force(&self, iat: NumericDate) -> Option<&Use> {
        let used = self.used.as_ref().filter(|used| used.window.contains(iat));
        used.filter(|_| self.state(iat) == State::Active)
    }

    pub(super) fn certify(&mut self, dsc: Dsc) {
        self.dsc = Some(dsc);
    }

    pub(super) const fn publish(&mut self, at: NumericDate) {
        self.published_at = Some(at);
    }

    pub(super) fn activate(&mut self, activation: &Activation) {
        let end = self.dsc.as_ref().map_or(activation.from, end_of_validity);
        let to = activation.to.map_or(end, |to| to.min(end));
        let window = Window { from: activation.from, to };
        self.used = Some(Use { window, types: activation.types, weight: activation.weight });
    }

    pub(super) fn retire(&mut self, at: NumericDate) {
        if let Some(used) = &mut self.used {
            used.window.to = used.window.to.min(at);
        }
    }

    pub(super) const fn destroy(&mut self, at: NumericDate) {
        self.destroyed_at = Some(at);
    }

    pub(super) const fn compromise(&mut self, at: NumericDate) {
        self.compromised_at = Some(at);
    }
}

/// The first instant at which a certificate is not valid: X.509 has its `notAfter` inclusive, in whole seconds.
pub(super) fn end_of_validity(dsc: &Dsc) -> NumericDate {
    dsc.not_after().plus_seconds(1)
}
