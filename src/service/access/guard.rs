//! The guard before every call: who calls, and whether that role may.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use tonic::body::Body;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::transport::server::UdsConnectInfo;
use tonic::{Extensions, Request, Status};
use tower::{Layer, Service};

use super::caller::Caller;
use super::peer::Peer;
use super::role::{self, NotAllowed};
use crate::service::{Live, monitoring, status};

/// Stands before all services of a listener. It judges each call by the callers that are configured at that moment, so a change
/// holds for connections that are open as well; so does the end of a certificate, another CA and another revocation list. A stream
/// asks its [`Pass`] before each chunk.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    live: Arc<Live>,
}

/// What a call was let in by. It is good for as long as the same call would be let in anew.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    guard: Guard,
    peer: Peer,
    path: &'static str,
}

impl Pass {
    /// The caller as it is configured now, if it may still make the call.
    pub(crate) fn caller(&self) -> Result<Arc<Caller>, Status> {
        self.guard.judge(&self.peer, self.path).map(|(caller, _)| caller)
    }
}

impl Guard {
    pub(crate) const fn new(live: Arc<Live>) -> Self {
        Self { live }
    }

    /// The caller of a request, if it may make it, and the pass for what comes after.
    pub(super) fn admit<B>(&self, request: &HttpRequest<B>) -> Result<(Arc<Caller>, Pass), Status> {
        let Some(peer) = request.extensions().get::<Peer>() else {
            return Err(Status::internal("the connection has no peer"));
        };
        let (caller, path) = self.judge(peer, request.uri().path())?;
        Ok((caller, Pass { guard: self.clone(), peer: peer.clone(), path }))
    }

    /// The caller behind a peer, if it may make a call at this moment, and the call's path as it stands in the table.
    fn judge(&self, peer: &Peer, path: &str) -> Result<(Arc<Caller>, &'static str), Status> {
        let known = role::known(path).unwrap_or("other");
        if let Err(lapse) = peer.check(self.live.now()) {
            tracing::warn!(identities = peer.names(" "), path = known, rule = "caller.certificate", %lapse, "call refused");
            monitoring::denied("caller.certificate");
            return Err(status::unauthenticated("caller.certificate", &lapse.to_string()));
        }
        let access = self.live.access();
        let Some(caller) = access.find(peer) else {
            tracing::warn!(identities = peer.names(" "), path = known, rule = "caller.identities", "call refused");
            monitoring::denied("caller.identities");
            let message = format!("no [[caller]] has an identity of this connection, which are {}", peer.names(", "));
            return Err(status::denied("caller.identities", &message));
        };
        match caller.roles().may_call(path) {
            Ok(path) => Ok((Arc::clone(caller), path)),
            Err(NotAllowed::Unknown) => Err(Status::unimplemented(NotAllowed::Unknown.to_string())),
            Err(refusal) => {
                tracing::warn!(caller = caller.id().as_str(), path = known, rule = "caller.roles", "call refused");
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
            Ok((caller, pass)) => {
                request.extensions_mut().insert(caller);
                request.extensions_mut().insert(pass);
                Either::Left(self.inner.call(request))
            }
            Err(refusal) => Either::Right(ready(Ok(refusal.into_http()))),
        }
    }
}

/// Who makes a call that the guard has let through.
fn caller_of<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    request.extensions().get::<Arc<Caller>>().cloned().ok_or_else(|| Status::internal("the call did not pass the guard"))
}

/// Who asks, by the name under which logs and records have it: the caller's, or on the admin socket, the user of this machine.
pub(crate) fn name_of<T>(request: &Request<T>) -> String {
    if let Ok(caller) = caller_of(request) {
        return caller.id().as_str().to_owned();
    }
    let peer = request.extensions().get::<UdsConnectInfo>().and_then(|connection| connection.peer_cred);
    peer.map_or_else(|| "of this machine".to_owned(), |peer| format!("of this machine, uid {}", peer.uid()))
}

/// What such a call was let in by.
pub(crate) fn pass_of(extensions: &Extensions) -> Result<Pass, Status> {
    extensions.get::<Pass>().cloned().ok_or_else(|| Status::internal("the call did not pass the guard"))
}
