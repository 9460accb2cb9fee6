//! The file server, asked over sockets.
//!
//! `world` has a folder, a server and clients; the other files ask one kind of question each.
//! `page` holds the table of docs/http-files.md to the tests that it names.

mod asking;
mod conditions;
mod curl;
mod deadlines;
mod framing;
mod hostile;
mod limits;
mod listing;
mod log;
#[cfg(target_os = "linux")]
mod log_on_linux;
mod messages;
mod page;
mod random;
mod ranges;
mod semantics;
mod stopping;
mod versions;
mod world;
