//! Finding the key that a certificate belongs to, and what such a key must be.

use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::{KeyAttribute, TokenError};
use crate::domain::{Algorithm, PublicKey};

/// The private key on the token whose public half is a certificate's: public key -> CKA_ID -> private key.
pub(super) fn find_private_key(session: &Session, public_key: &PublicKey) -> Result<ObjectHandle, TokenError> {
    let public = find_public_key(session, public_key)?;
    let id = match session.get_attributes(public, &[AttributeType::Id]).map_err(TokenError::of_call)?.pop() {
        Some(Attribute::Id(id)) if !id.is_empty() => id,
        _ => return Err(TokenError::KeyAbsent { what: "CKA_ID on the certificate's public key" }),
    };
    let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Token(true), Attribute::Id(id)];
    only(session, &template, "private key with the public key's CKA_ID")
}

/// The one public key object that holds a certificate's key.
///
/// What a search gives is read back: some modules search by class, id and label only and give every key (NetHSM), and some
/// cannot search by the key at all (YubiHSM 2), so that all public keys are looked through.
fn find_public_key(session: &Session, public_key: &PublicKey) -> Result<ObjectHandle, TokenError> {
    const WHAT: &str = "public key of the certificate";
    let class = Attribute::Class(ObjectClass::PUBLIC_KEY);
    let mut found = Vec::new();
    for template in [vec![class.clone(), key_attribute(public_key)], vec![class]] {
        let candidates = session.find_objects(&template).map_err(TokenError::of_call)?;
        for candidate in candidates {
            if holds(session, candidate, public_key)? {
                found.push(candidate);
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    single(&found, WHAT)
}

/// The attribute that a key is found by.
fn key_attribute(public_key: &PublicKey) -> Attribute {
    match public_key {
        PublicKey::Rsa { modulus, .. } => Attribute::Modulus(modulus.clone()),
        PublicKey::P256 { point } => Attribute::EcPoint(der_octet_string(point)),
    }
}

/// Whether an object's attribute is the key. EC points come as DER or, from modules older than PKCS#11 2.40, raw.
fn holds(session: &Session, object: ObjectHandle, public_key: &PublicKey) -> Result<bool, TokenError> {
    let kind = match public_key {
        PublicKey::Rsa { .. } => AttributeType::Modulus,
        PublicKey::P256 { .. } => AttributeType::EcPoint,
    };
    let read = session.get_attributes(object, &[kind]).map_err(TokenError::of_call)?;
    Ok(match (read.first(), public_key) {
        (Some(Attribute::Modulus(found)), PublicKey::Rsa { modulus, .. }) => found == modulus,
        (Some(Attribute::EcPoint(found)), PublicKey::P256 { point }) => found == point || *found == der_octet_string(point),
        _ => false,
    })
}

/// CKA_EC_POINT is the DER of an OCTET STRING that holds the point.
fn der_octet_string(point: &[u8; 65]) -> Vec<u8> {
    [&[0x04, 65], &point[..]].concat()
}

fn only(session: &Session, template: &[Attribute], what: &'static str) -> Result<ObjectHandle, TokenError> {
    single(&session.find_objects(template).map_err(TokenError::of_call)?, what)
}

fn single(found: &[ObjectHandle], what: &'static str) -> Result<ObjectHandle, TokenError> {
    match found {
        [] => Err(TokenError::KeyAbsent { what }),
        [one] => Ok(*one),
        more => Err(TokenError::KeyAmbiguous { what, count: more.len() }),
    }
}

/// Reads a private key's attributes back; each that is not as it should be is refused, unless it is relaxed by name.
pub(super) fn check_attributes(session: &Session, key: ObjectHandle, relaxed: &[KeyAttribute]) -> Result<(), TokenError> {
    for (attribute, kind, wanted) in WANTED {
        let found = read_flag(session, key, kind)?;
        if found == wanted {
            continue;
        }
        if !relaxed.contains(&attribute) {
            return Err(TokenError::KeyAttribute { attribute, found, wanted });
        }
        tracing::warn!(%attribute, found, wanted, "a key is used although its attribute is not as it should be: relax_key_attributes names it");
    }
    Ok(())
}

/// Every attribute that is checked: what the token says, and what it has to be.
pub(super) fn read_attributes(session: &Session, key: ObjectHandle) -> Result<Vec<(KeyAttribute, bool, bool)>, TokenError> {
    let read = |(attribute, kind, wanted)| Ok((attribute, read_flag(session, key, kind)?, wanted));
    WANTED.into_iter().map(read).collect()
}

const WANTED: [(KeyAttribute, AttributeType, bool); 6] = [
    (KeyAttribute::Sensitive, AttributeType::Sensitive, true),
    (KeyAttribute::AlwaysSensitive, AttributeType::AlwaysSensitive, true),
    (KeyAttribute::NeverExtractable, AttributeType::NeverExtractable, true),
    (KeyAttribute::Local, AttributeType::Local, true),
    (KeyAttribute::Sign, AttributeType::Sign, true),
    (KeyAttribute::AlwaysAuthenticate, AttributeType::AlwaysAuthenticate, false),
];

/// A flag; one that the token does not know counts as false, so that what has to be true is refused.
fn read_flag(session: &Session, key: ObjectHandle, kind: AttributeType) -> Result<bool, TokenError> {
    let attributes = session.get_attributes(key, &[kind]).map_err(TokenError::of_call)?;
    Ok(match attributes.first() {
        Some(
            Attribute::Sensitive(value)
            | Attribute::AlwaysSensitive(value)
            | Attribute::NeverExtractable(value)
            | Attribute::Local(value)
            | Attribute::Sign(value)
            | Attribute::AlwaysAuthenticate(value),
        ) => *value,
        _ => false,
    })
}

/// The mechanism that signs a digest.
///
/// Hashing is done outside, so the HSM sees 32 bytes: `CKM_ECDSA` gives r‖s as COSE wants it; `CKM_RSA_PKCS_PSS` with
/// SHA-256, MGF1-SHA-256 and a salt of 32 bytes is PS256.
pub(super) fn mechanism(algorithm: Algorithm) -> Mechanism<'static> {
    match algorithm {
        Algorithm::Es256 => Mechanism::Ecdsa,
        Algorithm::Ps256 => Mechanism::RsaPkcsPss(PkcsPssParams {
            hash_alg: MechanismType::SHA256,
            mgf: PkcsMgfType::MGF1_SHA256,
            s_len: 32.into(),
        }),
    }
}
