//! The listener for those who watch: plain HTTP, GET only.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::catalogue::{CATALOGUE, Kind, describe};
use super::custody::CustodyState;
use super::gauges::{Foreseen, Gauges, Sources};
use crate::domain::CertificateType;
use crate::sign::Hindrance;

/// The listener, until this is ended.
#[derive(Debug)]
pub struct Monitoring {
    address: SocketAddr,
    prometheus: PrometheusHandle,
    listener: TcpListener,
}

/// Why nobody can watch.
#[derive(Debug, thiserror::Error)]
pub enum MonitoringError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Metrics are taken by something else.
    #[error("cannot take metrics: {0}")]
    Recorder(BuildError),
}

/// How often histograms take in what was observed, where nobody asks: it bounds what waits in memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// What Prometheus' text is, in version 0.0.4.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Monitoring {
    /// Listens, and takes the metrics of this process from now on; so it comes before whatever is measured. Once a process.
    ///
    /// # Errors
    /// [`MonitoringError`].
    pub async fn bind(address: SocketAddr) -> Result<Self, MonitoringError> {
        let listener = TcpListener::bind(address).await.map_err(|source| MonitoringError::Listen { address, source })?;
        let bound = listener.local_addr().map_err(|source| MonitoringError::Listen { address, source })?;
        let mut builder = PrometheusBuilder::new();
        for metric in CATALOGUE {
            if let Kind::Histogram(buckets) = metric.kind {
                let name = Matcher::Full(metric.name.to_owned());
                builder = builder.set_buckets_for_metric(name, buckets).map_err(MonitoringError::Recorder)?;
            }
        }
        let prometheus = builder.install_recorder().map_err(MonitoringError::Recorder)?;
        describe();
        Ok(Self { address: bound, prometheus, listener })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers in the background, from what `sources` say.
    #[must_use]
    pub fn serve(self, sources: Sources) -> Watched {
        let process = Collector::default();
        process.describe();
        let shown = Arc::new(Shown { prometheus: self.prometheus.clone(), gauges: Gauges::new(sources), process });
        let routes = axum::Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(live))
            .route("/readyz", get(ready))
            .with_state(shown);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(self.listener, routes).await {
                tracing::error!(%error, "the listener for monitoring failed");
            }
        });
        Watched { server, upkeep: tokio::spawn(keep_up(self.prometheus)) }
    }
}

/// The listener in work; nobody answers any more where this is dropped.
#[derive(Debug)]
pub struct Watched {
    server: JoinHandle<()>,
    upkeep: JoinHandle<()>,
}

impl Watched {
    /// Ends it, and gives up what it looks at.
    pub async fn end(mut self) {
        self.server.abort();
        // It was aborted: what it says is that.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.server.abort();
        self.upkeep.abort();
    }
}

struct Shown {
    prometheus: PrometheusHandle,
    gauges: Gauges,
    process: Collector,
}

async fn keep_up(prometheus: PrometheusHandle) {
    let mut ticks = interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        prometheus.run_upkeep();
    }
}

async fn metrics(State(shown): State<Arc<Shown>>) -> Response {
    shown.gauges.refresh();
    shown.process.collect();
    ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], shown.prometheus.render()).into_response()
}

async fn live() -> &'static str {
    "alive\n"
}

/// What `/readyz` says.
#[derive(Serialize)]
struct Readiness {
    /// Whether calls are to be sent here: some type of some profile can be signed, and the service does not end.
    ready: bool,
    /// Whether the service ends: calls in work are answered.
    ending: bool,
    profiles: Vec<ProfileState>,
    /// Keys that officers have made; absent without custody.
    #[serde(skip_serializing_if = "Option::is_none")]
    custody: Option<CustodyState>,
}

#[derive(Serialize)]
struct ProfileState {
    name: String,
    /// Whether every type that it issues can be signed.
    ready: bool,
    /// What it can sign: v, t, r.
    types: Vec<&'static str>,
    /// The first instant at which no DSC that is known signs a type any more, by type.
    covered_until: BTreeMap<&'static str, String>,
    /// Why it cannot sign others.
    reasons: Vec<Reason>,
}

#[derive(Serialize)]
struct Reason {
    r#type: &'static str,
    reason: String,
}

impl ProfileState {
    fn new(Foreseen { name, outlook, covered_until }: Foreseen) -> Self {
        let reason = |Hindrance { kind, reason, .. }| Reason { r#type: CertificateType::key(kind), reason };
        Self {
            name,
            ready: outlook.readiness().is_ok(),
            types: outlook.types.into_iter().map(CertificateType::key).collect(),
            covered_until: covered_until.into_iter().map(|(kind, until)| (kind.key(), until.to_string())).collect(),
            reasons: outlook.hindrances.into_iter().map(reason).collect(),
        }
    }
}

async fn ready(State(shown): State<Arc<Shown>>) -> Response {
    let sources = shown.gauges.sources();
    let profiles: Vec<ProfileState> = sources.foreseen().into_iter().map(ProfileState::new).collect();
    let ending = sources.ending.load(Ordering::Relaxed);
    let ready = !ending && profiles.iter().any(|profile| !profile.types.is_empty());
    let custody = sources.custody.as_ref().map(CustodyState::of);
    let readiness = Readiness { ready, ending, profiles, custody };
    let code = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::to_string(&readiness).unwrap_or_default();
    (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
