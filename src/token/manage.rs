//! What officers have a worker do, as it crosses the process boundary: each with the texts and signatures that carry it.
//!
//! The process that faces the network passes these on and cannot change a word: a worker checks every signature against the
//! officers of its own configuration, and does what the approved text says, and nothing else.

use serde::{Deserialize, Serialize};

use super::TokenError;
use super::denial::Denial;
use crate::domain::officers::{Certification, Change, Consent, GeneratedKey, Label, Proposal, RosterHistory, SignedText};
use crate::domain::{Dsc, Kid, NumericDate, Signature};

/// Something to be done on a token that officers agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Management {
    /// How the roster became what it is.
    pub history: RosterHistory,
    /// What was agreed on.
    pub consent: Consent,
    /// What is to be done about it.
    pub task: Task,
}

/// What is to be done about a consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// What it says: a key made or destroyed, a PIN changed. Judged now, and done once; who asks again hears what came of it.
    Execute,
    /// The same for a destruction that names its key by the kid: with the consent that certified the key.
    ExecuteOn {
        /// What was agreed on when the key was certified.
        certification: Consent,
    },
    /// The certification request of a generated key, again. Judged as history.
    Request,
    /// The one specimen, [`crate::encode::specimen::Specimen`], signed with the key that a consent certified. Judged as history.
    Specimen {
        /// When the specimen says that it was issued.
        iat: NumericDate,
    },
}

/// What a worker did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Managed {
    /// A key pair was made.
    Generated {
        /// Its public half.
        key: GeneratedKey,
        /// The certification request, PKCS#10 in DER, signed by the key.
        #[serde(with = "bytes")]
        request: Vec<u8>,
    },
    /// A certification request.
    Requested {
        /// PKCS#10 in DER, signed by the key.
        #[serde(with = "bytes")]
        request: Vec<u8>,
    },
    /// A specimen was signed.
    Specimen {
        /// Over [`crate::encode::specimen::Specimen::digest`]; the worker has verified it.
        #[serde(with = "signature")]
        signature: Signature,
    },
    /// A key pair is on the token no more.
    Destroyed,
    /// The token has another user PIN, and the PIN file holds it.
    PinChanged,
    /// A slot became a token.
    Initialised,
}

/// A key that officers had made, certified and activated: a worker that is given this signs certificates with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// The rosters under which it was agreed on.
    pub history: RosterHistory,
    /// That a token makes the key.
    pub generation: Consent,
    /// That its certificate is taken.
    pub certification: Consent,
    /// That it signs.
    pub activation: Consent,
}

/// An officer stops a key: a worker that is given this signs no more with it, for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// The rosters, up to the one under which it was signed.
    pub history: RosterHistory,
    /// The proposal that one officer's signature carries.
    pub emergency: SignedText,
}

/// What a text says of a certified key; believed only after a roster has judged the text.
#[derive(Clone, Debug)]
pub(super) struct CertifiedKey {
    pub(super) label: Label,
    pub(super) dsc: Dsc,
}

impl CertifiedKey {
    pub(super) fn of(certification: &Certification) -> Result<Self, Denial> {
        let dsc =
            Dsc::from_der(&certification.certificate).map_err(|source| Denial::Certificate { reason: source.to_string() })?;
        Ok(Self { label: certification.label.clone(), dsc })
    }

    /// Unjudged: what a consent's proposal says.
    pub(super) fn read(certification: &Consent) -> Result<Self, TokenError> {
        let proposal = Proposal::read(certification.proposal.clone()).map_err(|error| Denial::Consent(error.into()))?;
        match proposal.change() {
            Change::Certify(certification) => Ok(Self::of(certification)?),
            other => Err(Denial::NotThat { found: other.name(), wanted: "certify" }.into()),
        }
    }
}

impl Stop {
    /// Unjudged: which key it stops.
    pub(super) fn kid(&self) -> Result<Kid, TokenError> {
        let proposal = Proposal::read(self.emergency.clone()).map_err(|error| Denial::Consent(error.into()))?;
        match proposal.change() {
            Change::Compromise { kid, .. } => Ok(*kid),
            other => Err(Denial::NotThat { found: other.name(), wanted: "compromise" }.into()),
        }
    }
}

/// Bytes in base64.
mod bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(|_| de::Error::custom("it is no base64"))
    }
}

/// A signature in base64.
mod signature {
    use serde::{Deserializer, Serializer};

    use super::{Signature, bytes};

    pub(super) fn serialize<S: Serializer>(signature: &Signature, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(signature.as_bytes(), serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Signature, D::Error> {
        bytes::deserialize(deserializer).map(Signature::new)
    }
}
