//! "cheap" from hyper's HTTP/1.1 server, on the runtime of Overlapped or on tokio: the same hyper, the same
//! service, and on both a limit of time for the head of a request. `http-cpu` measures them.

use clap::{Parser, ValueEnum};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use overlapped_bench::server;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;

/// A server that answers every request with `cheap`.
#[derive(Parser)]
#[command(name = "http-hello", version)]
struct Arguments {
    /// What runs it.
    #[arg(long, value_enum, default_value = "overlapped")]
    on: On,

    /// Threads that run tasks.
    #[arg(long, default_value = "1", value_name = "N")]
    threads: NonZeroUsize,

    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    addr: SocketAddr,

    /// Leave out the limit of time for the head of a request.
    #[arg(long)]
    no_limit: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum On {
    /// The runtime of Overlapped.
    Overlapped,
    /// Tokio.
    Tokio,
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    server::end_with_parent()?;
    let listener = server::listen(arguments.addr, false)?;
    server::announce(listener.local_addr()?)?;
    let (threads, limit) = (arguments.threads.get(), !arguments.no_limit);
    let mut http = http1::Builder::new();
    match arguments.on {
        On::Overlapped => {
            if limit {
                http.timer(overlapped_runtime::HyperTimer);
            }
            let runtime = overlapped_runtime::Runtime::builder().concurrency(threads).build()?;
            let server = runtime.spawn(async move {
                let mut listener = overlapped_runtime::net::TcpListener::from_std(listener)?;
                loop {
                    let (stream, _) = listener.accept().await?;
                    stream.set_nodelay(true)?;
                    drop(overlapped_runtime::spawn(serve(http.clone(), stream)));
                }
            });
            runtime.block_on(server)?
        }
        On::Tokio => {
            if limit {
                http.timer(hyper_util::rt::TokioTimer::new());
            }
            listener.set_nonblocking(true)?;
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads).enable_all().build()?.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                loop {
                    let (stream, _) = listener.accept().await?;
                    stream.set_nodelay(true)?;
                    tokio::spawn(serve(http.clone(), hyper_util::rt::TokioIo::new(stream)));
                }
            })
        }
    }
}

async fn serve(http: http1::Builder, stream: impl Read + Write + Unpin) {
    let answer = |_: Request<hyper::body::Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"cheap"))))
    };
    // How a connection ends concerns its client alone.
    let _ = http.serve_connection(stream, service_fn(answer)).await;
}
