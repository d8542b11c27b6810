//! Loading a module, and finding a token in it.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::Error;
use cryptoki::slot::{Slot, TokenInfo};

use super::{TokenError, TokenSpec};

/// Modules are loaded once a process and never unloaded: vendor libraries do not survive it.
static LOADED: Mutex<Vec<(PathBuf, Pkcs11)>> = Mutex::new(Vec::new());

/// Loads a module, or gives the one that is loaded already.
pub(super) fn load(path: &Path) -> Result<Pkcs11, TokenError> {
    // Two spellings of one library are one module, which is initialised once. It is loaded as it is spelt: some modules look
    // at their own name.
    let library = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut loaded = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((_, module)) = loaded.iter().find(|(known, _)| *known == library) {
        return Ok(module.clone());
    }
    let failed = |error: Error| TokenError::Module { path: path.to_owned(), reason: reason(&error) };
    let module = Pkcs11::new(path).map_err(failed)?;
    // Only OS locking: without it SoftHSM turns its mutexes off, and we call from many threads.
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(failed)?;
    loaded.push((library, module.clone()));
    Ok(module)
}

/// A code at initialisation is nearly always the module's own configuration, which only its documentation explains.
fn reason(error: &Error) -> String {
    match error {
        Error::Pkcs11(code, function) => {
            format!(
                "{function} gave {code:?}; look at the module's own configuration (SoftHSM: the file that SOFTHSM2_CONF names)"
            )
        }
        other => other.to_string(),
    }
}

/// Finalizes every loaded module; the last thing before a process ends.
///
/// SoftHSM's exit handlers run after OpenSSL's and crash on what is left; nothing is left after `C_Finalize`.
pub fn finalize_modules() {
    let mut loaded = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (path, module) in loaded.drain(..) {
        if let Err(error) = module.finalize() {
            tracing::debug!(module = %path.display(), %error, "the module did not finalize");
        }
    }
}

/// The slot that holds the token of a label (and serial).
///
/// Every slot is asked by itself: a call for all of them fails whole where one foreign slot is broken.
pub(super) fn find_token(module: &Pkcs11, spec: &TokenSpec) -> Result<(Slot, TokenInfo), TokenError> {
    let slots = module.get_slots_with_token().map_err(TokenError::of_call)?;
    let tokens: Vec<(Slot, TokenInfo)> = slots
        .into_iter()
        .filter_map(|slot| Some((slot, module.get_token_info(slot).ok()?)))
        .filter(|(_, info)| info.token_initialized())
        .collect();
    let found = tokens.iter().map(|(_, info)| format!("{} (serial {})", info.label(), info.serial_number())).collect();
    let mut matching = tokens.into_iter().filter(|(_, info)| is_meant(info, spec));
    let token =
        matching.next().ok_or_else(|| TokenError::Absent { label: spec.label.clone(), serial: spec.serial.clone(), found })?;
    match matching.count() {
        0 => Ok(token),
        others => Err(TokenError::Ambiguous { label: spec.label.clone(), count: others + 1 }),
    }
}

fn is_meant(info: &TokenInfo, spec: &TokenSpec) -> bool {
    info.label() == spec.label && spec.serial.as_deref().is_none_or(|serial| serial == info.serial_number())
}
