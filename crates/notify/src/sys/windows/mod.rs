//! The calls of Windows: on one socket, on event objects and windows, and to wait for them.

mod accept_room;
mod event;
mod in_flight;
mod network_events;
mod select;
mod socket;
mod thread;
mod wait;
mod window;
mod wine;

pub(crate) use accept_room::AcceptRoom;
pub(crate) use event::Event;
pub(crate) use in_flight::{Call, Ended, Finished, InFlight, Ticket};
pub(crate) use network_events::{enumerate, select_events, select_messages, select_nothing};
pub(crate) use select::{Array, select};
pub(crate) use socket::Socket;
pub(crate) use thread::{Waker, sleep_alertable};
pub(crate) use wait::{Deadline, WaitEnd, Waitable, wait};
pub(crate) use window::{Arrived, NUMBERS, Window};
pub(crate) use wine::is_wine;
