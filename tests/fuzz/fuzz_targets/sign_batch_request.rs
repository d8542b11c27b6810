//! A `SignBatchRequest` as it comes over the network: read, taken in, signed on keys in memory, answered.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prost::Message;
use sceau::encode::SignedHcert;
use sceau::service::proto::v1::result::Outcome;
use sceau::service::proto::v1::{Item, Lane, SignBatchRequest, SignBatchResponse, SignOptions};
use sceau_fuzz::desk::{Desk, MAX_ITEMS};
use sceau_fuzz::payloads::{self, NOW};
use sceau_fuzz::seeds;

static DESK: LazyLock<Desk> = LazyLock::new(Desk::open);

fuzz_target!(init: seeds::write(seeds()), |message: &[u8]| {
    let Ok(request) = SignBatchRequest::decode(message) else { return };
    assert_eq!(SignBatchRequest::decode(request.encode_to_vec().as_slice()).as_ref(), Ok(&request));
    if request.items.is_empty() || request.items.len() > MAX_ITEMS {
        return;
    }
    let answer = DESK.answer(request.clone());
    check(&request, &answer);
    assert_eq!(SignBatchResponse::decode(answer.encode_to_vec().as_slice()), Ok(answer));
});

/// One result an item, in order, and what was asked for in each.
fn check(request: &SignBatchRequest, answer: &SignBatchResponse) {
    assert_eq!(request.items.len(), answer.results.len());
    let options = request.options.unwrap_or_default();
    for (item, result) in request.items.iter().zip(&answer.results) {
        assert_eq!(item.item_id, result.item_id);
        match result.outcome.as_ref().expect("a certificate or an error") {
            Outcome::Error(error) => assert!(error.code != 0 && !error.message.is_empty()),
            Outcome::Certificate(certificate) => {
                assert!(certificate.issued_at == NOW.seconds() && certificate.expires_at > NOW.seconds());
                assert_eq!(item.expires_at.unwrap_or(certificate.expires_at), certificate.expires_at);
                assert_eq!(certificate.cose.is_empty(), options.validate_only || !options.want_cose);
                assert_eq!(certificate.hc1.is_empty(), options.validate_only);
                if !options.validate_only {
                    let read = SignedHcert::decode(&certificate.hc1).expect("what was signed is read back");
                    assert_eq!((read.uvci(), read.expires_at().seconds()), (Some(&*certificate.uvci), certificate.expires_at));
                }
            }
        }
    }
}

/// A request of everything, one item a request, and the same item twice.
fn seeds() -> impl Iterator<Item = Vec<u8>> {
    let item = |number: usize| Item {
        item_id: format!("item-{number}"),
        payload_json: payloads::ALL[number].as_bytes().into(),
        expires_at: number.is_multiple_of(2).then_some(NOW.seconds() + 86_400),
    };
    let request = |number: usize, items: Vec<Item>| SignBatchRequest {
        profile: if number.is_multiple_of(2) { "eu-2021".to_owned() } else { String::new() },
        lane: if number.is_multiple_of(3) { Lane::Bulk } else { Lane::Interactive }.into(),
        options: Some(SignOptions { want_cose: number.is_multiple_of(2), validate_only: number % 3 == 1 }),
        items,
    };
    let count = payloads::ALL.len();
    let single = (0..count).map(move |number| request(number, vec![item(number)]));
    let whole = [request(0, (0..count).map(item).collect()), request(1, vec![item(0), item(1), item(0)])];
    single.chain(whole).map(|request| request.encode_to_vec())
}
