//! Values whose destructors do what they should not: they call the library, or panic.
//!
//! A [`Scene`] is a port with a handle of each kind, in which a test puts such a value into one place
//! that takes one. [`in_every_place`] does that for a table of places, each on a thread of its own,
//! so that one that hangs is named and does not hold up the rest.

use crate::crew::until;
use crate::files_world::Scratch;
use crate::world::{PATIENCE, Peer, World};
use overlapped::{
    AcceptWindow, Buffer, File, Packet, Port, PortBuilder, Protocol, TcpListener, TcpStream,
    UdpSocket,
};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

const NEVER_IN_THIS_TEST: Duration = Duration::from_secs(3_600);

/// The protocol of these tests: everything of the user's is such a value.
pub struct Hostile;

impl Protocol for Hostile {
    type Key = Value;
    type Operation = Value;
    type Message = Value;
}

/// Counts as alive until it is dropped, and does something then.
pub struct Value {
    at_its_end: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    alive: Arc<AtomicUsize>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
        let at_its_end = self.at_its_end.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(at_its_end) = at_its_end {
            at_its_end();
        }
    }
}

/// What the destructor of a value does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destructor {
    /// It calls every method of the port and of handles of each kind.
    Calls,
    Panics,
}

/// What the destructors call.
struct Reach {
    port: Port<Hostile>,
    handles: Mutex<Handles>,
    /// What they took, so that nothing is dropped by them.
    taken: Mutex<Vec<Packet<Hostile>>>,
    alive: Arc<AtomicUsize>,
}

#[derive(Default, Clone)]
struct Handles {
    streams: Vec<TcpStream<Hostile>>,
    listeners: Vec<TcpListener<Hostile>>,
    sockets: Vec<UdpSocket<Hostile>>,
    files: Vec<File<Hostile>>,
}

/// A port with a handle of each kind, all of which the destructors reach.
pub struct Scene {
    pub world: World,
    pub port: Port<Hostile>,
    pub destructor: Destructor,
    pub file: Scratch,
    reach: Arc<Reach>,
    alive: Arc<AtomicUsize>,
    peers: Vec<Peer>,
}

/// A value that only counts as alive.
pub fn counted(alive: &Arc<AtomicUsize>) -> Value {
    alive.fetch_add(1, Ordering::SeqCst);
    Value { at_its_end: Mutex::new(None), alive: Arc::clone(alive) }
}

impl Scene {
    pub fn new(
        world: &World,
        destructor: Destructor,
        settings: impl FnOnce(PortBuilder<Hostile>) -> PortBuilder<Hostile>,
    ) -> Self {
        let port =
            world.port(|builder| settings(builder.concurrency(1).blocked_thread_monitor(false)));
        let alive = Arc::default();
        let reach = Arc::new(Reach {
            port: port.clone(),
            handles: Mutex::default(),
            taken: Mutex::default(),
            alive: Arc::clone(&alive),
        });
        let (world, file) = (world.clone(), Scratch::holding(&[7; 100_000]));
        let peers = Vec::new();
        let mut scene = Self { world, port, destructor, file, reach, alive, peers };
        let (stream, peer) = scene.stream(scene.harmless());
        scene.peers.push(peer);
        let listener = scene.listener(scene.harmless());
        let socket = scene.socket(scene.harmless());
        let file = scene.file.file(&scene.port, scene.harmless());
        scene.reaches_stream(&stream);
        scene.reaches_listener(&listener);
        let mut handles = scene.reach.handles.lock().expect("no panic");
        handles.sockets.push(socket);
        handles.files.push(file);
        drop(handles);
        scene
    }

    /// A value whose destructor does nothing.
    pub fn harmless(&self) -> Value {
        counted(&self.alive)
    }

    /// Makes such values.
    pub fn maker_of_harmless(&self) -> impl Fn() -> Value + Send + Sync + use<> {
        let alive = Arc::clone(&self.alive);
        move || counted(&alive)
    }

    /// A value whose destructor does what the scene is about.
    pub fn value(&self) -> Value {
        self.maker()()
    }

    /// Makes such values.
    pub fn maker(&self) -> impl Fn() -> Value + Send + Sync + use<> {
        let (destructor, alive) = (self.destructor, Arc::clone(&self.alive));
        let reach = Arc::downgrade(&self.reach);
        move || {
            let reach = Weak::clone(&reach);
            let at_its_end = move || match destructor {
                Destructor::Panics => panic!("a destructor panics, as it is to"),
                Destructor::Calls => {
                    if let Some(reach) = reach.upgrade() {
                        reach.call_everything();
                    }
                }
            };
            let value = counted(&alive);
            *value.at_its_end.lock().expect("no panic") = Some(Box::new(at_its_end));
            value
        }
    }

    pub fn stream(&self, key: Value) -> (TcpStream<Hostile>, Peer) {
        let (socket, peer) = self.world.connected_socket();
        (self.port.associate(socket, key).expect("it is associated"), peer)
    }

    pub fn listener(&self, key: Value) -> TcpListener<Hostile> {
        self.port.associate(self.world.listen_socket(), key).expect("it is associated")
    }

    pub fn socket(&self, key: Value) -> UdpSocket<Hostile> {
        let any = ([127, 0, 0, 1], 0).into();
        let socket = self.world.datagram_socket(any).expect("it can be bound");
        self.port.associate(socket, key).expect("it is associated")
    }

    /// The destructors use this one as well.
    pub fn reaches_stream(&self, stream: &TcpStream<Hostile>) {
        self.reach.handles.lock().expect("no panic").streams.push(stream.clone());
    }

    pub fn reaches_listener(&self, listener: &TcpListener<Hostile>) {
        self.reach.handles.lock().expect("no panic").listeners.push(listener.clone());
    }

    /// Does something in which a value may be dropped, on the thread that is to see its panic.
    pub fn drops<R>(&self, step: impl FnOnce() -> R) -> Option<R> {
        catch_unwind(AssertUnwindSafe(step)).ok()
    }

    /// Takes a packet. A thread that takes is never told of a panic.
    pub fn take(&self) -> Packet<Hostile> {
        self.port.take_timeout(PATIENCE).expect("a packet is owed")
    }

    /// The port takes and gives as before.
    pub fn still_works(&self) {
        let (stream, peer) = self.stream(self.harmless());
        stream.receive_pooled(self.harmless()).expect("the port is open");
        peer.send(b"x");
        loop {
            match self.take() {
                Packet::Received { stream: other, buffer, result, .. }
                    if std::ptr::eq(other.key(), stream.key()) =>
                {
                    result.expect("data came");
                    assert_eq!(&buffer[..], b"x");
                    break;
                }
                // Something that was in flight in the scene.
                _ => {}
            }
        }
    }

    /// Everything of the scene goes; each value that there was is dropped.
    fn end(self) {
        let Self { port, reach, alive, .. } = self;
        drop(catch_unwind(AssertUnwindSafe(|| port.close())));
        port.post(counted(&alive)).map_or_else(drop, |()| panic!("the port is closed"));
        drop(catch_unwind(AssertUnwindSafe(|| drop(reach))));
        drop(catch_unwind(AssertUnwindSafe(|| drop(port))));
        let count = || alive.load(Ordering::SeqCst);
        // What the system holds comes back a little later.
        until(|| count() == 0, || format!("{} values were never dropped", count()));
    }
}

impl Reach {
    /// Everything but what ends a handle first, and then that.
    fn call_everything(&self) {
        let value = || counted(&self.alive);
        let Self { port, .. } = self;
        drop(port.post(value()));
        if let Ok(timer) = port.timer(NEVER_IN_THIS_TEST, value()) {
            let _ = port.cancel_timer(timer);
        }
        let _ = (port.snapshot(), port.counters(), port.driver(), port.buffer());
        self.taken.lock().expect("no panic").extend(port.try_take().ok().flatten());
        let batch = port.take_many(2, Some(Duration::ZERO));
        drop(batch);
        let Handles { streams, listeners, sockets, files } =
            self.handles.lock().expect("no panic").clone();
        for stream in &streams {
            let _ = (stream.key(), stream.local_addr(), stream.peer_addr());
            let _ = (stream.connected_for(), stream.set_nodelay(true));
            drop(stream.send(b"x", value()));
            if let Ok(id) = stream.receive_pooled(value()) {
                let _ = stream.cancel(id);
            }
            drop(stream.receive(Buffer::with_capacity(8), value()));
            drop(stream.connect(([127, 0, 0, 1], 9).into(), (), value()));
            stream.cancel_all();
            let _ = stream.shutdown(Shutdown::Write);
            drop(stream.disconnect(value()));
        }
        for listener in &listeners {
            let _ = (listener.key(), listener.local_addr(), listener.posted());
            let for_window = Arc::clone(&self.alive);
            let _ = listener.accept_window(AcceptWindow::new(2), move || counted(&for_window));
            drop(listener.accept(value()));
            if let Some(stream) = streams.first() {
                drop(listener.accept_into(stream, value()));
            }
            listener.cancel_all();
        }
        for socket in &sockets {
            drop(socket.receive_from_pooled(value()));
            if let Ok(address) = socket.local_addr() {
                drop(socket.send_to(b"x", address, value()));
            }
            socket.cancel_all();
        }
        for file in &files {
            let _ = (file.key(), file.size(), file.alignment());
            drop(file.read_at(Buffer::with_capacity(8), 0, value()));
            drop(file.write_at(Buffer::from(b"x"), 0, value()));
            drop(file.flush(value()));
            file.cancel_all();
        }
        streams.iter().for_each(TcpStream::close);
        listeners.iter().for_each(TcpListener::close);
        sockets.iter().for_each(UdpSocket::close);
        files.iter().for_each(File::close);
        port.leave();
    }
}

/// A place that takes a value of the user's, and what drops the value there.
pub type Place = (&'static str, fn(&Scene));

/// Puts a value into each place, on a thread of its own; fails with the names of the places in
/// which the thread did not come back, or not well.
pub fn in_every_place(places: &[Place], scene: impl Fn() -> Scene) {
    let failures: Vec<String> =
        places.iter().filter_map(|(name, place)| failure_in(name, *place, scene())).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

fn failure_in(name: &str, place: fn(&Scene), scene: Scene) -> Option<String> {
    let (done, is_done) = channel();
    let thread = std::thread::spawn(move || {
        place(&scene);
        scene.end();
        let _ = done.send(());
    });
    match is_done.recv_timeout(2 * PATIENCE) {
        Ok(()) => None,
        Err(RecvTimeoutError::Timeout) => Some(format!("{name}: it hangs")),
        Err(RecvTimeoutError::Disconnected) => {
            let payload = thread.join().expect_err("it sent nothing");
            let text = payload.downcast_ref::<String>().map_or("it panicked", String::as_str);
            Some(format!("{name}: {text}"))
        }
    }
}
