//! A server for a tower service, such as an axum router.

#[cfg(feature = "tls")]
mod tls;

use crate::adapters::hyper::{HyperExecutor, HyperTimer};
use crate::net::{TcpListener, TcpStream};
use crate::time::{sleep, timeout};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture, pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tower_service::Service;

/// How long nothing is accepted after the system could not.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// Serves a tower service over HTTP/1.1 and HTTP/2, each connection in a task of its own. Its
/// handlers may block.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use overlapped_runtime::net::TcpListener;
///
/// async fn report() -> String {
///     std::thread::sleep(std::time::Duration::from_millis(20)); // or a query, a file, a lock
///     "done".to_owned()
/// }
///
/// fn main() -> std::io::Result<()> {
///     overlapped_runtime::run(async {
///         let app = Router::new().route("/report", get(report));
///         let listener = TcpListener::bind("127.0.0.1:3000")?;
///         overlapped_runtime::serve(listener, app).await
///     })
/// }
/// ```
///
/// A connection that fails ends, and nothing else. When the system is short of descriptors, the server
/// waits 50 ms and accepts again.
pub fn serve<S>(listener: TcpListener, service: S) -> Serve<S> {
    Serve {
        listener,
        service,
        stop: Box::pin(pending()),
        drain_within: Duration::from_secs(30),
        #[cfg(feature = "tls")]
        tls: None,
    }
}

/// The server of [`serve`], to be awaited.
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<S> {
    listener: TcpListener,
    service: S,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    drain_within: Duration,
    #[cfg(feature = "tls")]
    tls: Option<tls::Tls>,
}

impl<S> Serve<S> {
    /// Serves over TLS, and not without it.
    ///
    /// If `config` names no protocols (`alpn_protocols`), all versions of HTTP are offered. A connection for which
    /// HTTP/2 was chosen in the handshake is served that alone. A client that does
    /// not end its handshake [in time](Self::handshake_within), or fails in it, loses its connection; nobody
    /// else waits for it. When the server stops, handshakes that have not ended are given up.
    #[cfg(feature = "tls")]
    pub fn with_tls(mut self, config: impl Into<Arc<crate::rustls::ServerConfig>>) -> Self {
        self.tls = Some(tls::Tls::new(config.into()));
        self
    }

    /// How long a handshake of TLS may take (default 10 s). Without [`with_tls`](Self::with_tls) before it, it
    /// says nothing.
    #[cfg(feature = "tls")]
    pub fn handshake_within(mut self, limit: Duration) -> Self {
        if let Some(tls) = &mut self.tls {
            tls.handshake_within = limit;
        }
        self
    }

    /// Stops when `signal` has ended: nothing is accepted any more, and each connection ends with the
    /// request that it has in hand. Those that take longer than [`drain_within`](Self::drain_within)
    /// are left as they are, and go with the runtime.
    pub fn with_graceful_shutdown(
        mut self,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.stop = Box::pin(signal);
        self
    }

    /// How long requests in hand may take when the server stops (default 30 s).
    pub fn drain_within(mut self, limit: Duration) -> Self {
        self.drain_within = limit;
        self
    }
}

impl<S> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl<S, B> IntoFuture for Serve<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let (http, graceful) = (http(), GracefulShutdown::new());
            #[cfg(feature = "tls")]
            let http2 = http.clone().http2_only();
            loop {
                let next = poll_fn(|context| {
                    if self.stop.as_mut().poll(context).is_ready() {
                        return Poll::Ready(Next::Stop);
                    }
                    #[cfg(feature = "tls")]
                    if let Some(tls) = &mut self.tls
                        && let Poll::Ready(stream) = tls.poll_secured(context)
                    {
                        return Poll::Ready(Next::Secured(stream));
                    }
                    self.listener.poll_accept(context).map(Next::Accepted)
                });
                match next.await {
                    Next::Stop => break,
                    #[cfg(feature = "tls")]
                    Next::Secured(stream) => {
                        let http = if tls::has_chosen_http2(&stream) { &http2 } else { &http };
                        begin(http, &graceful, stream, &self.service);
                    }
                    Next::Accepted(Ok((stream, _))) => {
                        #[cfg(feature = "tls")]
                        if let Some(tls) = &mut self.tls {
                            tls.begin(stream);
                            continue;
                        }
                        begin(&http, &graceful, stream, &self.service);
                    }
                    Next::Accepted(Err(error)) if is_of_the_client(&error) => {}
                    // The runtime has ended.
                    Next::Accepted(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                        return Err(error);
                    }
                    Next::Accepted(Err(_)) => sleep(RETRY_AFTER).await,
                }
            }
            drop(self.listener);
            #[cfg(feature = "tls")]
            drop(self.tls);
            // What is left then goes with the runtime.
            let _ = timeout(self.drain_within, graceful.shutdown()).await;
            Ok(())
        })
    }
}

/// What a server waits for.
enum Next {
    Stop,
    Accepted(io::Result<(TcpStream, SocketAddr)>),
    #[cfg(feature = "tls")]
    Secured(tls::Secured),
}

/// Serves a connection, in a task of its own.
fn begin<I, S, B>(
    http: &auto::Builder<HyperExecutor>,
    graceful: &GracefulShutdown,
    io: I,
    service: &S,
) where
    I: Read + Write + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let service = TowerToHyperService::new(service.clone());
    // How a connection ends concerns its client alone.
    if http.is_http1_available() {
        let connection = http.serve_connection_with_upgrades(io, service);
        let connection = graceful.watch(connection.into_owned());
        drop(crate::spawn(async { connection.await.is_ok() }));
    } else {
        // Where upgrades are possible, hyper-util takes both versions, whatever the builder says.
        let connection = graceful.watch(http.serve_connection(io, service).into_owned());
        drop(crate::spawn(async { connection.await.is_ok() }));
    }
}

/// Both versions of HTTP, on this runtime.
fn http() -> auto::Builder<HyperExecutor> {
    let mut http = auto::Builder::new(HyperExecutor);
    http.http1().timer(HyperTimer);
    http.http2().timer(HyperTimer);
    http
}

/// Whether the client has gone before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionReset)
}
