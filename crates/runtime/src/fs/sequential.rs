//! Reads and writes of a file one after another, by its position.
//!
//! One write is in flight at a time. Its result is looked at by the next operation in sequence, which
//! begins only then. So dropping a future neither mixes two operations nor loses an error.

use super::file::{File, Transferred, wait};
use crate::answer::Answer;
use overlapped::Buffer;
use std::future::poll_fn;
use std::io::{self, IoSlice, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

/// Reads and writes that copy have so many bytes at most.
const COPY_MAX: usize = 64 * 1024;

type Flight = Arc<Answer<Transferred>>;

/// Where a file is.
#[derive(Default)]
pub(super) struct Sequential {
    position: u64,
    /// The write in flight, and where it began.
    writing: Option<(u64, Flight)>,
    /// A read ahead.
    reading: Option<(Place, Flight)>,
    /// What such a read has brought.
    ahead: Option<(Place, Buffer)>,
    /// How often the file was changed at a place, as far as somebody waited for that.
    changes: AtomicU64,
}

/// Where and when a read ahead began. What it brings is no longer so after a change.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Place {
    offset: u64,
    changes: u64,
}

impl Sequential {
    /// What was read ahead from the position on.
    fn ahead(&self) -> Option<&[u8]> {
        let (place, buffer) = self.ahead.as_ref()?;
        let Place { offset, changes } = self.here();
        let skipped = usize::try_from(offset.checked_sub(place.offset)?).ok()?;
        buffer.get(skipped..).filter(|left| place.changes == changes && !left.is_empty())
    }

    fn here(&self) -> Place {
        Place { offset: self.position, changes: self.changes.load(Ordering::Relaxed) }
    }

    /// What was read ahead before may be no longer so.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

impl File {
    /// Reads from the position until `buffer` is full or the file ends, and says how many bytes that
    /// were; 0 at the end of the file. The position goes on by them.
    ///
    /// Cancel safe: when the future is dropped the position stays, so the next read has the same bytes.
    ///
    /// # Errors
    /// Those of [`read_at`](Self::read_at), and of a write in sequence whose future was dropped.
    pub async fn read(&mut self, buffer: Buffer) -> (io::Result<usize>, Buffer) {
        if let Err(error) = self.written().await {
            return (Err(error), buffer);
        }
        let (result, buffer) = self.read_at(buffer, self.sequential.position).await;
        if let Ok(count) = result {
            self.sequential.position += count as u64;
        }
        (result, buffer)
    }

    /// Writes all of `buffer` at the position, which goes on by its length, and gives it back when the
    /// system has every byte.
    ///
    /// Dropping the future takes nothing back: once it was polled, and the write before it is complete,
    /// the write goes on as a whole, and the next operation in sequence begins behind it.
    ///
    /// # Errors
    /// Those of [`write_at`](Self::write_at); the position then is behind what was written. The error
    /// of a write whose future was dropped comes with the next operation in sequence.
    pub async fn write(&mut self, buffer: impl Into<Buffer>) -> (io::Result<()>, Buffer) {
        let buffer = buffer.into();
        if let Err(error) = self.written().await {
            return (Err(error), buffer);
        }
        if let Err(refused) = self.begin_write(buffer) {
            return (refused.result, refused.buffer);
        }
        let Some((_, flight)) = &self.sequential.writing else { unreachable!("a write was begun") };
        // The place of the write stays until its answer was taken here.
        let transferred = wait(Ok(Arc::clone(flight))).await;
        let start = self.sequential.writing.take().map_or(0, |(start, _)| start);
        (self.after_write(start, transferred.count, transferred.result), transferred.buffer)
    }

    /// Where the next read or write in sequence begins, in bytes from the start.
    pub fn position(&self) -> u64 {
        self.sequential.position
    }

    /// Moves the position, and says where it is then. It may be past the end.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// The position would be before the start (`InvalidInput`); the error of a write in sequence whose
    /// future was dropped.
    pub async fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.written().await?;
        self.seek_now(to)
    }

    pub(crate) fn seek_now(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.sequential.position.checked_add_signed(by),
            SeekFrom::End(by) => self.size()?.checked_add_signed(by),
        };
        self.sequential.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a position before the start of a file")
        })?;
        Ok(self.sequential.position)
    }

    async fn written(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_written(context)).await
    }

    /// Until the write in flight is complete.
    pub(crate) fn poll_written(&mut self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let Some((start, flight)) = &self.sequential.writing else {
            return Poll::Ready(Ok(()));
        };
        let Transferred { count, result, .. } = ready!(flight.poll(context));
        let start = *start;
        self.sequential.writing = None;
        Poll::Ready(self.after_write(start, count, result))
    }

    fn after_write(&mut self, start: u64, count: usize, result: io::Result<()>) -> io::Result<()> {
        if result.is_err() {
            self.sequential.position = start + count as u64;
        }
        result
    }

    /// No write is in flight.
    fn begin_write(&mut self, buffer: Buffer) -> Result<(), Transferred> {
        let (start, count) = (self.sequential.position, buffer.len());
        let flight = self.start_write(buffer, start)?;
        self.sequential.changed();
        self.sequential.writing = Some((start, flight));
        self.sequential.position += count as u64;
        Ok(())
    }

    /// Copies from the position, up to `room` bytes, and says how many; 0 at the end of the file.
    pub(crate) fn poll_copy_from(
        &mut self,
        context: &Context<'_>,
        room: usize,
        copy: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_written(context))?;
        if self.sequential.ahead().is_none() && !ready!(self.poll_read_ahead(context))? {
            return Poll::Ready(Ok(0));
        }
        let ahead = self.sequential.ahead().unwrap_or_default();
        let count = ahead.len().min(room);
        copy(&ahead[..count]);
        self.sequential.position += count as u64;
        Poll::Ready(Ok(count))
    }

    /// Reads ahead from the position; whether there is anything.
    fn poll_read_ahead(&mut self, context: &Context<'_>) -> Poll<io::Result<bool>> {
        let here = self.sequential.here();
        let in_flight = self.sequential.reading.take().filter(|(place, _)| *place == here);
        let flight = match in_flight {
            Some((_, flight)) => flight,
            None => match self.start_read(Buffer::with_capacity(COPY_MAX), here.offset) {
                Ok(flight) => flight,
                Err(refused) => return Poll::Ready(refused.result.map(|()| false)),
            },
        };
        let Poll::Ready(transferred) = flight.poll(context) else {
            self.sequential.reading = Some((here, flight));
            return Poll::Pending;
        };
        let Transferred { count, result, buffer } = transferred;
        self.sequential.ahead = (count > 0).then_some((here, buffer));
        Poll::Ready(if count > 0 { Ok(true) } else { result.map(|()| false) })
    }

    /// Copies what fits, and writes it without waiting for the end of that; how many bytes that were.
    pub(crate) fn poll_copy_into(
        &mut self,
        context: &Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_written(context))?;
        let wanted = slices.iter().map(|slice| slice.len()).sum::<usize>().min(COPY_MAX);
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        let mut buffer = Buffer::with_capacity(wanted);
        for slice in slices {
            let count = slice.len().min(wanted - buffer.len());
            buffer.extend_from_slice(&slice[..count]);
        }
        match self.begin_write(buffer) {
            Ok(()) => Poll::Ready(Ok(wanted)),
            Err(refused) => Poll::Ready(refused.result.map(|()| 0)),
        }
    }
}
