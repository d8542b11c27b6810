//! What is looked at before a proposal is written that the register cannot judge: certificates, and questions to the ledger.

use super::Office;
use super::error::OfficeError;
use super::hands::NotDone;
use crate::custody::import::{self, Csca, Expected, ImportWarning, KnownKids};
use crate::custody::register::Register;
use crate::custody::revocation::{RevocationOrder, RevokeError};
use crate::custody::trust_list;
use crate::domain::NumericDate;
use crate::domain::officers::{Certification, Change, KeyName, Label, ProposalId, Revocation};

/// What a certificate is checked against.
#[derive(Clone, Debug, Default)]
pub struct Against {
    /// The CSCAs that may have issued it, in DER.
    pub cscas: Vec<Vec<u8>>,
    /// The gateway's trust list in JSON.
    pub trust_list: Option<Vec<u8>>,
}

impl Office {
    /// Gives what is unusual about a certificate.
    pub(super) async fn check_proposed(
        &self,
        change: &Change,
        against: Option<&Against>,
    ) -> Result<Vec<ImportWarning>, OfficeError> {
        match change {
            Change::Certify(certification) => {
                let against = against.ok_or(OfficeError::NoCsca)?;
                let register = self.read().await?;
                self.check_certificate(&register, certification, against, self.clock.now())
            }
            Change::Revoke(revocation) => {
                self.plan(revocation, String::new()).await?;
                Ok(Vec::new())
            }
            Change::Generate(generation) => self.check_token(&generation.token),
            Change::ChangePin { token } => self.check_token(token),
            Change::InitialiseToken { token } => {
                let warnings = self.check_token(token)?;
                let refused = |NotDone { reason, .. }| OfficeError::NotReady { reason };
                self.hands.check_initialise(token).map_err(refused).map(|()| warnings)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Whoever approves a certificate may have other CSCAs and lists than who proposed it.
    pub(super) async fn check_again(&self, id: ProposalId, against: Option<&Against>) -> Result<(), OfficeError> {
        let Some(against) = against else { return Ok(()) };
        let register = self.read().await?;
        let Some(filed) = register.proposal(id) else { return Ok(()) };
        let Change::Certify(certification) = filed.proposal().change() else { return Ok(()) };
        self.check_certificate(&register, certification, against, self.clock.now()).map(drop)
    }

    fn check_token(&self, token: &Label) -> Result<Vec<ImportWarning>, OfficeError> {
        if self.hands.has(token) { Ok(Vec::new()) } else { Err(OfficeError::NotHere { token: token.clone() }) }
    }

    fn check_certificate(
        &self,
        register: &Register,
        certification: &Certification,
        against: &Against,
        now: NumericDate,
    ) -> Result<Vec<ImportWarning>, OfficeError> {
        if against.cscas.is_empty() {
            return Err(OfficeError::NoCsca);
        }
        let key = register.key(&certification.label);
        let key = key.ok_or_else(|| OfficeError::NoKey { key: KeyName::Label(certification.label.clone()) })?;
        let cscas = against.cscas.iter().map(|der| Csca::from_der(der)).collect::<Result<Vec<_>, _>>()?;
        let expected = Expected {
            public_key: key.public_key(),
            country: key.subject().country,
            types: key.types_asked_for(),
            cscas: &cscas,
            known: &self.known_kids(register, against)?,
            now,
        };
        let certified = import::check(&certification.certificate, &expected)?;
        Ok(certified.warnings().to_vec())
    }

    fn known_kids(&self, register: &Register, against: &Against) -> Result<KnownKids, OfficeError> {
        let mut known = self.known.clone();
        for key in register.keys() {
            if let Some(dsc) = key.dsc() {
                known.add(dsc.der(), format!("the register, as {}", key.label()));
            }
        }
        if let Some(json) = &against.trust_list {
            let refuse = |reason: String| OfficeError::TrustList { reason };
            for entry in trust_list::read(json).map_err(|error| refuse(error.to_string()))? {
                let listed = entry.map_err(|error| refuse(error.to_string()))?;
                known.add(&listed.der, "the trust list");
            }
        }
        Ok(known)
    }

    /// What a revocation comes to at this moment.
    pub(super) async fn plan(
        &self,
        revocation: &Revocation,
        by: String,
    ) -> Result<crate::custody::revocation::RevocationPlan, OfficeError> {
        let revoker = self.revoker.as_ref().ok_or(OfficeError::NoRecord)?;
        let plan = revoker.plan(order(revocation, by)?).await?;
        if plan.certificates() == 0 {
            return Err(RevokeError::Unexpected { expected: revocation.expect.max(1), found: 0 }.into());
        }
        Ok(plan)
    }
}

fn order(revocation: &Revocation, by: String) -> Result<RevocationOrder, OfficeError> {
    let Revocation { question: asked, hash_type, reason, expect } = revocation;
    let question = |reason: String| OfficeError::Question { reason };
    let reason = reason.as_str().parse().map_err(|error| question(format!("has no good reason: {error}")))?;
    RevocationOrder::of_asked(asked.as_str(), *hash_type, *expect, by, reason).map_err(|error| question(error.to_string()))
}

/// Those who agreed on a change, as they stand on record.
pub(super) fn names<'a>(proposer: &'a Label, approvers: impl IntoIterator<Item = &'a Label>) -> String {
    let all: Vec<&str> = std::iter::once(proposer).chain(approvers).map(Label::as_str).collect();
    all.join(", ")
}
