//! An axum app with a cheap route and a slow one, on the runtime of Overlapped or on tokio. `beside-slow`
//! measures them.

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use clap::{Parser, ValueEnum};
use overlapped_bench::server;
use rusqlite::Connection;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An app with a cheap route (/cheap) and a slow one (/slow).
#[derive(Parser)]
#[command(name = "http-slow", version)]
struct Arguments {
    /// What runs it, and how the slow route says that it blocks.
    #[arg(long, value_enum, default_value = "overlapped")]
    on: On,

    /// What the slow route does.
    #[arg(long, value_enum, default_value = "sleep")]
    slow: Slow,

    /// How long a sleep takes, in milliseconds.
    #[arg(long, default_value_t = 20, value_name = "MS")]
    sleep_ms: u64,

    /// Where the database of `sqlite` is made, new each time.
    #[arg(long, default_value = "http-slow.sqlite", value_name = "FILE")]
    database: PathBuf,

    /// Threads that run tasks.
    #[arg(long, default_value = "2", value_name = "N")]
    threads: NonZeroUsize,

    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    addr: SocketAddr,
}

#[derive(Clone, Copy, ValueEnum)]
enum On {
    /// The runtime of Overlapped; nothing is said.
    Overlapped,
    /// The same, and the slow route says `blocking`.
    OverlappedBlocking,
    /// Tokio; nothing is said.
    Tokio,
    /// Tokio, and the slow route is in `spawn_blocking`.
    TokioSpawnBlocking,
    /// Tokio, and the slow route is in `block_in_place`.
    TokioBlockInPlace,
}

#[derive(Clone, Copy, ValueEnum)]
enum Slow {
    /// Sleeps.
    Sleep,
    /// Adds a row to a table, with a flush to the disk.
    Sqlite,
    /// Sleeps a twentieth of the time while it holds a lock that all of them want.
    Mutex,
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    server::end_with_parent()?;
    let slow = arguments.work()?;
    let listener = server::listen(arguments.addr, false)?;
    server::announce(listener.local_addr()?)?;
    let threads = arguments.threads.get();
    match arguments.on {
        On::Overlapped | On::OverlappedBlocking => {
            let says = matches!(arguments.on, On::OverlappedBlocking);
            let answer = move || {
                let slow = Arc::clone(&slow);
                async move { if says { overlapped_runtime::blocking(|| slow()) } else { slow() } }
            };
            let runtime = overlapped_runtime::Runtime::builder().concurrency(threads).build()?;
            let server = runtime.spawn(async {
                let listener = overlapped_runtime::net::TcpListener::from_std(listener)?;
                overlapped_runtime::serve(listener, app(answer)).await
            });
            Ok(runtime.block_on(server)??)
        }
        On::Tokio | On::TokioSpawnBlocking | On::TokioBlockInPlace => {
            let on = arguments.on;
            let answer = move || {
                let slow = Arc::clone(&slow);
                async move {
                    match on {
                        On::TokioSpawnBlocking => {
                            tokio::task::spawn_blocking(move || slow()).await.unwrap_or_default()
                        }
                        On::TokioBlockInPlace => tokio::task::block_in_place(|| slow()),
                        _ => slow(),
                    }
                }
            };
            listener.set_nonblocking(true)?;
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let runtime = builder.worker_threads(threads).enable_all().build()?;
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                Ok(axum::serve(listener, app(answer)).await?)
            })
        }
    }
}

fn app<F: Future<Output = String> + Send + 'static>(
    slow: impl Fn() -> F + Clone + Send + Sync + 'static,
) -> Router {
    Router::new().route("/cheap", get(|| async { "cheap" })).route("/slow", get(slow))
}

type Work = Arc<dyn Fn() -> String + Send + Sync>;

impl Arguments {
    fn work(&self) -> anyhow::Result<Work> {
        let sleep = Duration::from_millis(self.sleep_ms);
        Ok(match self.slow {
            Slow::Sleep => Arc::new(move || {
                std::thread::sleep(sleep);
                "slept".to_owned()
            }),
            Slow::Mutex => {
                let lock = Mutex::new(());
                Arc::new(move || {
                    let _held = lock.lock();
                    std::thread::sleep(sleep / 20);
                    "had the lock".to_owned()
                })
            }
            Slow::Sqlite => self.insert()?,
        })
    }

    /// Each thread has a connection of its own.
    fn insert(&self) -> anyhow::Result<Work> {
        thread_local! {
            static DATABASE: RefCell<Option<Connection>> = const { RefCell::new(None) };
        }
        let path = self.database.clone();
        for name in [path.clone(), with_suffix(&path, "-wal"), with_suffix(&path, "-shm")] {
            match std::fs::remove_file(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", name.display()));
                }
                _ => {}
            }
        }
        open(&path)?
            .execute_batch("CREATE TABLE entries (number INTEGER PRIMARY KEY, text TEXT)")?;
        let insert = move || {
            DATABASE.with_borrow_mut(|database| {
                let database = match database {
                    Some(database) => database,
                    none => none.insert(open(&path)?),
                };
                database.execute("INSERT INTO entries (text) VALUES ('an entry')", ())
            })
        };
        Ok(Arc::new(move || match insert() {
            Ok(rows) => format!("{rows} row"),
            Err(error) => format!("error: {error}"),
        }))
    }
}

fn open(path: &PathBuf) -> rusqlite::Result<Connection> {
    let database = Connection::open(path)?;
    database.busy_timeout(Duration::from_secs(30))?;
    database.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
    Ok(database)
}

fn with_suffix(path: &std::path::Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
