//! grpc.health.v1: whether the process lives, and which profiles can sign.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::{HealthReporter, health_reporter};

use super::Live;
use super::custody::{CustodyServer, CustodyService};
use super::proto::v1::signer_server::SignerServer;
use super::signer::SignerService;
use crate::custody::office::Office;
use crate::sign::Signer;

/// How often readiness is looked at; it costs microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Keeps what health says up to date:
///
/// - `""`: the process lives and serves, whatever its tokens do. To restart it where it does not is right.
/// - `sceau.v1.Signer`: some type of some profile can be signed, as `/readyz` says too.
/// - `sceau.v1.Signer/PROFILE`: every type that this one issues can be.
/// - `sceau.v1.Custody`: the custody chain is read, and nothing is wrong with it; unknown where there is none.
///
/// Whoever watches hears of a change within half a second.
pub(super) struct HealthWatch {
    reporter: HealthReporter,
    signer: Arc<Signer>,
    live: Arc<Live>,
    office: Option<Arc<Office>>,
    told: HashMap<String, bool>,
}

impl HealthWatch {
    /// With what is so now, and the service that tells it.
    pub(super) async fn start(
        signer: Arc<Signer>,
        live: Arc<Live>,
        office: Option<Arc<Office>>,
    ) -> (Self, HealthServer<impl Health>) {
        let (reporter, service) = health_reporter();
        let mut watch = Self { reporter, signer, live, office, told: HashMap::new() };
        watch.look().await;
        (watch, service)
    }

    /// Looks until `shutdown` is ready, then says NOT_SERVING everywhere.
    pub(super) async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = ticks.tick() => self.look().await,
            }
        }
        for name in self.told.keys().map(String::as_str).chain([""]) {
            self.reporter.set_service_status(name, ServingStatus::NotServing).await;
        }
    }

    async fn look(&mut self) {
        let mut signs_something = false;
        let profiles = self.live.profiles();
        for profile in profiles.iter() {
            let outlook = self.signer.outlook(profile);
            let readiness = outlook.readiness();
            signs_something |= outlook.signs_something();
            if self.tell(format!("{}/{}", NAME, profile.name), readiness.is_ok()).await {
                match readiness {
                    Ok(()) => tracing::info!(profile = profile.name, "the profile can sign"),
                    Err(reason) => tracing::warn!(profile = profile.name, %reason, "the profile cannot sign all that it issues"),
                }
            }
        }
        self.tell(NAME.to_owned(), signs_something).await;
        if let Some(fresh) = self.office.as_ref().map(|office| office.fresh().map(drop))
            && self.tell(CUSTODY_NAME.to_owned(), fresh.is_ok()).await
        {
            match fresh {
                Ok(()) => tracing::info!("the custody chain is read; its keys may sign"),
                Err(reason) => tracing::error!(%reason, "no key of custody may sign"),
            }
        }
        let is_gone =
            |name: &&String| name.split_once('/').is_some_and(|(_, profile)| !profiles.iter().any(|known| known.name == profile));
        let gone: Vec<String> = self.told.keys().filter(is_gone).cloned().collect();
        for name in gone {
            self.reporter.clear_service_status(&name).await;
            self.told.remove(&name);
        }
    }

    /// Tells what is new; whether it was.
    async fn tell(&mut self, name: String, is_ready: bool) -> bool {
        if self.told.get(&name) == Some(&is_ready) {
            return false;
        }
        let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.reporter.set_service_status(&name, status).await;
        self.told.insert(name, is_ready);
        true
    }
}

const NAME: &str = <SignerServer<SignerService> as NamedService>::NAME;
const CUSTODY_NAME: &str = <CustodyServer<CustodyService> as NamedService>::NAME;
