//! The token on the desk: how it is reached, and the PINs for it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use secrecy::SecretString;

use super::{PlanFile, terminal};
use crate::custody::ceremony::FileName;
use crate::domain::PublicKey;
use crate::domain::officers::{KeyKind, Label};
use crate::token::pin::check_mode;
use crate::token::probe::{KeyFacts, Probe, TokenFacts, look};
use crate::token::{PinLatch, PinSource, Purpose, TokenAdmin, TokenError, TokenSpec, TypedPin, WantedKey};

/// The one token of a ceremony.
pub(super) struct Desk {
    spec: TokenSpec,
    so_pin: Option<PathBuf>,
    has_pin: bool,
    admin: Option<TokenAdmin>,
}

impl Desk {
    /// Looks at the files of the PINs, and at nothing else.
    pub(super) fn of(file: &PlanFile) -> anyhow::Result<Self> {
        let token = &file.plan.token;
        let place = |name: &Option<FileName>| name.as_ref().map(|name| file.at(name.as_str()));
        let (pin, so_pin) = (place(&token.pin_file), place(&token.so_pin_file));
        for path in [&pin, &so_pin].into_iter().flatten() {
            check_mode(path).map_err(anyhow::Error::msg).with_context(|| format!("the PIN file {}", path.display()))?;
        }
        let spec = TokenSpec {
            name: token.label.to_string(),
            module: file.at(token.module.as_str()),
            label: token.label.to_string(),
            serial: token.serial.as_ref().map(ToString::to_string),
            pin: PinSource::File(pin.clone().unwrap_or_default()),
            new_pin_file: None,
            so_pin_file: None,
            latch: PinLatch::at(file.at(file.plan.transcript.as_str()).with_extension("pin-latch")),
            workers: None,
            sessions: None,
            max_signatures_per_second: None,
            keep_alive: None,
            user: None,
            environment: Vec::new(),
            hang_timeout: Duration::from_secs(10),
            relaxed: Vec::new(),
        };
        Ok(Self { spec, so_pin, has_pin: pin.is_some(), admin: None })
    }

    /// What the token says of itself; nothing where it is not there.
    pub(super) fn look(&self) -> Result<Option<TokenFacts>, TokenError> {
        match look(&self.spec) {
            Ok(facts) => Ok(Some(facts)),
            Err(TokenError::Absent { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn initialise(&mut self) -> anyhow::Result<()> {
        let so_pin = match &self.so_pin {
            Some(path) => PinSource::File(path.clone()).read()?,
            None => terminal::ask_new_pin("PIN of the token's security officer")?,
        };
        if !self.has_pin {
            self.type_pin(terminal::ask_new_pin("user PIN")?);
        }
        Ok(TokenAdmin::init_token(&self.spec, &so_pin)?)
    }

    fn type_pin(&mut self, pin: SecretString) {
        self.spec.pin = PinSource::Typed(TypedPin::new(pin));
        self.has_pin = true;
    }

    /// Logs in, once.
    pub(super) fn admin(&mut self) -> anyhow::Result<&TokenAdmin> {
        if self.admin.is_none() {
            if !self.has_pin {
                self.spec.latch.check()?;
                self.type_pin(terminal::ask_pin(&format!("user PIN of {}", self.spec.label))?);
            }
            let latch = self.spec.latch.path().display().to_string();
            let unlatch =
                || format!("no login to the token; where a PIN was refused, delete {latch} before you try the right one");
            self.admin = Some(TokenAdmin::open(&self.spec).with_context(unlatch)?);
        }
        self.admin.as_ref().context("the token is logged in to")
    }

    pub(super) fn find(&mut self, kind: KeyKind, label: &Label) -> anyhow::Result<Option<PublicKey>> {
        Ok(self.admin()?.find(kind, label.as_str())?)
    }

    /// What the token says of itself, and of a key.
    pub(super) fn facts(&mut self, label: &Label, public_key: &PublicKey) -> anyhow::Result<(TokenFacts, KeyFacts)> {
        self.admin()?;
        let wanted = WantedKey { name: label.to_string(), public_key: public_key.clone(), purpose: Purpose::Certificate };
        let probe = Probe::open(&self.spec, vec![wanted])?;
        let key = probe.keys().first().cloned().context("a key that was wanted is among the keys")?;
        Ok((probe.token().clone(), key))
    }
}

impl Drop for Desk {
    /// What keeps two logins apart is of no use after the last; the latch of a refused PIN stays.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.spec.latch.path().with_extension("pin-lock"));
    }
}
