//! Addresses on which a server shows itself, on threads and a port of their own.

mod answers;

use crate::recording::Recording;
use crate::view::View;
use overlapped_runtime::net::TcpListener;
use overlapped_runtime::time::timeout;
use overlapped_runtime::{JoinHandle, Runtime, serve};
use std::future::IntoFuture;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Connections of one address at a time. More wait in the backlog.
const CONNECTIONS_MAX: usize = 64;

/// How long a client may take for the head of a request, may be silent, and may take nothing of an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a stop waits for answers that are under way.
const DRAIN_WITHIN: Duration = Duration::from_millis(500);

/// The server that is shown.
pub trait Source: Send + Sync + 'static {
    /// What it shows at this moment. It is called at most ten times a second, and must not block for long.
    fn view(&self) -> View;

    /// Records the moves of its port for this time, on a thread that may sleep so long. None when it has no port.
    ///
    /// # Errors
    /// Those of [`Port::record`](overlapped::Port::record).
    fn record(&self, _length: Duration) -> Option<io::Result<Recording>> {
        None
    }
}

/// What is to be seen on one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// `/metrics`: figures for Prometheus.
    pub metrics: bool,
    /// `/live` and `/ready`: whether the process lives, and whether it accepts clients.
    pub health: bool,
    /// `/`: a page that shows it all.
    pub page: bool,
}

/// A server's addresses. When it is dropped, nothing listens there any more.
#[derive(Debug)]
pub struct Observer {
    runtime: Runtime,
    /// One for each address.
    servers: Vec<JoinHandle<io::Result<()>>>,
    stop: watch::Sender<bool>,
}

impl Observer {
    /// Shows `source` on each of these listeners.
    ///
    /// It has one thread that runs, a port of its own, and at most 64 connections on each address, so that nobody who asks
    /// costs the clients of the server more than that. Who sends no request, or does not read its answer, is let go after
    /// 5 s.
    ///
    /// # Errors
    /// No port or no thread is to be had.
    pub fn start(
        listeners: Vec<(std::net::TcpListener, Pages)>,
        source: Arc<dyn Source>,
    ) -> io::Result<Self> {
        let runtime = Runtime::builder()
            .concurrency(1)
            .most_threads(4)
            .thread_name("observe")
            .shutdown_within(Duration::ZERO)
            .build()?;
        let (stop, stopped) = watch::channel(false);
        let shown = Arc::new(answers::Shown::new(source));
        let _entered = runtime.handle().enter();
        let mut servers = Vec::new();
        for (listener, pages) in listeners {
            let listener = TcpListener::from_std(listener)?;
            let mut stopped = stopped.clone();
            let server = serve(listener, answers::Answers::new(&shown, pages))
                .max_connections(CONNECTIONS_MAX)
                .request_head_within(PATIENCE)
                .idle_within(PATIENCE)
                .drain_within(DRAIN_WITHIN)
                // It ends as well when nobody can say so any more.
                .with_graceful_shutdown(async move { drop(stopped.wait_for(|stop| *stop).await) });
            servers.push(runtime.spawn(server.into_future()));
        }
        Ok(Self { runtime, servers, stop })
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // Nobody listens any more if they have all ended.
        let _ = self.stop.send(true);
        // Each ends when its connections have. What is left when the time is over goes with the runtime.
        let servers = std::mem::take(&mut self.servers);
        let all_have_ended = async {
            for server in servers {
                // How it has ended matters to nobody any more.
                let _ = server.await;
            }
        };
        let _ = self.runtime.block_on(async { timeout(DRAIN_WITHIN, all_have_ended).await });
    }
}
