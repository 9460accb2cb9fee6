//! Things that are not the library's, which a test makes ready when it wants: a pipe on Linux, a thread on
//! Windows.

use crate::packets::next;
use crate::world::Numbers;
use overlapped::{Packet, Port, Readiness, WaitHandle};
use std::io;

/// What a port is given.
#[cfg(target_os = "linux")]
pub type Owned = std::os::fd::OwnedFd;
#[cfg(windows)]
pub type Owned = std::os::windows::io::OwnedHandle;

/// What makes one ready, for ever.
#[cfg(target_os = "linux")]
pub struct Trigger(io::PipeWriter);
#[cfg(windows)]
pub struct Trigger {
    end: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

#[cfg(target_os = "linux")]
pub fn foreign() -> (Owned, Trigger) {
    let (reader, writer) = io::pipe().expect("a pipe can be made");
    (reader.into(), Trigger(writer))
}

/// The handle of a thread, which is signalled when the thread has ended.
#[cfg(windows)]
pub fn foreign() -> (Owned, Trigger) {
    use std::os::windows::io::AsHandle;
    let (end, ended) = std::sync::mpsc::channel::<()>();
    // It waits until the sender is dropped, which is an error.
    let thread = std::thread::spawn(move || ended.recv().unwrap_or_default());
    let owned = thread.as_handle().try_clone_to_owned().expect("a handle can be duplicated");
    (owned, Trigger { end, thread })
}

#[cfg(target_os = "linux")]
impl Trigger {
    /// Makes it ready. What this returns keeps it as it is.
    pub fn pull(self) -> impl Sized {
        use std::io::Write;
        (&self.0).write_all(b"x").expect("somebody may read it");
        self
    }

    /// Whether nobody can be waiting for it any more, as all have closed it.
    pub fn is_closed(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, poll};
        let mut asked = [PollFd::new(&self.0, PollFlags::OUT)];
        poll(&mut asked, Some(&rustix::time::Timespec::default())).expect("it can be asked");
        asked[0].revents().contains(PollFlags::ERR)
    }
}

#[cfg(windows)]
impl Trigger {
    /// Makes it ready.
    pub fn pull(self) -> impl Sized {
        drop(self.end);
        self.thread.join().expect("it does nothing");
    }

    /// The system does not tell.
    pub fn is_closed(&self) -> bool {
        true
    }
}

/// Something of the port, under `key`.
pub fn associated(port: &Port<Numbers>, key: u64) -> (WaitHandle<Numbers>, Trigger) {
    let (owned, trigger) = foreign();
    (port.associate(owned, key).expect("it can be waited for"), trigger)
}

pub struct WaitedPacket {
    pub handle: WaitHandle<Numbers>,
    pub operation: u64,
    pub result: io::Result<Readiness>,
}

pub fn waited(port: &Port<Numbers>) -> WaitedPacket {
    match next(port) {
        Packet::Waited { handle, operation, result } => WaitedPacket { handle, operation, result },
        other => panic!("the packet of a wait was owed, not {other:?}"),
    }
}
