//! The contract of the completion port, one test a statement, on every driver.
//!
//! Tests are named by the number of the statement that they hold the library to (P.., X.., F..; see
//! `docs/contract.md`). [`world`] is what they are run in; [`threads`] how they hold threads in
//! known places without sleeping.

mod accept_window;
mod accepting;
mod addresses;
mod association;
mod batches;
mod buffers;
mod cancelling;
mod closing;
mod closing_handles;
mod closing_races;
mod concurrency;
mod connecting;
mod contents;
mod crew;
mod datagram_batches;
mod datagram_states;
mod datagrams;
mod deadlines;
mod deadlines_held;
mod deferring;
mod directories;
mod discarding;
mod disconnecting;
mod endurance;
mod errno;
mod family;
mod file_states;
mod files;
mod files_cancelling;
mod files_closing;
#[cfg(target_os = "linux")]
mod files_refused;
mod files_unbuffered;
mod files_world;
mod foreign;
mod foreign_linux;
mod foreign_world;
mod handle_ledger;
mod handle_races;
mod handle_states;
mod hostile;
mod hostile_files;
mod hostile_windows;
mod hostile_world;
mod idle;
mod in_place;
mod leaving;
mod listener_states;
mod mistakes_accounting;
mod mistakes_closing;
mod mistakes_connections;
mod mistakes_order;
mod mistakes_refusals;
mod mistakes_sharing;
#[cfg(target_os = "linux")]
mod monitor;
mod options;
mod outcomes;
mod outer_loop;
mod ownership;
mod packets;
mod pipes;
mod processes;
mod queue;
mod quiet;
mod receive_sizes;
mod receiving;
mod recording;
mod refusals_as_packets;
mod reusing;
mod rounds;
mod sending;
#[cfg(target_os = "linux")]
mod signals;
mod stalls;
mod stay;
mod stream_probes;
mod stream_states;
mod threads;
mod timers;
mod transitions;
mod transmitting;
mod transmitting_ends;
#[cfg(target_os = "linux")]
mod unix;
#[cfg(target_os = "linux")]
mod unix_datagrams;
mod unread;
mod workers;
mod workers_exhausted;
mod world;
