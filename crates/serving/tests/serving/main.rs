//! What servers share, on a port with real sockets.

mod connections;
mod crew;
mod figures;
mod world;
