//! Who is at the other end of a connection.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::chain::{Chain, Lapse};
use crate::domain::NumericDate;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// A process of this machine, in plain text.
    Loopback,
    /// Whoever holds the key of a certificate that the configured CA has issued; with the chain that led to that CA.
    Certificate(Arc<PeerCertificate>, Arc<Chain>),
}

/// What a client's certificate says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PeerCertificate {
    pub(super) identities: Vec<Identity>,
    not_after: NumericDate,
}

/// A name by which a caller is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A URI in the certificate's subject alternative name, like a SPIFFE ID.
    Uri(String),
    /// A DNS name there; compared without regard to case.
    Dns(String),
    /// The certificate's subject, as RFC 4514 writes it.
    Subject(String),
    /// Plain text from this machine.
    Loopback,
}

impl FromStr for Identity {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, InvalidIdentity> {
        let invalid = || InvalidIdentity { text: text.to_owned() };
        if text == "loopback" {
            return Ok(Self::Loopback);
        }
        let (kind, name) = text.split_once(':').filter(|(_, name)| !name.is_empty()).ok_or_else(invalid)?;
        match kind {
            "uri" => Ok(Self::Uri(name.to_owned())),
            "dns" => Ok(Self::Dns(name.to_ascii_lowercase())),
            "subject" => Ok(Self::Subject(name.to_owned())),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(name) => write!(f, "uri:{name}"),
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Subject(name) => write!(f, "subject:{name}"),
            Self::Loopback => f.write_str("loopback"),
        }
    }
}

/// A text that names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no identity; write \"uri:…\", \"dns:…\", \"subject:CN=…,O=…\" as a refusal shows it, or \"loopback\"")]
pub struct InvalidIdentity {
    text: String,
}

impl PeerCertificate {
    /// Reads a certificate that the handshake has verified; nothing where it cannot be read.
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let tbs = certificate.tbs_certificate();
        let mut identities = Vec::new();
        if let Some((_, names)) = tbs.get_extension::<SubjectAltName>().ok()? {
            identities.extend(names.0.iter().filter_map(|name| match name {
                GeneralName::UniformResourceIdentifier(uri) => Some(Identity::Uri(uri.to_string())),
                GeneralName::DnsName(name) => Some(Identity::Dns(name.as_str().to_ascii_lowercase())),
                _ => None,
            }));
        }
        let subject = tbs.subject().to_string();
        if !subject.is_empty() {
            identities.push(Identity::Subject(subject));
        }
        let not_after = i64::try_from(tbs.validity().not_after.to_unix_duration().as_secs()).ok()?;
        Some(Self { identities, not_after: NumericDate::from_seconds(not_after) })
    }

    /// Whether its validity is over: a connection may outlive its certificate, a right must not.
    pub(super) fn has_expired(&self, now: NumericDate) -> bool {
        now > self.not_after
    }
}

impl Peer {
    /// The names of the peer, those that a CA has looked at most closely in front.
    pub(super) fn identities(&self) -> &[Identity] {
        match self {
            Self::Loopback => &[Identity::Loopback],
            Self::Certificate(certificate, _) => &certificate.identities,
        }
    }

    /// Whether it would still be let in: asked at every call, for a connection may outlive what it was opened with.
    pub(super) fn check(&self, now: NumericDate) -> Result<(), Lapse> {
        match self {
            Self::Loopback => Ok(()),
            Self::Certificate(certificate, _) if certificate.has_expired(now) => Err(Lapse::Expired),
            Self::Certificate(_, chain) => chain.check(now),
        }
    }

    /// The same as one text.
    pub(super) fn names(&self, between: &str) -> String {
        self.identities().iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read_as_they_are_shown() {
        for text in ["uri:spiffe://nc/issuer", "dns:issuer.example", "subject:CN=Issuer,O=DASS", "loopback"] {
            assert_eq!(text.parse::<Identity>().unwrap().to_string(), text);
        }
        assert_eq!("dns:Issuer.Example".parse(), Ok(Identity::Dns("issuer.example".to_owned())));
        for text in ["", "uri:", "cn:x", "issuer.example"] {
            assert!(text.parse::<Identity>().is_err(), "{text:?}");
        }
    }
}
