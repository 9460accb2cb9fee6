//! The blocking model: one thread accepts, and each connection has a thread of its own, which
//! blocks in its calls.
//!
//! The system's scheduler does all the work that the other models do by hand, so nothing starves
//! (M15). Main disadvantage: each connection costs a stack and a thread, and with many at once
//! there is no thread for the next one; its client is then closed, and the others are served on
//! (M14).

use crate::handler::{Handler, Reply};
use crate::model::{Limits, Model, Server};
use crate::parts::Common;
use crate::parts::doorkeeper::Doorkeeper;
use crate::parts::running::{Running, Staff};
use crate::parts::stay::{Member, Share, Stay};
use crate::parts::tally::Meter;
use crate::platform::{Alarm, Line};
use overlapped_serving::Failure;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The stack of a connection's thread, in bytes of address space; what it does not touch costs no
/// memory. The buffer is not on it.
const STACK: usize = 256 * 1024;

/// A thread for each connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Blocking;

impl Model for Blocking {
    fn name(&self) -> &'static str {
        "blocking"
    }

    fn has_a_thread_per_connection(&self) -> bool {
        true
    }

    fn start(
        &self,
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        limits: &Limits,
    ) -> io::Result<Box<dyn Server>> {
        Ok(Box::new(start(listener, handler, limits)?))
    }
}

/// The thread that accepts; each connection has one of its own.
struct OneEach {
    shared: Arc<Shared>,
    doorkeeper: Doorkeeper,
}

struct Shared {
    common: Arc<Common<Share<Line>>>,
    stack: AtomicUsize,
    alarm: Alarm,
}

impl Member for Line {
    fn cut(&self) {
        self.reset();
    }

    fn client(&self) -> Option<SocketAddr> {
        Line::client(self)
    }

    fn has_left(&self, failure: Option<Failure>) {
        if failure == Some(Failure::TimedOut) {
            self.give_up();
        }
    }
}

fn start(
    listener: TcpListener,
    handler: Arc<dyn Handler>,
    limits: &Limits,
) -> io::Result<Running<Line, OneEach>> {
    let shared = Arc::new(Shared {
        common: Arc::new(Common::new(handler, limits)),
        stack: AtomicUsize::new(STACK),
        alarm: Alarm::new()?,
    });
    let serving = Arc::clone(&shared);
    let doorkeeper = Doorkeeper::start(listener, &shared.common, move |stream| {
        welcome(&serving, Line::new(stream, &serving.alarm))
    })?;
    Ok(Running::new(Arc::clone(&shared.common), OneEach { shared, doorkeeper }))
}

impl Staff for OneEach {
    fn close_door(&mut self) {
        self.doorkeeper.dismiss();
    }

    fn hurry(&self) {
        self.shared.common.connections.for_each(|_| true, |line| line.end_input());
        self.shared.alarm.ring();
    }

    fn describe(&self) -> String {
        format!("blocking calls, a thread with a stack of {} KiB per connection", STACK / 1024)
    }
}

/// Gives a connection its thread.
fn welcome(shared: &Arc<Shared>, line: Line) {
    let common = Arc::clone(&shared.common);
    // The connection is closed by the time that the thread counts as gone.
    let (on_duty, stay) = (common.tally.enlist(), Stay::enter(&common, line));
    let stack = shared.stack.load(Ordering::Relaxed);
    // A closure that finds no thread is dropped, and the connection with it.
    let _ = std::thread::Builder::new().stack_size(stack).spawn(move || {
        // In this order they end, however the thread does.
        let (on_duty, mut stay) = (on_duty, stay);
        stay.set_failure(converse(&stay, &common, &on_duty).err());
    });
}

/// Serves one connection to its end.
fn converse(line: &Line, common: &Common<Share<Line>>, meter: &Meter) -> Result<(), Failure> {
    let Limits { first_data, idle_timeout, buffer_size, .. } = common.limits;
    let failed = |error: io::Error| Failure::of(&error);
    set_limit(first_data.or(idle_timeout), |limit| line.set_receive_limit(limit))?;
    set_limit(idle_timeout, |limit| line.set_send_limit(limit))?;
    let mut awaits_first = first_data.is_some();
    let mut buffer = vec![0; buffer_size.max(1)];
    loop {
        let length = match line.receive(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        if std::mem::take(&mut awaits_first) {
            line.set_receive_limit(None).map_err(failed)?;
            set_limit(idle_timeout, |limit| line.set_receive_limit(limit))?;
        }
        match meter.call(&*common.handler, &buffer[..length]) {
            Some(Reply::Echo) => line.send_all(&buffer[..length]).map_err(failed)?,
            Some(Reply::Silent) => {}
            Some(Reply::Close) => return Ok(()),
            None => return Err(Failure::Other),
        }
    }
}

/// Sets a time limit of a socket, if there is one. The system takes no limit of zero.
fn set_limit(
    limit: Option<Duration>,
    set: impl FnOnce(Option<Duration>) -> io::Result<()>,
) -> Result<(), Failure> {
    let Some(limit) = limit else { return Ok(()) };
    set(Some(limit.max(Duration::from_micros(1)))).map_err(|error| Failure::of(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::Echo;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn echo(mut client: &TcpStream) -> io::Result<[u8; 4]> {
        let mut echo = [0; 4];
        client.write_all(b"ping")?;
        client.read_exact(&mut echo)?;
        Ok(echo)
    }

    #[test]
    fn m14_without_a_thread_for_a_client_it_is_closed_and_the_others_are_served() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let server =
            start(listener, Arc::new(Echo), &Limits::default()).expect("the server starts");
        let first = TcpStream::connect(address).expect("it listens");
        assert_eq!(&echo(&first).expect("it is served"), b"ping");

        // No system has room for a stack of this size.
        server.staff.shared.stack.store(1 << (usize::BITS - 4), Ordering::Relaxed);
        let second = TcpStream::connect(address).expect("it listens");
        echo(&second).expect_err("there is no thread for it");
        assert_eq!(&echo(&first).expect("it is served on"), b"ping");

        server.staff.shared.stack.store(STACK, Ordering::Relaxed);
        let third = TcpStream::connect(address).expect("it listens");
        assert_eq!(&echo(&third).expect("there are threads again"), b"ping");
        let status = server.status();
        assert_eq!((status.accepted, status.connected, status.errors.other), (3, 2, 1));
    }
}
