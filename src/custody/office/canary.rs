//! The canary: every key that is to sign at an instant signs a specimen before, which is verified and thrown away.

use std::sync::Arc;

use super::Office;
use super::error::OfficeError;
use crate::custody::publish;
use crate::custody::register::{End, InForce, Key, Misfit, Register};
use crate::custody::revocation::Remade;
use crate::domain::officers::{KeyName, Label, Outcome, ProposalId};
use crate::domain::{CertificateType, CertificateTypes, Dsc, Kid, NumericDate, SignatureCheck};
use crate::encode::cms::SignedMessage;
use crate::encode::specimen::Specimen as ToSign;
use crate::token::{Managed, Management, Task};

/// What came of the specimens.
#[derive(Clone, Debug)]
pub struct Canary {
    /// The instant.
    pub at: NumericDate,
    /// One a key.
    pub specimens: Vec<Specimen>,
    /// What no key of the register is to sign then.
    pub uncovered: Vec<CertificateType>,
}

/// What came of one key's specimen.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// The key's label.
    pub label: Label,
    /// Its kid.
    pub kid: Kid,
    /// Its token.
    pub token: Label,
    /// Why it was not signed well; nothing where it was.
    pub fault: Option<String>,
}

impl Office {
    /// Has every key that is to sign at an instant sign a specimen, one after the other.
    ///
    /// # Errors
    /// Where the chain cannot be read. A key that does not sign has a fault of its own.
    pub async fn canary(&self, at: NumericDate) -> Result<Canary, OfficeError> {
        let register = self.read().await?;
        let mut covered = Vec::new();
        let mut specimens = Vec::new();
        for key in register.keys_at(at) {
            covered.push(key.types);
            let fault = self.specimen(&register, &key, at).await.err();
            specimens.push(Specimen { label: key.label.clone(), kid: key.dsc.kid(), token: key.token.clone(), fault });
        }
        let is_covered = |kind: &CertificateType| covered.iter().any(|types: &CertificateTypes| types.allows(*kind));
        let uncovered = CertificateType::ALL.into_iter().filter(|kind| !is_covered(kind)).collect();
        Ok(Canary { at, specimens, uncovered })
    }

    async fn specimen(&self, register: &Arc<Register>, key: &InForce<'_>, iat: NumericDate) -> Result<(), String> {
        let consent = register.certification(key.label).ok_or("nothing in the chain certifies it")?;
        let order = Management { history: register.roster_history().clone(), consent, task: Task::Specimen { iat } };
        let Managed::Specimen { signature } = self.ask(key.token, order).await.map_err(|error| error.reason)? else {
            return Err("the token says that it did something else".to_owned());
        };
        let check = SignatureCheck::new(key.dsc.public_key()).map_err(|error| error.to_string())?;
        let verifies = check.accepts(&ToSign::of(key.dsc, iat).digest(), signature.as_bytes());
        if verifies { Ok(()) } else { Err("the signature is not its certificate's: the key must not sign".to_owned()) }
    }

    /// Has a token make the request to the CSCA for a key again: PKCS#10 in DER.
    ///
    /// # Errors
    /// Where there is no such key, or its token does not sign.
    pub async fn request(&self, label: &Label) -> Result<Vec<u8>, OfficeError> {
        let register = self.read().await?;
        let key = register.key(label).ok_or_else(|| OfficeError::NoKey { key: KeyName::Label(label.clone()) })?;
        let token = key.token();
        let refuse = |reason: String| OfficeError::Token { token: token.clone(), reason };
        let consent = register.generation(label).ok_or_else(|| refuse("nothing in the chain generates it".to_owned()))?;
        let order = Management { history: register.roster_history().clone(), consent, task: Task::Request };
        match self.ask(token, order).await {
            Ok(Managed::Requested { request }) => Ok(request),
            Ok(_) => Err(refuse("it says that it did something else".to_owned())),
            Err(error) => Err(refuse(error.reason)),
        }
    }

    /// What the gateway takes to list a DSC of the register: its certificate, signed by the upload key.
    ///
    /// # Errors
    /// Where there is no such DSC, or no upload key that may sign it.
    pub async fn sign_upload(&self, kid: Kid) -> Result<SignedMessage, OfficeError> {
        let register = self.read().await?;
        let dsc = dsc_of(&register, kid)?;
        let upload = self.revoker.as_ref().and_then(|revoker| revoker.upload());
        let none = || OfficeError::NoUpload { reason: "there is no upload key: [revocation] names its certificate".to_owned() };
        let upload = upload.ok_or_else(none)?;
        let now = self.clock.signing_time()?;
        if let Some(reason) = upload.lapse(now) {
            return Err(OfficeError::NoUpload { reason });
        }
        let draft = publish::to_be_signed(dsc, upload.certificate(), now)?;
        Ok(upload.sign_draft(draft).await?)
    }

    /// The lists of a revocation that was executed, made again from its record.
    ///
    /// # Errors
    /// Where it is no such proposal, or what it revoked is forgotten.
    pub async fn revocation(&self, id: ProposalId) -> Result<Remade, OfficeError> {
        let register = self.read().await?;
        let filed = register.proposal(id).ok_or(Misfit::Absent { id })?;
        let Some(End::Executed(Outcome::Revoked { instance, seq })) = filed.end() else {
            return Err(OfficeError::NoRevocation { id });
        };
        let revoker = self.revoker.as_ref().ok_or(OfficeError::NoRecord)?;
        Ok(revoker.remake(instance.as_str(), *seq).await?)
    }
}

fn dsc_of(register: &Register, kid: Kid) -> Result<&Dsc, OfficeError> {
    register.key_of(kid).and_then(Key::dsc).ok_or(OfficeError::NoKey { key: KeyName::Kid(kid) })
}
