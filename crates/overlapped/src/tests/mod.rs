//! Tests that need what no user can reach.

mod buffers;
mod held;
mod inherited;
mod panics;
mod sizes;
mod timers;
