//! Runs a command again whenever it fails, until it succeeds, or Ctrl-C:
//! cargo run -p overlapped --example supervise -- COMMAND ARGUMENT...

use overlapped::{Packet, Port, Protocol};
use std::io;
use std::process::{Command, ExitCode};
use std::time::Duration;

struct Supervisor;

impl Protocol for Supervisor {
    type Key = ();
    type Operation = ();
    type Message = ();
}

fn start(port: &Port<Supervisor>, command: &[String]) -> io::Result<()> {
    let child = Command::new(&command[0]).args(&command[1..]).spawn()?;
    let process = port.associate(child, ())?;
    println!("process {} runs", process.process_id());
    process.wait(())?;
    Ok(())
}

/// Runs the command until it succeeds, or a signal comes.
pub fn supervise(command: &[String]) -> io::Result<()> {
    let port = Port::<Supervisor>::new()?;
    port.watch_signals()?;
    start(&port, command)?;
    loop {
        match port.take()? {
            Packet::Exited { process, result, .. } => {
                let status = result?;
                println!("process {} has ended: {status}", process.process_id());
                if status.success() {
                    return Ok(());
                }
                port.timer(Duration::from_millis(100), ())?;
            }
            Packet::Timer { .. } => start(&port, command)?,
            // The console has told the command as well.
            Packet::Signal(_) => return Ok(()),
            _ => {}
        }
    }
}

fn main() -> ExitCode {
    let command: Vec<_> = std::env::args().skip(1).collect();
    if command.is_empty() {
        eprintln!("which command is to run?");
        return ExitCode::FAILURE;
    }
    match supervise(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
