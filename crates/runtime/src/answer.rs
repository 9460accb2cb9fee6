//! The answer to one operation, for which one future waits.

use crate::arrival::{Arrival, change};
use crate::sync::Mutex;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Where the answer arrives. It is shared by the operation and by the future that waits.
///
/// Whoever drops that future leaves the operation alone; its answer is then dropped with its packet.
pub(crate) struct Answer<T>(Mutex<Arrival<T>>);

impl<T> Answer<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// The operation is complete.
    pub(crate) fn arrived(&self, answer: T) {
        change(&self.0, |arrival| arrival.arrive(answer));
    }

    pub(crate) async fn wait(&self) -> T {
        poll_fn(|context| self.poll(context)).await
    }

    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<T> {
        self.0.lock().poll(context)
    }
}
