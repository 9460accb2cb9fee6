//! A conversation over a line that does what the test says.

use super::*;
use crate::handler::Echo;
use crate::model::Limits;
use crate::parts::stay::Share;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

#[derive(Default)]
struct Scripted {
    input: RefCell<VecDeque<io::Result<Vec<u8>>>>,
    room: Cell<usize>,
    sent: RefCell<Vec<u8>>,
    receives: Cell<usize>,
    sends: Cell<usize>,
    aborted: Cell<bool>,
}

impl Line for Scripted {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receives.set(self.receives.get() + 1);
        let next = self.input.borrow_mut().pop_front();
        let bytes = next.unwrap_or_else(|| Err(ErrorKind::WouldBlock.into()))?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.sends.set(self.sends.get() + 1);
        let length = bytes.len().min(self.room.get());
        if length == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room.set(self.room.get() - length);
        self.sent.borrow_mut().extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn abort(&self) {
        self.aborted.set(true);
    }
}

impl Scripted {
    fn new(input: &[&[u8]], room: usize) -> Self {
        let input = input.iter().map(|bytes| Ok(bytes.to_vec())).collect();
        Self { input: RefCell::new(input), room: Cell::new(room), ..Self::default() }
    }
}

const LIMIT: Duration = Duration::from_secs(10);

fn desk() -> (Desk, Conversation) {
    let limits = Limits { buffer_size: 4, idle_timeout: Some(LIMIT), ..Limits::default() };
    let common = Common::<Share<()>>::new(Arc::new(Echo), &limits);
    let desk = Desk::new(&common, common.tally.enlist().meter());
    let conversation = Conversation::new(&desk.terms);
    (desk, conversation)
}

#[test]
fn a_message_costs_one_receive_and_one_send() {
    let (mut desk, mut conversation) = desk();
    let line = Scripted::new(&[b"abc"], 100);
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Data);
    assert_eq!((line.receives.get(), line.sends.get()), (1, 1));
    assert_eq!(*line.sent.borrow(), b"abc");
}

#[test]
fn a_full_buffer_is_received_after_but_not_for_ever() {
    let (mut desk, mut conversation) = desk();
    let flood: Vec<&[u8]> = vec![b"abcd"; 10];
    let line = Scripted::new(&flood, 100);
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Data);
    assert_eq!(line.receives.get(), TURN, "others have their turn");
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Data);
    let line = Scripted::new(&[b"abcd", b"e"], 100);
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Data);
    assert_eq!(line.receives.get(), 2);
}

#[test]
fn without_room_the_rest_is_kept_and_nothing_is_received() {
    let (mut desk, mut conversation) = desk();
    let line = Scripted::new(&[b"abcd", b"ef"], 1);
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Room);
    line.room.set(2);
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Room);
    assert_eq!(line.receives.get(), 1);
    line.room.set(100);
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Data);
    assert_eq!(*line.sent.borrow(), b"abcdef");
    assert_eq!(conversation.unsent.capacity(), 0, "an idle connection holds no buffer");
}

#[test]
fn sending_on_receives_nothing() {
    let (mut desk, mut conversation) = desk();
    let line = Scripted::new(&[b"abcd", b"ef"], 1);
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Room);
    assert_eq!(conversation.send_on(&line, &mut desk), Next::Room);
    line.room.set(100);
    assert_eq!(conversation.send_on(&line, &mut desk), Next::Data);
    assert_eq!((line.receives.get(), &**line.sent.borrow()), (1, &b"abcd"[..]));
}

#[test]
fn when_the_client_is_done_everything_is_received_before_the_end() {
    let (mut desk, mut conversation) = desk();
    let line = Scripted::new(&[b"a", b"b", b"c", b"d", b"e", b"f", b""], 3);
    assert_eq!(conversation.client_is_done(&line, &mut desk), Next::Room);
    line.room.set(100);
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Ended(None));
    assert_eq!(*line.sent.borrow(), b"abcdef");
}

#[test]
fn the_last_look_answers_what_has_come_and_ends() {
    let (mut desk, mut conversation) = desk();
    let line = Scripted::new(&[b"abcd", b"e"], 2);
    assert_eq!(conversation.finish(&line, &mut desk), Next::Room);
    line.room.set(100);
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Ended(None));
    assert_eq!(*line.sent.borrow(), b"abcde");
}

#[test]
fn an_error_ends_the_connection_whichever_it_is() {
    let (mut desk, mut conversation) = desk();
    let line = Scripted::default();
    line.input.borrow_mut().push_back(Err(ErrorKind::ConnectionReset.into()));
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Ended(Some(Failure::Reset)));
    line.input.borrow_mut().push_back(Err(ErrorKind::Unsupported.into()));
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Ended(Some(Failure::Other)));
}

#[test]
fn a_silent_connection_expires_after_a_last_look() {
    let (mut desk, mut conversation) = desk();
    let late = Instant::now() + 2 * LIMIT;
    assert_eq!(conversation.expire(&Scripted::default(), &mut desk, Instant::now()), None);
    let line = Scripted::default();
    let ended = Some(Next::Ended(Some(Failure::TimedOut)));
    assert_eq!(conversation.expire(&line, &mut desk, late), ended);
    assert!(!line.aborted.get(), "nothing was lost");

    let line = Scripted::new(&[b"abcd"], 1);
    assert_eq!(conversation.go_on(&line, &mut desk), Next::Room);
    assert_eq!(conversation.expire(&line, &mut desk, late), ended);
    assert!(line.aborted.get(), "the client did not get all of it");
}

#[test]
fn data_that_came_while_the_thread_was_busy_keeps_a_connection() {
    let (mut desk, mut conversation) = desk();
    let line = Scripted::new(&[b"abc"], 100);
    let begun = Instant::now();
    conversation.patience.stirred(&desk.terms);
    while Instant::now() == begun {}
    // Just late enough for what was, and not for what is.
    let now = begun + LIMIT + Duration::from_millis(1);
    while Instant::now() < begun + Duration::from_millis(2) {
        std::thread::yield_now();
    }
    assert_eq!(conversation.expire(&line, &mut desk, now), Some(Next::Data));
}
