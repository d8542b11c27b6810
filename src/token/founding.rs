//! A free slot becomes a token, in two steps that the module cannot do as one: the SO PIN, then the user PIN.

use cryptoki::context::{Function, Pkcs11};
use cryptoki::error::Error;
use cryptoki::session::UserType;
use cryptoki::slot::{Slot, TokenInfo};
use secrecy::{ExposeSecret, SecretString};

use super::login::{is_form, is_refusal};
use super::{TokenError, TokenSpec, module};

/// A token that is to be, with its PINs.
pub(super) struct Founding<'a> {
    module: Pkcs11,
    spec: &'a TokenSpec,
    so_pin: &'a SecretString,
    pin: &'a SecretString,
}

impl<'a> Founding<'a> {
    pub(super) fn new(spec: &'a TokenSpec, so_pin: &'a SecretString, pin: &'a SecretString) -> Result<Self, TokenError> {
        Ok(Self { module: module::load(&spec.module)?, spec, so_pin, pin })
    }

    /// What can be found out before anything is done: that no token has the label, that a slot is free, and that the PINs fit it.
    pub(super) fn check(&self) -> Result<(), TokenError> {
        match module::find_token(&self.module, self.spec) {
            Ok((_, info)) => {
                let (label, serial) = (self.spec.label.clone(), info.serial_number().to_owned());
                return Err(TokenError::TokenExists { label, serial });
            }
            Err(TokenError::Absent { .. }) => {}
            Err(error) => return Err(error),
        }
        let (_, info) = self.free_slot()?;
        // Some modules say nothing of a token that is not there yet.
        if info.max_pin_length() == 0 {
            return Ok(());
        }
        let fitting = info.min_pin_length()..=info.max_pin_length();
        let pins = [("SO PIN", self.so_pin), ("user PIN", self.pin)];
        match pins.into_iter().find(|(_, pin)| !fitting.contains(&pin.expose_secret().len())) {
            None => Ok(()),
            Some((which, _)) => {
                let (least, most) = (fitting.start(), fitting.end());
                Err(self.not(format_args!("the {which} has to have {least} to {most} bytes")))
            }
        }
    }

    /// Makes the token.
    pub(super) fn begin(&self) -> Result<(), TokenError> {
        let (slot, _) = self.free_slot()?;
        match self.module.init_token(slot, self.so_pin, &self.spec.label) {
            Err(Error::Pkcs11(code, Function::InitToken)) if is_form(code) => {
                return Err(self.not(format_args!("it does not take the SO PIN's form (C_InitToken gave {code:?})")));
            }
            done => done.map_err(TokenError::of_call)?,
        }
        let (slot, info) = module::find_token(&self.module, self.spec)?;
        self.set_user_pin(slot, &info)
    }

    /// Goes on where it was cut off.
    pub(super) fn finish(&self) -> Result<(), TokenError> {
        match module::find_token(&self.module, self.spec) {
            Ok((_, info)) if info.user_pin_initialized() => Ok(()),
            Ok((slot, info)) => self.set_user_pin(slot, &info),
            Err(TokenError::Absent { .. }) => self.begin(),
            Err(error) => Err(error),
        }
    }

    /// The SO PIN is tried once: one that is refused latches, as a user's does.
    fn set_user_pin(&self, slot: Slot, info: &TokenInfo) -> Result<(), TokenError> {
        if info.so_pin_locked() {
            return Err(TokenError::PinAtRisk { reason: "the SO PIN is locked" });
        }
        if info.so_pin_final_try() {
            return Err(TokenError::PinAtRisk { reason: "the next wrong SO PIN locks the token" });
        }
        let (session, latch) = (self.module.open_rw_session(slot).map_err(TokenError::of_call)?, &self.spec.latch);
        latch.begin(info.so_pin_count_low())?;
        let tried = session.login(UserType::So, Some(self.so_pin));
        if let Err(Error::Pkcs11(code, Function::Login)) = tried
            && is_refusal(code)
        {
            latch.refused()?;
            return Err(TokenError::PinRefused { code });
        }
        latch.clear();
        tried.map_err(TokenError::of_call)?;
        match session.init_pin(self.pin) {
            Err(Error::Pkcs11(code, Function::InitPIN)) if is_form(code) => {
                return Err(self.not(format_args!("it does not take the user PIN's form (C_InitPIN gave {code:?})")));
            }
            done => done.map_err(TokenError::of_call)?,
        }
        session.logout().map_err(TokenError::of_call)
    }

    /// A slot whose module says that nothing was ever written to it.
    fn free_slot(&self) -> Result<(Slot, TokenInfo), TokenError> {
        let slots = self.module.get_slots_with_token().map_err(TokenError::of_call)?;
        let mut found = Vec::new();
        for slot in slots {
            match self.module.get_token_info(slot) {
                Ok(info) if !info.token_initialized() => return Ok((slot, info)),
                Ok(info) => found.push(info.label().to_owned()),
                // A foreign slot that is broken is none that is free.
                Err(_) => {}
            }
        }
        Err(TokenError::NoFreeSlot { found })
    }

    fn not(&self, reason: impl std::fmt::Display) -> TokenError {
        TokenError::NotInitialised { token: self.spec.name.clone(), reason: reason.to_string() }
    }
}
