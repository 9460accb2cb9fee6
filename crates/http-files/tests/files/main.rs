//! The file server, asked over sockets.
//!
//! `world` has a folder, a server and clients; the other files ask one kind of question each.

mod asking;
mod curl;
mod deadlines;
mod hostile;
mod random;
mod ranges;
mod stopping;
mod world;
