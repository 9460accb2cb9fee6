//! The terminal while a screen has it: taken once, and given back whatever ends the process.
//!
//! What the tool says meanwhile (status, complaints) would tear the screen. It is among the
//! [recent](crate::recent) lines, which the screen shows.

use std::io::{self, IsTerminal, Stdout};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::{cursor, execute, terminal};

use crate::exit::Usage;

/// Whether a screen has the terminal.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal, which is given back when this is dropped.
pub struct Taken {
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
}

/// Refuses a screen where standard output is no terminal. `instead` is what to use there.
pub fn check(option: &str, instead: &str) -> Result<(), Usage> {
    if io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Usage(format!("{option} draws on a terminal, and standard output is none: {instead}")))
}

/// Takes the terminal: its other page, and keys as they are pressed.
pub fn take() -> anyhow::Result<Taken> {
    terminal::enable_raw_mode().context("the terminal gives no keys")?;
    TAKEN.store(true, Ordering::Release);
    // From here on a failure gives it back.
    let mut taken = Taken { terminal: Terminal::new(CrosstermBackend::new(io::stdout()))? };
    execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide)?;
    taken.terminal.clear()?;
    Ok(taken)
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back if a screen has it; does nothing otherwise. For the ends of the process at which
/// nothing is dropped, too.
pub fn give_back() {
    if !TAKEN.swap(false, Ordering::AcqRel) {
        return;
    }
    // A terminal that has gone needs nothing back. The mode comes first: it needs nobody to read.
    let _ = terminal::disable_raw_mode();
    let _ = execute!(io::stdout(), terminal::LeaveAlternateScreen, cursor::Show);
}

/// Whether a line on standard error would tear a screen.
pub fn is_screen() -> bool {
    TAKEN.load(Ordering::Acquire) && io::stderr().is_terminal()
}
