//! A socket that reports, on Windows: the system does it.

use super::window::{Name, Window};
use crate::lock::Mutex;
use crate::socket::{Kind, cannot_block};
use crate::sys::{self, code, is_wine};
use crate::{EventObject, NetworkEvents, NetworkRecord, SocketId};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::windows::io::AsRawSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) struct Socket {
    id: SocketId,
    pub(crate) system: sys::Socket,
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
    pub(crate) fn new(id: SocketId, system: sys::Socket, _kind: Kind) -> Self {
        Self {
            id,
            system,
            reports: Mutex::default(),
            connect_error: Mutex::default(),
            has_shut_receive: AtomicBool::new(false),
        }
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.has_shut_receive.load(Ordering::Acquire) {
            return Err(code::error(code::SHUT_DOWN));
        }
        self.system.receive(buffer)
    }

    pub(crate) fn receive_urgent(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.system.receive_urgent(buffer)
    }

    pub(crate) fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.system.send(data)
    }

    pub(crate) fn send_urgent(&self, data: &[u8]) -> io::Result<usize> {
        self.system.send_urgent(data)
    }

    pub(crate) fn accept(&self, id: SocketId) -> io::Result<(Self, SocketAddr)> {
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
            Report::Event(event) => sys::select_events(&self.system, &event.0, reports.mask.bits()),
            Report::Messages { window, number, .. } => {
                sys::select_messages(&self.system, &window.system, *number, reports.mask.bits())
            }
        };
    }

    pub(crate) fn connect(&self, address: SocketAddr) -> io::Result<()> {
        // The next attempt may make the system forget the last one. What cannot be asked is no
        // obstacle to it.
        let _ = self.connect_error();
        self.system.connect(address)
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.system.shutdown(how)?;
        self.has_shut_receive.fetch_or(how != Shutdown::Write, Ordering::AcqRel);
        Ok(())
    }

    pub(crate) fn connect_error(&self) -> io::Result<Option<io::Error>> {
        let mut kept = self.connect_error.lock();
        if self.system.has_connected() {
            // One has succeeded. What the system may know now is of a connection that is lost.
            *kept = None;
            return Ok(None);
        }
        if let Some(error) = self.system.take_error()? {
            *kept = error.raw_os_error();
        }
        Ok(kept.map(code::error))
    }

    pub(crate) fn set_blocking(&self, on: bool) -> io::Result<()> {
        let reports = self.reports.lock();
        if on && !matches!(reports.now, Report::Nobody) {
            return Err(cannot_block());
        }
        self.system.set_blocking(on)
    }

    pub(crate) fn select_events(&self, event: &EventObject, mask: NetworkEvents) -> io::Result<()> {
        let mut reports = self.reports.lock();
        sys::select_events(&self.system, &event.0, mask.bits())?;
        // The system drops an event object only now, so the one before is kept until here.
        reports.now = Report::Event(event.clone());
        reports.mask = mask;
        Ok(())
    }

    pub(crate) fn select_messages(
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
        sys::select_messages(&self.system, &window.system, number, mask.bits())?;
        reports.now = Report::Messages { window: Arc::clone(window), message, number };
        reports.mask = mask;
        Ok(())
    }

    pub(crate) fn select_nothing(&self) -> io::Result<()> {
        let mut reports = self.reports.lock();
        sys::select_nothing(&self.system)?;
        reports.now = Report::Nobody;
        reports.mask = NetworkEvents::empty();
        Ok(())
    }

    pub(crate) fn enumerate(&self, event: Option<&EventObject>) -> io::Result<NetworkRecord> {
        let (bits, codes) = sys::enumerate(&self.system, event.map(|event| &*event.0))?;
        let mut record = NetworkRecord::default();
        for event in NetworkEvents::from_bits(bits).iter() {
            record.add(event, codes[event.index()]);
        }
        Ok(record)
    }

    pub(super) fn raw(&self) -> usize {
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
        let _ = sys::select_nothing(&self.system);
        for (window, number) in reports.numbers.drain(..) {
            window.numbers.lock().give_back(number);
        }
    }
}
