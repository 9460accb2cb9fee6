//! `fetch`: the file that `overlapped send` sends.
//!
//! The fetching is in the crate `overlapped-file-transfer`. Here are its options, the bar (`screen`) and
//! the summary in words and as a document (`report`).

mod report;
mod screen;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use overlapped_file_transfer::{FetchSettings, Kind, Stop, fetch};

use crate::exit::{Reported, complain};
use crate::interrupt::{self, EndArguments};
use crate::words::size;
use crate::{output, values};
use report::Document;
use screen::Screen;

/// Options of `fetch`.
#[derive(Args, Debug)]
pub struct FetchArguments {
    /// Where `overlapped send` listens: HOST:PORT.
    #[arg(value_name = "ADDRESS", value_parser = values::address)]
    address: SocketAddr,
    /// What the file shall be called, or the folder for it [default: the current folder, under the
    /// sender's name].
    ///
    /// It is written without a name, or under a temporary one beside the target
    /// (.NAME.overlapped-fetch-MARK), and gets its name at the end, so a target is always whole: the
    /// old one or the new one. Its time is that of the sender's file. What the target's file system
    /// cannot keep is a warning and no failure. A sender's name is taken only if it is a plain one: no
    /// parts of a path, no dot or hyphen in front, no space at an end, nothing that does not show as
    /// itself, and nothing that Windows reserves.
    #[arg(value_name = "TARGET")]
    target: Option<PathBuf>,
    /// Replace a file that is there.
    #[arg(long, short)]
    force: bool,
    /// If the fetch is interrupted, keep what a later one needs to go on (also
    /// .NAME.overlapped-fetched-MARK). Go on from what an earlier fetch with --resume has left, if
    /// the sender's file still has that length and time. Fetch nothing if the target has the same
    /// length and time.
    #[arg(long)]
    resume: bool,
    /// Flush the file, read it back and compare its SHA-256 with the sender's before it gets its name.
    #[arg(long)]
    verify: bool,
    /// What must be on the device: nothing; the file before it gets its name; or the name in its folder
    /// as well (on Windows the same as file).
    #[arg(long, value_name = "WHAT", value_enum, default_value = "none")]
    sync: values::SyncWhat,
    /// How long the sender may say nothing.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = values::positive_duration)]
    timeout: Duration,
    /// How long the sender may take to make its checksum.
    #[arg(long, value_name = "TIME", default_value = "60m", value_parser = values::positive_duration)]
    patience: Duration,
    /// Bytes that the sender must send a second, on average over a minute; 0 is any.
    #[arg(long, value_name = "SIZE", default_value = "1k", value_parser = values::bytes)]
    least_rate: u64,
    /// The longest file that is taken [default: any that there is room for].
    #[arg(long, value_name = "SIZE", value_parser = values::bytes)]
    max_bytes: Option<u64>,
    /// Show neither progress nor summary, only what went wrong.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    end: EndArguments,
    /// Print the summary as a JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: FetchArguments) -> anyhow::Result<()> {
    let stop = Stop::default();
    let told = stop.clone();
    interrupt::on_first_or(arguments.end, interrupt::USUAL_DRAIN, move || told.request())?;
    let settings = FetchSettings {
        silence_time: arguments.timeout,
        patience: arguments.patience,
        least_rate: arguments.least_rate,
        max_bytes: arguments.max_bytes,
        force: arguments.force,
        sync: arguments.sync.into(),
        resume: arguments.resume,
        verify: arguments.verify,
        ..FetchSettings::default()
    };
    let screen = Screen::new(arguments.quiet, arguments.resume);
    let outcome = fetch(arguments.address, arguments.target.as_deref(), &settings, &screen, &stop);
    screen.finish();
    if arguments.json {
        output::json_line(&Document::of(&outcome, &settings))?;
    }
    match outcome {
        Ok(fetched) => {
            if !arguments.json && !arguments.quiet {
                output::text(&report::text(&fetched))?;
            }
            Ok(())
        }
        Err(failure) => {
            let mut text = failure.text;
            if failure.kind == Kind::Stopped {
                text.push_str(": no target is half written");
            }
            if failure.kept_bytes > 0 {
                let kept = size(failure.kept_bytes as f64);
                text.push_str(&format!("; {kept} are kept, and the same command goes on"));
            }
            complain(&text);
            Err(Reported.into())
        }
    }
}
