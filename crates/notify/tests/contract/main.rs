//! The contract of the older I/O models, one test a statement, on this system.
//!
//! Tests are named by the number of the statement that they hold the crate to (M.., P.., F..; see
//! `docs/contract.md`). [`world`] is what they are run in.

mod endurance;
mod events;
mod losses;
mod messages;
mod network_events;
mod network_records;
mod overlapped_events;
mod plain_sockets;
mod routines;
mod select;
mod world;
