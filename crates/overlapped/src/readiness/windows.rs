//! Readiness on Windows: the system's own calls, and the names of sockets in messages.
//!
//! The system names the socket of a message by a number that it gives to another one after the close.
//! So each socket reports under a message number of its own, which tells the socket's name and the
//! number that its user chose, and which is used again only after all others.

use super::message_window::gone;
use super::select::Sought;
use super::{Message, NetworkEvents, NetworkRecord, SocketId, SocketSet};
use crate::driver::code;
use crate::driver::iocp::{connect_time, is_wine};
use crate::driver::system::SystemSocket;
use crate::driver::winsock::network_events as system;
use crate::driver::winsock::select::{self as system_select, Array};
use crate::driver::winsock::wait::Deadline;
use crate::driver::winsock::window::{self, Arrived};
use crate::notify::EventObject;
use crate::sync::Mutex;
use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::windows::io::AsRawSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a socket was when it came to us, which the system knows by itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Fresh,
    Connected,
    Listening,
    Datagram,
}

pub(super) struct Socket {
    id: SocketId,
    system: SystemSocket,
    reports: Mutex<Reports>,
    /// Why the last connect failed, since not every version of the system keeps it (M40).
    connect_error: Mutex<Option<i32>>,
    /// Our receiving was ended, which not every version of the system remembers.
    has_shut_receive: AtomicBool,
}

#[derive(Default)]
struct Reports {
    now: Report,
    mask: NetworkEvents,
    /// Numbers that it reported under. Messages with them may still be queued (M52).
    numbers: Vec<(Arc<Window>, u32)>,
}

#[derive(Default)]
enum Report {
    #[default]
    Nobody,
    /// Kept, since the system has only its handle.
    Event(EventObject),
    Messages {
        window: Arc<Window>,
        message: u32,
        number: u32,
    },
}

impl Socket {
    pub(super) fn new(id: SocketId, system: SystemSocket, _kind: Kind) -> Self {
        Self {
            id,
            system,
            reports: Mutex::default(),
            connect_error: Mutex::default(),
            has_shut_receive: AtomicBool::new(false),
        }
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.has_shut_receive.load(Ordering::Acquire) {
            return Err(code::error(code::SHUT_DOWN));
        }
        self.system.receive(buffer)
    }

    pub(super) fn receive_urgent(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.system.receive_urgent(buffer)
    }

    pub(super) fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.system.send(&[IoSlice::new(data)], false)
    }

    pub(super) fn send_urgent(&self, data: &[u8]) -> io::Result<usize> {
        self.system.send_urgent(data)
    }

    pub(super) fn accept(&self, id: SocketId) -> io::Result<(Self, SocketAddr)> {
        let (system, from) = self.system.accept().inspect_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock && is_wine() {
                self.ask_again();
            }
        })?;
        let accepted = Self::new(id, system, Kind::Connected);
        // The system has it report already, but under its listener's number.
        let reports = self.reports.lock();
        match &reports.now {
            Report::Nobody => {}
            Report::Event(event) => accepted.select_events(event, reports.mask)?,
            Report::Messages { window, message, .. } => {
                accepted.select_messages(window, *message, reports.mask)?;
            }
        }
        Ok((accepted, from))
    }

    /// An accept that finds nobody has the next client told of on Windows (M57), and not under Wine,
    /// which now and then tells of a client that is accepted already: nobody would be told of then.
    fn ask_again(&self) {
        let reports = self.reports.lock();
        // A refusal leaves everything as it was, which the next accept finds.
        let _ = match &reports.now {
            Report::Nobody => Ok(()),
            Report::Event(event) => {
                system::select_events(&self.system, &event.0, reports.mask.bits())
            }
            Report::Messages { window, number, .. } => {
                system::select_messages(&self.system, &window.system, *number, reports.mask.bits())
            }
        };
    }

    pub(super) fn connect(&self, address: SocketAddr) -> io::Result<()> {
        // The next attempt may make the system forget the last one. What cannot be asked is no
        // obstacle to it.
        let _ = self.connect_error();
        self.system.connect(address)
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.system.shutdown(how)?;
        self.has_shut_receive.fetch_or(how != Shutdown::Write, Ordering::AcqRel);
        Ok(())
    }

    pub(super) fn abort(&self) -> io::Result<()> {
        self.system.set_linger(Some(Duration::ZERO))
    }

    pub(super) fn connect_error(&self) -> io::Result<Option<io::Error>> {
        let mut kept = self.connect_error.lock();
        if connect_time(self.system.as_raw_socket()).is_some() {
            // One has succeeded. What the system may know now is of a connection that is lost.
            *kept = None;
            return Ok(None);
        }
        if let Some(error) = self.system.take_error()? {
            *kept = error.raw_os_error();
        }
        Ok(kept.map(code::error))
    }

    pub(super) fn set_blocking(&self, on: bool) -> io::Result<()> {
        let reports = self.reports.lock();
        if on && !matches!(reports.now, Report::Nobody) {
            return Err(super::socket::cannot_block());
        }
        self.system.set_blocking(on)
    }

    pub(super) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.system.set_nodelay(on)
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.system.local_addr()
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.system.peer_addr()
    }

    pub(super) fn select_events(&self, event: &EventObject, mask: NetworkEvents) -> io::Result<()> {
        let mut reports = self.reports.lock();
        system::select_events(&self.system, &event.0, mask.bits())?;
        // The system drops an event object only now, so the one before is kept until here.
        reports.now = Report::Event(event.clone());
        reports.mask = mask;
        Ok(())
    }

    pub(super) fn select_messages(
        &self,
        window: &Arc<Window>,
        message: u32,
        mask: NetworkEvents,
    ) -> io::Result<()> {
        let mut reports = self.reports.lock();
        let known = match &reports.now {
            Report::Messages { window: old, message: same, number }
                if Arc::ptr_eq(old, window) && *same == message =>
            {
                Some(*number)
            }
            _ => None,
        };
        let number = match known {
            Some(number) => number,
            None => {
                let name = Name { id: self.id, socket: self.raw(), message };
                let number = window.numbers.lock().take(name)?;
                reports.numbers.push((Arc::clone(window), number));
                number
            }
        };
        system::select_messages(&self.system, &window.system, number, mask.bits())?;
        reports.now = Report::Messages { window: Arc::clone(window), message, number };
        reports.mask = mask;
        Ok(())
    }

    pub(super) fn select_nothing(&self) -> io::Result<()> {
        let mut reports = self.reports.lock();
        system::select_nothing(&self.system)?;
        reports.now = Report::Nobody;
        reports.mask = NetworkEvents::empty();
        Ok(())
    }

    pub(super) fn enumerate(&self, event: Option<&EventObject>) -> io::Result<NetworkRecord> {
        let (bits, codes) = system::enumerate(&self.system, event.map(|event| &*event.0))?;
        let mut record = NetworkRecord::default();
        for event in NetworkEvents::from_bits(bits).iter() {
            record.add(event, codes[event.index()]);
        }
        Ok(record)
    }

    fn raw(&self) -> usize {
        self.system.as_raw_socket() as usize
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut reports = self.reports.lock();
        if matches!(reports.now, Report::Nobody) && reports.numbers.is_empty() {
            return;
        }
        // So that nothing is queued under a number that is free. The close would do it as well.
        let _ = system::select_nothing(&self.system);
        for (window, number) in reports.numbers.drain(..) {
            window.numbers.lock().give_back(number);
        }
    }
}

/// What a message number stands for.
#[derive(Debug, Clone, Copy)]
struct Name {
    id: SocketId,
    /// An accepted socket reports under its listener's number until its user has it. Those messages
    /// are passed over, since it is selected anew then, and tells again.
    socket: usize,
    message: u32,
}

struct Numbers {
    names: HashMap<u32, Name>,
    /// Given back longest ago first.
    free: VecDeque<u32>,
    never_used: std::ops::RangeInclusive<u32>,
}

impl Numbers {
    fn take(&mut self, name: Name) -> io::Result<u32> {
        let number = self.never_used.next().or_else(|| self.free.pop_front()).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "the message window has no number left for one more socket: use another window",
            )
        })?;
        self.names.insert(number, name);
        Ok(number)
    }

    fn give_back(&mut self, number: u32) {
        self.names.remove(&number);
        self.free.push_back(number);
    }
}

pub(super) struct Window {
    system: window::Window,
    numbers: Mutex<Numbers>,
}

impl Window {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let numbers =
            Numbers { names: HashMap::new(), free: VecDeque::new(), never_used: window::NUMBERS };
        Ok(Arc::new(Self { system: window::Window::new()?, numbers: Mutex::new(numbers) }))
    }

    pub(super) fn post(&self, message: u32, parameter: u64) -> io::Result<()> {
        self.system.post(message, parameter).unwrap_or_else(|| Err(gone()))
    }

    /// Called by the thread of the window only.
    pub(super) fn next(&self, timeout: Option<Duration>) -> io::Result<Option<Message>> {
        let deadline = Deadline::after(timeout);
        loop {
            while let Some(arrived) = self.system.pop() {
                if let Some(message) = self.name(arrived) {
                    return Ok(Some(message));
                }
            }
            if self.system.pump(deadline)? {
                return Ok(None);
            }
        }
    }

    /// What came, in the user's words; `None` for what is of nobody's interest any more.
    fn name(&self, arrived: Arrived) -> Option<Message> {
        match arrived {
            Arrived::Posted { message, parameter } => Some(Message::Posted { message, parameter }),
            Arrived::Network { number, socket, event, code } => {
                let name = *self.numbers.lock().names.get(&number)?;
                let event = NetworkEvents::from_bits(event);
                let is_it = name.socket == socket && !event.is_empty();
                let error = (code != 0).then(|| code::error(code));
                let message = name.message;
                is_it.then_some(Message::Network { message, socket: name.id, event, error })
            }
        }
    }

    /// The user lets go of the window, on its thread.
    pub(super) fn close(&self) {
        self.system.close();
    }
}

pub(super) fn select(
    sets: &mut [(Sought, &mut SocketSet<'_>)],
    timeout: Option<Duration>,
) -> io::Result<()> {
    let mut arrays = [Array::default(), Array::default(), Array::default()];
    for (sought, set) in sets.iter() {
        let sockets = set.iter().map(|socket| socket.system().system.as_raw_socket());
        arrays[*sought as usize] = Array::new(sockets);
    }
    system_select::select(&mut arrays, timeout)?;
    for (sought, set) in sets {
        let mut ready = arrays[*sought as usize].sockets().to_vec();
        ready.sort_unstable();
        set.sockets.retain(|socket| ready.binary_search(&socket.system().raw()).is_ok());
    }
    Ok(())
}
