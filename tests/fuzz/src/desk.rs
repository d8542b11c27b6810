//! What stands behind the network: intake, signer and answer, on keys in memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sceau::custody::development::{DevelopmentCsca, DscRequest};
use sceau::domain::time::FixedClock;
use sceau::domain::{Algorithm, CallerId, Dsc, Lane, RuleSet};
use sceau::service::Intake;
use sceau::service::proto::v1;
use sceau::sign::{
    BatchRequest, Checking, Durations, Keyring, LiveKeyring, Permits, Profile, Signer, SignerSettings, SigningKey, Station,
};
use sceau::token::software::SoftwareToken;
use tokio::runtime::Runtime;

use crate::payloads::{NOW, rulebook, uvci_maker};

/// The most items of a batch, as the service has it by default.
pub const MAX_ITEMS: usize = 1_000;

const DAY: i64 = 86_400;

/// A signer, and the thread that waits for it.
pub struct Desk {
    signer: Signer,
    runtime: Runtime,
}

impl Desk {
    /// With one new DSC, valid for two years.
    ///
    /// # Panics
    /// Where random numbers or threads are not to be had.
    #[must_use]
    pub fn open() -> Self {
        let token = SoftwareToken::with_keys(1);
        let (key, public_key) = token.key(0);
        let csca_key = rcgen::KeyPair::generate().expect("the random generator works");
        let csca = DevelopmentCsca::new(csca_key, country(), NOW).expect("the CSCA's key signs");
        let (not_before, not_after) = (NOW.plus_seconds(-DAY), NOW.plus_seconds(2 * 365 * DAY));
        let request = DscRequest { common_name: "DSC".to_owned(), types: Vec::new(), not_before, not_after };
        let dsc = Dsc::from_der(&csca.issue(&public_key, &request).expect("the CSCA's key signs")).expect("a DSC");
        let key = SigningKey::new(dsc, vec![(Station::new(Arc::new(token)), key)]).expect("a usable key");
        let keyring = Arc::new(LiveKeyring::new(Keyring::new(vec![Arc::new(key)]).expect("one key is a keyring")));
        let settings = SignerSettings { sign_timeout: Duration::from_secs(60), checking: Checking::Batch, threads: 1 };
        let signer = Signer::new(keyring, Arc::new(FixedClock(NOW)), uvci_maker(), settings).expect("threads start");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
        Self { signer, runtime }
    }

    /// Answers a request as the service does once it is admitted, under every rule or, by the profile's name, as in 2021.
    ///
    /// # Panics
    /// Where something on the way does.
    #[must_use]
    pub fn answer(&self, request: v1::SignBatchRequest) -> v1::SignBatchResponse {
        let rules = if request.profile == "eu-2021" { RuleSet::eu_2021() } else { RuleSet::ALL };
        let options = request.options.unwrap_or_default();
        let lane = if request.lane() == v1::Lane::Bulk { Lane::Bulk } else { Lane::Interactive };
        let profile = Arc::new(profile(rules));
        let (items, results) = Intake::new(request.items, &profile.rulebook).split();
        let batch = BatchRequest {
            caller: CallerId::new("fuzz"),
            person: None,
            request: "test".into(),
            profile,
            lane,
            validate_only: options.validate_only,
            permits: Permits::ALL,
            deadline: None,
            items,
        };
        results.answer(self.runtime.block_on(self.signer.sign_batch(batch)), options.want_cose)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("signer", &self.signer).finish_non_exhaustive()
    }
}

fn country() -> sceau::domain::Country {
    "FR".parse().expect("two capitals")
}

fn profile(rules: RuleSet) -> Profile {
    let year = 365 * DAY;
    Profile {
        name: "fuzz".to_owned(),
        algorithm: Algorithm::Es256,
        issuer: country(),
        durations: Durations { vaccination_seconds: year, test_seconds: year, recovery_seconds: year },
        rulebook: rulebook(rules),
    }
}
