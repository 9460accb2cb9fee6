//! What the programs of this workspace share.
//!
//! - [`server`]: options, listening socket, message framing and handler cost of every echo server,
//!   so that the servers differ in how they wait and dispatch and in nothing else. Used by the four
//!   server binaries.
//! - [`child`]: a server in a process of its own. Used by `beside-slow` and `http-cpu`.
//! - [`statistics`]: median and spread. Used by whoever shows figures of several rounds.
//! - [`paired`]: ratios over rounds. Used by `posts`, `hot-path-table`, `beside-slow` and `http-cpu`.
//! - `writes`: what a message costs in atomic writes. Used by `overlapped-echo`, in a build that counts.

pub mod child;
pub mod paired;
pub mod server;
pub mod statistics;
#[cfg(feature = "overlapped")]
pub mod writes;

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
