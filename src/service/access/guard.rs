//! The guard before every call: who calls, and whether that role may.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use tonic::body::Body;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::{Request, Status};
use tower::{Layer, Service};

use super::caller::Caller;
use super::peer::Peer;
use super::role::{self, NotAllowed};
use crate::service::{Live, monitoring, status};

/// Stands before all services of a listener. It judges each call by the callers that are configured at that moment, so a change
/// holds for connections that are open as well; so does the end of a certificate, another CA and another revocation list.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    live: Arc<Live>,
}

impl Guard {
    pub(crate) const fn new(live: Arc<Live>) -> Self {
        Self { live }
    }

    /// The caller of a request, if it may make it.
    fn admit<B>(&self, request: &HttpRequest<B>) -> Result<Arc<Caller>, Status> {
        let Some(peer) = request.extensions().get::<Peer>() else {
            return Err(Status::internal("the connection has no peer"));
        };
        if let Err(lapse) = peer.check(self.live.now()) {
            let names: Vec<String> = peer.identities().iter().map(ToString::to_string).collect();
            tracing::warn!(identities = names.join(" "), rule = "caller.certificate", %lapse, "call refused");
            monitoring::denied("caller.certificate");
            return Err(Status::unauthenticated(lapse.to_string()));
        }
        let access = self.live.access();
        let Some(caller) = access.find(peer) else {
            let names: Vec<String> = peer.identities().iter().map(ToString::to_string).collect();
            let call = role::name_of(request.uri().path());
            tracing::warn!(identities = names.join(" "), call, rule = "caller.identities", "call refused");
            monitoring::denied("caller.identities");
            let message = format!("no [[caller]] has an identity of this connection, which are {}", names.join(", "));
            return Err(status::denied("caller.identities", &message));
        };
        match caller.roles().may_call(request.uri().path()) {
            Ok(()) => Ok(Arc::clone(caller)),
            Err(NotAllowed::Unknown) => Err(Status::unimplemented(NotAllowed::Unknown.to_string())),
            Err(refusal) => {
                let call = role::name_of(request.uri().path());
                tracing::warn!(caller = caller.id().as_str(), call, rule = "caller.roles", "call refused");
                monitoring::denied("caller.roles");
                Err(status::denied("caller.roles", &refusal.to_string()))
            }
        }
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.clone(), inner }
    }
}

/// A service behind the guard.
#[derive(Clone, Debug)]
pub(crate) struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S, B> Service<HttpRequest<B>> for Guarded<S>
where
    S: Service<HttpRequest<B>, Response = HttpResponse<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: HttpRequest<B>) -> Self::Future {
        match self.guard.admit(&request) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Either::Left(self.inner.call(request))
            }
            Err(refusal) => Either::Right(ready(Ok(refusal.into_http()))),
        }
    }
}

/// Who makes a call that the guard has let through.
pub(crate) fn caller_of<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    request.extensions().get::<Arc<Caller>>().cloned().ok_or_else(|| Status::internal("the call did not pass the guard"))
}
