//! What surrounds the claims: the place in the metadata, the three parts, the header.

use jsonwebtoken::decode_header;

use super::{JwtAlgorithm, PersonError};

/// Longer than the JWTs of national schemes by far.
const MAX_BYTES: usize = 8 * 1024;

/// A JWT taken apart; nothing of it has been verified.
pub(super) struct SignedJwt<'t> {
    pub(super) algorithm: JwtAlgorithm,
    pub(super) kid: String,
    /// What is signed: header and claims, with the dot between.
    pub(super) message: &'t str,
    /// base64url.
    pub(super) claims: &'t str,
    /// base64url.
    pub(super) signature: &'t str,
}

/// What a header has to say.
pub(super) struct HeaderRules<'r> {
    pub(super) algorithms: &'r [JwtAlgorithm],
    pub(super) typ: Option<&'r str>,
}

impl<'t> SignedJwt<'t> {
    /// # Source
    /// RFC 7515 section 7.1; RFC 8725 sections 3.1 and 3.11.
    pub(super) fn read(jwt: &'t str, rules: &HeaderRules<'_>) -> Result<Self, PersonError> {
        check_length(jwt)?;
        let (message, signature) = jwt.rsplit_once('.').ok_or(PersonError::Form)?;
        let (encoded, claims) = message.split_once('.').ok_or(PersonError::Form)?;
        if claims.contains('.') {
            return Err(PersonError::Form);
        }
        // A header whose alg the library does not know ("none" among them) is no header to it.
        let header = decode_header(jwt).map_err(|_| unreadable(encoded, rules))?;
        let algorithm = JwtAlgorithm::named(header.alg).filter(|algorithm| rules.algorithms.contains(algorithm));
        let algorithm = algorithm.ok_or_else(|| PersonError::Algorithm { taken: rules.algorithms.to_vec() })?;
        if header.crit.is_some() {
            return Err(PersonError::Critical);
        }
        if let Some(right) = rules.typ
            && !header.typ.is_some_and(|typ| is_type(&typ, right))
        {
            return Err(PersonError::Type { right: right.to_owned() });
        }
        let kid = header.kid.filter(|kid| !kid.is_empty()).ok_or(PersonError::NoKid)?;
        Ok(Self { algorithm, kid, message, claims, signature })
    }
}

pub(super) fn check_length(jwt: &str) -> Result<(), PersonError> {
    if jwt.len() > MAX_BYTES { Err(PersonError::TooLong { bytes: jwt.len(), most: MAX_BYTES }) } else { Ok(()) }
}

/// Why the library does not read a header: mostly its alg.
fn unreadable(encoded: &str, rules: &HeaderRules<'_>) -> PersonError {
    use base64::Engine;
    let json = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default();
    match crate::domain::json::Json::parse(&json) {
        Ok(crate::domain::json::Json::Object(_)) => PersonError::Algorithm { taken: rules.algorithms.to_vec() },
        _ => PersonError::Form,
    }
}

/// `typ` is a media type whose `application/` may be left out, in any case of letters (RFC 7515 section 4.1.9).
fn is_type(typ: &str, right: &str) -> bool {
    let bare = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.strip_prefix("application/").map(str::to_owned).unwrap_or(text)
    };
    bare(typ) == bare(right)
}

/// The JWT in a metadata value: behind `Bearer`, which under a name of its own may be left out.
pub(super) fn credentials<'v>(name: &str, value: &'v str) -> Option<&'v str> {
    let value = value.trim();
    let (scheme, jwt) = match value.split_once(' ') {
        Some((scheme, jwt)) => (scheme, jwt.trim_start()),
        None if name != AUTHORIZATION => ("bearer", value),
        None => return None,
    };
    (scheme.eq_ignore_ascii_case("bearer") && !jwt.is_empty() && !jwt.contains(' ')).then_some(jwt)
}

/// Where a JWT is, if nothing else is configured.
pub(super) const AUTHORIZATION: &str = "authorization";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jwt_stands_behind_bearer() {
        assert_eq!(credentials("authorization", "Bearer a.b.c"), Some("a.b.c"));
        assert_eq!(credentials("authorization", "bearer  a.b.c "), Some("a.b.c"));
        assert_eq!(credentials("x-person", "a.b.c"), Some("a.b.c"));
        assert_eq!(credentials("x-person", "Bearer a.b.c"), Some("a.b.c"));
        for value in ["", "a.b.c", "Basic YTpi", "Bearer", "Bearer ", "Bearer a b", "Bearera.b.c"] {
            assert_eq!(credentials("authorization", value), None, "{value:?}");
        }
    }

    #[test]
    fn types_are_media_types() {
        assert!(is_type("at+jwt", "at+jwt") && is_type("application/AT+JWT", "at+jwt") && is_type("JWT", "jwt"));
        assert!(!is_type("JWT", "at+jwt") && !is_type("", "at+jwt"));
    }
}
