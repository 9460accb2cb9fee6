//! Echo server on a completion port: a pool of threads that take packets and start the next
//! operation.

use std::process::ExitCode;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use overlapped::{
    AcceptWindow, ListenSocket, Packet, Port, Protocol, Received, Started, TakeError, TcpSocket,
    TcpStream, Workers,
};
use overlapped_bench::server::{self, Cost, Framing, ServerOptions};
use overlapped_bench::writes;

/// Echo server on Overlapped, with a pool of threads of which N run at a time.
#[derive(Parser)]
#[command(name = "overlapped-echo", version)]
struct Arguments {
    #[command(flatten)]
    server: ServerOptions,

    /// Threads in the pool, at least one more than the concurrency [default: four more].
    #[arg(long, value_name = "T")]
    pool: Option<usize>,

    /// Packets that a thread takes at a time.
    #[arg(long, default_value = "1", value_name = "B", value_parser = at_least_one)]
    batch: usize,

    /// When told to end, tell the read-modify-writes of a message, of this load; needs a build with
    /// --features count.
    #[arg(long, value_name = "CONNECTIONSxMESSAGES")]
    count_writes: Option<writes::Load>,

    /// Go on with operations that complete in place, without taking their packets.
    #[arg(long)]
    in_place: bool,

    /// Let the library run the threads.
    #[arg(long, conflicts_with = "in_place")]
    workers: bool,

    /// With --workers: do not look for handlers that hold their thread for long.
    #[arg(long, requires = "workers")]
    no_stalls: bool,

    /// Do not watch for handlers that block.
    #[arg(long, alias = "no-doorman")]
    no_monitor: bool,
}

/// Accepts that are kept posted.
const WINDOW: usize = 64;

/// Threads beyond the concurrency, which stand in for those that block.
const SPARE_THREADS: usize = 4;

struct Echo;

impl Protocol for Echo {
    type Key = ();
    /// How far the connection is in its stream of messages travels with its operation.
    type Operation = Framing;
    type Message = ();
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let options = &arguments.server;
    let count_writes = arguments.count_writes;
    options.prepare_process_and(move || match count_writes.map(writes::report) {
        Some(Ok(report)) => print!("{report}"),
        Some(Err(error)) => eprintln!("error: {error}"),
        None => {}
    })?;
    let concurrency = options.threads.get();
    let pool = arguments.pool.unwrap_or(concurrency + SPARE_THREADS);
    if pool <= concurrency {
        let message = format!("--pool is {pool} and must be more than --threads {concurrency}");
        Arguments::command().error(ErrorKind::ValueValidation, message).exit();
    }
    let port: Port<Echo> = Port::<Echo>::builder()
        .concurrency(concurrency)
        .blocked_thread_monitor(!arguments.no_monitor)
        .build()
        .context("cannot create the completion port")?;

    let socket = ListenSocket::try_from(options.listen()?)?;
    let address = socket.local_addr()?;
    let listener = port.associate(socket, ()).context("cannot associate the listener")?;
    listener.accept_window(AcceptWindow::new(WINDOW), Framing::default)?;
    let (cost, batch, in_place) = (options.cost(), arguments.batch, arguments.in_place);
    if arguments.workers {
        let mut workers = Workers::new(&port).least(concurrency + 1).most(pool);
        if arguments.no_stalls {
            workers = workers.stall_after(None);
        }
        server::announce(address)?;
        workers.run(move |port, packet| handle(port, cost, packet))?;
        return Ok(());
    }
    let (ended, end) = std::sync::mpsc::channel();
    for _ in 0..pool {
        let (port, ended) = (port.clone(), ended.clone());
        let serve = move || match in_place {
            false => serve(&port, batch, |packet| handle(&port, cost, packet)),
            true => serve(&port, batch, |packet| handle_in_place(&port, cost, packet)),
        };
        std::thread::Builder::new().spawn(move || ended.send(serve()).ok())?;
    }
    server::announce(address)?;
    Err(end.recv().context("every thread has ended")?).context("a thread of the pool has ended")
}

fn serve(port: &Port<Echo>, batch: usize, handle: impl Fn(Packet<Echo>)) -> TakeError {
    loop {
        let taken = match batch {
            1 => port.take().map(&handle),
            _ => port.take_many(batch, None).map(|packets| packets.for_each(&handle)),
        };
        if let Err(error) = taken {
            return error;
        }
    }
}

/// Starts what comes next for the connection of the packet. Where nothing does, since it is over or
/// failed, its handle is dropped here, which closes it.
fn handle(port: &Port<Echo>, cost: Cost, packet: Packet<Echo>) {
    match packet {
        Packet::Accepted { operation, result: Ok(accepted), .. } => {
            if let Ok(stream) = welcome(port, accepted.socket) {
                stream.receive_pooled(operation).ok();
            }
        }
        Packet::Accepted { result: Err(error), .. } => {
            eprintln!("error: cannot accept a connection: {error}");
        }
        Packet::Received { stream, buffer, mut operation, result: Ok(Received::Data(_)) } => {
            cost.charge(&mut operation, &buffer);
            stream.send(buffer, operation).ok();
        }
        Packet::Sent { stream, buffers, operation, result: Ok(()), .. } => {
            // The buffer goes back first, so that the receive can have it while it is in the cache.
            drop(buffers);
            stream.receive_pooled(operation).ok();
        }
        _ => {}
    }
}

/// The same, and goes on for as long as what it starts completes in place.
fn handle_in_place(port: &Port<Echo>, cost: Cost, mut packet: Packet<Echo>) {
    loop {
        let started = match packet {
            Packet::Received { stream, buffer, mut operation, result: Ok(Received::Data(_)) } => {
                cost.charge(&mut operation, &buffer);
                stream.send_in_place(buffer, operation).ok()
            }
            Packet::Sent { stream, buffers, operation, result: Ok(()), .. } => {
                drop(buffers);
                stream.receive_pooled_in_place(operation).ok()
            }
            other => return handle(port, cost, other),
        };
        match started.and_then(Started::complete) {
            Some(next) => packet = next,
            None => return,
        }
    }
}

fn welcome(port: &Port<Echo>, socket: TcpSocket) -> std::io::Result<TcpStream<Echo>> {
    let stream = port.associate(socket, ())?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("give a number of at least 1".into()),
        Ok(number) => Ok(number),
    }
}
