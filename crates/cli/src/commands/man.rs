//! `man`: the manual pages of the tool, one for each command.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man;
use serde::Serialize;

use crate::output;

/// Options of `man`.
#[derive(Args, Debug)]
pub struct ManArguments {
    /// Where the pages go. The folder is made if it is not there, and pages in it are replaced.
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Print the names of the pages as one JSON document.
    #[arg(long)]
    json: bool,
}

/// What was written; its schema is `schema/man.schema.json`.
#[derive(Serialize)]
struct Pages {
    format: &'static str,
    pages: Vec<String>,
}

/// Runs the command for the command line `tool`.
pub fn run(arguments: &ManArguments, mut tool: Command) -> anyhow::Result<()> {
    tool.build();
    let directory = &arguments.directory;
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the folder {}", directory.display()))?;
    let mut pages = Vec::new();
    let commands = tool.get_subcommands().filter(|command| command.get_name() != "help");
    for command in std::iter::once(&tool).chain(commands) {
        // A page is called as one asks for it: man overlapped-serve.
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        let path = directory.join(format!("{name}.1"));
        let mut page = Vec::new();
        Man::new(command.clone()).title(name.clone()).render(&mut page)?;
        fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
        pages.push(path.display().to_string());
    }
    if arguments.json {
        return output::json_line(&Pages { format: "overlapped-man-1", pages });
    }
    pages.iter().try_for_each(|page| output::line(page))
}
