//! The contract of the completion port, one test a statement, on every driver.
//!
//! Tests are named by the number of the statement that they hold the library to (P.., X.., F..; see
//! `docs/contract.md`). [`world`] is what they are run in; [`threads`] how they hold threads in
//! known places without sleeping.

mod threads;
mod world;
