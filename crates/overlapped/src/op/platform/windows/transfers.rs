//! Receives, sends and transmissions of streams, as the kernel carries them.

use super::{COMPLETE, KindInKernel};
use crate::conn::operation::{Progress, Surroundings};
use crate::error::aborted;
use crate::op::receive::{Receive, Received};
use crate::op::receive_scattered::ReceiveScattered;
use crate::op::send::Send;
use crate::op::transmit_file::{Transmission, TransmitFile};
use crate::sys::iocp::block::{Ended, Outcome};
use crate::sys::iocp::request::{Request, fit_one_call};
use crate::sys::iocp::{END_OF_FILE, TransmitRequest};
use std::io;

/// What the end of a receive of nothing says: that there may be data to be received, unless the socket is
/// gone or it failed.
fn told_of_data(ended: Ended, with: Option<Surroundings<'_>>) -> io::Result<Surroundings<'_>> {
    ended.result?;
    with.ok_or_else(aborted)
}

impl KindInKernel for Receive {
    /// A pipe does not say that there is data, so a pooled receive has its buffer from the start.
    fn prepare(&mut self, with: Surroundings<'_>) -> io::Result<()> {
        if with.socket.is_pipe() && self.buffer.as_ref().is_none() {
            self.buffer.put(with.pool.get_of(with.receive_size.get().size()));
        }
        Ok(())
    }

    fn request(&mut self) -> Request<'_> {
        match self.buffer.as_mut() {
            Some(buffer) if buffer.spare_len() > 0 => Request::Receive(buffer.spare_mut()),
            _ => Request::ReceiveReady,
        }
    }

    fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress {
        if self.goes_in_steps() {
            return match told_of_data(ended, with) {
                Ok(with) => self.attempt_once(with),
                Err(error) => {
                    self.result = Err(error);
                    COMPLETE
                }
            };
        }
        let outcome = ended.some();
        if let Some(buffer) = self.buffer.as_mut() {
            buffer.add_filled(*outcome.as_ref().unwrap_or(&0));
        }
        self.result = outcome.map(|length| match length {
            0 => Received::End,
            length => Received::Data(length),
        });
        COMPLETE
    }

    /// Whether it has no memory to give to a kernel, and asks only to be told of data.
    fn goes_in_steps(&self) -> bool {
        self.buffer.as_ref().is_none_or(|buffer| buffer.spare_len() == 0)
    }
}

impl KindInKernel for ReceiveScattered {
    fn request(&mut self) -> Request<'_> {
        match self.buffers.spare_len() {
            0 => Request::ReceiveReady,
            _ => Request::ReceiveScattered(&mut self.buffers),
        }
    }

    fn finish(&mut self, ended: Ended, with: Option<Surroundings<'_>>) -> Progress {
        if self.goes_in_steps() {
            return match told_of_data(ended, with) {
                Ok(with) => self.attempt_once(with),
                Err(error) => {
                    self.result = Err(error);
                    COMPLETE
                }
            };
        }
        self.result = ended.some().map(|length| self.filled(length));
        COMPLETE
    }

    fn goes_in_steps(&self) -> bool {
        self.buffers.spare_len() == 0
    }
}

impl<const QUIET: bool> KindInKernel for Send<QUIET> {
    fn request(&mut self) -> Request<'_> {
        Request::Send(&self.buffers, self.transferred)
    }

    /// The kernel takes a call's part as a whole or fails it. With more than one call takes, it goes
    /// on.
    fn finish(&mut self, ended: Ended, _with: Option<Surroundings<'_>>) -> Progress {
        self.transferred += ended.transferred;
        self.result = ended.result;
        if self.result.is_ok() && self.transferred < self.buffers.byte_len() {
            return Progress::Blocked;
        }
        COMPLETE
    }

    /// Whether it takes more than one call.
    fn goes_in_steps(&self) -> bool {
        !fit_one_call(&self.buffers)
    }
}

/// How much of a file one call takes: few calls, and progress to be seen between them.
const CALL_BYTES: u64 = 64 << 20;

/// A call takes one head, and head and file together may not reach 2 GiB (X74).
const HEAD_BYTES_MAX: usize = 1 << 30;

impl KindInKernel for TransmitFile {
    fn request(&mut self) -> Request<'_> {
        let Transmission { head, tail, file, offset, .. } = &*self.transmission;
        let has_file = self.file_sent < self.file_length;
        let head_rest = match head.as_one() {
            Some(one) if has_file && one.len() <= HEAD_BYTES_MAX => &one[self.head_sent..],
            _ => &[],
        };
        if head_rest.is_empty() && self.head_sent < head.byte_len() {
            return Request::Send(head, self.head_sent);
        }
        if !has_file {
            return Request::Send(tail, self.tail_sent);
        }
        Request::TransmitFile(TransmitRequest {
            file: &file.0,
            offset: offset + self.file_sent,
            length: (self.file_length - self.file_sent).min(CALL_BYTES) as u32,
            head: head_rest,
            room: &mut self.room,
        })
    }

    fn ended(&self, outcome: Outcome) -> Ended {
        outcome.of_transmission()
    }

    fn finish(&mut self, ended: Ended, _with: Option<Surroundings<'_>>) -> Progress {
        let Transmission { head, tail, .. } = &*self.transmission;
        let (head_length, tail_length) = (head.byte_len(), tail.byte_len());
        let is_of_file = self.head_sent >= head_length && self.file_sent < self.file_length;
        let of_head = ended.transferred.min(head_length - self.head_sent);
        let of_others = ended.transferred - of_head;
        self.head_sent += of_head;
        if self.file_sent < self.file_length {
            self.file_sent += of_others as u64;
        } else {
            self.tail_sent += of_others;
        }
        self.show_progress();
        self.result = ended.result;
        if is_of_file && ended.transferred == 0 && is_at_end_of_file(&self.result) {
            // The file has become shorter (X76).
            self.file_length = self.file_sent;
            self.result = Ok(());
        }
        let is_all = self.file_sent >= self.file_length && self.tail_sent >= tail_length;
        if self.result.is_ok() && !(self.head_sent >= head_length && is_all) {
            return Progress::Blocked;
        }
        COMPLETE
    }

    fn goes_in_steps(&self) -> bool {
        true
    }
}

/// Whether a call that sent nothing did so since the file ends here.
fn is_at_end_of_file(result: &io::Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) => error.raw_os_error() == Some(END_OF_FILE),
    }
}
