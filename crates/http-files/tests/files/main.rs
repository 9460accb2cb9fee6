//! The file server, asked over sockets.
//!
//! `world` has a folder, a server and clients; the other files ask one kind of question each. The table of
//! docs/http-files.md is held to these tests by tests/page.rs.

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
mod random;
mod ranges;
mod semantics;
mod stopping;
mod versions;
mod world;
