//! What a JWT says: its claims, to a [`Person`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{ClaimError, ClaimPath, JwtTimes, Pseudonym, PseudonymMaker};
use crate::domain::CertificateTypes;
use crate::domain::json::Json;

/// Who is behind a call, as far as anybody here may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Stands for the subject.
    pub pseudonym: Pseudonym,
    /// The professions of the claim that the configuration knows, each once; one at least.
    pub professions: Vec<String>,
    /// The types that one or another of the professions may issue.
    pub types: CertificateTypes,
}

/// What the claims of a JWT have to say.
#[derive(Clone, Debug)]
pub struct ClaimRules {
    /// What `iss` is.
    pub issuer: String,
    /// What `aud` is, or has among others.
    pub audience: String,
    /// Where the professions are: a string, or a list of them.
    pub profession_claim: ClaimPath,
    /// Where the subject is: a string.
    pub subject_claim: ClaimPath,
    /// By the claim's value, the types that the profession may issue.
    pub professions: BTreeMap<String, CertificateTypes>,
    /// Makes the subject's pseudonym.
    pub pseudonyms: PseudonymMaker,
}

/// The claims of a JWT that fits the rules; whether it is valid now is the times' matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whom it speaks of.
    pub person: Person,
    /// When it is valid.
    pub times: JwtTimes,
}

/// Longer than the 255 characters of an OpenID Connect `sub`.
const MAX_SUBJECT_BYTES: usize = 512;

/// Reads the claims of a JWT: JSON, at most 16 levels deep. A pure function, without the signature, which comes before it.
///
/// # Errors
/// [`ClaimError`] says which claim is against it, and holds none of its values.
pub fn read_claims(json: &[u8], rules: &ClaimRules) -> Result<Claims, ClaimError> {
    let json = Json::parse(json)?;
    let Json::Object(claims) = &json else { return Err(ClaimError::NoObject { found: json.kind() }) };
    check_issuer(claims, &rules.issuer)?;
    check_audience(claims, &rules.audience)?;
    let times = JwtTimes::read(claims)?;
    let pseudonym = rules.pseudonyms.make(subject(&json, &rules.subject_claim)?);
    let professions = professions(&json, rules)?;
    let types = professions.iter().flat_map(|(_, types)| types.iter()).collect();
    let professions = professions.into_iter().map(|(name, _)| name.clone()).collect();
    Ok(Claims { person: Person { pseudonym, professions, types }, times })
}

/// A claim of the outermost object; null counts as absent.
pub(super) fn member<'j, 'a>(claims: &'j [(Cow<'a, str>, Json<'a>)], name: &str) -> Result<Option<&'j Json<'a>>, ClaimError> {
    let mut named = claims.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
    match (named.next(), named.next()) {
        (_, Some(_)) => Err(ClaimError::Twice { claim: name.to_owned() }),
        (found, None) => Ok(found.filter(|value| **value != Json::Null)),
    }
}

fn required<'j, 'a>(claims: &'j [(Cow<'a, str>, Json<'a>)], name: &str) -> Result<&'j Json<'a>, ClaimError> {
    member(claims, name)?.ok_or_else(|| ClaimError::Missing { claim: name.to_owned() })
}

fn check_issuer(claims: &[(Cow<'_, str>, Json<'_>)], right: &str) -> Result<(), ClaimError> {
    match required(claims, "iss")? {
        Json::String(issuer) if issuer == right => Ok(()),
        Json::String(_) => Err(ClaimError::Issuer),
        other => Err(ClaimError::Kind { claim: "iss".to_owned(), found: other.kind(), right: "a string" }),
    }
}

fn check_audience(claims: &[(Cow<'_, str>, Json<'_>)], right: &str) -> Result<(), ClaimError> {
    let is_right = |value: &Json<'_>| matches!(value, Json::String(audience) if audience == right);
    match required(claims, "aud")? {
        value @ Json::String(_) if is_right(value) => Ok(()),
        Json::Array(values) if values.iter().any(is_right) => Ok(()),
        Json::String(_) | Json::Array(_) => Err(ClaimError::Audience),
        other => Err(ClaimError::Kind { claim: "aud".to_owned(), found: other.kind(), right: "a string or a list of strings" }),
    }
}

fn subject<'j>(claims: &'j Json<'_>, path: &ClaimPath) -> Result<&'j str, ClaimError> {
    match path.values(claims)?.as_slice() {
        [] => Err(ClaimError::Missing { claim: path.to_string() }),
        [Json::String(subject)] if (1..=MAX_SUBJECT_BYTES).contains(&subject.len()) => Ok(subject),
        _ => Err(ClaimError::Subject { claim: path.to_string(), most: MAX_SUBJECT_BYTES }),
    }
}

/// The known ones among the claim's, each once, in the table's order; those that are not known give and take nothing.
fn professions<'r>(claims: &Json<'_>, rules: &'r ClaimRules) -> Result<Vec<(&'r String, CertificateTypes)>, ClaimError> {
    let claim = || rules.profession_claim.to_string();
    let mut known = BTreeMap::new();
    for value in rules.profession_claim.values(claims)? {
        let Json::String(name) = value else {
            return Err(ClaimError::Kind { claim: claim(), found: value.kind(), right: "a string or a list of strings" });
        };
        known.extend(rules.professions.get_key_value(name.as_ref()));
    }
    if known.is_empty() {
        return Err(ClaimError::NoProfession { claim: claim() });
    }
    Ok(known.into_iter().map(|(name, types)| (name, *types)).collect())
}
