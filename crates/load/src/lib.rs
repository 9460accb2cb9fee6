//! Load for echo servers, and the figures that tell what the load cost.
//!
//! - [`plan`] splits connections over processes and source addresses; [`schedule`] says when each
//!   connection opens and sends; [`pattern`] makes the bytes and proves the echo right.
//! - [`engine`] drives the connections on the library's own completion port.
//! - [`histogram`], [`failure`] and [`document`] hold what was seen, so that several processes'
//!   results add up to one; [`stress_document`] is that result as a document, from which it can be had
//!   again, so that the results of several machines add up as well.
//! - [`held`] is the memory that connections take while they are open, and [`room`] how many of them the
//!   machine has room for.
//! - [`process_figures`], [`kernel_figures`] and [`limits`] read what a process and the kernel
//!   spend and allow; `platform` asks each system in its own way.
//!
//! The command-line tool calls this crate; it knows nothing of servers or of their models.

pub mod document;
pub mod engine;
pub mod failure;
pub mod held;
pub mod histogram;
pub mod kernel_figures;
pub mod limits;
pub mod pattern;
pub mod plan;
mod platform;
pub mod process_figures;
pub mod room;
pub mod schedule;
pub mod stress_document;
