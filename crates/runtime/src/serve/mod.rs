//! A server for a tower service, such as an axum router.
//!
//! This accepts, and begins a task for each connection; `tls` does the handshakes before that. A
//! `connection` is what hyper reads and writes; `metrics` counts, and keeps the places.

mod connection;
mod metrics;
#[cfg(feature = "tls")]
mod tls;

pub use metrics::ServeMetrics;

use crate::adapters::hyper::{HyperExecutor, HyperTimer};
use crate::net::{TcpListener, TcpStream};
use crate::time::{sleep, timeout};
use connection::{Connection, Silence};
use http_body::Body;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use metrics::Place;
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture, pending, poll_fn};
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tower_service::Service;

/// How long nothing is accepted after the system could not.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// How long the head of a request may take, if nothing else is said.
const REQUEST_HEAD_WITHIN: Duration = Duration::from_secs(30);

/// The address of the client that sent a request: [`serve`] puts it into the extensions of each one.
///
/// ```
/// use axum::Extension;
/// use overlapped_runtime::ClientAddress;
///
/// async fn greet(Extension(ClientAddress(client)): Extension<ClientAddress>) -> String {
///     format!("hello, {client}")
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(greet));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub SocketAddr);

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
        retire: Box::pin(pending()),
        stop: Box::pin(pending()),
        drain_within: Duration::from_secs(30),
        max_connections: usize::MAX,
        limits: Silence { first: REQUEST_HEAD_WITHIN, idle: None },
        metrics: ServeMetrics::default(),
        #[cfg(feature = "tls")]
        tls: None,
    }
}

/// The server of [`serve`], to be awaited.
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<S> {
    listener: TcpListener,
    service: S,
    retire: Pin<Box<dyn Future<Output = ()> + Send>>,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    drain_within: Duration,
    max_connections: usize,
    limits: Silence,
    metrics: ServeMetrics,
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

    /// How many connections may be open at once (default: any number; at least 1). While there are so many,
    /// nothing is accepted: further clients wait in the backlog of the system until one ends. Connections in
    /// their handshake count, and those that were upgraded do until they end.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = most.max(1);
        self
    }

    /// How long a client may take until its first byte, and one of HTTP/1.1 for the head of each request,
    /// from the response before it on (default 30 s). The connection ends then, without an answer.
    pub fn request_head_within(mut self, limit: Duration) -> Self {
        self.limits.first = limit;
        self
    }

    /// How long a connection may go on while nothing comes on it and nothing of a response is taken (default:
    /// any time). It ends then, also while a handler works, and also when it was upgraded. It is the only limit
    /// for a client of HTTP/2 that asks for nothing, and for one that does not read.
    pub fn idle_within(mut self, limit: Duration) -> Self {
        self.limits.idle = Some(limit);
        self
    }

    /// What the server counts, to be read while it runs.
    #[must_use]
    pub fn metrics(&self) -> ServeMetrics {
        self.metrics.clone()
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

    /// Accepts nothing more when `signal` has ended, and serves on who is connected: handshakes of TLS go on,
    /// and the next response of HTTP/1.1 on each connection is its last and says so
    /// (`Connection: close`). So no request that a client sends meanwhile is lost. Clients of HTTP/2 learn of
    /// the end by [`with_graceful_shutdown`](Self::with_graceful_shutdown), without which this server never
    /// ends. For a server in whose place another one accepts already, or that others know to be going.
    pub fn with_retirement(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.retire = Box::pin(signal);
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
            let (http, graceful) = (http(self.limits.first), GracefulShutdown::new());
            #[cfg(feature = "tls")]
            let http2 = http.clone().http2_only();
            let (metrics, most) = (self.metrics, self.max_connections);
            let retires = Arc::new(AtomicBool::new(false));
            let server = |http| Server {
                http,
                limits: self.limits,
                graceful: &graceful,
                metrics: &metrics,
                retires: &retires,
            };
            let mut door = Door::Open(self.listener);
            loop {
                let next = poll_fn(|context| {
                    if self.stop.as_mut().poll(context).is_ready() {
                        return Poll::Ready(Next::Stop);
                    }
                    if matches!(door, Door::Open(_))
                        && self.retire.as_mut().poll(context).is_ready()
                    {
                        return Poll::Ready(Next::Retire);
                    }
                    #[cfg(feature = "tls")]
                    if let Some(tls) = &mut self.tls
                        && let Poll::Ready(secured) = tls.poll_secured(context)
                    {
                        return Poll::Ready(Next::Secured(secured));
                    }
                    match &mut door {
                        Door::Open(listener) => {
                            ready!(metrics.poll_room(most, context));
                            listener.poll_accept(context).map(Next::Accepted)
                        }
                        Door::Closing(listener) => listener.poll_last(context).map(Next::Last),
                        Door::Closed => Poll::Pending,
                    }
                });
                let accepted = match next.await {
                    Next::Stop => break,
                    Next::Retire => {
                        retires.store(true, Ordering::Release);
                        if let Door::Open(listener) = mem::replace(&mut door, Door::Closed) {
                            door = Door::Closing(listener);
                        }
                        continue;
                    }
                    Next::Last(last) => {
                        door = Door::Closed;
                        let Ok(last) = last else { continue };
                        Ok(last)
                    }
                    Next::Accepted(accepted) => accepted,
                    #[cfg(feature = "tls")]
                    Next::Secured(secured) => {
                        let http = if tls::has_chosen_http2(&secured) { &http2 } else { &http };
                        server(http).begin(secured, &self.service);
                        continue;
                    }
                };
                match accepted {
                    Ok((io, client)) => {
                        let accepted = Accepted { io, client, place: metrics.take_place(most) };
                        #[cfg(feature = "tls")]
                        if let Some(tls) = &mut self.tls {
                            tls.begin(accepted, &metrics);
                            continue;
                        }
                        server(&http).begin(accepted, &self.service);
                    }
                    Err(error) if is_of_the_client(&error) => {}
                    // The runtime has ended.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                        return Err(error);
                    }
                    Err(_) => {
                        metrics.accept_failed();
                        sleep(RETRY_AFTER).await;
                    }
                }
            }
            drop(door);
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
    Retire,
    Accepted(io::Result<(TcpStream, SocketAddr)>),
    /// The same of a listener that is closed; an error where it had none.
    Last(io::Result<(TcpStream, SocketAddr)>),
    #[cfg(feature = "tls")]
    Secured(tls::Secured),
}

/// Whether clients are accepted.
enum Door {
    Open(TcpListener),
    /// What the listener had accepted when it was closed is still to come.
    Closing(TcpListener),
    Closed,
}

/// A connection that was accepted, and whose it is.
struct Accepted<I> {
    io: I,
    client: SocketAddr,
    place: Place,
}

/// What connections are served with.
struct Server<'a> {
    http: &'a auto::Builder<HyperExecutor>,
    limits: Silence,
    graceful: &'a GracefulShutdown,
    metrics: &'a ServeMetrics,
    retires: &'a Arc<AtomicBool>,
}

impl Server<'_> {
    /// Serves a connection, in a task of its own.
    fn begin<I, S, B>(&self, accepted: Accepted<I>, service: &S)
    where
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
        let Accepted { io, client, place } = accepted;
        let io = Connection::new(io, self.limits, place);
        let retires = Arc::clone(self.retires);
        let service =
            OfClient { client, retires, service: TowerToHyperService::new(service.clone()) };
        if self.http.is_http1_available() {
            let connection = self.http.serve_connection_with_upgrades(io, service);
            self.spawn(self.graceful.watch(connection.into_owned()));
        } else {
            // Where upgrades are possible, hyper-util takes both versions, whatever the builder says.
            let connection = self.http.serve_connection(io, service);
            self.spawn(self.graceful.watch(connection.into_owned()));
        }
    }

    /// How a connection ends is counted, before its client sees it, and concerns that alone.
    fn spawn<E>(&self, connection: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let metrics = self.metrics.clone();
        drop(crate::spawn(async move {
            let mut connection = pin!(connection);
            if let Err(error) = connection.as_mut().await {
                metrics.connection_failed(&*error.into());
            }
        }));
    }
}

/// A service whose requests say which client they are of, and whose responses say when they are the last.
struct OfClient<S> {
    client: SocketAddr,
    retires: Arc<AtomicBool>,
    service: S,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for OfClient<S>
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(ClientAddress(self.client));
        // HTTP/2 has a message of its own for that.
        let retires = (request.version() < Version::HTTP_2).then(|| Arc::clone(&self.retires));
        Answering { answer: self.service.call(request), retires }
    }
}

pin_project! {
    /// A response that says that it is the last, where the server has retired meanwhile.
    struct Answering<F> {
        #[pin]
        answer: F,
        retires: Option<Arc<AtomicBool>>,
    }
}

impl<F, B, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.answer.poll(context));
        let retires = this.retires.as_ref().is_some_and(|retires| retires.load(Ordering::Acquire));
        if let (true, Ok(response)) = (retires, &mut answer)
            && response.status() != StatusCode::SWITCHING_PROTOCOLS
        {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(answer)
    }
}

/// Both versions of HTTP, on this runtime.
fn http(request_head_within: Duration) -> auto::Builder<HyperExecutor> {
    let mut http = auto::Builder::new(HyperExecutor);
    http.http1().timer(HyperTimer).header_read_timeout(request_head_within);
    http.http2().timer(HyperTimer);
    http
}

/// Whether the client has gone before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionReset)
}
