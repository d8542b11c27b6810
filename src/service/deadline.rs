//! How long a caller waits: the `grpc-timeout` of a call.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::Extensions;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tower::{Layer, Service};

use super::status;

/// When a call's answer is of no use any more.
#[derive(Clone, Copy, Debug)]
struct Deadline(Instant);

/// The deadline of a call, where its caller set one.
pub(super) fn deadline_of(extensions: &Extensions) -> Option<Instant> {
    extensions.get().map(|Deadline(at)| *at)
}

/// Ends calls with DEADLINE_EXCEEDED. tonic has a timer of its own for each call, which says CANCELLED and drops what is around
/// the call; it is begun after ours and looked at after ours, so ours comes first. The time begins with the call's head: a
/// batch that takes long to arrive has less left.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = InTime<S>;

    fn layer(&self, inner: S) -> InTime<S> {
        InTime { inner }
    }
}

/// A server whose calls end in time, up to the head of the answer: a stream looks after itself from there.
#[derive(Clone, Debug)]
pub(super) struct InTime<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for InTime<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(at) = read(request.headers(), Instant::now()) else { return Box::pin(self.inner.call(request)) };
        request.extensions_mut().insert(Deadline(at));
        let answer = timeout_at(at, self.inner.call(request));
        Box::pin(async move {
            match answer.await {
                Ok(answer) if Instant::now() < at => answer,
                // The batch's own timer may just have been the first, and each item says that it is late.
                _ => Ok(status::too_late().into_http()),
            }
        })
    }
}

/// The instant that a call's head names.
///
/// # Source
/// gRPC over HTTP/2: `grpc-timeout` is 1 to 8 digits and a unit, one of H M S m u n.
fn read(headers: &HeaderMap, now: Instant) -> Option<Instant> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    now.checked_add(parse(text)?)
}

fn parse(text: &str) -> Option<Duration> {
    let (unit_at, unit) = text.char_indices().next_back()?;
    let digits = &text[..unit_at];
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(count * 3_600)),
        'M' => Some(Duration::from_secs(count * 60)),
        'S' => Some(Duration::from_secs(count)),
        'm' => Some(Duration::from_millis(count)),
        'u' => Some(Duration::from_micros(count)),
        'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_in_each_unit_and_nothing_else_is() {
        let cases = [("1H", 3_600_000), ("2M", 120_000), ("3S", 3_000), ("4m", 4), ("5000u", 5), ("6000000n", 6)];
        for (text, millis) in cases {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "S", "1", "123456789S", "-1S", "1.5S", "1s", "é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
