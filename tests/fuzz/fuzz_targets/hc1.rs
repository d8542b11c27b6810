//! A certificate as text, and below its layers: bytes alone would hardly ever get past base45 and zlib's checksum.
//!
//! The first byte says which layer the others are; what is around it is put around it.
#![no_main]

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use libfuzzer_sys::fuzz_target;
use sceau::domain::RuleSet;
use sceau::encode::decode::MAX_COSE_BYTES;
use sceau::encode::{DecodeError, Hc1, SignedHcert};
use sceau_fuzz::certificate::{assemble, look_at};
use sceau_fuzz::payloads::{self, claims, parse};
use sceau_fuzz::seeds;

fuzz_target!(init: seeds::write(seeds()), |input: &[u8]| {
    let Some((layer, bytes)) = input.split_first() else { return };
    let read = match layer % 4 {
        0 => SignedHcert::decode(&String::from_utf8_lossy(bytes)),
        1 => SignedHcert::decode(&text(bytes)),
        2 => both_ways(bytes),
        _ => {
            let message = assemble(bytes);
            assert_eq!(inflated(Hc1::encode(&message).as_str()), message.as_bytes());
            both_ways(message.as_bytes())
        }
    };
    match read {
        Ok(read) => look_at(&read),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

/// A message in its text is what it is alone; but for its length, which only the text bounds.
fn both_ways(cose: &[u8]) -> Result<SignedHcert, DecodeError> {
    let (alone, in_text) = (SignedHcert::from_cose(cose), SignedHcert::decode(&text(&deflated(cose))));
    match (&alone, &in_text) {
        (Ok(alone), Ok(in_text)) => {
            assert_eq!((alone.sig_structure(), alone.signature()), (in_text.sig_structure(), in_text.signature()));
        }
        (Err(alone), Err(in_text)) if alone == in_text => {}
        (_, Err(DecodeError::TooLong)) => {}
        (_, Err(DecodeError::Zlib)) if cose.len() >= MAX_COSE_BYTES => {}
        (alone, in_text) => panic!("alone {alone:?}, in its text {in_text:?}"),
    }
    alone
}

fn text(compressed: &[u8]) -> String {
    format!("HC1:{}", base45::encode(compressed))
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a vector takes every byte");
    encoder.finish().expect("a vector takes every byte")
}

/// A text as other libraries read it.
fn inflated(hc1: &str) -> Vec<u8> {
    let compressed = base45::decode(&hc1["HC1:".len()..]).expect("our own base45");
    let mut bytes = Vec::new();
    ZlibDecoder::new(compressed.as_slice()).read_to_end(&mut bytes).expect("our own zlib");
    bytes
}

/// Each payload as a certificate, in every layer.
fn seeds() -> impl Iterator<Item = Vec<u8>> {
    payloads::ALL.into_iter().enumerate().flat_map(|(number, json)| {
        let rules = if number < payloads::STRICT { RuleSet::ALL } else { RuleSet::eu_2021() };
        let claims = claims(&parse(json.as_bytes(), rules).expect("a seed is accepted"));
        let cose = assemble(&claims);
        let layers =
            [Hc1::encode(&cose).as_str().as_bytes().to_vec(), deflated(cose.as_bytes()), cose.as_bytes().to_vec(), claims];
        (0u8..).zip(layers).map(|(layer, bytes)| [&[layer], bytes.as_slice()].concat())
    })
}
