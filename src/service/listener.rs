//! Connections: accepted, shaken hands with, and told apart by who is at the other end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::access::{Chain, Peer, PeerCertificate};
use super::tls::LiveTls;

/// A client that has not finished its handshake by then is let go.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);

/// How long accepting pauses where the system has no file or memory for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection, whose other end is known.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    peer: Peer,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Accepts connections until whoever takes them has gone. Handshakes run beside each other, so that a slow one holds up nobody.
pub(super) fn incoming(
    listener: TcpListener,
    tls: Option<Arc<LiveTls>>,
    max_connections: usize,
) -> ReceiverStream<io::Result<Connection>> {
    let (ready, connections) = mpsc::channel(16);
    let places = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
    tokio::spawn(async move {
        tokio::select! {
            () = accept(listener, tls, places, ready.clone()) => {}
            () = ready.closed() => {}
        }
    });
    ReceiverStream::new(connections)
}

async fn accept(
    listener: TcpListener,
    tls: Option<Arc<LiveTls>>,
    places: Arc<Semaphore>,
    ready: mpsc::Sender<io::Result<Connection>>,
) {
    loop {
        // Past the bound, clients wait in the system's own queue.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Without it an answer may wait for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        let (tls, ready) = (tls.clone(), ready.clone());
        tokio::spawn(async move {
            let Some(tls) = tls else {
                let _ = ready.send(Ok(Connection { stream: Stream::Plain(stream), peer: Peer::Loopback, _place: place })).await;
                return;
            };
            match timeout(LONGEST_HANDSHAKE, shake_hands(&tls, stream)).await {
                Ok(Ok((stream, peer))) => {
                    let _ = ready.send(Ok(Connection { stream, peer, _place: place })).await;
                }
                Ok(Err(error)) => tracing::warn!(%address, %error, "no handshake"),
                Err(_) => tracing::warn!(%address, "no handshake within {} s", LONGEST_HANDSHAKE.as_secs()),
            }
        });
    }
}

async fn shake_hands(live: &Arc<LiveTls>, stream: TcpStream) -> io::Result<(Stream, Peer)> {
    let tls = live.current();
    let stream = TlsAcceptor::from(tls.config()).accept(stream).await?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let chain: Vec<_> = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let certificate = chain.first().and_then(|certificate| PeerCertificate::from_der(certificate));
    let certificate = certificate.ok_or_else(|| io::Error::other("the client's certificate cannot be read"))?;
    let chain = Chain::verified(chain, Arc::clone(live), tls);
    Ok((Stream::Tls(Box::new(stream)), Peer::Certificate(Arc::new(certificate), Arc::new(chain))))
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
