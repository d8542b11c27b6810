//! A token with a key: logged in, with its sessions open.

use std::fs;

use anyhow::{Context, bail, ensure};
use cryptoki_sys::{CK_SLOT_ID, CKA_CLASS, CKA_KEY_TYPE, CKA_LABEL, CKO_PRIVATE_KEY};

use crate::Arguments;
use crate::mechanism::Mechanism;
use crate::module::{Attribute, KeyHandle, Module, SessionHandle};

/// Its sessions can sign.
pub(crate) struct Token {
    module: Module,
    mechanism: Mechanism,
    key: KeyHandle,
    sessions: Vec<SessionHandle>,
}

/// One session, for one thread.
pub(crate) struct Signing<'a> {
    token: &'a Token,
    session: SessionHandle,
}

impl Token {
    /// Opens a token with so many sessions.
    ///
    /// # Errors
    /// Whatever is not as the arguments say.
    pub(crate) fn open(arguments: &Arguments, sessions: u16) -> anyhow::Result<Self> {
        let module = Module::load(&arguments.module)?;
        let slot = slot_of(module, &arguments.label)?;
        let sessions = (0..sessions).map(|_| module.open_session(slot)).collect::<Result<Vec<_>, _>>()?;
        let first = *sessions.first().context("0 sessions sign nothing: 1 or more would be right")?;
        let file = &arguments.pin_file;
        let pin = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        module.log_in(first, pin.lines().next().unwrap_or_default())?;
        let key = find_key(module, first, arguments)?;
        Ok(Self { module, mechanism: arguments.mechanism, key, sessions })
    }

    pub(crate) fn sessions(&self) -> impl Iterator<Item = Signing<'_>> {
        self.sessions.iter().map(|session| Signing { token: self, session: *session })
    }

    /// Closes all that was opened.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        self.module.finalize()
    }
}

impl Signing<'_> {
    /// One signature.
    pub(crate) fn sign(&self, digest: &[u8; 32]) -> anyhow::Result<()> {
        let Token { module, mechanism, key, .. } = self.token;
        ensure!(module.sign(self.session, *mechanism, *key, digest)? >= 64, "C_Sign gave less than 64 bytes");
        Ok(())
    }
}

fn slot_of(module: Module, label: &str) -> anyhow::Result<CK_SLOT_ID> {
    let mut labels = Vec::new();
    for slot in module.slots()? {
        match module.label(slot)? {
            found if found == label => return Ok(slot),
            other => labels.push(other),
        }
    }
    bail!("no token has the label {label:?}; there are {labels:?}")
}

fn find_key(module: Module, session: SessionHandle, arguments: &Arguments) -> anyhow::Result<KeyHandle> {
    let mut attributes =
        vec![(CKA_CLASS, Attribute::Number(CKO_PRIVATE_KEY)), (CKA_KEY_TYPE, Attribute::Number(arguments.mechanism.key_type()))];
    if let Some(label) = &arguments.key_label {
        attributes.push((CKA_LABEL, Attribute::Bytes(label.as_bytes())));
    }
    let mechanism = arguments.mechanism;
    module.find(session, &attributes)?.with_context(|| match &arguments.key_label {
        Some(label) => format!("no private key for {mechanism:?} has the label {label:?}"),
        None => format!("the token has no private key for {mechanism:?}"),
    })
}
