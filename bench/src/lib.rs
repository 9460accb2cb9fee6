//! What the echo servers, the load generator and the comparison share.
//!
//! - [`server`]: options, listening socket, message framing and handler cost of every echo server,
//!   so that the servers differ in how they wait and dispatch and in nothing else. Used by the four
//!   server binaries.
//! - [`load`]: the one-threaded load generator. Used by the `load` binary.
//! - [`process`]: processor time, context switches and resident memory of another process, read
//!   from `/proc`. Used by the load generator, which takes both readings at the borders of its
//!   measured time.
//! - [`runner`]: starts servers and load generators as pinned child processes, turn by turn, and
//!   makes the tables. Used by the `bench` binary.

pub mod load;
pub mod process;
pub mod runner;
pub mod server;

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
