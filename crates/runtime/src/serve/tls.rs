//! Handshakes of TLS, beside the server that accepts.

use super::Accepted;
use super::metrics::ServeMetrics;
use crate::JoinSet;
use crate::net::TcpStream;
use crate::rustls::ServerConfig;
use crate::time::timeout;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take, if nothing else is said.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// A connection whose handshake has ended. It is large.
pub(super) type Secured = Accepted<Box<TokioIo<TlsStream<TcpStream>>>>;

/// Whether the handshake has ended with HTTP/2.
pub(super) fn has_chosen_http2(secured: &Secured) -> bool {
    secured.io.inner().get_ref().1.alpn_protocol() == Some(b"h2")
}

/// What a server needs for TLS, and the handshakes that have not ended. They end with it.
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    pub(super) handshake_within: Duration,
    handshakes: JoinSet<Option<Secured>>,
}

impl Tls {
    pub(super) fn new(mut config: Arc<ServerConfig>) -> Self {
        if config.alpn_protocols.is_empty() {
            // curl offers nothing but `http/1.0` when it is told to use that.
            Arc::make_mut(&mut config).alpn_protocols =
                vec![b"h2".into(), b"http/1.1".into(), b"http/1.0".into()];
        }
        Self {
            acceptor: TlsAcceptor::from(config),
            handshake_within: HANDSHAKE_WITHIN,
            handshakes: JoinSet::new(),
        }
    }

    /// Begins a handshake, in a task of its own.
    pub(super) fn begin(&mut self, accepted: Accepted<TcpStream>, metrics: &ServeMetrics) {
        let Accepted { io, client, place } = accepted;
        let handshake = timeout(self.handshake_within, self.acceptor.accept(io));
        let metrics = metrics.clone();
        self.handshakes.spawn(async move {
            match handshake.await {
                Ok(Ok(io)) => Some(Accepted { io: Box::new(TokioIo::new(io)), client, place }),
                _ => {
                    metrics.handshake_failed();
                    None
                }
            }
        });
    }

    /// The next connection whose handshake ends well. How others end concerns their clients alone.
    pub(super) fn poll_secured(&mut self, context: &mut Context<'_>) -> Poll<Secured> {
        while let Poll::Ready(Some(ended)) = self.handshakes.poll_join_next(context) {
            if let Ok(Some(secured)) = ended {
                return Poll::Ready(secured);
            }
        }
        Poll::Pending
    }
}
