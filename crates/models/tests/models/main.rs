//! What every model must do, one test a statement, and the same for all of them.
//!
//! [`world`] is a running server and its clients. Nothing here sleeps: tests wait for what they
//! can see, and fail when it does not come.

mod echo;
mod faults;
mod limits;
mod observing;
mod stop;
mod world;
