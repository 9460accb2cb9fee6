//! `completions`: what a shell needs to complete the tool's command line.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::output;

/// Options of `completions`.
#[derive(Args, Debug)]
pub struct CompletionsArguments {
    /// The shell that is to complete.
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// Runs the command for the command line `tool`.
pub fn run(arguments: &CompletionsArguments, mut tool: Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    let name = tool.get_name().to_owned();
    generate(arguments.shell, &mut tool, name, &mut script);
    output::bytes(&script)
}
