//! The server of `scripts/soak`: two echo servers in one process, one of handlers that `Workers` run on a
//! completion port, one of tasks of the runtime. Some messages sleep in the handler, some make it panic.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use overlapped::{
    AcceptWindow, ListenSocket, Packet, Port, Protocol, Received, TcpSocket, TcpStream, Workers,
};
use overlapped_bench::server;
use overlapped_runtime::{Runtime, net};

/// Echo servers on Overlapped: of handlers, and of tasks.
///
/// The first two lines of standard output say where they listen, the one of handlers first.
#[derive(Parser)]
#[command(name = "soak-server", version)]
struct Arguments {
    /// Concurrency of each of the two.
    #[arg(long, default_value = "2", value_name = "N")]
    threads: usize,

    /// Threads of each of the two at most, with those that block.
    #[arg(long, default_value = "16", value_name = "N")]
    most_threads: usize,

    /// Connections of each of the two at most.
    #[arg(long, default_value = "4000", value_name = "N")]
    connections: usize,

    /// Tell of each panic on standard error.
    #[arg(long)]
    tell_panics: bool,
}

/// Beginnings of messages that cost something. A message of the load is random there.
const SLEEP: &[u8] = b"SLEEP!!!";
const PANIC: &[u8] = b"PANIC!!!";

/// For how long a handler blocks its thread, and tells nobody.
const SLEEP_TIME: Duration = Duration::from_millis(2);

struct Echo;

impl Protocol for Echo {
    type Key = ();
    type Operation = ();
    type Message = ();
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    server::raise_descriptor_limit()?;
    server::end_with_parent()?;
    ctrlc::set_handler(|| std::process::exit(0)).context("cannot handle SIGTERM")?;
    if !arguments.tell_panics {
        std::panic::set_hook(Box::new(|_| {}));
    }

    let port = Port::<Echo>::builder().concurrency(arguments.threads).build()?;
    let socket = ListenSocket::try_from(listen()?)?;
    let address = socket.local_addr()?;
    let listener = port.associate(socket, ())?;
    let window = AcceptWindow::new(64).connections(arguments.connections);
    listener.accept_window(window, || ())?;
    let workers = Workers::new(&port).most(arguments.most_threads).start(handle)?;
    server::announce(address)?;

    let runtime = Runtime::builder()
        .concurrency(arguments.threads)
        .most_threads(arguments.most_threads)
        .build()?;
    let connections = arguments.connections;
    let listener = listen()?;
    let served = runtime.spawn(async move {
        let listener = net::TcpListener::from_std(listener)?;
        serve(listener, connections).await
    });
    let result = runtime.block_on(served)?;
    workers.stop(Duration::from_secs(1));
    result
}

fn listen() -> anyhow::Result<std::net::TcpListener> {
    server::listen("127.0.0.1:0".parse()?, false)
}

/// What a message costs beside its echo.
fn pay(message: &[u8]) {
    if message.starts_with(SLEEP) {
        std::thread::sleep(SLEEP_TIME);
    } else if message.starts_with(PANIC) {
        panic!("a message asked for it");
    }
}

/// The handler of the port. Where it starts nothing, the stream is dropped, which closes it.
fn handle(port: &Port<Echo>, packet: Packet<Echo>) {
    match packet {
        Packet::Accepted { result: Ok(accepted), .. } => {
            if let Ok(stream) = welcome(port, accepted.socket) {
                stream.receive_pooled(()).ok();
            }
        }
        Packet::Accepted { result: Err(error), .. } => {
            eprintln!("error: cannot accept a connection: {error}");
        }
        Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
            pay(&buffer);
            stream.send(buffer, ()).ok();
        }
        Packet::Sent { stream, buffers, result: Ok(()), .. } => {
            drop(buffers);
            stream.receive_pooled(()).ok();
        }
        _ => {}
    }
}

fn welcome(port: &Port<Echo>, socket: TcpSocket) -> std::io::Result<TcpStream<Echo>> {
    let stream = port.associate(socket, ())?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A task for each connection. It counts them by who has the count.
async fn serve(mut listener: net::TcpListener, most: usize) -> anyhow::Result<()> {
    let open = Arc::new(());
    server::announce(listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let one_more = Arc::clone(&open);
        if Arc::strong_count(&open) > most + 1 {
            continue;
        }
        drop(overlapped_runtime::spawn(async move {
            let _open = one_more;
            echo(stream).await
        }));
    }
}

async fn echo(mut stream: net::TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    while let Some(buffer) = stream.receive().await? {
        pay(&buffer);
        stream.send(buffer).await.0?;
    }
    Ok(())
}
