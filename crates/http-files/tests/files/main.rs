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
mod listing;
mod messages;
mod page;
mod random;
mod ranges;
mod semantics;
mod stopping;
mod versions;
mod world;
