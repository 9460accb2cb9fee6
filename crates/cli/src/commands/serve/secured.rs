//! The server of files over TLS, on the async runtime: HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use hyper::body::Incoming;
use hyper::{Request, Response};
use overlapped::PoolSnapshot;
use overlapped_http_files::{Body, Responder, Settings as FileServerSettings};
use overlapped_models::{Errors, Limits, Server, Status, Stopped};
use overlapped_runtime::time::{sleep, timeout};
use overlapped_runtime::{ClientAddress, JoinHandle, Runtime, ServeMetrics, serve};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error as TlsError, ServerConfig};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::files;

/// How often files that nobody asks for are looked for.
const TRIM_PERIOD: Duration = Duration::from_millis(300);

/// How often a server that has retired looks whether anybody is there.
const LOOK: Duration = Duration::from_millis(10);

/// How long the runtime may take to end when all connections have.
const LAST: Duration = Duration::from_secs(1);

/// Where the certificate and its key are, also as it travels to worker processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TlsSettings {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl TlsSettings {
    /// Reads the files.
    pub fn load(&self) -> anyhow::Result<ServerConfig> {
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable("certificate", &self.certificate, &error))?;
        if chain.is_empty() {
            bail!(missing("certificate", &self.certificate));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| unreadable("key", &self.key, &error))?;
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        config.map_err(|error| match error {
            TlsError::InconsistentKeys(_) => anyhow!(
                "the key {} is not that of the certificate {}: give the two that were made together, \
                 and the server's own certificate first in its file",
                self.key.display(),
                self.certificate.display()
            ),
            error => anyhow!(
                "the certificate {} and the key {} cannot be used: {error}",
                self.certificate.display(),
                self.key.display()
            ),
        })
    }
}

fn missing(what: &str, path: &Path) -> String {
    let label = if what == "key" { "PRIVATE KEY" } else { "CERTIFICATE" };
    format!(
        "{} has no {what}: a file in the form PEM is needed, with a section BEGIN {label}",
        path.display()
    )
}

fn unreadable(what: &str, path: &Path, error: &PemError) -> anyhow::Error {
    match error {
        PemError::NoItemsFound => anyhow!(missing(what, path)),
        PemError::Io(error) => anyhow!("cannot read the {what} {}: {error}", path.display()),
        error => anyhow!("the {what} {} is no valid PEM: {error:?}", path.display()),
    }
}

/// A running server.
struct Secured {
    runtime: Runtime,
    responder: Responder,
    metrics: ServeMetrics,
    /// None when it has retired.
    retire: Option<oneshot::Sender<()>>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

/// Starts the server on `listener`.
pub fn start(
    tls: &TlsSettings,
    folder: &Path,
    settings: &FileServerSettings,
    limits: &Limits,
    listener: TcpListener,
) -> anyhow::Result<Box<dyn Server>> {
    let config = tls.load()?;
    let responder = Responder::open(folder, settings, true).context("cannot serve the folder")?;
    // Accepted connections inherit it.
    socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
    let runtime = Runtime::builder()
        .concurrency(limits.concurrency)
        .most_threads(limits.threads)
        .driver(limits.driver)
        .thread_name("serve")
        .build()
        .context("cannot start the server")?;
    let entered = runtime.handle().enter();
    let listener = overlapped_runtime::net::TcpListener::from_std(listener)?;
    drop(entered);
    let (retire, retired) = oneshot::channel::<()>();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = serve(listener, Files(responder.clone()))
        .with_tls(config)
        .handshake_within(settings.time.head)
        .request_head_within(settings.time.head)
        .idle_within(settings.time.idle)
        .max_connections(limits.connections)
        // The stop has the limit.
        .drain_within(Duration::MAX)
        .with_retirement(async { drop(retired.await) })
        .with_graceful_shutdown(async { drop(stopped.await) });
    let metrics = server.metrics();
    let served = runtime.spawn(server.into_future());
    let trimmed = responder.clone();
    drop(runtime.spawn(async move {
        loop {
            sleep(TRIM_PERIOD).await;
            trimmed.close_unused();
        }
    }));
    Ok(Box::new(Secured { runtime, responder, metrics, retire: Some(retire), stop, served }))
}

/// The figures, without the threads.
fn figures(responder: &Responder, metrics: &ServeMetrics) -> Status {
    Status {
        connected: metrics.open() as u64,
        peak_connected: metrics.peak() as u64,
        accepted: metrics.accepted(),
        errors: Errors {
            reset: metrics.reset(),
            timed_out: metrics.timed_out(),
            other: metrics.failed() + metrics.failed_handshakes(),
            ..Errors::default()
        },
        accept_deferrals: metrics.accept_errors(),
        ..files::translate(&responder.status())
    }
}

impl Server for Secured {
    fn status(&self) -> Status {
        let threads = self.runtime.handle().metrics().port.into();
        Status { threads, ..figures(&self.responder, &self.metrics) }
    }

    fn snapshot(&self) -> Option<PoolSnapshot> {
        Some(self.runtime.snapshot())
    }

    fn retire(&mut self, at_most: Duration) {
        let Some(retire) = self.retire.take() else { return };
        // A server that has ended already accepts nothing.
        let _ = retire.send(());
        let metrics = &self.metrics;
        let nobody_is_there = async {
            // It looks after the listener is closed, with what that has accepted counted.
            while {
                sleep(LOOK).await;
                metrics.open() > 0
            } {}
        };
        let _ = self.runtime.block_on(timeout(at_most, nobody_is_there));
    }

    fn stop(self: Box<Self>, deadline: Duration) -> Stopped {
        let Self { runtime, responder, metrics, stop, served, .. } = *self;
        // A server that has ended already waits for nothing.
        let _ = stop.send(());
        let is_over = runtime.block_on(async { timeout(deadline, served).await.is_ok() });
        let left = if is_over { 0 } else { metrics.open() as u64 };
        // What goes with the connections that are left is in the log as well.
        runtime.shutdown(LAST);
        responder.finish_log();
        let status = Status { connected: 0, ..figures(&responder, &metrics) };
        files::tell_of_lost_lines(status.log_lines_lost);
        Stopped { status, left }
    }

    fn describe(&self) -> String {
        let paths = self.responder.describe();
        format!("files over TLS by HTTP/1.1 and HTTP/2; paths are {paths}")
    }
}

/// The files as a service.
#[derive(Clone)]
struct Files(Responder);

impl tower_service::Service<Request<Incoming>> for Files {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// It may wait for the disk, which holds up nobody on this runtime.
    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let client = request.extensions().get().map(|ClientAddress(client)| *client);
        ready(Ok(self.0.respond(client, &request)))
    }
}
