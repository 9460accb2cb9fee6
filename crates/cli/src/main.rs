//! The `overlapped` tool. This file only joins the parts: `arguments` reads the command line,
//! `commands` holds one folder or file per command, `exit` turns a result into an exit code.
//! Commands use `children` to run copies of the tool and other programs, `place` to say where, `interrupt` for Ctrl-C, `listen` to open a
//! listening socket, `live` to show what goes on on a screen, `output` and `words` to speak, `recent` to keep the last lines of that,
//! and `values` to read option values. `platform` is
//! what differs between systems.

mod arguments;
mod children;
mod commands;
mod exit;
mod interrupt;
mod listen;
mod live;
mod output;
mod place;
mod platform;
mod recent;
mod values;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    exit::report_panics_in_one_line();
    exit::code_of(arguments::parse().and_then(commands::run))
}
