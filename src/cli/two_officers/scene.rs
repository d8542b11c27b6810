//! What an officer sees of custody, as the service tells it.

use anyhow::{Context, anyhow};

use super::{KeyArgs, misuse};
use crate::domain::officers::{ChainHead, Label, Officer, OfficerPublicKey, ProposalId, Roster, Words};
use crate::domain::{CertificateType, CertificateTypes, Dsc, Kid, NumericDate, Octets};
use crate::service::proto::v1;

/// Keys, proposals and officers at an instant, and the end of the chain that is signed upon.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) now: NumericDate,
    pub(crate) head: ChainHead,
    pub(crate) lead_seconds: u32,
    pub(crate) roster: Roster,
    pub(crate) keys: Vec<v1::CustodyKey>,
    pub(crate) proposals: Vec<v1::CustodyProposal>,
}

impl Scene {
    pub(crate) fn read(answer: v1::ShowCustodyResponse) -> anyhow::Result<Self> {
        Self::parse(answer).context("the service's answer cannot be understood")
    }

    fn parse(answer: v1::ShowCustodyResponse) -> anyhow::Result<Self> {
        let v1::ShowCustodyResponse { now, head, lead_seconds, roster, keys, proposals } = answer;
        let v1::CustodyHead { seq, link } = head.context("it has no head")?;
        let head = ChainHead { seq, link: octets(&link)? };
        let roster = read_roster(roster.context("it has no roster")?)?;
        Ok(Self { now: NumericDate::from_seconds(now), head, lead_seconds, roster, keys, proposals })
    }

    /// The key that is meant.
    ///
    /// # Errors
    /// There is none; the message says which there are.
    pub(crate) fn key(&self, asked: &KeyArgs) -> anyhow::Result<&v1::CustodyKey> {
        let is_meant = |key: &&v1::CustodyKey| match (&asked.label, asked.kid) {
            (Some(label), _) => key.label == label.as_str(),
            (None, kid) => kid.is_some() && kid_of(key) == kid,
        };
        self.keys.iter().find(is_meant).ok_or_else(|| {
            let known: Vec<&str> = self.keys.iter().map(|key| key.label.as_str()).collect();
            let asked = asked.label.as_ref().map(ToString::to_string).or(asked.kid.map(|kid| format!("with the kid {kid}")));
            let known = if known.is_empty() { "there is none yet".to_owned() } else { format!("there are {}", known.join(", ")) };
            misuse(format!("there is no key {}; {known}", asked.unwrap_or_default()))
        })
    }

    /// The key that is meant, with its certificate.
    ///
    /// # Errors
    /// There is no such key, or no certificate yet.
    pub(crate) fn certified(&self, asked: &KeyArgs) -> anyhow::Result<(&v1::CustodyKey, Dsc)> {
        let key = self.key(asked)?;
        let dsc = dsc_of(key)?.ok_or_else(|| {
            let label = &key.label;
            misuse(format!(
                "the key {label} has no certificate yet: `sceau dsc csr --label {label}`, and import what the CSCA issues"
            ))
        })?;
        Ok((key, dsc))
    }

    /// What a key is called, by its certificate.
    pub(crate) fn label_of(&self, kid: Kid) -> Option<&str> {
        self.keys.iter().find(|key| kid_of(key) == Some(kid)).map(|key| key.label.as_str())
    }

    /// Whether an officer stopped the key of a certificate.
    pub(crate) fn is_compromised(&self, kid: Kid) -> bool {
        self.keys.iter().any(|key| kid_of(key) == Some(kid) && key.compromised_at.is_some())
    }

    /// The proposal whose id begins so.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub(crate) fn proposal(&self, id: &str) -> anyhow::Result<&v1::CustodyProposal> {
        const FEWEST: usize = 8;
        let id = id.to_ascii_lowercase();
        if id.len() < FEWEST || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(misuse(format!(
                "{id:?} is no proposal: {FEWEST} or more of its hexadecimal digits, as `sceau approvals` shows them"
            )));
        }
        let mut found = self.proposals.iter().filter(|proposal| hex::encode(&proposal.id).starts_with(&id));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(misuse(format!("there is no proposal {id}: `sceau approvals --all` shows all of them"))),
            (Some(_), Some(_)) => Err(misuse(format!("more than one proposal begins with {id}: give more of its digits"))),
        }
    }
}

/// A key's certificate. Its kid is made here, of its bytes.
pub(crate) fn dsc_of(key: &v1::CustodyKey) -> anyhow::Result<Option<Dsc>> {
    let read = |der| Dsc::from_der(der).with_context(|| format!("the certificate of the key {}", key.label));
    key.certificate.as_deref().map(read).transpose()
}

fn kid_of(key: &v1::CustodyKey) -> Option<Kid> {
    key.certificate.as_deref().map(Kid::of_der)
}

/// A proposal's name.
pub(crate) fn id_of(proposal: &v1::CustodyProposal) -> anyhow::Result<ProposalId> {
    Ok(ProposalId(octets(&proposal.id)?))
}

/// Types by their letters.
pub(crate) fn types_of(letters: &[String]) -> CertificateTypes {
    CertificateType::ALL.into_iter().filter(|kind| letters.iter().any(|letter| letter == kind.key())).collect()
}

/// Words of an officer, for what is called so on the command line.
pub(crate) fn words_of<const MAX: usize>(option: &str, text: &str) -> anyhow::Result<Words<MAX>> {
    text.parse().map_err(|error| misuse(format!("{option}: {error}")))
}

fn read_roster(told: v1::CustodyRoster) -> anyhow::Result<Roster> {
    let v1::CustodyRoster { number, quorum, limit_seconds, officers } = told;
    let officer = |officer: v1::CustodyOfficer| -> anyhow::Result<Officer> {
        Ok(Officer { name: officer.name.parse::<Label>()?, key: officer.key.parse::<OfficerPublicKey>()? })
    };
    let officers = officers.into_iter().map(officer).collect::<Result<_, _>>().context("the roster")?;
    Ok(Roster::new(officers, quorum, limit_seconds)?.as_told(number))
}

fn octets<const N: usize>(bytes: &[u8]) -> anyhow::Result<Octets<N>> {
    bytes.try_into().map(Octets).map_err(|_| anyhow!("a value has {} bytes in place of {N}", bytes.len()))
}
