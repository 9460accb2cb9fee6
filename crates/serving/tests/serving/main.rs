//! What servers share, on a port with real sockets.

mod connections;
mod figures;
mod workers;
mod world;
