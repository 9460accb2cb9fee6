//! Tests that need what no user can reach.

mod inherited;
mod panics;
mod timers;
