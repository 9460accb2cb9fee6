//! The command line as clap reads it, with every error brought into one line.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::{
    client, compare, completions, copy, course, doctor, fetch, man, merge, model_server, send,
    serve, stress, top,
};
use crate::exit::Usage;
use crate::output;

/// Overlapped: I/O completion ports in Rust. Serve, load, watch, compare, copy, send, fetch and inspect.
#[derive(Parser, Debug)]
#[command(name = "overlapped", version, disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands. Hidden ones are what the tool calls itself with, or the scripts do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a server on a completion port: of echoes, or of the files of a folder by HTTP.
    Serve(Box<serve::ServeArguments>),
    /// Talk to an echo server: each line of standard input is a message, and q or its end ends the talk.
    Client(client::ClientArguments),
    /// Load an echo server with many connections and verify every byte that comes back.
    Stress(stress::StressArguments),
    /// Add up the results of `stress --json` of several machines, with the percentiles of the whole.
    Merge(merge::MergeArguments),
    /// Look at a running server: what it does, its threads, and what holds them.
    Top(top::TopArguments),
    /// Measure the server models, and other servers, against each other on this machine.
    Compare(Box<compare::CompareArguments>),
    /// Copy files and folders by reads and writes in flight on a completion port.
    Copy(copy::CopyArguments),
    /// Send a file to whoever fetches it, each time as one operation.
    Send(send::SendArguments),
    /// Fetch the file that `overlapped send` sends.
    Fetch(fetch::FetchArguments),
    /// Tell what this machine offers and which limits stand in the way.
    Doctor(doctor::DoctorArguments),
    /// Print what a shell needs to complete this command line.
    Completions(completions::CompletionsArguments),
    /// Write the manual pages into a folder.
    Man(man::ManArguments),
    #[command(name = "internal-serve", hide = true)]
    ServeWorker(serve::ServeWorkerArguments),
    #[command(name = "internal-load", hide = true)]
    StressWorker,
    #[command(name = "internal-model", hide = true)]
    ModelServer(model_server::ModelServerArguments),
    #[command(name = "internal-course", hide = true)]
    Course(course::CourseArguments),
}

/// The command line without what the tool calls itself with.
pub fn public() -> clap::Command {
    let whole = Arguments::command();
    let shown = whole.get_subcommands().filter(|command| !command.is_hide_set());
    let mut public = clap::Command::new("overlapped")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .subcommands(shown.cloned().collect::<Vec<_>>());
    if let Some(about) = whole.get_about() {
        public = public.about(about.clone());
    }
    public
}

/// Reads the command line. Help and version are printed and end the program well; anything wrong
/// becomes a [`Usage`] error of one line.
pub fn parse() -> anyhow::Result<Option<Command>> {
    match Arguments::try_parse() {
        Ok(arguments) => Ok(Some(arguments.command)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                output::text(&error.to_string())?;
                Ok(None)
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Err(Usage(
                "say what to do: serve, client, stress, merge, top, compare, copy, send, fetch, doctor, completions or man (see 'overlapped --help')"
                    .to_owned(),
            )
            .into()),
            _ => Err(Usage(one_line(&error.to_string(), std::env::args().nth(1))).into()),
        },
    }
}

/// Brings clap's message of several paragraphs into one line: the error and its tip, without the
/// usage text, and where to read on. `first_word` is the first word of the command line.
fn one_line(message: &str, first_word: Option<String>) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let said: Vec<&str> = message
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty())
        .collect();
    let mut said = said.join(" ").replace(" tip: ", "; tip: ");
    // What is missing is clear only beside what there should be.
    let usage = message.lines().find_map(|line| line.trim().strip_prefix("Usage: "));
    if let Some(usage) = usage.filter(|_| said.contains("required arguments were not provided")) {
        said.push_str(&format!("; write {usage}"));
    }
    let is_command = |word: &String| {
        Arguments::command().get_subcommands().any(|command| command.get_name() == word)
    };
    let place = first_word.filter(is_command).map_or(String::new(), |word| format!(" {word}"));
    format!("{said} (see 'overlapped{place} --help')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_wrong_value_takes_one_line() {
        let error = Arguments::try_parse_from(["overlapped", "serve", "--posted-accepts", "many"])
            .expect_err("not a number");
        let line = one_line(&error.to_string(), Some("serve".to_owned()));
        assert!(!line.contains('\n'), "{line}");
        assert!(line.contains("'many'") && line.contains("--posted-accepts"), "{line}");
    }

    #[test]
    fn what_the_tool_calls_itself_with_is_not_suggested() {
        let error = Arguments::try_parse_from(["overlapped", "serv"]).expect_err("no such command");
        let line = one_line(&error.to_string(), Some("serv".to_owned()));
        assert!(line.contains("'serve'") && !line.contains("internal"), "{line}");
        assert!(line.ends_with("(see 'overlapped --help')"), "{line}");
    }

    #[test]
    fn an_unknown_option_names_the_command_to_ask() {
        let error = Arguments::try_parse_from(["overlapped", "stress", "--conections", "3"])
            .expect_err("no such option");
        let line = one_line(&error.to_string(), Some("stress".to_owned()));
        assert!(line.contains("'--connections'"), "{line}");
        assert!(line.ends_with("(see 'overlapped stress --help')"), "{line}");
    }
}
