//! Roles, and the calls that each may make.

use std::fmt;
use std::str::FromStr;

/// What a caller is to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// An issuance backend: has certificates signed.
    Issuer,
    /// A security officer: looks after tokens, PINs and keys.
    Officer,
    /// Answers what was signed.
    Auditor,
    /// Keeps the service running: sees how it is.
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Issuer, Self::Officer, Self::Auditor, Self::Operator];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Officer => "officer",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| UnknownRole { name: name.to_owned() })
    }
}

/// A name that no role has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no role {name:?}; there are issuer, officer, auditor and operator")]
pub struct UnknownRole {
    name: String,
}

/// Some roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Those of a list.
    #[must_use]
    pub const fn of(roles: &[Role]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < roles.len() {
            bits |= roles[index].bit();
            index += 1;
        }
        Self(bits)
    }

    /// Whether a role is among them.
    #[must_use]
    pub const fn contains(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    const fn has_any_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Role::ALL.into_iter().filter(|role| self.contains(*role)).map(Role::name).collect();
        f.write_str(&names.join(" or "))
    }
}

const ANYBODY: Roles = Roles::of(&Role::ALL);

/// Every call that is served over the network, with the roles that may make it. A call that is not here is made by nobody.
const CALLS: &[(&str, Roles)] = &[
    ("/sceau.v1.Signer/SignBatch", Roles::of(&[Role::Issuer])),
    ("/sceau.v1.Signer/SignStream", Roles::of(&[Role::Issuer])),
    ("/sceau.v1.Signer/ListSigningCertificates", ANYBODY),
    ("/sceau.v1.Admin/ListTokens", Roles::of(&[Role::Officer, Role::Operator])),
    ("/sceau.v1.Admin/UnlatchToken", Roles::of(&[Role::Officer])),
    ("/sceau.v1.Admin/ShowClock", Roles::of(&[Role::Officer, Role::Operator])),
    ("/sceau.v1.Admin/AcceptClock", Roles::of(&[Role::Officer, Role::Operator])),
    ("/sceau.v1.Auditor/FindCertificates", Roles::of(&[Role::Auditor])),
    ("/sceau.v1.Auditor/CountCertificates", Roles::of(&[Role::Auditor])),
    ("/sceau.v1.Auditor/ExportLedger", Roles::of(&[Role::Auditor])),
    ("/sceau.v1.Auditor/ShowLedger", Roles::of(&[Role::Officer, Role::Auditor, Role::Operator])),
    ("/sceau.v1.Custody/ShowCustody", Roles::of(&[Role::Officer, Role::Auditor])),
    ("/sceau.v1.Custody/Propose", Roles::of(&[Role::Officer])),
    ("/sceau.v1.Custody/Decide", Roles::of(&[Role::Officer])),
    ("/sceau.v1.Custody/Execute", Roles::of(&[Role::Officer])),
    ("/sceau.v1.Custody/RequestCertificate", Roles::of(&[Role::Officer])),
    ("/sceau.v1.Custody/Canary", Roles::of(&[Role::Officer])),
    ("/sceau.v1.Custody/SignUpload", Roles::of(&[Role::Officer])),
    ("/sceau.v1.Custody/CountSigned", Roles::of(&[Role::Officer, Role::Auditor])),
    ("/sceau.v1.Custody/FetchRevocation", Roles::of(&[Role::Officer])),
    ("/sceau.v1.Custody/Revoke", Roles::of(&[Role::Officer])),
    ("/grpc.health.v1.Health/Check", ANYBODY),
    ("/grpc.health.v1.Health/Watch", ANYBODY),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", ANYBODY),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", ANYBODY),
];

/// Why a call is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAllowed {
    /// Its path is in no table.
    #[error("there is no such call for anybody")]
    Unknown,
    /// The caller has none of the roles that make it.
    #[error("the call is for the role {wanted}; the caller has {has}")]
    Role {
        /// Whose it is.
        wanted: Roles,
        /// What the caller has.
        has: Roles,
    },
}

impl Roles {
    /// The path of a call as it stands in the table, where a caller with these roles may make it.
    pub(super) fn may_call(self, path: &str) -> Result<&'static str, NotAllowed> {
        let (path, wanted) = CALLS.iter().find(|(call, _)| *call == path).ok_or(NotAllowed::Unknown)?;
        if self.has_any_of(*wanted) { Ok(path) } else { Err(NotAllowed::Role { wanted: *wanted, has: self }) }
    }
}

/// The path of a call as it stands in the table; what a stranger writes there is no text for a log.
pub(super) fn known(path: &str) -> Option<&'static str> {
    CALLS.iter().map(|(call, _)| *call).find(|call| *call == path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::proto::DESCRIPTORS;

    #[test]
    fn every_call_of_the_protocol_has_its_roles() {
        use prost::Message;
        let files = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
        let mut calls = 0;
        for file in files.file.iter().filter(|file| file.package() == "sceau.v1") {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/sceau.v1.{}/{}", service.name(), method.name());
                    assert!(CALLS.iter().any(|(call, _)| *call == path), "{path}");
                    calls += 1;
                }
            }
        }
        assert!(calls >= 5, "{calls}");
    }

    #[test]
    fn a_call_is_for_its_roles_and_an_unknown_one_for_nobody() {
        let (issuer, officer) = (Roles::of(&[Role::Issuer]), Roles::of(&[Role::Officer]));
        assert_eq!(issuer.may_call("/sceau.v1.Signer/SignBatch"), Ok("/sceau.v1.Signer/SignBatch"));
        let refused = officer.may_call("/sceau.v1.Signer/SignBatch").unwrap_err();
        assert_eq!(refused.to_string(), "the call is for the role issuer; the caller has officer");
        assert_eq!(ANYBODY.may_call("/sceau.v1.Signer/SignAnything"), Err(NotAllowed::Unknown));
    }

    #[test]
    fn a_path_that_is_no_call_is_not_repeated() {
        assert_eq!(known("/sceau.v1.Signer/SignBatch"), Some("/sceau.v1.Signer/SignBatch"));
        assert_eq!(known("/sceau.v1.Signer/Patient-4711"), None);
    }

    #[test]
    fn roles_are_found_by_their_names() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert!("admin".parse::<Role>().unwrap_err().to_string().contains("officer"));
    }
}
