//! Where the issuer's keys come from.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use tokio::io::AsyncReadExt;

use super::fetch::JwksClient;
use super::jwks::Jwks;

/// Where the issuer's JWK set is.
#[derive(Clone)]
pub struct KeySource(Kind);

#[derive(Clone)]
enum Kind {
    File(PathBuf),
    Url { client: Box<JwksClient>, ca: Option<Vec<u8>> },
}

/// The most bytes of a JWK set.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// How long a file's keys are taken without another look at it.
const FILE_FRESH: Duration = Duration::from_secs(1);

impl KeySource {
    /// A file, which is read again when it has changed.
    ///
    /// # Errors
    /// [`SourceError`] where it cannot be read now, or has no key that could be used.
    pub fn file(path: &Path) -> Result<Self, SourceError> {
        Jwks::parse(&std::fs::read(path).map_err(SourceError::File)?)?;
        Ok(Self(Kind::File(path.to_owned())))
    }

    /// An `https` address, or an `http` address on this machine. It is not asked yet. `ca` is the PEM of the authorities that
    /// its certificate may come from; without it, those that the system trusts.
    ///
    /// # Errors
    /// [`SourceError`] where the address or the authorities are not as they should be.
    pub fn url(url: &str, ca: Option<&[u8]>) -> Result<Self, SourceError> {
        let uri: Uri = url.parse().map_err(|_| SourceError::Url)?;
        let authority = uri.authority().ok_or(SourceError::Url)?;
        if authority.as_str().contains('@') {
            return Err(SourceError::UrlWithPassword);
        }
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_loopback(authority.host()) => {}
            Some("http") => return Err(SourceError::PlainText),
            _ => return Err(SourceError::Url),
        }
        let client = Box::new(JwksClient::new(uri, ca)?);
        Ok(Self(Kind::Url { client, ca: ca.map(<[u8]>::to_vec) }))
    }

    /// Whether keys of one are keys of the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::File(path), Kind::File(other)) => path == other,
            (Kind::Url { client, ca }, Kind::Url { client: other, ca: other_ca }) => {
                client.uri() == other.uri() && ca == other_ca
            }
            _ => false,
        }
    }

    /// Reads the text of the set, and says how long it may be taken as it is.
    pub(super) async fn read(&self, pace: &Pace) -> Result<(Vec<u8>, Duration), SourceError> {
        match &self.0 {
            Kind::File(path) => Ok((read_file(path).await?, FILE_FRESH)),
            Kind::Url { client, .. } => {
                let (text, max_age) = client.fetch(pace.time_limit).await?;
                Ok((text, max_age.unwrap_or(pace.usual).clamp(pace.shortest, pace.longest.max(pace.shortest))))
            }
        }
    }

    /// How long after one that names an unknown key the next such JWT may have the keys read again.
    pub(super) fn unknown_kid_pause(&self, pace: &Pace) -> Duration {
        match self.0 {
            Kind::File(_) => pace.unknown_kid.min(FILE_FRESH),
            Kind::Url { .. } => pace.unknown_kid,
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::File(path) => write!(f, "{}", path.display()),
            Kind::Url { client, .. } => write!(f, "{}", client.uri()),
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySource({self})")
    }
}

async fn read_file(path: &Path) -> Result<Vec<u8>, SourceError> {
    let file = tokio::fs::File::open(path).await.map_err(SourceError::File)?;
    let mut text = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut text).await.map_err(SourceError::File)?;
    if text.len() > MAX_BYTES { Err(SourceError::TooLarge) } else { Ok(text) }
}

/// The host of an address as it is written: an IPv6 address stands in brackets.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// How often a URL is asked.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Keys are taken this long at least, whatever the answer's max-age.
    pub shortest: Duration,
    /// And this long at most.
    pub longest: Duration,
    /// Without a max-age.
    pub usual: Duration,
    /// From one failure to the next try.
    pub retry: Duration,
    /// From one asking for the sake of an unknown kid to the next.
    pub unknown_kid: Duration,
    /// How long one asking may take, to its last byte.
    pub time_limit: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            shortest: Duration::from_secs(60),
            longest: Duration::from_secs(24 * 3600),
            usual: Duration::from_secs(300),
            retry: Duration::from_secs(5),
            unknown_kid: Duration::from_secs(30),
            time_limit: Duration::from_secs(5),
        }
    }
}

/// Why there are no keys from a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    File(std::io::Error),
    /// It is more than any issuer has.
    #[error("it has more than {} KiB; a JWK set has a few", MAX_BYTES / 1024)]
    TooLarge,
    /// It is something else.
    #[error("it is no JWK set; that is JSON like {{\"keys\":[...]}}")]
    NoJwks,
    /// None of its keys is one that a JWT could be signed with.
    #[error("it has no key that can be used: one with a kid, for signatures, on P-256, Ed25519, or RSA of 2048 bits or more")]
    NoUsableKey,
    /// It is more than any issuer has.
    #[error("it has more than {most} keys")]
    TooManyKeys {
        /// The most that are looked at.
        most: usize,
    },
    /// It is no address.
    #[error("it is no address; write it like https://id.example.org/jwks")]
    Url,
    /// The configuration is no place for a password.
    #[error("it has a user in it; a JWK set is public and needs none")]
    UrlWithPassword,
    /// Whoever sits on the way could put keys of his own there.
    #[error("it is plain http to another machine; write https (http is for loopback)")]
    PlainText,
    /// The authorities are not usable.
    #[error("the authorities that its certificate may come from: {0}")]
    Authorities(String),
    /// No whole answer came in time.
    #[error("no answer within {seconds} s")]
    Slow {
        /// The limit.
        seconds: u64,
    },
    /// The connection failed.
    #[error("{0}")]
    Connection(String),
    /// It answered with another code.
    #[error("it answered {code}; 200 is right, and redirects are not followed")]
    Status {
        /// The code.
        code: u16,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_anywhere_and_http_on_loopback_are_addresses_of_keys() {
        for url in ["https://id.example.org/jwks", "http://127.0.0.1:8080/jwks", "http://[::1]/x", "http://localhost/x"] {
            assert!(KeySource::url(url, None).is_ok(), "{url}");
        }
    }

    #[test]
    fn other_addresses_are_refused_with_what_would_be_right() {
        for (url, says) in [
            ("http://id.example.org/jwks", "write https"),
            ("http://127.0.0.1.example.org/", "write https"),
            ("https://user:pw@id.example.org/", "needs none"),
            ("ftp://id.example.org/", "like https://"),
            ("/jwks", "like https://"),
            ("", "like https://"),
        ] {
            let error = KeySource::url(url, None).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("pw@"), "{url}: {error}");
        }
    }

    #[test]
    fn authorities_have_to_be_certificates() {
        for ca in [&b""[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(KeySource::url("https://id.example.org/", Some(ca)), Err(SourceError::Authorities(_))));
        }
    }
}
