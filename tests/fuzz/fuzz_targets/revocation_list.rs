//! A revocation list: in JSON, as a signed message, or as the content of one that is signed well, by the first byte.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sceau::custody::development::{DevelopmentCsca, DscRequest};
use sceau::domain::{HashType, NumericDate, RevocationHashes};
use sceau::encode::cms::{UploadCertificate, open, to_be_signed};
use sceau::encode::revocation::{ExpiryStep, RevocationBatch, RevocationList, batches};
use sceau::token::TokenKey;
use sceau::token::software::SoftwareToken;
use sceau_fuzz::payloads::NOW;
use sceau_fuzz::seeds;

fuzz_target!(init: seeds::write(seeds()), |input: &[u8]| {
    let Some((layer, bytes)) = input.split_first() else { return };
    match layer % 3 {
        0 => as_json(bytes),
        1 => as_message(bytes),
        _ => as_content(bytes),
    }
});

/// What is read is written and read again.
fn as_json(bytes: &[u8]) {
    match RevocationBatch::all_from_json(bytes) {
        Ok(batches) => {
            for batch in batches {
                assert_eq!(RevocationBatch::from_json(&batch.to_json()).expect("our own text"), batch);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Nothing is believed but what was signed when the program started.
fn as_message(bytes: &[u8]) {
    match open(bytes, std::slice::from_ref(&UPLOADER.certificate)) {
        Ok(opened) => assert_eq!(opened.content, *CONTENT),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A country's own signature makes a list of a batch of that country, and of nothing else.
fn as_content(bytes: &[u8]) {
    let message = UPLOADER.sign(bytes);
    let added = RevocationList::default().add_signed(&message, std::slice::from_ref(&UPLOADER.certificate));
    let batch = RevocationBatch::from_json(bytes);
    let is_ours = batch.is_ok_and(|batch| Some(batch.country()) == UPLOADER.certificate.country());
    assert_eq!(added.is_ok(), is_ours);
}

/// A key in memory with its upload certificate, of France.
struct Uploader {
    token: SoftwareToken,
    certificate: UploadCertificate,
}

static UPLOADER: LazyLock<Uploader> = LazyLock::new(Uploader::new);
/// The only content that the uploader's key has signed for [`as_message`].
static CONTENT: LazyLock<Vec<u8>> = LazyLock::new(|| list().remove(0).to_json());

impl Uploader {
    fn new() -> Self {
        let token = SoftwareToken::with_keys(1);
        let (_, public_key) = token.key(0);
        let csca_key = rcgen::KeyPair::generate().expect("the random generator works");
        let country = "FR".parse().expect("two capitals");
        let csca = DevelopmentCsca::new(csca_key, country, NOW).expect("the CSCA's key signs");
        let (not_before, not_after) = (NOW, NOW.plus_seconds(86_400));
        let request = DscRequest { common_name: "Upload".to_owned(), types: Vec::new(), not_before, not_after };
        let der = csca.issue(&public_key, &request).expect("the CSCA's key signs");
        Self { token, certificate: UploadCertificate::from_der(&der).expect("a certificate on P-256") }
    }

    fn sign(&self, content: &[u8]) -> Vec<u8> {
        let draft = to_be_signed(content, &self.certificate, NOW).expect("a content of some KiB");
        let signed = self.token.sign_now(TokenKey::FIRST, &draft.digest()).expect("the key signs");
        draft.finish(&signed.signature).expect("the key is the certificate's").as_der().to_vec()
    }
}

/// Three batches: of two kids, with one and with two entries.
fn list() -> Vec<RevocationBatch> {
    let hashes = |number| RevocationHashes { signature: [number; 16], uci: [number; 32], country_uci: [number; 32] };
    let certificate =
        |(kid, later, number): (u8, i64, u8)| ([kid; 8].into(), NumericDate::from_seconds(NOW.seconds() + later), hashes(number));
    let revoked = [(1, 1, 1), (2, 1, 2), (2, 2, 3), (2, 90_000, 4)].map(certificate);
    batches("FR".parse().expect("two capitals"), HashType::Signature, NOW, ExpiryStep::Day, revoked).batches
}

/// Each batch in every layer, and all of them in an array.
fn seeds() -> impl Iterator<Item = Vec<u8>> {
    let texts: Vec<Vec<u8>> = list().iter().map(RevocationBatch::to_json).collect();
    let array = [b"[".to_vec(), texts.join(&b","[..]), b"]".to_vec()].concat();
    let message = UPLOADER.sign(&CONTENT);
    let layer = |layer: u8, bytes: &[u8]| [&[layer], bytes].concat();
    let mut seeds = vec![layer(0, &array), layer(1, &message)];
    seeds.extend(texts.iter().flat_map(|text| [layer(0, text), layer(2, text)]));
    seeds.into_iter()
}
