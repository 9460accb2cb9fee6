//! A doorkeeper and a crew: one thread accepts, and hands each connection to a thread with room.

use super::Common;
use super::crew::{Crew, Duty};
use super::doorkeeper::Doorkeeper;
use super::running::Staff;
use overlapped_serving::{Failure, Handle};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

pub(crate) struct Crewed<D: Duty> {
    doorkeeper: Doorkeeper,
    crew: Arc<Crew<D>>,
    /// Says how connections are carried, by so many threads.
    words: Box<dyn Fn(usize) -> String + Send>,
}

impl<D: Duty> Crewed<D> {
    /// Starts the first thread of the crew, and the one that accepts. `welcome` makes of an accepted
    /// stream what the crew serves; where it cannot, the error is counted and the stream closed.
    pub(crate) fn start<H: Handle + Send + Sync + 'static>(
        listener: TcpListener,
        common: &Arc<Common<H>>,
        crew: Arc<Crew<D>>,
        mut welcome: impl FnMut(&Arc<Common<H>>, TcpStream) -> io::Result<D::Connection>
        + Send
        + 'static,
        words: impl Fn(usize) -> String + Send + 'static,
    ) -> io::Result<Self> {
        crew.start_first()?;
        let (serving, hands_over_to) = (Arc::clone(common), Arc::clone(&crew));
        let welcome = move |stream| match welcome(&serving, stream) {
            // A connection that finds no thread is dropped and counted, and the others are served
            // on.
            Ok(connection) => drop(hands_over_to.hand_over(connection)),
            Err(error) => serving.connections.failed(Failure::of(&error)),
        };
        let doorkeeper =
            Doorkeeper::start(listener, common, welcome).inspect_err(|_| crew.close())?;
        Ok(Self { doorkeeper, crew, words: Box::new(words) })
    }
}

impl<D: Duty> Staff for Crewed<D> {
    fn close_door(&mut self) {
        self.doorkeeper.dismiss();
    }

    fn hurry(&self) {
        self.crew.close();
    }

    fn describe(&self) -> String {
        (self.words)(self.crew.threads())
    }
}
