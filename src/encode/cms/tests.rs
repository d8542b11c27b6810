//! Messages signed by keys made for the test, whole and bent.

use std::sync::LazyLock;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PSS_SHA256, RsaKeyPair};
use der::asn1::{Any, OctetString, SetOfVec};
use der::{Decode, Encode};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};

use super::asn1::ContentInfo;
use super::*;
use crate::domain::{Algorithm, Digest, NumericDate, Signature};

const CONTENT: &[u8] = br#"{"country":"FR"}"#;
const NOW: NumericDate = NumericDate::from_seconds(1_634_688_000);

/// A key with its self-signed upload certificate.
struct Uploader {
    certificate: UploadCertificate,
    key: Key,
}

enum Key {
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

static P256: LazyLock<Uploader> = LazyLock::new(|| Uploader::of(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()));
static RSA: LazyLock<Uploader> = LazyLock::new(|| Uploader::of(&KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap()));

impl Uploader {
    fn of(pair: &KeyPair) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CountryName, "FR");
        params.distinguished_name.push(DnType::CommonName, "Upload");
        let certificate = UploadCertificate::from_der(params.self_signed(pair).unwrap().der()).unwrap();
        let pkcs8 = pair.serialize_der();
        let key = match certificate.algorithm() {
            Algorithm::Es256 => Key::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).unwrap()),
            Algorithm::Ps256 => Key::Rsa(RsaKeyPair::from_pkcs8(&pkcs8).unwrap()),
        };
        Self { certificate, key }
    }

    fn sign(&self, digest: Digest) -> Signature {
        let digest = aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256).unwrap();
        Signature::new(match &self.key {
            Key::P256(key) => key.sign_digest(&digest).unwrap().as_ref().to_vec(),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign_digest(&RSA_PSS_SHA256, &digest, &mut signature).unwrap();
                signature
            }
        })
    }

    fn message(&self) -> SignedMessage {
        let draft = to_be_signed(CONTENT, &self.certificate, NOW).unwrap();
        let signature = self.sign(draft.digest());
        draft.finish(&signature).unwrap()
    }

    fn open<'s>(&'s self, message: &[u8]) -> Result<Opened<'s>, OpenError> {
        open(message, std::slice::from_ref(&self.certificate))
    }
}

#[test]
fn a_message_opens_under_its_certificate_in_every_form() {
    for uploader in [&*P256, &*RSA] {
        let message = uploader.message();
        let base64 = message.to_base64();
        let pem = format!("-----BEGIN CMS-----\n{}\n{}\n-----END CMS-----\n", &base64[..64], &base64[64..]);
        for form in [message.as_der(), base64.as_bytes(), pem.as_bytes(), &as_ber(message.as_der())] {
            let opened = uploader.open(form).unwrap();
            assert_eq!((opened.content.as_slice(), opened.certificate.der()), (CONTENT, uploader.certificate.der()));
        }
    }
}

/// The same message as dgc-lib writes it: lengths left open, the content in pieces.
fn as_ber(der: &[u8]) -> Vec<u8> {
    let open = |tag: u8, parts: &[Vec<u8>]| [&[tag, 0x80], parts.concat().as_slice(), &[0, 0]].concat();
    let info = ContentInfo::from_der(der).unwrap();
    let signed = info.content;
    let content = signed.encap_content_info.content.unwrap();
    let pieces: Vec<_> = content.as_bytes().chunks(7).map(|piece| OctetString::new(piece).unwrap().to_der().unwrap()).collect();
    let encapsulated = [signed.encap_content_info.content_type.to_der().unwrap(), open(0xa0, &[open(0x24, &pieces)])];
    let signed = [
        signed.version.to_der().unwrap(),
        signed.digest_algorithms.to_der().unwrap(),
        open(0x30, &encapsulated),
        open(0xa0, &[signed.certificates.unwrap().get(0).unwrap().to_der().unwrap()]),
        signed.signer_infos.to_der().unwrap(),
    ];
    open(0x30, &[info.content_type.to_der().unwrap(), open(0xa0, &[open(0x30, &signed)])])
}

#[test]
fn no_changed_byte_gives_another_content() {
    let message = P256.message();
    for position in 0..message.as_der().len() {
        let mut changed = message.as_der().to_vec();
        changed[position] ^= 1;
        if let Ok(opened) = P256.open(&changed) {
            assert_eq!(opened.content, CONTENT, "byte {position}");
        }
    }
}

#[test]
fn no_shortened_or_lengthened_message_opens() {
    let message = P256.message();
    for length in 0..message.as_der().len() {
        P256.open(&message.as_der()[..length]).unwrap_err();
    }
    P256.open(&[message.as_der(), &[0]].concat()).unwrap_err();
}

#[test]
fn another_certificate_is_not_trusted_though_it_is_of_the_same_name() {
    let other = Uploader::of(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
    let error = other.open(P256.message().as_der()).unwrap_err();
    assert!(matches!(&error, OpenError::Untrusted { thumbprint } if *thumbprint == P256.certificate.thumbprint()), "{error}");
    assert!(matches!(open(P256.message().as_der(), &[]), Err(OpenError::Untrusted { .. })));
}

#[test]
fn a_signature_of_another_key_writes_no_message() {
    let draft = || to_be_signed(CONTENT, &P256.certificate, NOW).unwrap();
    for bytes in [vec![0; 64], vec![], P256.sign(Digest::of(CONTENT)).into_bytes()] {
        assert!(matches!(draft().finish(&Signature::new(bytes)), Err(DraftError::WrongSignature)));
    }
}

/// The message with a part changed after it was signed.
fn bent(change: impl FnOnce(&mut ContentInfo)) -> OpenError {
    let mut info = ContentInfo::from_der(P256.message().as_der()).unwrap();
    change(&mut info);
    P256.open(&info.to_der().unwrap()).unwrap_err()
}

fn change_signer(info: &mut ContentInfo, change: impl FnOnce(&mut asn1::SignerInfo)) {
    let mut signer = info.content.signer_infos.get(0).unwrap().clone();
    change(&mut signer);
    info.content.signer_infos = SetOfVec::try_from([signer]).unwrap();
}

#[test]
fn each_bent_part_has_its_own_refusal() {
    let other = OctetString::new(&b"other"[..]).unwrap();
    let content = bent(|info| info.content.encap_content_info.content = Some(other));
    assert!(matches!(content, OpenError::Digest), "{content}");
    let detached = bent(|info| info.content.encap_content_info.content = None);
    assert!(matches!(detached, OpenError::Content), "{detached}");
    let no_certificate = bent(|info| info.content.certificates = None);
    assert!(matches!(no_certificate, OpenError::Signers { certificates: 0, signers: 1 }), "{no_certificate}");
    let no_signer = bent(|info| info.content.signer_infos = SetOfVec::default());
    assert!(matches!(no_signer, OpenError::Signers { certificates: 1, signers: 0 }), "{no_signer}");
    let bare = bent(|info| change_signer(info, |signer| signer.signed_attributes = None));
    assert!(matches!(bare, OpenError::Attributes), "{bare}");
    let rsa = bent(|info| change_signer(info, |signer| signer.signature_algorithm = algorithm::identifier(Algorithm::Ps256)));
    assert!(matches!(rsa, OpenError::Algorithm(_)), "{rsa}");
    let signature = bent(|info| change_signer(info, |signer| signer.signature = OctetString::new([0x30, 0]).unwrap()));
    assert!(matches!(signature, OpenError::Signature), "{signature}");
}

#[test]
fn an_attribute_that_stands_twice_is_refused() {
    let twice = bent(|info| {
        change_signer(info, |signer| {
            let attributes = signer.signed_attributes.take().unwrap().into_vec();
            signer.signed_attributes = Some([attributes.clone(), attributes].concat().try_into().unwrap());
        });
    });
    assert!(matches!(twice, OpenError::Attributes), "{twice}");
}

#[test]
fn what_is_no_message_is_said_to_be_none() {
    assert!(matches!(P256.open(b""), Err(OpenError::Form(_))));
    assert!(matches!(P256.open(b"\xff"), Err(OpenError::Base64)));
    assert!(matches!(P256.open(b"no message!"), Err(OpenError::Base64)));
    assert!(matches!(P256.open(&Any::null().to_der().unwrap()), Err(OpenError::Base64)));
    assert!(matches!(P256.open(b"\x30\x00"), Err(OpenError::Form(_))));
}

#[test]
fn the_time_is_among_the_attributes_where_it_has_a_form() {
    let count = |seconds| {
        let draft = to_be_signed(CONTENT, &P256.certificate, NumericDate::from_seconds(seconds)).unwrap();
        let message = draft_message(draft);
        let info = ContentInfo::from_der(message.as_der()).unwrap();
        info.content.signer_infos.get(0).unwrap().signed_attributes.as_ref().unwrap().len()
    };
    // 2050 is the first year of GeneralizedTime.
    assert_eq!([NOW.seconds(), 2_524_608_000, -1, i64::MAX].map(count), [3, 3, 2, 2]);
}

fn draft_message(draft: Draft<'_>) -> SignedMessage {
    let signature = P256.sign(draft.digest());
    draft.finish(&signature).unwrap()
}

#[test]
fn an_upload_certificate_tells_its_country_and_its_algorithm() {
    assert_eq!((P256.certificate.country().unwrap().as_str(), P256.certificate.algorithm()), ("FR", Algorithm::Es256));
    assert_eq!(RSA.certificate.algorithm(), Algorithm::Ps256);
    assert_eq!(P256.certificate.thumbprint(), hex::encode(Digest::of(P256.certificate.der()).as_bytes()));
    assert!(matches!(UploadCertificate::from_der(b"\x30\x00"), Err(UploadCertificateError::Der(_))));
}
