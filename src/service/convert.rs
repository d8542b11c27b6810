//! Between the protocol's messages and the words of the house.

use std::collections::HashMap;
use std::fmt;

use bytes::BytesMut;

use super::monitoring::Tally;
use super::proto::v1;
use super::status;
use crate::domain::{Fault, Faults, ItemId, Lane, NumericDate, Rule, Rulebook};
use crate::sign::{BatchItem, Certificate, ItemError, ItemOutcome, SigningKey};

/// The items of a request: the well-formed ones for the signer, and a place for every one.
pub struct Intake {
    items: Vec<BatchItem>,
    places: Vec<Place>,
}

/// What is known of an item before it is read.
enum Place {
    /// Goes to the signer.
    Accepted { item_id: String },
    /// Is refused for its `item_id`, or its size.
    Refused { item_id: String, fault: Fault },
}

impl Intake {
    /// Checks the references; all copies of a repeated one are refused, for nobody could tell which is meant. A payload that is
    /// too large is let go of at once, and the others are taken out of the message that they came in.
    #[must_use]
    pub fn new(items: Vec<v1::Item>, rulebook: &Rulebook) -> Self {
        let mut copies: HashMap<&str, usize> = HashMap::with_capacity(items.len());
        for item in &items {
            *copies.entry(&item.item_id).or_default() += 1;
        }
        let check = |item: &v1::Item| {
            let id = check_item_id(&item.item_id, copies[item.item_id.as_str()])?;
            rulebook.check_size(item.payload_json.len()).map(|()| id)
        };
        let checked: Vec<Result<ItemId, Fault>> = items.iter().map(check).collect();
        let mut intake = Self { items: Vec::with_capacity(items.len()), places: Vec::with_capacity(items.len()) };
        for (item, checked) in items.into_iter().zip(checked) {
            intake.take(item, checked);
        }
        intake.detach();
        intake
    }

    /// Copies the payloads into one block of their own: a slice of the message would keep all of it, and whatever else its
    /// sender put there.
    fn detach(&mut self) {
        let mut block = BytesMut::with_capacity(self.items.iter().map(|item| item.payload.len()).sum());
        for item in &mut self.items {
            block.extend_from_slice(&item.payload);
            item.payload = block.split().freeze();
        }
    }

    fn take(&mut self, item: v1::Item, checked: Result<ItemId, Fault>) {
        let v1::Item { item_id, payload_json, expires_at } = item;
        match checked {
            Ok(id) => {
                let expires_at = expires_at.map(NumericDate::from_seconds);
                self.items.push(BatchItem { item_id: id, payload: payload_json, expires_at });
                self.places.push(Place::Accepted { item_id });
            }
            Err(fault) => self.places.push(Place::Refused { item_id, fault }),
        }
    }

    /// Takes the items for the signer and leaves the places.
    #[must_use]
    pub fn split(self) -> (Vec<BatchItem>, Results) {
        (self.items, Results { places: self.places })
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Intake({} items, {} of them for the signer)", self.places.len(), self.items.len())
    }
}

/// The places that outcomes go back to.
pub struct Results {
    places: Vec<Place>,
}

impl Results {
    /// What became of every item.
    pub(super) fn tally(&self, outcomes: &[ItemOutcome]) -> Tally {
        let mut tally = Tally::of(outcomes);
        for place in &self.places {
            if let Place::Refused { fault, .. } = place {
                tally.refuse(std::iter::once(fault.rule));
            }
        }
        tally
    }

    /// One result an item, in the order of the request.
    ///
    /// # Panics
    /// Where there are fewer outcomes than the intake had items for the signer.
    #[must_use]
    pub fn answer(self, outcomes: Vec<ItemOutcome>, want_cose: bool) -> v1::SignBatchResponse {
        let mut outcomes = outcomes.into_iter();
        let results = self.places.into_iter().map(|place| match place {
            Place::Accepted { item_id } => {
                let outcome = outcomes.next().expect("the signer gives one outcome an item");
                result(item_id, outcome, want_cose)
            }
            Place::Refused { item_id, fault } => result(item_id, Err(ItemError::Refused(Faults::from(fault))), want_cose),
        });
        v1::SignBatchResponse { results: results.collect() }
    }
}

impl fmt::Debug for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Results({} places)", self.places.len())
    }
}

fn check_item_id(text: &str, copies: usize) -> Result<ItemId, Fault> {
    let id = ItemId::new(text).map_err(|error| Fault::new("item_id", Rule::ItemIdForm, error.to_string()))?;
    if copies > 1 {
        let message = format!("stands {copies} times in this batch; it stands once, and all copies are refused");
        return Err(Fault::new("item_id", Rule::ItemIdUnique, message));
    }
    Ok(id)
}

fn result(item_id: String, outcome: ItemOutcome, want_cose: bool) -> v1::Result {
    let outcome = match outcome {
        Ok(certificate) => v1::result::Outcome::Certificate(message(certificate, want_cose)),
        Err(error) => v1::result::Outcome::Error(status::of_item(error)),
    };
    v1::Result { item_id, outcome: Some(outcome) }
}

fn message(certificate: Certificate, want_cose: bool) -> v1::Certificate {
    let (hc1, cose) = certificate.signed.map_or_else(Default::default, |signed| {
        (signed.hc1.into_string(), if want_cose { signed.cose.into_bytes() } else { Vec::new() })
    });
    v1::Certificate {
        hc1,
        cose: cose.into(),
        uvci: certificate.uvci,
        kid: certificate.kid.as_bytes().to_vec().into(),
        issued_at: certificate.issued_at.seconds(),
        expires_at: certificate.expires_at.seconds(),
    }
}

/// What the caller has put into items, in bytes.
pub(super) fn bytes(items: &[v1::Item]) -> usize {
    items.iter().map(|item| item.item_id.len() + item.payload_json.len()).sum()
}

/// The lane of a request; interactive where none is named.
pub(super) fn lane(lane: v1::Lane) -> Lane {
    match lane {
        v1::Lane::Unspecified | v1::Lane::Interactive => Lane::Interactive,
        v1::Lane::Bulk => Lane::Bulk,
    }
}

/// A DSC as the protocol shows it.
pub(super) fn signing_certificate(key: &SigningKey) -> v1::SigningCertificate {
    let dsc = key.dsc();
    v1::SigningCertificate {
        kid: dsc.kid().as_bytes().to_vec().into(),
        der: dsc.der().to_vec().into(),
        algorithm: dsc.algorithm().to_string(),
        country: dsc.country().map(|country| country.to_string()).unwrap_or_default(),
        not_before: dsc.not_before().seconds(),
        not_after: dsc.not_after().seconds(),
        types: dsc.types().iter().map(|kind| kind.key().to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::domain::{RuleSet, ValueSets};

    fn rulebook() -> Rulebook {
        Rulebook { rules: RuleSet::ALL, value_sets: Arc::new(ValueSets::builtin()), max_payload_bytes: 100 }
    }

    fn item(item_id: &str) -> v1::Item {
        v1::Item { item_id: item_id.to_owned(), payload_json: b"{}".as_slice().into(), expires_at: None }
    }

    fn rules(ids: &[&str]) -> Vec<Option<Rule>> {
        let intake = Intake::new(ids.iter().map(|id| item(id)).collect(), &rulebook());
        intake.places.iter().map(|place| if let Place::Refused { fault, .. } = place { Some(fault.rule) } else { None }).collect()
    }

    #[test]
    fn all_copies_of_an_item_id_are_refused_and_the_others_stay() {
        assert_eq!(rules(&["a", "b", "a"]), [Some(Rule::ItemIdUnique), None, Some(Rule::ItemIdUnique)]);
    }

    #[test]
    fn a_bad_item_id_is_its_own_items_fault() {
        assert_eq!(rules(&["", "b", "ü"]), [Some(Rule::ItemIdForm), None, Some(Rule::ItemIdForm)]);
    }

    #[test]
    fn a_payload_that_is_too_large_is_let_go_of_and_the_others_keep_nothing_of_the_message() {
        let message = Bytes::from(vec![b' '; 10_000]);
        let with = |item_id: &str, payload_json| v1::Item { payload_json, ..item(item_id) };
        let items = vec![with("a", message.slice(..100)), with("b", message.slice(..101)), with("c", message.slice(50..60))];
        assert_eq!(bytes(&items), 3 + 100 + 101 + 10);
        let (items, results) = Intake::new(items, &rulebook()).split();
        assert!(message.is_unique(), "nothing else holds it");
        assert_eq!(items.iter().map(|item| item.payload.len()).collect::<Vec<_>>(), [100, 10]);
        let Place::Refused { fault, .. } = &results.places[1] else { panic!("it is refused") };
        assert_eq!(fault.rule, Rule::PayloadSize);
    }
}
