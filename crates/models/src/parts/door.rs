//! The door of a server whose only thread accepts beside its other work.
//!
//! The thread asks for the next client when the listener has one. Over the limit, and for a while
//! after descriptors or memory ran short, it is told not to watch the listener: clients wait in the
//! backlog, and nobody spins on one that stays ready. The thread that stops the server closes the
//! door, whatever its own thread is doing.

use super::Common;
use super::common::RETRY_AFTER;
use super::conversation::Line;
use super::doorkeeper::is_the_clients;
use super::guest::Guest;
use super::stay::{Member, Share};
use overlapped_serving::{Handle, lock};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How many clients are let in before those that are in have their turn.
pub(crate) const AT_ONCE: usize = 32;

/// A listener that does not block.
pub(crate) trait Listener {
    type Line: Line + Member;

    /// The next client's connection, with its options set; `WouldBlock` is nobody.
    fn next_client(&self) -> io::Result<Self::Line>;
}

/// The listener, as long as it is open.
pub(crate) struct Door<L>(Mutex<Option<L>>);

/// What the thread knows of its door.
#[derive(Default)]
pub(crate) struct Porter {
    /// Accepting is put off until then.
    not_before: Option<Instant>,
}

impl<L> Door<L> {
    pub(crate) fn new(listener: L) -> Self {
        Self(Mutex::new(Some(listener)))
    }

    /// The listener, which is not closed as long as this is held.
    pub(crate) fn listener(&self) -> MutexGuard<'_, Option<L>> {
        lock(&self.0)
    }

    /// Closes the listener: clients in the backlog are turned away.
    pub(crate) fn close(&self) {
        drop(self.listener().take());
    }
}

impl Porter {
    /// Lets the next client in, if one is there and there is room.
    pub(crate) fn admit<L: Listener>(
        &mut self,
        door: &Door<L>,
        common: &Arc<Common<Share<L::Line>>>,
    ) -> Option<Guest<L::Line>> {
        if !self.is_watching(common) {
            return None;
        }
        let listener = door.listener();
        let listener = listener.as_ref()?;
        loop {
            match listener.next_client() {
                Ok(line) => return Some(Guest::new(common, line)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if is_the_clients(&error) => {}
                Err(_) => {
                    common.count_deferral();
                    self.not_before = Some(Instant::now() + RETRY_AFTER);
                    return None;
                }
            }
        }
    }

    /// Whether there is any use in watching the listener.
    pub(crate) fn is_watching<H: Handle>(&mut self, common: &Common<H>) -> bool {
        if self.not_before.is_some_and(|time| time <= Instant::now()) {
            self.not_before = None;
        }
        self.not_before.is_none() && !common.is_stopping() && !common.is_full()
    }

    /// Somebody has gone: what ran short may be there again.
    pub(crate) fn somebody_has_gone(&mut self) {
        self.not_before = None;
    }

    /// How long until the listener is worth watching again; `None` when that is no matter of time.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.not_before.map(|time| time.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::Echo;
    use crate::model::Limits;
    use std::collections::VecDeque;

    struct Silent;

    impl Line for Silent {
        fn receive(&self, _buffer: &mut [u8]) -> io::Result<usize> {
            Err(ErrorKind::WouldBlock.into())
        }

        fn send(&self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn abort(&self) {}
    }

    impl Member for Silent {
        fn cut(&self) {}

        fn client(&self) -> Option<std::net::SocketAddr> {
            None
        }
    }

    /// A client for each `None`.
    struct Scripted(Mutex<VecDeque<Option<ErrorKind>>>);

    impl Listener for Scripted {
        type Line = Silent;

        fn next_client(&self) -> io::Result<Silent> {
            match lock(&self.0).pop_front() {
                Some(None) => Ok(Silent),
                Some(Some(kind)) => Err(kind.into()),
                None => Err(ErrorKind::WouldBlock.into()),
            }
        }
    }

    fn door(script: &[Option<ErrorKind>]) -> Door<Scripted> {
        Door::new(Scripted(Mutex::new(script.iter().copied().collect())))
    }

    fn common(connections: usize) -> Arc<Common<Share<Silent>>> {
        Arc::new(Common::new(Arc::new(Echo), &Limits { connections, ..Limits::default() }))
    }

    #[test]
    fn an_error_of_one_client_does_not_keep_the_next_one_out() {
        let door = door(&[Some(ErrorKind::ConnectionAborted), None]);
        let (common, mut porter) = (common(usize::MAX), Porter::default());
        let _guest = porter.admit(&door, &common).expect("the next client");
        assert!(porter.admit(&door, &common).is_none() && porter.is_watching(&common));
        assert_eq!(common.status().accept_deferrals, 0);
    }

    #[test]
    fn out_of_descriptors_the_listener_is_left_alone_until_somebody_has_gone_or_for_a_while() {
        let short = Some(ErrorKind::OutOfMemory);
        let door = door(&[None, short, short, None]);
        let (common, mut porter) = (common(usize::MAX), Porter::default());
        let guest = porter.admit(&door, &common).expect("a client");
        assert!(porter.admit(&door, &common).is_none());
        assert!(!porter.is_watching(&common) && porter.wait().is_some());
        drop(guest);
        porter.somebody_has_gone();
        assert!(porter.is_watching(&common) && porter.wait().is_none());
        assert!(porter.admit(&door, &common).is_none());
        assert_eq!(common.status().accept_deferrals, 2);
        assert!(porter.wait().is_none_or(|wait| wait <= RETRY_AFTER));
        let start = Instant::now();
        while !porter.is_watching(&common) {
            assert!(start.elapsed() < Duration::from_secs(300), "it is left alone for ever");
            std::thread::yield_now();
        }
        assert!(porter.admit(&door, &common).is_some());
    }

    #[test]
    fn nobody_is_let_in_over_the_limit_or_through_a_closed_door() {
        let door = door(&[None, None, None]);
        let (common, mut porter) = (common(1), Porter::default());
        let guest = porter.admit(&door, &common).expect("a client");
        assert!(!porter.is_watching(&common) && porter.admit(&door, &common).is_none());
        drop(guest);
        assert!(porter.admit(&door, &common).is_some());
        door.close();
        assert!(porter.admit(&door, &common).is_none());
    }
}
