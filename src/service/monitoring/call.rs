//! Around every call: its request id, its span under the caller's trace, its log line, its count and its time.
//!
//! A call that succeeds is logged at debug, for a busy service has thousands a second; any other at info.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use metrics::{SharedString, counter, histogram};
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument, Span};

use super::catalogue::{CALL_SECONDS, CALLS};
use super::request_id::{REQUEST_ID, RequestId};
use super::rpc::Rpcs;
use super::traces;
use crate::domain::{CallerId, Lane};
use crate::service::client::code_name;
use crate::sign::Profile;

/// Puts [`CallService`] around a server's calls.
#[derive(Clone, Debug)]
pub(in crate::service) struct CallLayer(Rpcs);

impl CallLayer {
    pub(in crate::service) fn new() -> Self {
        Self(Rpcs::served())
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> CallService<S> {
        CallService { inner, rpcs: self.0.clone() }
    }
}

/// A server whose calls are seen.
#[derive(Clone, Debug)]
pub(in crate::service) struct CallService<S> {
    inner: S,
    rpcs: Rpcs,
}

impl<S> Service<Request<Body>> for CallService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let id = RequestId::of(request.headers());
        request.extensions_mut().insert(id.clone());
        let call = Call::begin(self.rpcs.name(request.uri().path()), &id, request.headers());
        let answer = call.span.in_scope(|| self.inner.call(request)).instrument(call.span.clone());
        Box::pin(async move {
            let mut response = answer.await?;
            response.headers_mut().insert(REQUEST_ID, id.header().clone());
            // Where the call fails before its first message, the code is in the head and there is nothing behind it.
            if let Some(status) = Status::from_header_map(response.headers()) {
                call.end(status.code());
                return Ok(response);
            }
            Ok(response.map(|body| Body::new(SeenBody { body, call: Some(call) })))
        })
    }
}

/// The span of a chunk of a stream, within its call's.
pub(in crate::service) fn chunk() -> Span {
    use tracing::field::Empty;
    tracing::error_span!("chunk", caller = Empty, profile = Empty, lane = Empty, items = Empty)
}

/// Notes in the call's span, or the chunk's, what it asks for.
pub(in crate::service) fn note_batch(caller: &CallerId, profile: &Profile, lane: Lane, items: usize) {
    let span = Span::current();
    span.record("caller", caller.as_str()).record("profile", profile.name.as_str());
    span.record("lane", lane.name()).record("items", items);
}

/// A call in work. Where it is dropped without an end, its caller has gone.
struct Call {
    rpc: SharedString,
    span: Span,
    since: Instant,
    has_ended: bool,
}

impl Call {
    fn begin(rpc: SharedString, id: &RequestId, headers: &HeaderMap) -> Self {
        // At the highest level, so that every line of the call has the fields, whatever is logged.
        let span = tracing::error_span!(
            "call",
            otel.name = &*rpc,
            otel.kind = "server",
            otel.status_code = tracing::field::Empty,
            rpc = &*rpc,
            request_id = %id,
            caller = tracing::field::Empty,
            profile = tracing::field::Empty,
            lane = tracing::field::Empty,
            items = tracing::field::Empty,
            code = tracing::field::Empty,
        );
        traces::continue_trace(&span, headers);
        Self { rpc, span, since: Instant::now(), has_ended: false }
    }

    fn end(mut self, code: Code) {
        self.note(code);
    }

    fn note(&mut self, code: Code) {
        self.has_ended = true;
        let (elapsed, code_name) = (self.since.elapsed(), code_name(code));
        counter!(CALLS, "rpc" => self.rpc.clone(), "code" => code_name).increment(1);
        histogram!(CALL_SECONDS, "rpc" => self.rpc.clone()).record(elapsed);
        self.span.record("code", code_name);
        if matches!(code, Code::Internal | Code::Unknown | Code::DataLoss | Code::Unavailable) {
            self.span.record("otel.status_code", "ERROR");
        }
        let _entered = self.span.enter();
        let millis = elapsed.as_secs_f64() * 1_000.0;
        match code {
            Code::Ok => tracing::debug!(millis, "answered"),
            _ => tracing::info!(millis, "answered with {code_name}"),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.has_ended {
            self.note(Code::Cancelled);
        }
    }
}

/// An answer whose end is waited for: its last frame has the code.
struct SeenBody {
    body: Body,
    call: Option<Call>,
}

impl HttpBody for SeenBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let seen = &mut *self;
        let polled = Pin::new(&mut seen.body).poll_frame(cx);
        let code = match &polled {
            Poll::Pending => None,
            Poll::Ready(Some(Ok(frame))) => frame.trailers_ref().map(code_of),
            Poll::Ready(Some(Err(status))) => Some(status.code()),
            Poll::Ready(None) => Some(Code::Ok),
        };
        if let Some((code, call)) = code.and_then(|code| Some((code, seen.call.take()?))) {
            call.end(code);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn code_of(trailers: &HeaderMap) -> Code {
    Status::from_header_map(trailers).map_or(Code::Ok, |status| status.code())
}
