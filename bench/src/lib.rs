//! What the programs of this workspace share.
//!
//! - [`server`]: options, listening socket, message framing and handler cost of every echo server,
//!   so that the servers differ in how they wait and dispatch and in nothing else. Used by the four
//!   server binaries.
//! - [`statistics`]: median and spread. Used by `transmit-ways`.

pub mod server;
pub mod statistics;

use std::process::ExitCode;

/// Turns the result of a program's body into its exit code: one line on stderr and code 1 for a
/// failure.
pub fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
