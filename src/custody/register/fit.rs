//! Whether a change fits what there is, and what it would do.

use der::{Decode, Encode};
use x509_cert::Certificate;

use super::key::end_of_validity;
use super::{Contradiction, Effect, Key, Register, State};
use crate::domain::officers::{Activation, Certification, Change, Generation, KeyName, Label};
use crate::domain::{Dsc, KeyUse, NumericDate};

impl Register {
    /// What a change would do, were it in force at an instant; `lead_seconds`: how long it takes to reach every replica.
    ///
    /// # Errors
    /// [`Contradiction`] says why it cannot be.
    pub fn check(&self, change: &Change, now: NumericDate, lead_seconds: u32) -> Result<Effect, Contradiction> {
        // `now` was cut to a whole second: what is a lead after it may be less than a lead away.
        let cut = i64::from(lead_seconds > 0);
        let earliest = now.plus_seconds(i64::from(lead_seconds) + cut);
        match change {
            Change::Generate(generation) => self.check_generate(generation),
            Change::Certify(certification) => self.check_certify(certification, now).map(|(key, dsc)| Effect::certify(key, &dsc)),
            Change::Publish { kid, at } => self.check_publish(KeyName::Kid(*kid), *at, now),
            Change::Activate(activation) => self.check_activate(activation, now, earliest),
            Change::Retire { kid, at } => self.check_retire(KeyName::Kid(*kid), *at, now, earliest),
            Change::Compromise { kid, .. } => self.check_compromise(KeyName::Kid(*kid), now),
            Change::Destroy(name) => self.check_destroy(name, now),
            Change::Roster(change) => Ok(Effect::roster(&self.roster, &self.roster.with(change)?)),
            Change::ChangePin { token } => Ok(Effect::change_pin(token)),
            Change::InitialiseToken { token } => self.check_initialise(token),
            Change::Revoke(revocation) => Ok(Effect::revoke(revocation)),
        }
    }

    fn check_generate(&self, generation: &Generation) -> Result<Effect, Contradiction> {
        if self.keys.contains_key(&generation.label) {
            return Err(Contradiction::LabelTaken { label: generation.label.clone() });
        }
        let (country, name) = (generation.subject.country, &generation.subject.common_name);
        let is_named = |key: &&Key| key.subject().country == country && key.subject().common_name == *name;
        if let Some(key) = self.keys.values().find(is_named) {
            return Err(Contradiction::NameTaken { name: name.to_string(), label: key.label().clone() });
        }
        Ok(Effect::generate(generation))
    }

    pub(super) fn check_certify(&self, certification: &Certification, now: NumericDate) -> Result<(&Key, Dsc), Contradiction> {
        let key = self.named(&KeyName::Label(certification.label.clone()))?;
        require(key, now, "certify", State::Generated, "generated")?;
        let dsc = Dsc::from_der(&certification.certificate)?;
        if dsc.public_key() != key.public_key() {
            return Err(Contradiction::ForeignKey { label: certification.label.clone() });
        }
        if !dsc.allows_signatures() {
            return Err(Contradiction::KeyUsage);
        }
        if dsc.country() != Some(key.subject().country) {
            return Err(Contradiction::Country { found: dsc.country(), asked: key.subject().country });
        }
        if now > dsc.not_after() {
            return Err(Contradiction::Ended { at: dsc.not_after() });
        }
        if self.keys.values().any(|other| other.kid() == Some(dsc.kid())) {
            return Err(Contradiction::KidTaken { kid: dsc.kid() });
        }
        let number = IssuedAs::of(&dsc);
        let is_taken = |other: &&Key| other.dsc().is_some_and(|other| IssuedAs::of(other) == number);
        if let Some(other) = self.keys.values().find(is_taken) {
            return Err(Contradiction::SerialTaken { label: other.label().clone() });
        }
        Ok((key, dsc))
    }

    fn check_publish(&self, name: KeyName, at: NumericDate, now: NumericDate) -> Result<Effect, Contradiction> {
        let (key, dsc) = self.certified(&name)?;
        let is_published = key.published_at().is_some();
        if is_published || key.state(now) != State::Certified {
            let state = if is_published { key.state(now).max(State::Published) } else { key.state(now) };
            return Err(misplaced(key, state, "publish", "certified"));
        }
        if at > dsc.not_after() {
            return Err(Contradiction::Ended { at: dsc.not_after() });
        }
        Ok(Effect::publish(key, at))
    }

    fn check_activate(&self, wanted: &Activation, now: NumericDate, earliest: NumericDate) -> Result<Effect, Contradiction> {
        let (key, dsc) = self.certified(&KeyName::Kid(wanted.kid))?;
        let published = match (key.published_at(), key.used()) {
            (Some(published), None) if key.state(now) < State::Active => published,
            (_, Some(_)) => {
                return Err(misplaced(key, key.state(now).max(State::Active), "activate", "published and not yet activated"));
            }
            _ => return Err(misplaced(key, key.state(now), "activate", "published")),
        };
        check_use(wanted, dsc)?;
        if wanted.from < published {
            return Err(Contradiction::BeforeList { from: wanted.from, published });
        }
        if wanted.from < earliest {
            return Err(Contradiction::TooSoon { at: wanted.from, earliest });
        }
        Ok(Effect::activate(key, wanted, dsc))
    }

    fn check_retire(
        &self,
        name: KeyName,
        at: NumericDate,
        now: NumericDate,
        earliest: NumericDate,
    ) -> Result<Effect, Contradiction> {
        let (key, _) = self.certified(&name)?;
        let used = key.used().filter(|_| key.state(now) <= State::Active);
        let used = used.ok_or_else(|| misplaced(key, key.state(now), "retire", "active, or to be"))?;
        if at >= used.window.to {
            return Err(Contradiction::EndsBefore { label: key.label().clone(), to: used.window.to });
        }
        if at < earliest {
            return Err(Contradiction::TooSoon { at, earliest });
        }
        Ok(Effect::retire(key, at))
    }

    fn check_compromise(&self, name: KeyName, now: NumericDate) -> Result<Effect, Contradiction> {
        let (key, _) = self.certified(&name)?;
        match key.state(now) {
            State::Compromised => Err(misplaced(key, State::Compromised, "compromise", "not")),
            state => Ok(Effect::compromise(key, state)),
        }
    }

    fn check_destroy(&self, name: &KeyName, now: NumericDate) -> Result<Effect, Contradiction> {
        let key = self.named(name)?;
        if key.destroyed_at().is_some() {
            return Err(misplaced(key, State::Destroyed, "destroy", "on its token"));
        }
        let is_stopped = key.state(now) == State::Compromised;
        match key.used().filter(|used| !is_stopped && now < used.window.to) {
            Some(used) => Err(Contradiction::InUse { label: key.label().clone(), to: used.window.to }),
            None => Ok(Effect::destroy(key, key.state(now))),
        }
    }

    fn check_initialise(&self, token: &Label) -> Result<Effect, Contradiction> {
        match self.keys.values().find(|key| key.token() == token && key.destroyed_at().is_none()) {
            Some(key) => Err(Contradiction::TokenInUse { token: token.clone(), label: key.label().clone() }),
            None => Ok(Effect::initialise(token)),
        }
    }

    pub(super) fn named(&self, name: &KeyName) -> Result<&Key, Contradiction> {
        let key = match name {
            KeyName::Label(label) => self.keys.get(label),
            KeyName::Kid(kid) => self.keys.values().find(|key| key.kid() == Some(*kid)),
        };
        key.ok_or_else(|| Contradiction::NoKey { key: name.clone() })
    }

    fn certified(&self, name: &KeyName) -> Result<(&Key, &Dsc), Contradiction> {
        let key = self.named(name)?;
        Ok((key, key.dsc().ok_or_else(|| Contradiction::NoKey { key: name.clone() })?))
    }
}

/// What one CSCA gives to one certificate alone: its name and the serial number, in DER.
#[derive(PartialEq, Eq)]
struct IssuedAs(Option<(Vec<u8>, Vec<u8>)>);

impl IssuedAs {
    fn of(dsc: &Dsc) -> Self {
        let certificate = Certificate::from_der(dsc.der()).ok();
        Self(certificate.and_then(|certificate| {
            let body = certificate.tbs_certificate();
            Some((body.issuer().to_der().ok()?, body.serial_number().as_bytes().to_vec()))
        }))
    }
}

/// What has to hold of a use whatever the register says.
fn check_use(wanted: &Activation, dsc: &Dsc) -> Result<(), Contradiction> {
    let (from, to) = (wanted.from, wanted.to.unwrap_or_else(|| end_of_validity(dsc)));
    if from < dsc.not_before() || from > dsc.not_after() {
        return Err(Contradiction::OutsideValidity { from, not_before: dsc.not_before(), not_after: dsc.not_after() });
    }
    if to <= from {
        return Err(Contradiction::EmptyWindow { from, to });
    }
    if wanted.types.and(dsc.types()) != wanted.types {
        return Err(Contradiction::Types { asked: wanted.types, allowed: dsc.types() });
    }
    if !KeyUse::WEIGHTS.contains(&wanted.weight) {
        return Err(Contradiction::Weight { weight: wanted.weight });
    }
    Ok(())
}

fn require(key: &Key, now: NumericDate, change: &'static str, wanted: State, name: &'static str) -> Result<(), Contradiction> {
    let state = key.state(now);
    if state == wanted { Ok(()) } else { Err(misplaced(key, state, change, name)) }
}

fn misplaced(key: &Key, state: State, change: &'static str, wanted: &'static str) -> Contradiction {
    Contradiction::State { label: key.label().clone(), state, change, wanted }
}
