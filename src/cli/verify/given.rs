//! What a line holds: a certificate, and perhaps what its sender says of it.

use crate::cli::ndjson::{Line, Members};
use crate::domain::json::Json;
use crate::domain::{Kid, NumericDate};
use crate::encode::SignedHcert;

/// A line, taken apart.
#[derive(Debug)]
pub(super) struct Given<'a> {
    /// The line's own `id`, where it has one.
    pub(super) id: Option<String>,
    /// The certificate's text, or why there is none.
    pub(super) hc1: Result<String, String>,
    claimed: Claimed<'a>,
}

/// The members beside `hc1` that must say what the certificate says.
#[derive(Debug, Default)]
struct Claimed<'a> {
    kid: Option<Json<'a>>,
    iat: Option<Json<'a>>,
    exp: Option<Json<'a>>,
    uvci: Option<Json<'a>>,
}

impl<'a> Given<'a> {
    /// An HC1 text, or a JSON object that holds one as `hc1`; other members may be there.
    pub(super) fn read(line: &'a Line) -> Self {
        match &line.text {
            Ok(text) if text.starts_with('{') => match Members::parse(text) {
                Ok(members) => Self::from_members(members),
                Err(error) => Self::plain(Err(error.to_string())),
            },
            Ok(text) => Self::plain(Ok(text.clone())),
            Err(error) => Self::plain(Err(error.to_string())),
        }
    }

    fn plain(hc1: Result<String, String>) -> Self {
        Self { id: None, hc1, claimed: Claimed::default() }
    }

    fn from_members(mut members: Members<'a>) -> Self {
        let id = match members.take("id") {
            Some(Json::String(id)) => Some(id.into_owned()),
            _ => None,
        };
        let hc1 = match members.take("hc1") {
            Some(Json::String(hc1)) => Ok(hc1.into_owned()),
            Some(other) => Err(format!("hc1 is {}; it is a string", other.kind())),
            None => Err("the line has no member hc1".to_owned()),
        };
        let mut take = |name| members.take(name);
        Self { id, hc1, claimed: Claimed { kid: take("kid"), iat: take("iat"), exp: take("exp"), uvci: take("uvci") } }
    }

    /// Which members say something else than the certificate.
    pub(super) fn mismatches(&self, hcert: &SignedHcert) -> Vec<&'static str> {
        let Claimed { kid, iat, exp, uvci } = &self.claimed;
        let is_uvci = |said: &Json<'_>| matches!(said, Json::String(text) if Some(text.as_ref()) == hcert.uvci());
        [
            ("kid", kid.as_ref().is_none_or(|said| kid_of(said) == Some(hcert.kid()))),
            ("iat", iat.as_ref().is_none_or(|said| time_of(said) == Some(hcert.issued_at()))),
            ("exp", exp.as_ref().is_none_or(|said| time_of(said) == Some(hcert.expires_at()))),
            ("uvci", uvci.as_ref().is_none_or(is_uvci)),
        ]
        .into_iter()
        .filter_map(|(name, agrees)| (!agrees).then_some(name))
        .collect()
    }
}

fn kid_of(said: &Json<'_>) -> Option<Kid> {
    match said {
        Json::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Seconds, or RFC 3339.
fn time_of(said: &Json<'_>) -> Option<NumericDate> {
    match said {
        Json::Int(seconds) => Some(NumericDate::from_seconds(*seconds)),
        Json::String(text) => NumericDate::from_rfc3339(text),
        _ => None,
    }
}
