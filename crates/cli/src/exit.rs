//! How the tool ends: 0 for success, 1 for a failure, 2 for a wrong command line, and always one
//! line that says what was wrong and what to do.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::live::terminal;
use crate::{recent, words};

/// The command line asks for something that cannot be.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Nobody reads standard output any more; there is nothing left to do, and nothing is wrong.
#[derive(Debug)]
pub struct OutputClosed;

impl fmt::Display for OutputClosed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("standard output was closed")
    }
}

impl std::error::Error for OutputClosed {}

/// A failure that the user has been told about already.
#[derive(Debug)]
pub struct Reported;

impl fmt::Display for Reported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("failed")
    }
}

impl std::error::Error for Reported {}

/// Reports an error in one line and gives the exit code.
pub fn code_of(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    if error.is::<OutputClosed>() {
        return ExitCode::SUCCESS;
    }
    if !error.is::<Reported>() {
        complain(&format!("{error:#}"));
    }
    if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// Writes one line `overlapped: ...` to standard error, or gives it to the screen that has the terminal.
pub fn complain(message: &str) {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    recent::note(&message);
    if terminal::is_screen() {
        return;
    }
    // Without standard error there is nobody to tell.
    let _ = writeln!(io::stderr(), "overlapped: {}", words::plain(&message));
}

/// Replaces the report of a panic, which names source lines and offers a backtrace, by one line,
/// and ends the process: a tool that has lost a thread must not go on as if nothing had happened.
pub fn report_panics_in_one_line() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let message = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("unknown");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        terminal::give_back();
        complain(&format!("internal error: {message} ({place}); this is a fault of the tool"));
        std::process::exit(1);
    }));
}
