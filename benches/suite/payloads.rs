//! What is encoded: the payloads of `sceau sample`, the same for every run.

use std::process::Command;
use std::sync::Arc;

use sceau::domain::{CallerId, Hcert, ItemId, NumericDate, RuleSet, Rulebook, UvciMaker, ValueSets};

/// How many different payloads take turns: more than a cache line's luck, few enough for the second-level cache.
const COUNT: usize = 500;

/// Payloads as a backend sends them: 70 % vaccinations, 25 % tests, 5 % recoveries; 300 to 430 bytes.
pub(crate) fn payloads() -> Vec<Vec<u8>> {
    let output = Command::new(env!("CARGO_BIN_EXE_sceau")).args(["sample", "--count", &COUNT.to_string()]).output();
    let output = output.expect("the binary was built with the bench");
    let lines = String::from_utf8(output.stdout).expect("samples are UTF-8");
    let payload = |line: &str| {
        let (_, payload) = line.split_once(r#""payload":"#).expect("a sample has a payload");
        payload.strip_suffix('}').expect("a sample is an object").as_bytes().to_vec()
    };
    let payloads: Vec<Vec<u8>> = lines.lines().map(payload).collect();
    assert_eq!(payloads.len(), COUNT);
    payloads
}

/// What an item needs besides its payload.
pub(crate) struct Setting {
    rulebook: Rulebook,
    uvci_maker: UvciMaker,
    caller: CallerId,
    item_id: ItemId,
    pub(crate) now: NumericDate,
}

impl Setting {
    pub(crate) fn new() -> Self {
        let rulebook = Rulebook {
            rules: RuleSet::ALL,
            value_sets: Arc::new(ValueSets::builtin()),
            max_payload_bytes: Rulebook::DEFAULT_MAX_PAYLOAD_BYTES,
        };
        Self {
            rulebook,
            uvci_maker: UvciMaker::new(&[7; 32]).expect("32 bytes are enough"),
            caller: CallerId::new("bench"),
            item_id: ItemId::new("nc-000000001").expect("the form is right"),
            now: NumericDate::from_rfc3339("2021-11-01T00:00:00Z").expect("an instant"),
        }
    }

    /// Every rule applied, transliteration and UVCI included where the payload brings none.
    pub(crate) fn parse<'a>(&self, json: &'a [u8]) -> Hcert<'a> {
        let make = || self.uvci_maker.make("FR".parse().expect("two capitals"), &self.caller, &self.item_id);
        Hcert::parse(json, &self.rulebook, self.now, make).expect("samples are valid")
    }
}
