//! A port of a build without the feature `signals`: it watches none.

use super::inner::Inner;
use crate::conn::delivery::Delivery;
use crate::op::Op;
use crate::protocol::Protocol;

/// The watch of a port, which there cannot be.
#[derive(Default)]
pub(crate) struct Watching;

impl<P: Protocol> Inner<P> {
    /// No signal arrives where nobody watches.
    pub(super) fn take_signals(&self, _: &mut Delivery<Op<P>>) {}

    /// The port is closed.
    pub(super) fn unwatch_signals(&self) {
        let Watching = self.signals;
    }
}
