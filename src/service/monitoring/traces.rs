//! Spans to an OpenTelemetry collector, over OTLP and gRPC.

use std::sync::LazyLock;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tonic::codegen::http::HeaderMap;
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::sign::stage::TRACE_TARGET;

/// Where spans go, until this is dropped.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

/// Why no spans can be sent.
#[derive(Debug, thiserror::Error)]
#[error("no traces to {endpoint}: {reason}")]
pub struct TracesError {
    endpoint: String,
    reason: String,
}

impl Traces {
    /// Prepares to send to a collector, like `http://127.0.0.1:4317`; it is reached when there is something to send, and one
    /// that is not there costs spans, nothing else. Of calls whose caller sends no trace context, a share is traced; of
    /// the others, those that the caller traces.
    ///
    /// Has to be called where a tokio runtime is entered.
    ///
    /// # Errors
    /// [`TracesError`] where the endpoint is none.
    pub fn to(endpoint: &str, sampled_share: f64) -> Result<Self, TracesError> {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
        let exporter = exporter.map_err(|error| TracesError { endpoint: endpoint.to_owned(), reason: error.to_string() })?;
        // Named here alone: the environment has no say.
        let service = Resource::builder_empty().with_service_name("sceau");
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sampled_share)));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(service.with_attribute(version).build())
            .with_sampler(sampler)
            .build();
        Ok(Self(provider))
    }

    /// What makes spans of the calls and their stages; of nobody else's, and of no event: a span has the fields that are
    /// written in this room, and no text.
    #[must_use]
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let targets = Targets::new().with_target(CALL_TARGET, LevelFilter::ERROR).with_target(TRACE_TARGET, LevelFilter::TRACE);
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("sceau"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(targets)
    }
}

impl Drop for Traces {
    /// Sends what is left.
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// The target of the spans of calls and batches: this room's module path.
pub(super) const CALL_TARGET: &str = "sceau::service::monitoring::call";

/// Makes the caller's trace context the parent of a span, where it sends one and traces are on.
pub(super) fn continue_trace(span: &Span, headers: &HeaderMap) {
    static W3C: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);
    if headers.contains_key(TRACEPARENT) {
        // It fails where there is nothing that makes spans.
        let _ = span.set_parent(W3C.extract(&TraceParent(headers)));
    }
}

const TRACEPARENT: &str = "traceparent";

/// The caller's trace and span ids. Its `tracestate` is left where it is: it would go on to the collector, with whatever
/// the caller has put there.
struct TraceParent<'h>(&'h HeaderMap);

impl Extractor for TraceParent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then(|| self.0.get(TRACEPARENT)?.to_str().ok())?
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}
