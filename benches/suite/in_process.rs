//! A signer in this process, over whatever token.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sceau::custody::development::{DevelopmentCsca, DscRequest};
use sceau::domain::time::FixedClock;
use sceau::domain::{Algorithm, CallerId, Dsc, ItemId, Lane, NumericDate, PublicKey, RuleSet, Rulebook, UvciMaker, ValueSets};
use sceau::sign::{
    BatchItem, BatchRequest, Checking, Durations, Keyring, LiveKeyring, Permits, Profile, Signer, SignerSettings, SigningKey,
    Station,
};
use sceau::token::{Token, TokenKey};

use crate::payloads::Setting;

const YEAR_SECONDS: i64 = 365 * 86_400;

pub(crate) fn now() -> NumericDate {
    Setting::new().now
}

pub(crate) fn profile() -> Arc<Profile> {
    let rulebook = Rulebook {
        rules: RuleSet::ALL,
        value_sets: Arc::new(ValueSets::builtin()),
        max_payload_bytes: Rulebook::DEFAULT_MAX_PAYLOAD_BYTES,
    };
    Arc::new(Profile {
        name: "dcc".to_owned(),
        algorithm: Algorithm::Es256,
        issuer: "FR".parse().expect("a country"),
        durations: Durations { vaccination_seconds: YEAR_SECONDS, test_seconds: YEAR_SECONDS, recovery_seconds: YEAR_SECONDS },
        rulebook,
    })
}

/// Signs with the token's first key, whose public half this is, without a ledger.
pub(crate) fn signer(token: Arc<dyn Token>, public_key: &PublicKey, checking: Checking, threads: usize) -> Arc<Signer> {
    let country = "FR".parse().expect("a country");
    let csca = DevelopmentCsca::new(rcgen::KeyPair::generate().expect("a key"), country, now()).expect("a CSCA");
    let request = DscRequest {
        common_name: "DSC".to_owned(),
        types: Vec::new(),
        not_before: now().plus_seconds(-YEAR_SECONDS),
        not_after: now().plus_seconds(2 * YEAR_SECONDS),
    };
    let dsc = Dsc::from_der(&csca.issue(public_key, &request).expect("a DSC")).expect("a DSC");
    let key = SigningKey::new(dsc, vec![(Station::new(token), TokenKey::FIRST)]).expect("a key");
    let keyring = Arc::new(LiveKeyring::new(Keyring::new(vec![Arc::new(key)]).expect("a keyring")));
    let settings = SignerSettings { sign_timeout: Duration::from_secs(10), checking, threads };
    let uvci_maker = UvciMaker::new(&[3; 32]).expect("a secret");
    Arc::new(Signer::new(keyring, Arc::new(FixedClock(now())), uvci_maker, settings).expect("threads"))
}

/// Items with payloads that take turns.
pub(crate) fn items(payloads: &[Vec<u8>], count: usize) -> Vec<(ItemId, Bytes)> {
    let id = |number| ItemId::new(&format!("item-{number}")).expect("an id");
    payloads.iter().cycle().take(count).enumerate().map(|(number, json)| (id(number), Bytes::from(json.clone()))).collect()
}

/// All of them in one batch.
pub(crate) fn batch(profile: &Arc<Profile>, lane: Lane, items: &[(ItemId, Bytes)]) -> BatchRequest {
    let item =
        |(item_id, payload): &(ItemId, Bytes)| BatchItem { item_id: item_id.clone(), payload: payload.clone(), expires_at: None };
    BatchRequest {
        caller: CallerId::new("loopback"),
        person: None,
        request: "bench".into(),
        profile: Arc::clone(profile),
        lane,
        validate_only: false,
        permits: Permits::ALL,
        deadline: None,
        items: items.iter().map(item).collect(),
    }
}
