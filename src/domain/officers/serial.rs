//! How the domain's words stand in a text that officers sign.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::domain::{CertificateType, CertificateTypes, NumericDate};

/// An instant: RFC 3339 in UTC.
pub(super) mod instant {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(instant: &NumericDate, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(instant)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NumericDate, D::Error> {
        let text = String::deserialize(deserializer)?;
        NumericDate::from_rfc3339(&text).ok_or_else(|| de::Error::custom("an instant is like 2022-01-31T08:00:00Z"))
    }
}

/// An instant that may be left out.
pub(super) mod instant_if_any {
    use super::*;

    #[expect(clippy::ref_option, reason = "serde hands a field over like this")]
    pub(in super::super) fn serialize<S: Serializer>(instant: &Option<NumericDate>, serializer: S) -> Result<S::Ok, S::Error> {
        instant.map(|instant| instant.to_string()).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NumericDate>, D::Error> {
        instant::deserialize(deserializer).map(Some)
    }
}

/// The types of certificate: their names, one at least.
pub(super) mod types {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(types: &CertificateTypes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(types.iter())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CertificateTypes, D::Error> {
        let kinds = Vec::<CertificateType>::deserialize(deserializer)?;
        if kinds.is_empty() {
            return Err(de::Error::custom("there is no type; there are vaccination, test and recovery"));
        }
        Ok(kinds.into_iter().collect())
    }
}

/// What has a `Display` and a `FromStr` that belong together: a kid, a country, a hash type.
pub(super) mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use super::*;

    pub(in super::super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Bytes in base64.
pub(super) mod base64 {
    use ::base64::Engine;
    use ::base64::engine::general_purpose::STANDARD;

    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(|_| de::Error::custom("it is no base64"))
    }
}
