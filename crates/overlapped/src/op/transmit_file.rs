//! Transmit file: a head, a part of a file and a tail go out as one operation (X70), the file
//! without passing through the program's memory.

use super::disconnect::loss_of_connected;
use super::packet::Packet;
use super::platform::TransmitRoom;
use super::send::send_rest;
use super::start::refused;
use super::tcp_stream::TcpStream;
use super::{Kind, Next, Op};
use crate::buffer::Buffers;
use crate::conn::delivery::Delivery;
use crate::conn::handle::Handle;
use crate::conn::locked::Locked;
use crate::conn::operation::{Direction, Progress, Role, Surroundings};
use crate::error::{OperationId, Refused, not_performed};
use crate::file::OpenFile;
use crate::protocol::Protocol;
use crate::sync::unmodelled::AtomicU64;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How much of a file one attempt sends before the thread looks after others. The peer may take
/// data as fast as it is sent, and then nothing would ever block.
const ATTEMPT_BYTES: u64 = 2 << 20;

/// What [`TcpStream::transmit_file`] sends: a head, a part of a file, a tail. Each may be missing.
///
/// ```
/// use overlapped::{FileOptions, OpenFile, Transmission};
///
/// # let path = std::env::temp_dir().join("overlapped-transmission-example");
/// # std::fs::write(&path, b"0123456789")?;
/// let file = OpenFile::open(&path, &FileOptions::new().read(true))?;
/// let transmission = Transmission::of(file).range(2, 5).head(b"head: ").end_stream(true);
/// # drop(transmission);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Transmission {
    pub(super) file: Arc<OpenFile>,
    pub(super) offset: u64,
    /// None: to the end of the file.
    length: Option<u64>,
    pub(super) head: Buffers,
    pub(super) tail: Buffers,
    ends_stream: bool,
    progress: TransmissionProgress,
}

/// How many bytes of one transmission the system has taken so far. Any thread may read it.
#[derive(Debug, Clone, Default)]
pub struct TransmissionProgress(Arc<AtomicU64>);

impl TransmissionProgress {
    /// The bytes of head, file and tail that the system has taken.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Transmission {
    /// All of `file`, from its start to its end. Many transmissions may share a file.
    pub fn of(file: impl Into<Arc<OpenFile>>) -> Self {
        Self {
            file: file.into(),
            offset: 0,
            length: None,
            head: ().into(),
            tail: ().into(),
            ends_stream: false,
            progress: TransmissionProgress::default(),
        }
    }

    /// Only `length` bytes from `offset` on, or as many of them as there are when they are sent.
    pub fn range(mut self, offset: u64, length: u64) -> Self {
        self.offset = offset;
        self.length = Some(length);
        self
    }

    /// What goes out before the file.
    pub fn head(mut self, head: impl Into<Buffers>) -> Self {
        self.head = head.into();
        self
    }

    /// What goes out after the file.
    pub fn tail(mut self, tail: impl Into<Buffers>) -> Self {
        self.tail = tail.into();
        self
    }

    /// Whether sending is shut down after the last byte, so that the peer sees the end of the
    /// stream.
    pub fn end_stream(mut self, on: bool) -> Self {
        self.ends_stream = on;
        self
    }

    /// Shows how far the transmission is, while it is in flight and afterwards.
    pub fn progress(&self) -> TransmissionProgress {
        self.progress.clone()
    }

    /// The file.
    pub fn file(&self) -> &Arc<OpenFile> {
        &self.file
    }

    /// Takes it apart: head and tail, for their buffers.
    pub fn into_buffers(self) -> (Buffers, Buffers) {
        (self.head, self.tail)
    }
}

/// One transmission under way.
pub(super) struct TransmitFile {
    /// Boxed, as in its packet.
    pub(super) transmission: Box<Transmission>,
    pub(super) head_sent: usize,
    pub(super) file_sent: u64,
    /// How long the part of the file is, as far as is known; less if the file ends before.
    pub(super) file_length: u64,
    pub(super) tail_sent: usize,
    /// Where a kernel is told what goes out before the file.
    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(super) room: TransmitRoom,
    pub(super) result: io::Result<()>,
}

impl TransmitFile {
    /// True when everything is sent, false when others should have their turn first.
    fn send_what_can_be(&mut self, with: Surroundings<'_>) -> io::Result<bool> {
        let Transmission { head, tail, file, offset, .. } = &*self.transmission;
        let more = self.file_length > 0 || tail.byte_len() > 0;
        send_rest(with.socket, head, &mut self.head_sent, more)?;
        let most = self.file_sent + ATTEMPT_BYTES;
        while self.file_sent < self.file_length {
            if self.file_sent >= most {
                return Ok(false);
            }
            let length = (self.file_length - self.file_sent).min(most - self.file_sent);
            match with.socket.send_file(&file.0, offset + self.file_sent, length as usize)? {
                // The file has become shorter (X76).
                0 => self.file_length = self.file_sent,
                sent => self.file_sent += sent as u64,
            }
        }
        send_rest(with.socket, tail, &mut self.tail_sent, false)?;
        Ok(true)
    }

    fn transferred(&self) -> u64 {
        self.head_sent as u64 + self.file_sent + self.tail_sent as u64
    }

    pub(super) fn show_progress(&self) {
        self.transmission.progress.0.store(self.transferred(), Ordering::Relaxed);
    }
}

impl<P: Protocol> Kind<P> for TransmitFile {
    const ROLE: Role = Role::Transfer;

    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        let outcome = self.send_what_can_be(with);
        self.show_progress();
        match outcome {
            Ok(true) => self.result = Ok(()),
            Ok(false) => return Progress::Yields,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Blocked,
            Err(error) => self.result = Err(error),
        }
        Progress::Complete { drained: false }
    }

    fn has_begun(&self) -> bool {
        self.transferred() > 0
    }

    fn may_block(&self) -> bool {
        self.file_sent < self.file_length
    }

    fn loss(error: &io::Error) -> Option<i32> {
        loss_of_connected(error)
    }

    fn complete(
        &mut self,
        at: &mut Locked<'_, Op<P>>,
        _holder: &Handle<Op<P>>,
        _delivery: &mut Delivery<Op<P>>,
    ) -> Next {
        if self.result.is_ok() && self.transmission.ends_stream {
            at.end_sending_behind();
        }
        Next::Packet
    }

    fn transferred(&self) -> u64 {
        self.transferred()
    }

    fn into_packet(self, handle: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        Packet::Transmitted {
            stream: TcpStream(handle),
            transferred: self.transferred(),
            transmission: self.transmission,
            operation,
            result: self.result,
        }
    }
}

/// How many bytes of the file are to be sent, or why it cannot be sent at all.
fn part_of_file(transmission: &Transmission) -> io::Result<u64> {
    let Transmission { file, offset, length, .. } = transmission;
    let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if !file.0.is_readable() {
        return invalid("the file was not opened for reading".to_owned());
    }
    if !file.0.has_positions() {
        return invalid("a pipe or terminal has no parts to transmit: read and send it".to_owned());
    }
    let size = file.0.size()?;
    match size.checked_sub(*offset) {
        None => invalid(format!("offset {offset} is beyond the end of the file, {size} (X75)")),
        Some(rest) => Ok(length.map_or(rest, |length| length.min(rest))),
    }
}

/// The packet of one that was refused.
fn pack<P: Protocol>(
    handle: Handle<Op<P>>,
    (transmission, operation): (Transmission, P::Operation),
    error: io::Error,
) -> Packet<P> {
    Packet::Transmitted {
        stream: TcpStream(handle),
        transmission: Box::new(transmission),
        operation,
        transferred: 0,
        result: Err(error),
    }
}

impl<P: Protocol> TcpStream<P> {
    /// Starts to send a head, a part of a file and a tail, in this order, as one operation. The
    /// system reads the file itself, and its bytes do not pass through the program's memory.
    ///
    /// Completes with [`Packet::Transmitted`], which gives everything back, when the system has
    /// taken every byte, or with an error and the number of bytes that went out before it. It goes
    /// out in order with the sends of the stream. If the file ends before the requested part does,
    /// what there is is sent. That is a success, and `transferred` says how much it was. There is
    /// no limit of size: where one call of the system takes less, there are several.
    ///
    /// # Errors
    /// What fails at once gives everything back and queues no packet: as for
    /// [`send`](TcpStream::send), and `InvalidInput` for a file that was not opened for reading, is
    /// a pipe, or is shorter than the offset.
    ///
    /// # Cancellation
    /// A cancelled transmission reports the bytes that went out; the rest never will. The peer
    /// cannot know what is missing, so close the connection.
    ///
    /// # Platform
    /// Linux sends by `sendfile`, on the thread that takes the event; where a part of the file is
    /// not in the page cache, that thread waits for the disk, as with any call that blocks. Windows
    /// sends by `TransmitFile`, in parts of at most 64 MiB; editions of Windows for clients run two
    /// transmissions at a time, and others wait.
    pub fn transmit_file(
        &self,
        transmission: Transmission,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Transmission, P::Operation)>> {
        let transmit = match part_of_file(&transmission) {
            Err(error) => {
                let given = (transmission, operation);
                return Err(refused(error, given, &self.0, Direction::Send, pack));
            }
            Ok(file_length) => TransmitFile {
                transmission: Box::new(transmission),
                head_sent: 0,
                file_sent: 0,
                file_length,
                tail_sent: 0,
                room: TransmitRoom::default(),
                result: not_performed(),
            },
        };
        let take = |it: TransmitFile, operation| (*it.transmission, operation);
        Op::start(&self.0, Direction::Send, transmit, operation, take, pack)
    }
}
