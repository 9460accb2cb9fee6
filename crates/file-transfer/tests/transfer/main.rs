//! Sender and fetcher against each other, and each against peers that are none.
//!
//! `world` has folders, senders and a proxy that cuts and changes; the other files ask one kind of
//! question each.

mod cutting;
mod hostile;
mod sending;
mod verifying;
mod whole;
mod world;
