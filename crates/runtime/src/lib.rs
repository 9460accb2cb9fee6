//! An async runtime on which a handler may block.
//!
//! The run queue is a completion port ([`overlapped`]). It lets as many threads run tasks as there are
//! processors, and when one of them blocks, it lets another one in. A task that sleeps, queries SQLite,
//! waits for a lock or looks up a name holds up nobody, whether it says so or not.
//!
//! ```
//! use overlapped_runtime::net::{TcpListener, TcpStream};
//! use std::time::Duration;
//!
//! async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
//!     while let Some(buffer) = stream.receive().await? {
//!         std::thread::sleep(Duration::from_millis(20)); // others go on meanwhile
//!         stream.send(buffer).await.0?;
//!     }
//!     Ok(())
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! overlapped_runtime::run(async {
//!     let mut listener = TcpListener::bind("127.0.0.1:0")?;
//!     # let address = listener.local_addr()?;
//!     # overlapped_runtime::spawn(async move {
//!     #     let mut client = TcpStream::connect(address).await?;
//!     #     client.send("ping").await.0?;
//!     #     client.receive().await
//!     # });
//!     # for _ in 0..1 {
//!     # /*
//!     loop {
//!     # */
//!         let (stream, _) = listener.accept().await?;
//!         let connection = overlapped_runtime::spawn(serve(stream));
//!         # connection.await??;
//!     }
//!     # Ok(())
//! })
//! # }
//! ```
//!
//! # What a task may do
//!
//! - *Block*: up to [`Builder::most_threads`] tasks at the same time. A thread that blocks is seen within
//!   a millisecond or so; code that is wrapped in [`blocking`] lets another thread in at once.
//! - *Panic*: the panic is contained, and who awaits the task is told.
//! - *Be dropped at any await*: each method says what that means. No byte is lost or sent twice, and a
//!   send goes out whole.
//! - *Compute for long*: then a processor is busy, and no runtime can help. Where all of them are busy,
//!   others wait.
//!
//! # Features
//!
//! None is on by default: `tokio-io` and `hyper` implement the traits of those crates for
//! [`TcpStream`](net::TcpStream), which has those of futures-io in any case; `serve` adds a server for tower
//! services, such as an axum router, and `tls` has it speak TLS; `signals` adds Ctrl-C and the request to
//! terminate.
//!
//! With `tracing`, each task has a span, and a task that holds its thread for long is an event; see
//! [`Builder::on_stall`].
//!
//! With `tokio-compat`, libraries that are tied to tokio's runtime run in tasks. Each runtime then has a
//! current-thread runtime of tokio on a thread of its own, in whose context tasks are polled. What runs on
//! that thread, which is what `tokio::spawn` is given, and tokio's timers and sockets, does not have the promise of
//! this runtime: what blocks there holds up whatever needs tokio.

mod adapters;
mod answer;
mod arrival;
mod blocking;
mod executor;
pub mod fs;
mod join_set;
mod named;
pub mod net;
mod packets;
mod runtime;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "signals")]
pub mod signal;
mod sync;
mod task_local;
pub mod time;
#[cfg(feature = "tokio-compat")]
mod tokio_thread;

#[cfg(feature = "hyper")]
pub use adapters::hyper::{HyperExecutor, HyperTimer};
pub use blocking::{spawn_blocking, yield_now};
pub use executor::owned::TaskInfo;
pub use executor::task::{AbortHandle, JoinError, JoinHandle};
pub use executor::watch::Stall;
pub use join_set::JoinSet;
pub use named::{Named, named};
pub use overlapped::{
    Buffer, Buffers, DatagramInfo, Datagrams, StallKind, StallSummary, StalledThread, Stalls,
    blocking, doing,
};
pub use runtime::{Builder, EnterGuard, Handle, Metrics, Runtime, ShutdownReport};
#[cfg(feature = "serve")]
pub use serve::{ClientAddress, Serve, ServeMetrics, serve};
pub use task_local::{AccessError, LocalKey, TaskLocalFuture};

#[cfg(feature = "tls")]
pub use tokio_rustls::rustls;

use std::future::Future;

/// Runs a future on a runtime with the default settings, and shuts that down when it has ended.
///
/// # Errors
/// The runtime cannot be started; or the error of the future.
pub fn run<F, T, E>(future: F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    E: From<std::io::Error>,
{
    Runtime::new()?.block_on(future)
}

/// Runs a future as a task of the calling thread's runtime. It starts without being awaited.
///
/// # Panics
/// Outside a runtime.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    executor::current::get("`spawn`").spawn(future, std::panic::Location::caller())
}

/// The example of the README, compiled with the documentation's tests.
#[cfg(all(doctest, feature = "serve"))]
#[doc = include_str!("../README.md")]
struct Readme;
