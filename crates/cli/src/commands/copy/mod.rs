//! `copy`: copies files and folders by one completion port.
//!
//! The copying is in the crate `overlapped-copy`. Here are its options, the bar (`screen`) and the
//! summary in words and as a document (`report`).

pub(super) mod report;
mod screen;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use overlapped_copy::{Plan, Settings, Stop, Unbuffered, copy_until};
use overlapped_load::limits;

use crate::exit::{Reported, complain};
use crate::interrupt::{self, EndArguments};
use crate::{output, platform, values, words};
use report::Document;
use screen::Screen;

/// Descriptors of a file that is copied: source, target, the one that the target gets its attributes by, its
/// record, and its folder.
const DESCRIPTORS_PER_FILE: u64 = 5;

/// Descriptors for everything else, with the folders that are kept open.
const OTHER_DESCRIPTORS: u64 = 160;

/// Options of `copy`.
#[derive(Args, Debug)]
pub struct CopyArguments {
    /// What to copy: files, and with --recursive folders.
    #[arg(value_name = "SRC", required = true)]
    sources: Vec<PathBuf>,
    /// Where to: a new name, or a folder that is there, into which everything goes under its own
    /// name.
    ///
    /// Each file is written without a name, or under a temporary one beside its target
    /// (.NAME.overlapped-copy-MARK), and gets its name at the end, so a target is always whole: the old
    /// one or the new one. Times and permissions are those of the source, without set-user-ID and
    /// set-group-ID; owners and access lists are not kept. What the target's file system cannot keep
    /// is a warning and no failure. Holes stay holes on Linux.
    #[arg(value_name = "DST")]
    target: PathBuf,
    /// Copy folders with all that is in them. Links in them are copied as links on Linux and
    /// refused on Windows; pipes, sockets and devices are refused one by one. A link in the target
    /// is not followed: what should be copied there is refused.
    #[arg(long, short)]
    recursive: bool,
    /// Bytes of a block, a multiple of 4k.
    #[arg(long, value_name = "SIZE", default_value = "64k", value_parser = block_size)]
    block_size: usize,
    /// Operations in flight at most, over all files together.
    #[arg(long, value_name = "N", default_value = "4", value_parser = in_flight)]
    in_flight: usize,
    /// Choose --block-size and --in-flight by the largest file: 1m and 8 if it has 64 MiB or more, else
    /// 64k and 16.
    #[arg(long, conflicts_with_all = ["block_size", "in_flight"])]
    automatic: bool,
    /// Whether reads and writes pass by the system's cache, where the file system allows it; auto: for
    /// files larger than half of the memory.
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    unbuffered: UnbufferedWhen,
    /// What must be on the device: nothing; each file before it gets its name; or the new names in
    /// their folders as well (on Windows the same as file).
    #[arg(long, value_name = "WHAT", value_enum, default_value = "none")]
    sync: values::SyncWhat,
    /// If the copy is interrupted, keep what a later one needs to go on (also
    /// .NAME.overlapped-record-MARK). Go on from what an earlier copy with --resume has left, if
    /// the source still has that size and time. Skip files whose target has the same size and time.
    #[arg(long)]
    resume: bool,
    /// Flush each file, read it back and compare checksums before it gets its name.
    #[arg(long)]
    verify: bool,
    /// Show neither progress nor summary, only what went wrong.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    end: EndArguments,
    /// Print the summary as a JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum UnbufferedWhen {
    Auto,
    Always,
    Never,
}

impl CopyArguments {
    fn settings(&self, plan: &Plan) -> anyhow::Result<Settings> {
        let settings = Settings {
            block_bytes: self.block_size,
            in_flight: self.in_flight,
            unbuffered: match self.unbuffered {
                UnbufferedWhen::Auto => Unbuffered::Auto,
                UnbufferedWhen::Always => Unbuffered::Always,
                UnbufferedWhen::Never => Unbuffered::Never,
            },
            memory_bytes: platform::machine().memory_kib.map(|kib| kib * 1_024),
            sync: self.sync.into(),
            resume: self.resume,
            verify: self.verify,
        };
        let settings = if self.automatic { settings.suited_to(plan) } else { settings };
        let room = limits::raise_descriptors()?.saturating_sub(OTHER_DESCRIPTORS);
        let files = plan.files().min(settings.in_flight as u64);
        if files * DESCRIPTORS_PER_FILE > room {
            anyhow::bail!(
                "{files} files in flight need more descriptors than this process may have: give \
                 --in-flight {}",
                (room / DESCRIPTORS_PER_FILE).max(1)
            );
        }
        Ok(settings)
    }
}

/// Runs the command.
pub fn run(arguments: CopyArguments) -> anyhow::Result<()> {
    let stop = Stop::default();
    let told = stop.clone();
    interrupt::on_first_or(arguments.end, interrupt::USUAL_DRAIN, move || told.request())?;
    let plan = Plan::new(&arguments.sources, &arguments.target, arguments.recursive)?;
    let settings = arguments.settings(&plan)?;
    let screen = Screen::new(&plan, arguments.quiet);
    let summary = copy_until(&plan, &settings, &screen, &stop).context("nothing can be copied")?;
    screen.finish();
    if !arguments.quiet {
        for warning in &summary.warnings {
            complain(&format!("warning: {warning}"));
        }
    }
    if arguments.json {
        output::json_line(&Document::of(&summary, &settings))?;
    } else if !arguments.quiet {
        output::text(&report::text(&summary, &settings))?;
    }
    let (copied, all) = (summary.files + summary.files_kept, plan.files());
    let counts = format!("{} of {} files were copied", words::grouped(copied), words::grouped(all));
    match (summary.stopped, summary.failures.len()) {
        (false, 0) => return Ok(()),
        (true, 0) => {
            let hint = if settings.resume { "; the same command goes on" } else { "" };
            complain(&format!("interrupted: {counts}, and no target is half written{hint}"));
        }
        // One file, and it has been told what was wrong with it.
        (_, 1) if all <= 1 => {}
        (_, failures) => {
            complain(&format!("{counts}; {} problems were told", words::grouped(failures as u64)));
        }
    }
    Err(Reported.into())
}

/// The most that a block may have, so that all in flight fit into memory.
const BLOCK_BYTES_MAX: usize = 64 << 20;

/// The most operations in flight; more only take memory.
const IN_FLIGHT_MAX: usize = 1_024;

fn block_size(text: &str) -> Result<usize, String> {
    let wrong =
        || "write a block's size as 4k, 64k or 1m: a multiple of 4k, at most 64m".to_owned();
    let bytes = values::size(text).map_err(|_| wrong())?;
    let can_be = bytes.is_multiple_of(4_096) && bytes <= BLOCK_BYTES_MAX;
    if can_be { Ok(bytes) } else { Err(wrong()) }
}

fn in_flight(text: &str) -> Result<usize, String> {
    let number = values::positive(text)? as usize;
    if number > IN_FLIGHT_MAX {
        return Err(format!("more than {IN_FLIGHT_MAX} are of no use"));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_a_multiple_of_4_kib() {
        assert_eq!(block_size("64k"), Ok(65_536));
        assert_eq!(block_size("4096"), Ok(4_096));
        for wrong in ["0", "512", "4097", "65m", "x", "-1"] {
            assert!(block_size(wrong).is_err(), "{wrong}");
        }
        assert!(in_flight("1").is_ok() && in_flight("0").is_err() && in_flight("1025").is_err());
    }
}
