//! Runs a command again whenever it fails, until it succeeds, or Ctrl-C.
//!
//! ```sh
//! cargo run -p overlapped --example supervise -- grep -q file DIR/index.html
//! ```

use overlapped::{Packet, Port, Process, Protocol, Signal};
use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitCode};
use std::time::Duration;

struct Supervisor;

impl Protocol for Supervisor {
    type Key = ();
    type Operation = ();
    type Message = ();
}

/// The pause before the command is run again. It doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Starts the command, and the wait for its end. The wait holds the process as well.
fn start(port: &Port<Supervisor>, command: &[OsString]) -> io::Result<Process<Supervisor>> {
    let child = Command::new(&command[0]).args(&command[1..]).spawn()?;
    let process = port.associate(child, ())?;
    println!("process {} runs", process.process_id());
    process.wait(())?;
    Ok(process)
}

/// Runs the command until it succeeds, or a signal comes. When this returns `Ok`, it runs no more.
pub fn supervise(command: &[OsString]) -> io::Result<()> {
    let port = Port::<Supervisor>::new()?;
    port.watch_signals()?;
    let mut running = Some(start(&port, command)?);
    let mut pause = FIRST_PAUSE;
    let mut is_ending = false;
    loop {
        match port.take()? {
            Packet::Exited { process, result, .. } => {
                let status = result?;
                println!("process {} has ended: {status}", process.process_id());
                if status.success() || is_ending {
                    return Ok(());
                }
                running = None;
                port.timer(pause, ())?;
            }
            Packet::Timer { .. } => {
                pause = (pause * 2).min(LONGEST_PAUSE);
                match start(&port, command) {
                    Ok(process) => running = Some(process),
                    // The system may be short of something, which passes.
                    Err(error) => {
                        eprintln!("{error}");
                        port.timer(pause, ())?;
                    }
                }
            }
            Packet::Signal(signal) => {
                let Some(process) = &running else { return Ok(()) };
                // The console gives Ctrl-C to the command as well. Other signals reach only us,
                // so it is killed; and so it is at the second one.
                if signal != Signal::Interrupt || is_ending {
                    process.kill()?;
                }
                is_ending = true;
            }
            _ => {}
        }
    }
}

fn main() -> ExitCode {
    let command: Vec<_> = std::env::args_os().skip(1).collect();
    if command.is_empty() {
        eprintln!("which command is to run?");
        return ExitCode::from(2);
    }
    match supervise(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
