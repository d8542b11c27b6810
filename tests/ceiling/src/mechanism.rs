//! How is signed: the mechanisms of ES256 and PS256.

use clap::ValueEnum;
use cryptoki_sys::{
    CK_KEY_TYPE, CK_MECHANISM_TYPE, CK_RSA_PKCS_PSS_PARAMS, CKG_MGF1_SHA256, CKK_EC, CKK_RSA, CKM_ECDSA, CKM_RSA_PKCS_PSS,
    CKM_SHA256,
};
use serde::Serialize;

/// Each signs a SHA-256 digest of 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mechanism {
    /// `CKM_ECDSA`, as ES256 has it
    Ecdsa,
    /// `CKM_RSA_PKCS_PSS` with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes, as PS256 has it
    RsaPss,
}

/// What `CK_MECHANISM` points to for PS256. Source: RFC 8230 section 2.
pub(crate) const PSS: CK_RSA_PKCS_PSS_PARAMS = CK_RSA_PKCS_PSS_PARAMS { hashAlg: CKM_SHA256, mgf: CKG_MGF1_SHA256, sLen: 32 };

impl Mechanism {
    pub(crate) const fn number(self) -> CK_MECHANISM_TYPE {
        match self {
            Self::Ecdsa => CKM_ECDSA,
            Self::RsaPss => CKM_RSA_PKCS_PSS,
        }
    }

    pub(crate) const fn key_type(self) -> CK_KEY_TYPE {
        match self {
            Self::Ecdsa => CKK_EC,
            Self::RsaPss => CKK_RSA,
        }
    }
}
