//! From a JWT to the person that it speaks of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tonic::metadata::MetadataMap;

use super::header::{AUTHORIZATION, HeaderRules, SignedJwt, check_length, credentials};
use super::jwks::{Jwks, fingerprint};
use super::live::LiveJwks;
use super::recent::RecentJwts;
use super::{ClaimRules, Claims, JwtAlgorithm, KeySource, Pace, Person, PersonError, read_claims};
use crate::domain::NumericDate;

/// How JWTs are verified.
#[derive(Clone, Debug)]
pub struct PersonSettings {
    /// Where the issuer's keys are.
    pub source: KeySource,
    /// How often they are read.
    pub pace: Pace,
    /// How long they are taken after that, where their source is away.
    pub max_stale: Duration,
    /// The metadata's name for the JWT, in small letters: `authorization`, most often.
    pub header: String,
    /// What it may be signed with; one at least.
    pub algorithms: Vec<JwtAlgorithm>,
    /// What `typ` is, if that is looked at.
    pub typ: Option<String>,
    /// What the claims say.
    pub rules: ClaimRules,
    /// How far the issuer's clock may be from this one.
    pub leeway: Duration,
}

impl PersonSettings {
    /// The metadata's name for a JWT, where nothing else is said.
    pub const DEFAULT_HEADER: &str = AUTHORIZATION;
}

/// Verifies the JWTs of calls. A clone is the same verifier.
#[derive(Clone)]
pub struct PersonVerifier(Arc<Inner>);

struct Inner {
    settings: PersonSettings,
    jwks: Arc<LiveJwks>,
    recent: RecentJwts,
}

impl PersonVerifier {
    /// A verifier that has no keys yet: the first call waits for them, or [`Self::read_keys`] does before.
    #[must_use]
    pub fn new(settings: PersonSettings) -> Self {
        let jwks = Arc::new(LiveJwks::new(settings.source.clone(), settings.pace, settings.max_stale));
        Self(Arc::new(Inner { settings, jwks, recent: RecentJwts::default() }))
    }

    /// One with other settings, after a reload; it keeps the keys where their source stays the same.
    #[must_use]
    pub fn with_settings(&self, settings: PersonSettings) -> Self {
        let jwks = self.0.jwks.for_settings(&settings.source, settings.pace, settings.max_stale);
        Self(Arc::new(Inner { settings, jwks, recent: RecentJwts::default() }))
    }

    /// Reads the issuer's keys now, as at the start and on a reload; gives their number.
    ///
    /// # Errors
    /// [`PersonError::NoKeys`]; the log says why. Later calls try again.
    pub async fn read_keys(&self) -> Result<usize, PersonError> {
        self.0.jwks.read_now().await
    }

    /// The JWT that a call brings; nothing where it brings none.
    ///
    /// # Errors
    /// [`PersonError::Metadata`] where there is something else, or more than one.
    pub fn jwt_of<'m>(&self, metadata: &'m MetadataMap) -> Result<Option<&'m str>, PersonError> {
        let name = self.0.settings.header.as_str();
        let mut values = metadata.get_all(name).into_iter();
        let Some(value) = values.next() else { return Ok(None) };
        let jwt = value.to_str().ok().and_then(|value| credentials(name, value)).filter(|_| values.next().is_none());
        jwt.map(Some).ok_or_else(|| PersonError::Metadata {
            header: name.to_owned(),
            example: if name == AUTHORIZATION { "Bearer <JWT>" } else { "<JWT>" },
        })
    }

    /// Verifies a JWT, in this order: form, algorithm, key, signature, claims, times.
    ///
    /// # Errors
    /// [`PersonError`] says which of them is against it.
    ///
    /// # Source
    /// RFC 7519 section 7.2; RFC 8725.
    pub async fn verify(&self, jwt: &str, now: NumericDate) -> Result<Person, PersonError> {
        check_length(jwt)?;
        let hash = fingerprint(jwt.as_bytes());
        let jwks = self.0.jwks.current().await?;
        let claims = match self.0.recent.find(&hash, &jwks.fingerprint()) {
            Some(claims) => claims,
            None => {
                let (claims, keys) = self.read(jwt, jwks).await?;
                // Before it is kept: one that has expired need not be.
                self.check_times(&claims, now)?;
                self.0.recent.keep(hash, keys.fingerprint(), claims.clone());
                claims
            }
        };
        self.check_times(&claims, now)?;
        Ok(claims.person)
    }

    /// The claims of a JWT whose signature is the issuer's, and the keys that said so.
    async fn read(&self, jwt: &str, mut jwks: Arc<Jwks>) -> Result<(Claims, Arc<Jwks>), PersonError> {
        let settings = &self.0.settings;
        let rules = HeaderRules { algorithms: &settings.algorithms, typ: settings.typ.as_deref() };
        let jwt = SignedJwt::read(jwt, &rules)?;
        if jwks.find(&jwt.kid, jwt.algorithm).next().is_none() {
            jwks = self.0.jwks.after_unknown_kid().await?;
        }
        let mut keys = jwks.find(&jwt.kid, jwt.algorithm).peekable();
        keys.peek().ok_or(PersonError::UnknownKid)?;
        if !keys.any(|key| key.verifies(jwt.algorithm, jwt.message.as_bytes(), jwt.signature)) {
            return Err(PersonError::Signature);
        }
        drop(keys);
        let claims = BASE64_URL_SAFE_NO_PAD.decode(jwt.claims).map_err(|_| PersonError::Form)?;
        Ok((read_claims(&claims, &settings.rules)?, jwks))
    }

    fn check_times(&self, claims: &Claims, now: NumericDate) -> Result<(), PersonError> {
        let leeway_seconds = i64::try_from(self.0.settings.leeway.as_secs()).unwrap_or(i64::MAX);
        Ok(claims.times.check(now, leeway_seconds)?)
    }
}

impl fmt::Debug for PersonVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonVerifier({:?})", self.0.settings.source)
    }
}
