//! A connection as hyper sees it: its bytes, its place among the others, and its limits of time.

use super::metrics::Place;
use crate::time::{Sleep, sleep_until};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// How long a connection may be silent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silence {
    /// Before its first byte.
    pub(super) first: Duration,
    /// After that, in both directions at once.
    pub(super) idle: Option<Duration>,
}

/// A connection that is being served, and what becomes of it by an upgrade.
pub(super) struct Connection<I> {
    io: I,
    limits: Silence,
    /// Whether anything has come.
    has_begun: bool,
    /// When something came or went last.
    last: Instant,
    /// It may be set for a moment before the end of the limit, but not for one after it.
    sleep: Option<Sleep>,
    is_over: bool,
    place: Place,
}

impl<I> Connection<I> {
    pub(super) fn new(io: I, limits: Silence, place: Place) -> Self {
        let last = Instant::now();
        Self { io, limits, has_begun: false, last, sleep: None, is_over: false, place }
    }

    fn limit(&self) -> Option<Duration> {
        if self.has_begun { self.limits.idle } else { Some(self.limits.first) }
    }

    fn has_come(&mut self) {
        if !self.has_begun {
            self.has_begun = true;
            // The next limit may be shorter.
            self.sleep = None;
        }
        self.has_moved();
    }

    fn has_moved(&mut self) {
        // What the server says by itself is no sign of its client.
        if self.has_begun && self.limits.idle.is_some() {
            self.last = Instant::now();
        }
    }

    /// What an operation gave; for one that waits, nothing, or that the time is over.
    fn or_timed_out<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_pending() { self.poll_silence(context) } else { polled }
    }

    /// The same for one that has written. That is a sign of the client: there is room when it has taken what was
    /// written before.
    fn written(
        &mut self,
        polled: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if polled.is_ready() {
            self.has_moved();
        }
        self.or_timed_out(polled, context)
    }

    fn poll_silence<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Some(end) = self.limit().and_then(|limit| self.last.checked_add(limit)) else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| sleep_until(end));
        loop {
            ready!(Pin::new(&mut *sleep).poll(context));
            if Instant::now() >= end {
                if !std::mem::replace(&mut self.is_over, true) {
                    self.place.timed_out();
                }
                let text = "nothing came or went for as long as that may be";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
            }
            // Something has moved since it was set.
            sleep.reset(end);
        }
    }
}

impl<I: Read + Unpin> Read for Connection<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_read(context, room);
        if polled.is_ready() {
            this.has_come();
        }
        this.or_timed_out(polled, context)
    }
}

impl<I: Write + Unpin> Write for Connection<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(context, bytes);
        this.written(polled, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write_vectored(context, buffers);
        this.written(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_flush(context);
        this.or_timed_out(polled, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_shutdown(context);
        this.or_timed_out(polled, context)
    }
}
