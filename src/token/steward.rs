//! The worker's hands for officers: it does what the overseer allows, on a session of its own beside those that sign.
//!
//! An act is noted before it is begun. A worker that dies in between leaves what it did on the token; whoever asks again under
//! the same consent hears what came of it, and what can be ended is ended.

use std::path::Path;
use std::sync::{Arc, Mutex};

use secrecy::ExposeSecret;

use super::denial::Denial;
use super::keys::OpenKey;
use super::manage::{Admission, Managed, Management, Stop};
use super::memory::{Memory, Progress};
use super::overseer::{Act, Allowed, Order, Overseer};
use super::queue::lock;
use super::thread::Sessions;
use super::{PinSource, Purpose, TokenAdmin, TokenError, TokenKey, TokenSpec, WantedKey, proof};
use crate::domain::officers::{GeneratedKey, Generation, KeyKind, Label, Roster};
use crate::domain::{Clock, Dsc, NumericDate, PublicKey, SignatureCheck};
use crate::encode::csr;
use crate::encode::specimen::Specimen;

/// What a worker has for officers.
#[derive(Debug)]
pub(super) struct Steward {
    overseer: Overseer,
    memory: Memory,
    spec: TokenSpec,
    sessions: Arc<Sessions>,
    clock: Arc<dyn Clock>,
    /// One act at a time, and one key taken in at a time beside it: so many sessions the token has left.
    acting: Mutex<()>,
    admitting: Mutex<()>,
}

impl Steward {
    pub(super) fn new(spec: &TokenSpec, sessions: &Arc<Sessions>, first: Option<Roster>, clock: Arc<dyn Clock>) -> Self {
        Self {
            overseer: Overseer::new(spec.name.clone(), first),
            memory: Memory::beside(&spec.latch),
            spec: spec.clone(),
            sessions: Arc::clone(sessions),
            clock,
            acting: Mutex::default(),
            admitting: Mutex::default(),
        }
    }

    /// Does what officers agreed on.
    pub(super) fn manage(&self, asked: &Management) -> Result<Managed, TokenError> {
        let _acting = lock(&self.acting);
        let allowed = self.overseer.judge(asked, &self.memory.read()?, self.clock.now())?;
        let admin = self.sessions.login.admin()?;
        match allowed {
            Allowed::Once(order) => self.execute(&order, &admin),
            Allowed::Request(generation) => {
                let key = made(&admin, &generation)?.ok_or(Denial::Unfinished { change: "generate" })?;
                request(&admin, &key, &generation).map(|request| Managed::Requested { request })
            }
            Allowed::Specimen { label, dsc, iat } => specimen(&admin, &label, &dsc, iat),
        }
    }

    /// Takes a key in among those that sign certificates, when it has proven itself.
    pub(super) fn admit(&self, place: TokenKey, asked: &Admission) -> Result<(), TokenError> {
        let _admitting = lock(&self.admitting);
        let admitted = self.overseer.admit(asked, &self.memory.read()?)?;
        let (kid, public_key) = (admitted.dsc.kid(), admitted.dsc.public_key().clone());
        let name = kid.to_string();
        let about = |error: TokenError| error.about(&name);
        let key = OpenKey::new(WantedKey { name: name.clone(), public_key, purpose: Purpose::Certificate }, true)?;
        let admin = self.sessions.login.admin()?;
        check_label(&admin, &admitted.label, &key.wanted.public_key).map_err(about)?;
        admin.check_attributes(&key.wanted.public_key, &self.spec.relaxed).map_err(about)?;
        let signature = admin.sign(&key.wanted.public_key, proof::digest()).map_err(about)?;
        key.proof.accept(&signature).map_err(about)?;
        // Another worker may have heard meanwhile that it is stopped.
        let kept = self.memory.update(|memory| {
            memory.see(admitted.roster);
            if memory.is_stopped(&name) { Err(Denial::Stopped { kid }.into()) } else { Ok(()) }
        });
        kept?;
        self.sessions.keys.admit(place, key)?;
        // One that came between the memory and the list is not lost.
        let memory = self.memory.read()?;
        self.sessions.keys.stop(|key| memory.is_stopped(&key.name));
        tracing::info!(token = self.spec.name, %kid, label = %admitted.label, "officers have the key sign");
        Ok(())
    }

    /// Has a key sign no more: at once, and then for good.
    pub(super) fn stop(&self, asked: &Stop) -> Result<(), TokenError> {
        let stopped = self.overseer.stop(asked)?;
        let name = stopped.kid.to_string();
        self.sessions.keys.stop(|key| key.name == name);
        let was_stopped = self.memory.update(|memory| {
            memory.see(stopped.roster);
            let was_stopped = memory.is_stopped(&name);
            memory.stop(stopped.kid);
            Ok(was_stopped)
        });
        // Every start hears it again, and that wakes nobody.
        if matches!(was_stopped, Ok(true)) {
            tracing::info!(token = self.spec.name, kid = name, "the key stays stopped, as an officer said");
        } else {
            tracing::error!(token = self.spec.name, kid = name, "ALARM: an officer stopped the key; it signs no more");
        }
        was_stopped.map(drop)
    }

    fn execute(&self, order: &Order, admin: &TokenAdmin) -> Result<Managed, TokenError> {
        let begun = self.memory.read()?.progress(order.id);
        let done = match begun {
            Progress::New => {
                self.check(order, admin)?;
                let begun = self.begin(order)?;
                if begun == Progress::New { self.act(order, admin)? } else { self.resume(order, begun, admin)? }
            }
            begun => self.resume(order, begun, admin)?,
        };
        self.memory.update(|memory| {
            memory.finish(order.id);
            Ok(())
        })?;
        if order.act == Act::ChangePin {
            self.forget_new_pin();
        }
        Ok(done)
    }

    /// What can be found out before anything is noted, so that a mistake costs no consent.
    fn check(&self, order: &Order, admin: &TokenAdmin) -> Result<(), TokenError> {
        match &order.act {
            Act::Generate(generation) => {
                if self.memory.read()?.is_destroyed(&generation.label) {
                    return Err(Denial::Destroyed { label: generation.label.clone() }.into());
                }
                let label = generation.label.as_str();
                if admin.is_free(label)? { Ok(()) } else { Err(TokenError::KeyExists { label: label.to_owned() }) }
            }
            Act::Destroy { label, public_key } => {
                let found = admin.find_pair(label.as_str())?.ok_or(TokenError::KeyAbsent { what: "key of that label" })?;
                match public_key {
                    Some(wanted) if *wanted != found => {
                        Err(TokenError::KeyAbsent { what: "key of that label with the certificate's public key" })
                    }
                    _ => Ok(()),
                }
            }
            Act::ChangePin => self.new_pin().map(drop),
            Act::Initialise => Err(Denial::Initialise.into()),
        }
    }

    /// Notes that the act begins, unless another worker has.
    fn begin(&self, order: &Order) -> Result<Progress, TokenError> {
        let now = self.clock.now();
        self.memory.update(|memory| {
            let progress = memory.progress(order.id);
            if progress == Progress::New {
                memory.begin(order, now);
            }
            Ok(progress)
        })
    }

    fn act(&self, order: &Order, admin: &TokenAdmin) -> Result<Managed, TokenError> {
        tracing::warn!(token = self.spec.name, proposal = %order.id, change = order.act.name(), "officers agreed on a change; it is done");
        match &order.act {
            Act::Generate(generation) => self.generate(generation, admin),
            Act::Destroy { label, public_key } => self.destroy(label, public_key.as_ref(), admin),
            Act::ChangePin => self.change_pin(admin),
            Act::Initialise => Err(Denial::Initialise.into()),
        }
    }

    /// What came of an act that was begun before; it is ended where that is possible.
    fn resume(&self, order: &Order, begun: Progress, admin: &TokenAdmin) -> Result<Managed, TokenError> {
        let change = order.act.name();
        match &order.act {
            Act::Generate(generation) => {
                let key = made(admin, generation)?.ok_or(Denial::Unfinished { change })?;
                generated(admin, key, generation)
            }
            Act::Destroy { label, public_key } => match admin.find_public_half(label.as_str())? {
                None => Ok(Managed::Destroyed),
                Some(_) if begun == Progress::Begun => self.destroy(label, public_key.as_ref(), admin),
                // Somebody made another key with the label since, without officers.
                Some(_) => Err(Denial::Unfinished { change }.into()),
            },
            Act::ChangePin if begun == Progress::Done => Ok(Managed::PinChanged),
            Act::ChangePin => self.resume_pin(admin),
            Act::Initialise => Err(Denial::Initialise.into()),
        }
    }

    fn generate(&self, generation: &Generation, admin: &TokenAdmin) -> Result<Managed, TokenError> {
        let key = admin.generate(generation.key, generation.label.as_str())?;
        if let Err(error) = admin.check_attributes(&key, &self.spec.relaxed) {
            admin.destroy(generation.label.as_str(), &key)?;
            return Err(error.about(generation.label.as_str()));
        }
        generated(admin, key, generation)
    }

    fn destroy(&self, label: &Label, public_key: Option<&PublicKey>, admin: &TokenAdmin) -> Result<Managed, TokenError> {
        let found = admin.find_public_half(label.as_str())?;
        let key = public_key.cloned().or(found).ok_or(TokenError::KeyAbsent { what: "key of that label" })?;
        // First, so that no session reaches for what goes.
        self.sessions.keys.stop(|open| open.public_key == key);
        admin.destroy(label.as_str(), &key)?;
        Ok(Managed::Destroyed)
    }

    /// The new PIN is beside the old one before the token hears of it; no login is tried meanwhile.
    fn change_pin(&self, admin: &TokenAdmin) -> Result<Managed, TokenError> {
        let new = self.new_pin()?;
        let _alone = self.spec.latch.alone()?;
        let old = self.spec.pin.read()?;
        self.spec.pin.begin_change(&new)?;
        if let Err(error) = admin.change_pin(&old, &new) {
            // Where the token has refused, it has the old PIN. Else nobody knows, and the next login finds out.
            if is_refused(&error) {
                self.spec.pin.drop_pending()?;
            }
            if is_wrong_pin(&error) {
                self.spec.latch.refused()?;
            }
            return Err(error);
        }
        self.spec.pin.settle()?;
        Ok(Managed::PinChanged)
    }

    fn resume_pin(&self, admin: &TokenAdmin) -> Result<Managed, TokenError> {
        let unfinished = || Denial::Unfinished { change: Act::ChangePin.name() }.into();
        let _alone = self.spec.latch.alone()?;
        if let Some(new) = self.spec.pin.pending()? {
            // The token takes the new PIN as the old one only where it has it.
            match admin.change_pin(&new, &new) {
                Ok(()) => {}
                Err(error) if is_wrong_pin(&error) => admin.change_pin(&self.spec.pin.read()?, &new)?,
                Err(error) => return Err(error),
            }
            self.spec.pin.settle()?;
            return Ok(Managed::PinChanged);
        }
        // A login has found out which PIN the token has, and put it in its place.
        let file = self.spec.new_pin_file.as_ref().ok_or_else(unfinished)?;
        let (new, now) = (PinSource::File(file.clone()).read()?, self.spec.pin.read()?);
        if new.expose_secret() == now.expose_secret() { Ok(Managed::PinChanged) } else { Err(unfinished()) }
    }

    fn new_pin(&self) -> Result<secrecy::SecretString, TokenError> {
        let not = |reason: &str| TokenError::PinNotChanged { place: "new_pin_file".to_owned(), reason: reason.to_owned() };
        let file = self.spec.new_pin_file.as_ref();
        let file = file.ok_or_else(|| not("the token has none in the configuration; it is where officers put the new PIN"))?;
        let new = PinSource::File(file.clone()).read()?;
        if matches!(self.spec.pin, PinSource::Variable(_)) {
            return Err(not("the token's PIN is in an environment variable, which no worker can change; keep it in a pin_file"));
        }
        if new.expose_secret() == self.spec.pin.read()?.expose_secret() {
            return Err(not("it holds the PIN that is in force already"));
        }
        Ok(new)
    }

    fn forget_new_pin(&self) {
        let remove = |file: &Path| std::fs::remove_file(file).map_err(|error| (file.to_owned(), error));
        if let Some(Err((file, error))) = self.spec.new_pin_file.as_deref().map(remove)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(file = %file.display(), %error, "the PIN was changed, and its second copy cannot be removed: remove it");
        }
    }
}

/// The key that a generation made, where it has.
fn made(admin: &TokenAdmin, generation: &Generation) -> Result<Option<PublicKey>, TokenError> {
    let found = admin.find_pair(generation.label.as_str())?;
    if found.as_ref().is_some_and(|key| KeyKind::of(key) != Some(generation.key)) {
        return Err(TokenError::KeyExists { label: generation.label.to_string() });
    }
    Ok(found)
}

fn generated(admin: &TokenAdmin, key: PublicKey, generation: &Generation) -> Result<Managed, TokenError> {
    let request = request(admin, &key, generation)?;
    let key = GeneratedKey::of(&key).ok_or_else(|| TokenError::Request { reason: "the exponent is not 65537".to_owned() })?;
    Ok(Managed::Generated { key, request })
}

/// The request is checked with the public key, so that it proves the new key too.
fn request(admin: &TokenAdmin, key: &PublicKey, generation: &Generation) -> Result<Vec<u8>, TokenError> {
    let refused = |error: csr::CsrError| TokenError::Request { reason: error.to_string() };
    let subject = csr::Subject {
        country: generation.subject.country,
        organization: generation.subject.organization.as_ref().map(|words| words.as_str().to_owned()),
        unit: None,
        common_name: generation.subject.common_name.as_str().to_owned(),
        serial_number: None,
    };
    let draft = csr::to_be_signed(key, &subject, generation.types).map_err(refused)?;
    let signature = admin.sign(key, &draft.digest())?;
    draft.finish(&signature).and_then(|request| request.to_der()).map_err(refused)
}

fn specimen(admin: &TokenAdmin, label: &Label, dsc: &Dsc, iat: NumericDate) -> Result<Managed, TokenError> {
    check_label(admin, label, dsc.public_key())?;
    let digest = Specimen::of(dsc, iat).digest();
    let signature = admin.sign(dsc.public_key(), &digest)?;
    if SignatureCheck::new(dsc.public_key())?.accepts(&digest, signature.as_bytes()) {
        return Ok(Managed::Specimen { signature });
    }
    Err(TokenError::BadSignature)
}

/// The key of the certificate is the one with the label that officers agreed on.
fn check_label(admin: &TokenAdmin, label: &Label, public_key: &PublicKey) -> Result<(), TokenError> {
    match admin.find_pair(label.as_str())? {
        Some(found) if found == *public_key => Ok(()),
        _ => Err(TokenError::KeyAbsent { what: "key of that label with the certificate's public key" }),
    }
}

fn is_wrong_pin(error: &TokenError) -> bool {
    matches!(error, TokenError::Call { code, .. } if super::login::is_refusal(*code))
        && !matches!(error, TokenError::Call { code, .. } if super::login::is_form(*code))
}

fn is_refused(error: &TokenError) -> bool {
    matches!(error, TokenError::Call { code, .. } if super::login::is_refusal(*code))
}
