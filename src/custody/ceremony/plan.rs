//! The file of a ceremony: what is to be done, on which token, before whom.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::officers::{InvalidRoster, KeyKind, Label, Officer, OfficerPublicKey, Roster, Subject, Words};
use crate::domain::{CertificateType, CertificateTypes};

/// How many officers have to sign a transcript.
pub const WITNESSES: usize = 2;

/// A file by its path, as the plan and the transcript write it: from the plan's folder on.
pub type FileName = Words<255>;

/// A ceremony, checked as far as it can be without the room.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is called, for those who read the transcript.
    pub title: Words<100>,
    /// Where the transcript goes.
    pub transcript: FileName,
    /// The token that it is about.
    pub token: PlannedToken,
    /// The officers, who are the roster that custody begins with.
    #[serde(rename = "officer")]
    pub officers: Vec<PlannedOfficer>,
    /// The keys that steps name.
    #[serde(rename = "key", default)]
    pub keys: Vec<PlannedKey>,
    /// What is done, in this order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// How the token is reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedToken {
    /// The PKCS#11 module.
    pub module: FileName,
    /// The token's label.
    pub label: Label,
    /// Its serial number, where two tokens share a label.
    #[serde(default)]
    pub serial: Option<Words<64>>,
    /// Where the user PIN is; asked for, where it is absent.
    #[serde(default)]
    pub pin_file: Option<FileName>,
    /// Where the security officer's PIN is, which initialises a token; asked for, where it is absent.
    #[serde(default)]
    pub so_pin_file: Option<FileName>,
    /// What the module's environment has besides this process's.
    #[serde(default)]
    pub environment: std::collections::BTreeMap<String, String>,
}

/// An officer, and where the officer's key is while the ceremony lasts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedOfficer {
    /// What the officer is called.
    pub name: Label,
    /// The public half, as `sceau officer key` prints it.
    pub key: OfficerPublicKey,
    /// The private half, on a stick; asked for, where it is absent.
    #[serde(default)]
    pub key_file: Option<FileName>,
}

/// A key of the token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedKey {
    /// CKA_LABEL.
    pub label: Label,
    /// What kind of key.
    pub kind: KeyKind,
    /// The subject of its DSC.
    pub subject: Subject,
    /// The types that its DSC may sign; all three ask for no extended key usage.
    #[serde(deserialize_with = "types")]
    pub types: CertificateTypes,
}

fn types<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<CertificateTypes, D::Error> {
    let kinds = Vec::<CertificateType>::deserialize(deserializer)?;
    if kinds.is_empty() {
        return Err(serde::de::Error::custom("there is no type; there are vaccination, test and recovery"));
    }
    Ok(kinds.into_iter().collect())
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// A free slot becomes the token. One of its label must not be there.
    Initialise {},
    /// The token makes a key. One of its label must not be there.
    Generate {
        /// The key's label.
        key: Label,
    },
    /// The request to the CSCA, signed by the key.
    Request {
        /// The key's label.
        key: Label,
        /// The file of the request, PKCS#10 in PEM.
        out: FileName,
    },
    /// The certificate that the CSCA issued is checked, and written as the service takes it.
    Import {
        /// The key's label.
        key: Label,
        /// What came from the CSCA, PEM or DER.
        certificate: FileName,
        /// The state's CSCAs, PEM or DER.
        cscas: Vec<FileName>,
        /// Trust lists and certificates whose kids are taken: the gateway's JSON, PEM or DER.
        #[serde(default)]
        known: Vec<FileName>,
        /// The file of the DSC, in PEM.
        out: FileName,
    },
    /// What the token says of itself and of the key is read back, and the key signs.
    Attest {
        /// The key's label.
        key: Label,
    },
    /// The section `[custody]` of the configuration is written, with these officers.
    Roster {
        /// How many approve what another proposes.
        approvals: u32,
        /// For how many hours they can.
        #[serde(default = "a_day")]
        valid_hours: u32,
        /// The file of the section.
        out: FileName,
    },
}

const fn a_day() -> u32 {
    24
}

impl Step {
    /// The key that it is about.
    #[must_use]
    pub const fn key(&self) -> Option<&Label> {
        match self {
            Self::Generate { key } | Self::Request { key, .. } | Self::Import { key, .. } | Self::Attest { key } => Some(key),
            Self::Initialise {} | Self::Roster { .. } => None,
        }
    }

    /// The file that it writes.
    #[must_use]
    pub const fn out(&self) -> Option<&FileName> {
        match self {
            Self::Request { out, .. } | Self::Import { out, .. } | Self::Roster { out, .. } => Some(out),
            Self::Initialise {} | Self::Generate { .. } | Self::Attest { .. } => None,
        }
    }

    /// The files that it reads.
    pub fn inputs(&self) -> impl Iterator<Item = &FileName> {
        let (certificate, cscas, known) = match self {
            Self::Import { certificate, cscas, known, .. } => (Some(certificate), cscas.as_slice(), known.as_slice()),
            _ => (None, &[][..], &[][..]),
        };
        certificate.into_iter().chain(cscas).chain(known)
    }
}

/// In one line, as the transcript has it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Initialise {} => f.write_str("initialise the token"),
            Self::Generate { key } => write!(f, "generate the key {key}"),
            Self::Request { key, out } => write!(f, "request a certificate for the key {key}: {out}"),
            Self::Import { key, certificate, out, .. } => write!(f, "import {certificate} for the key {key}: {out}"),
            Self::Attest { key } => write!(f, "attest the key {key}"),
            Self::Roster { out, .. } => write!(f, "write the officers' roster: {out}"),
        }
    }
}

impl Plan {
    /// Reads a file of TOML.
    ///
    /// # Errors
    /// [`InvalidPlan`] says everything that is wrong, or where it cannot be read.
    pub fn read(text: &str) -> Result<Self, InvalidPlan> {
        let plan: Self = toml::from_str(text).map_err(|error| InvalidPlan(vec![Fault::Form(error.to_string())]))?;
        let faults = plan.faults();
        if faults.is_empty() { Ok(plan) } else { Err(InvalidPlan(faults)) }
    }

    /// The key of a label.
    #[must_use]
    pub fn key(&self, label: &Label) -> Option<&PlannedKey> {
        self.keys.iter().find(|key| key.label == *label)
    }

    /// The officers, as the roster has them.
    #[must_use]
    pub fn officers(&self) -> Vec<Officer> {
        self.officers.iter().map(|officer| Officer { name: officer.name.clone(), key: officer.key.clone() }).collect()
    }

    /// The roster that a step writes.
    ///
    /// # Errors
    /// [`InvalidRoster`], where these officers cannot be one.
    pub fn roster(&self, approvals: u32, valid_hours: u32) -> Result<Roster, InvalidRoster> {
        Roster::new(self.officers(), approvals, valid_hours.saturating_mul(3_600))
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.steps.is_empty() {
            faults.push(Fault::NoStep);
        }
        // With a quorum of one, only what is wrong with the officers themselves is left.
        faults.extend(self.roster(1, 1).err().map(Fault::Officers));
        let mut labels = BTreeSet::new();
        faults.extend(self.keys.iter().filter(|key| !labels.insert(&key.label)).map(|key| Fault::KeyTwice(key.label.clone())));
        let mut outputs = BTreeSet::from([self.transcript.as_str()]);
        let mut generated = BTreeSet::new();
        for (number, step) in (1..).zip(&self.steps) {
            if let Some(key) = step.key().filter(|key| self.key(key).is_none()) {
                faults.push(Fault::NoKey { step: number, key: key.clone() });
            }
            if let Some(out) = step.out().filter(|out| !outputs.insert(out.as_str())) {
                faults.push(Fault::OutputTwice { step: number, file: out.clone() });
            }
            match step {
                Step::Initialise {} if number > 1 => faults.push(Fault::NotFirst { step: number }),
                Step::Generate { key } if !generated.insert(key) => {
                    faults.push(Fault::GeneratedTwice { step: number, key: key.clone() });
                }
                Step::Import { cscas, .. } if cscas.is_empty() => faults.push(Fault::NoCsca { step: number }),
                Step::Roster { approvals, valid_hours, .. } => {
                    let fault = self.roster(*approvals, *valid_hours).err();
                    faults.extend(fault.map(|fault| Fault::Roster { step: number, fault }));
                }
                _ => {}
            }
        }
        let inputs = self.steps.iter().flat_map(Step::inputs);
        faults.extend(inputs.filter(|file| outputs.contains(file.as_str())).map(|file| Fault::Both(file.clone())));
        faults
    }
}

/// A file that is no plan, with everything that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPlan(Vec<Fault>);

impl fmt::Display for InvalidPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::domain::fault::write_all(f, &self.0)
    }
}

impl std::error::Error for InvalidPlan {}

/// One thing that is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Form(String),
    #[error("there is no [[step]]; a ceremony does something")]
    NoStep,
    #[error("[[officer]]: {0}")]
    Officers(InvalidRoster),
    #[error("two [[key]] have the label {0}; each key has its own")]
    KeyTwice(Label),
    #[error("step {step} names the key {key}, and no [[key]] has that label")]
    NoKey { step: usize, key: Label },
    #[error("step {step} writes {file}, which another step or the transcript is written to")]
    OutputTwice { step: usize, file: FileName },
    #[error("{0} is read by one step and written by another; give the two files names of their own")]
    Both(FileName),
    #[error("step {step} initialises the token; that is the first step or none")]
    NotFirst { step: usize },
    #[error("step {step} generates the key {key} once more; a key is made once")]
    GeneratedTwice { step: usize, key: Label },
    #[error("step {step} has no CSCA; without one nobody knows whose certificate it is")]
    NoCsca { step: usize },
    #[error("step {step}: {fault}")]
    Roster { step: usize, fault: InvalidRoster },
}
