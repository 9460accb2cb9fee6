//! Echo server on tokio's multi-thread runtime, written the way its documentation writes one.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use overlapped_bench::server::{self, BUFFER_SIZE, Cost, Framing, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Echo server on tokio, with N worker threads.
#[derive(Parser)]
#[command(name = "echo-tokio", version)]
struct Arguments {
    #[command(flatten)]
    server: ServerOptions,
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse().server))
}

fn run(options: &ServerOptions) -> anyhow::Result<()> {
    options.prepare_process()?;
    let listener = options.listen()?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads.get())
        .enable_io()
        .build()
        .context("cannot start the tokio runtime")?;
    let cost = options.cost();
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        server::announce(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await.context("cannot accept a connection")?;
            // A connection that fails is over, which is all that an echo server has to say about
            // it.
            tokio::spawn(async move { echo(stream, cost).await.ok() });
        }
    })
}

async fn echo(mut stream: TcpStream, cost: Cost) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut framing = Framing::default();
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        cost.charge(&mut framing, &buffer[..count]);
        stream.write_all(&buffer[..count]).await?;
    }
}
