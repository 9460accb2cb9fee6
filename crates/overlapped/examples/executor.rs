//! A small executor for futures, and an echo server of `async` functions on it: the port is the
//! queue of tasks that can go on, and the operations of the port are what they wait for. Dropping
//! the future of an operation does not cancel it here. Programs use `overlapped-runtime` instead.
//!
//! ```sh
//! cargo run -p overlapped --example executor
//! # in another terminal:
//! nc -N 127.0.0.1 PORT
//! ```
//!
//! It also takes an address to listen on. Ctrl-C stops it.

use overlapped::{
    AcceptWindow, Buffer, ListenSocket, OrPacket, Packet, PacketParts, Port, Protocol, TcpStream,
    Workers,
};
use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

struct Tasks;

impl Protocol for Tasks {
    type Key = ();
    /// Where the result of the operation goes.
    type Operation = Completion;
    /// A task that can go on.
    type Message = Arc<Task>;
}

type BoxedFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A future that the port's threads run. It is queued at its start, and whenever it is woken.
struct Task {
    /// `None` when it has ended.
    future: Mutex<Option<BoxedFuture>>,
    port: Port<Tasks>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let port = self.port.clone();
        // Queued for this thread if it is one of the port's, else posted. A closed port runs none.
        port.defer(self).ok();
    }
}

impl Task {
    fn run(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        // If another thread polls it, this one blocks here until that is over, and polls it again.
        let mut future = self.future.lock();
        let Some(task) = future.as_mut() else { return };
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            *future = None;
        }
    }
}

fn spawn(port: &Port<Tasks>, future: impl Future<Output = ()> + Send + 'static) {
    let future: BoxedFuture = Box::pin(future);
    Arc::new(Task { future: Mutex::new(Some(future)), port: port.clone() }).wake();
}

/// The future of one operation: its buffer, empty at the end of a stream.
#[derive(Clone, Default)]
struct Completion(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    result: Option<io::Result<Buffer>>,
    waker: Option<Waker>,
}

impl Completion {
    /// Called with the packet of the operation, after which the task goes on.
    fn complete(packet: PacketParts<Tasks>) {
        let buffer = packet.buffers.into_one().unwrap_or_else(Buffer::empty);
        let mut state = packet.operation.0.lock();
        state.result = Some(packet.result.map(|()| buffer));
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Completion {
    type Output = io::Result<Buffer>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        state.waker = Some(context.waker().clone());
        state.result.take().map_or(Poll::Pending, Poll::Ready)
    }
}

async fn receive(stream: &TcpStream<Tasks>) -> io::Result<Buffer> {
    let completion = Completion::default();
    stream.receive_pooled(completion.clone()).or_packet();
    completion.await
}

async fn send(stream: &TcpStream<Tasks>, buffer: Buffer) -> io::Result<Buffer> {
    let completion = Completion::default();
    stream.send(buffer, completion.clone()).or_packet();
    completion.await
}

/// What one client gets, until it ends its stream.
async fn echo(stream: TcpStream<Tasks>) -> io::Result<()> {
    loop {
        let received = receive(&stream).await?;
        if received.is_empty() {
            return Ok(());
        }
        send(&stream, received).await?;
    }
}

fn handle(port: &Port<Tasks>, packet: Packet<Tasks>) {
    match packet {
        Packet::Posted(task) => task.run(),
        Packet::Accepted { result: Ok(accepted), .. } => {
            if let Ok(stream) = port.associate(accepted.socket, ()) {
                spawn(port, async {
                    // What goes wrong with one connection ends its task, and nothing else.
                    if let Err(error) = echo(stream).await {
                        eprintln!("a client: {error}");
                    }
                });
            }
        }
        packet => {
            // Refused for posted values and signals, which have no operation.
            if let Ok(parts) = packet.into_parts() {
                Completion::complete(parts);
            }
        }
    }
}

/// Serves until Ctrl-C: `Workers::run` ends at a signal, and the handler sees none.
pub fn serve(socket: ListenSocket) -> io::Result<()> {
    let port = Port::new()?;
    port.watch_signals()?;
    let listener = port.associate(socket, ())?;
    listener.accept_window(AcceptWindow::new(10).connections(1_000), Completion::default)?;
    Workers::new(&port).run(handle)?;
    Ok(())
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let socket = ListenSocket::bind(address, 1024)?;
    println!("listening on {}", socket.local_addr()?);
    serve(socket)
}
