//! Where in a JWT a claim stands.

use std::fmt;
use std::str::FromStr;

use super::ClaimError;
use crate::domain::json::Json;

/// A way to a claim: member names from the outermost object inward. An array on the way, or at its end, means each of its
/// elements, so there are no indices.
///
/// Written with dots (`SubjectRefPro.exercices.codeProfession`, where `exercices[]` is the same), or as a JSON pointer
/// (`/https:~1~1example.org~1role`) for names that have dots in them.
///
/// # Source
/// RFC 6901 section 3 for the pointer's escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath {
    text: Box<str>,
    steps: Vec<String>,
}

impl ClaimPath {
    /// Every value that stands there; null counts as absent.
    ///
    /// # Errors
    /// [`ClaimError::Twice`]: of two members of one name nobody can say which is meant.
    pub(super) fn values<'j, 'a>(&self, claims: &'j Json<'a>) -> Result<Vec<&'j Json<'a>>, ClaimError> {
        let mut found = Vec::new();
        self.walk(claims, &self.steps, &mut found)?;
        Ok(found)
    }

    /// As deep as the JSON, which is bounded.
    fn walk<'j, 'a>(&self, value: &'j Json<'a>, steps: &[String], found: &mut Vec<&'j Json<'a>>) -> Result<(), ClaimError> {
        match (value, steps) {
            (Json::Array(elements), _) => elements.iter().try_for_each(|element| self.walk(element, steps, found)),
            (Json::Object(members), [step, rest @ ..]) => {
                let mut named = members.iter().filter(|(name, _)| name.as_ref() == step.as_str());
                match (named.next(), named.next()) {
                    (Some(_), Some(_)) => Err(ClaimError::Twice { claim: self.to_string() }),
                    (Some((_, member)), None) => self.walk(member, rest, found),
                    (None, _) => Ok(()),
                }
            }
            (Json::Null, _) | (_, [_, ..]) => Ok(()),
            (value, []) => {
                found.push(value);
                Ok(())
            }
        }
    }
}

impl FromStr for ClaimPath {
    type Err = InvalidClaimPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let steps: Option<Vec<String>> = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(unescape).collect(),
            None => Some(text.split('.').map(|step| step.strip_suffix("[]").unwrap_or(step).to_owned()).collect()),
        };
        let steps = steps.filter(|steps| steps.iter().all(|step| !step.is_empty())).ok_or(InvalidClaimPath)?;
        Ok(Self { text: text.into(), steps })
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `~1` is a slash and `~0` a tilde; another tilde is a mistake.
fn unescape(step: &str) -> Option<String> {
    let mut parts = step.split('~');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = match part.split_at_checked(1)? {
            ("0", rest) => ('~', rest),
            ("1", rest) => ('/', rest),
            _ => return None,
        };
        name.push(escaped);
        name.push_str(rest);
    }
    Some(name)
}

/// A text that is no way to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a claim is named like profession, SubjectRefPro.exercices.codeProfession, or as a JSON pointer /a/b")]
pub struct InvalidClaimPath;

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(path: &str, json: &str) -> Vec<String> {
        let json = Json::parse(json.as_bytes()).unwrap();
        let values = path.parse::<ClaimPath>().unwrap().values(&json).unwrap();
        values.into_iter().map(|value| format!("{value:?}")).collect()
    }

    #[test]
    fn a_path_goes_through_objects_and_every_element_of_arrays() {
        let json = r#"{"a":{"b":[{"c":"1"},{"d":"2"},{"c":["3",["4"]]},"x",null]}}"#;
        let expected = ["String(\"1\")", "String(\"3\")", "String(\"4\")"];
        for path in ["a.b.c", "a.b[].c", "a.b[].c[]", "/a/b/c"] {
            assert_eq!(strings(path, json), expected, "{path}");
        }
    }

    #[test]
    fn what_is_absent_null_or_not_an_object_has_no_values() {
        for json in ["{}", r#"{"a":null}"#, r#"{"a":"b"}"#, r#"{"a":{"b":null}}"#, r#"{"a":[]}"#, "[]", "1"] {
            assert_eq!(strings("a.b", json), Vec::<String>::new(), "{json}");
        }
    }

    #[test]
    fn a_pointer_reaches_names_with_dots_slashes_and_tildes() {
        assert_eq!(strings("/https:~1~1x.org~1~0r", r#"{"https://x.org/~r":1}"#), ["Int(1)"]);
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        let json = Json::parse(br#"{"a":{"b":1,"b":2}}"#).unwrap();
        let error = "a.b".parse::<ClaimPath>().unwrap().values(&json).unwrap_err();
        assert_eq!(error.to_string(), "the JWT's claim a.b stands twice");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", ".", "a.", ".a", "a..b", "/", "/a/", "/a~", "/a~2", "/~é", "[]", "a.[]"] {
            assert_eq!(text.parse::<ClaimPath>(), Err(InvalidClaimPath), "{text:?}");
        }
    }
}
