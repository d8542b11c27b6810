//! The login of a process to a token: once, by one anchor session that never signs.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki::context::{Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Limit, Slot, TokenInfo};

use super::{Disposition, TokenAdmin, TokenError, TokenSpec, module};

/// Keeps a process logged in. Closing the last session would log it out, so one stays open.
#[derive(Debug)]
pub(super) struct Login {
    module: Pkcs11,
    slot: Slot,
    spec: TokenSpec,
    anchor: Mutex<Anchor>,
}

#[derive(Debug)]
enum Anchor {
    Session(Session),
    /// A PIN was refused: no login is tried again in this process.
    Latched(TokenError),
}

impl Login {
    /// Finds the token and logs in.
    pub(super) fn open(spec: &TokenSpec) -> Result<Self, TokenError> {
        let module = module::load(&spec.module)?;
        let (slot, info) = module::find_token(&module, spec)?;
        let session = open_session(&module, slot)?;
        log_in(&session, &info, spec)?;
        Ok(Self { module, slot, spec: spec.clone(), anchor: Mutex::new(Anchor::Session(session)) })
    }

    /// How many sessions the token allows, where it says so.
    pub(super) fn most_sessions(&self) -> Result<Option<u64>, TokenError> {
        let info = self.module.get_token_info(self.slot).map_err(TokenError::of_call)?;
        Ok(match info.max_session_count() {
            Limit::Max(most) => Some(most),
            Limit::Infinite | Limit::Unavailable => None,
        })
    }

    /// Opens one more session, and logs in again where the login went with the sessions before it: without one the private
    /// keys do not show, and no call says why.
    pub(super) fn session(&self) -> Result<Session, TokenError> {
        let session = open_session(&self.module, self.slot)?;
        if !is_logged_in(&session) {
            self.renew()?;
        }
        Ok(session)
    }

    /// Opens a session that may change what is on the token, for officers' work; it is closed after.
    pub(super) fn admin(&self) -> Result<TokenAdmin, TokenError> {
        let session = self.module.open_rw_session(self.slot).map_err(TokenError::of_call)?;
        if !is_logged_in(&session) {
            self.renew()?;
        }
        Ok(TokenAdmin::on(session))
    }

    /// Logs in again where the login is gone; one caller at a time, and at most one refused PIN.
    pub(super) fn renew(&self) -> Result<(), TokenError> {
        let mut anchor = self.anchor();
        if let Anchor::Latched(error) = &*anchor {
            return Err(error.clone());
        }
        if let Anchor::Session(session) = &*anchor
            && is_logged_in(session)
        {
            return Ok(());
        }
        let session = open_session(&self.module, self.slot)?;
        let info = self.module.get_token_info(self.slot).map_err(TokenError::of_call)?;
        match log_in(&session, &info, &self.spec) {
            Ok(()) => *anchor = Anchor::Session(session),
            // A PIN file that is away for a moment has cost the token no try.
            Err(error) if error.disposition() == Disposition::LatchPin && !matches!(error, TokenError::PinUnreadable { .. }) => {
                *anchor = Anchor::Latched(error.clone());
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn anchor(&self) -> MutexGuard<'_, Anchor> {
        self.anchor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A read-only session, all that signing needs; read-write where the module knows no other (AWS CloudHSM, Client SDK 5).
fn open_session(module: &Pkcs11, slot: Slot) -> Result<Session, TokenError> {
    match module.open_ro_session(slot) {
        Err(Error::Pkcs11(RvError::FunctionFailed, Function::OpenSession)) => module.open_rw_session(slot),
        opened => opened,
    }
    .map_err(TokenError::of_call)
}

fn is_logged_in(session: &Session) -> bool {
    let state = session.get_session_info().map(|info| info.session_state());
    matches!(state, Ok(SessionState::RoUser | SessionState::RwUser))
}

/// Tries the PIN once, and only where the token's flags do not say that it would be the last try.
pub(super) fn log_in(session: &Session, info: &TokenInfo, spec: &TokenSpec) -> Result<(), TokenError> {
    if info.user_pin_locked() {
        return Err(TokenError::PinAtRisk { reason: "the user PIN is locked" });
    }
    if info.user_pin_final_try() {
        return Err(TokenError::PinAtRisk { reason: "the next wrong PIN locks the token" });
    }
    let _alone = spec.latch.alone()?;
    let pin = spec.pin.read()?;
    spec.latch.begin(info.user_pin_count_low())?;
    // A change of the PIN was cut off: the token has the new one or the old one, and one try tells.
    if let Some(new) = spec.pin.pending()? {
        let tried = session.login(UserType::User, Some(&new));
        if !matches!(tried, Err(Error::Pkcs11(code, Function::Login)) if is_refusal(code)) {
            spec.latch.clear();
            tried.map_err(TokenError::of_call)?;
            return spec.pin.settle();
        }
        spec.pin.drop_pending()?;
    }
    let tried = session.login(UserType::User, Some(&pin));
    if let Err(Error::Pkcs11(code, Function::Login)) = tried
        && is_refusal(code)
    {
        spec.latch.refused()?;
        return Err(TokenError::PinRefused { code });
    }
    spec.latch.clear();
    match tried {
        // The process is logged in already, by another user of the same module.
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, Function::Login)) => Ok(()),
        Err(error) => Err(TokenError::of_call(error)),
    }
}

pub(super) const fn is_refusal(code: RvError) -> bool {
    matches!(code, RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange | RvError::PinLocked | RvError::PinExpired)
}

/// Whether a code is about a new PIN that has not the token's form, and not about the one in force.
pub(super) const fn is_form(code: RvError) -> bool {
    matches!(code, RvError::PinInvalid | RvError::PinLenRange)
}
