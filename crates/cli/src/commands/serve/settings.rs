//! What a server needs to know, checked against what this machine allows.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use overlapped::DriverChoice;
use overlapped_load::{limits, plan};
use overlapped_models::{Accepting, Limits};
use serde::{Deserialize, Serialize};

use super::files::{self, FilesSettings};
use super::slowness::SlownessArguments;
use super::telling::TellingArguments;
use super::{Accept, App, Driver, ServeArguments, model};
use crate::exit::Usage;
use crate::{platform, words};

/// How many threads take packets at most, unless the concurrency or the user asks for more.
const MOST_THREADS: usize = 64;

/// Settings of a server, also as they travel to its worker processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    pub model: String,
    pub concurrency: usize,
    pub threads: usize,
    pub accept: Accept,
    pub posted_accepts: usize,
    pub set_size: usize,
    pub first_data: Option<Duration>,
    /// Silent connections of one process.
    pub silent: Option<usize>,
    pub idle_timeout: Option<Duration>,
    /// Connections of one process.
    pub connections: usize,
    pub driver: Driver,
    pub backlog: u32,
    pub receive_only: bool,
    /// What is served instead of echoes.
    pub files: Option<FilesSettings>,
    pub telling: TellingArguments,
    pub slowness: SlownessArguments,
    pub processes: u32,
    pub drain: Duration,
    /// A screen shows it.
    pub live: bool,
    /// How much of the drain goes by before connections without work are closed.
    pub grace: Duration,
    pub quiet: bool,
    pub json: bool,
}

/// Fills in the defaults and refuses what the model, or `descriptors` per process, do not allow.
pub fn resolve(arguments: &ServeArguments, descriptors: u64) -> anyhow::Result<Settings> {
    model::check(arguments)?;
    arguments.telling.check(arguments.app == App::Files)?;
    arguments.slowness.check(arguments.app == App::Files)?;
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let concurrency = arguments.concurrency.unwrap_or(0);
    let runnable = if concurrency == 0 { processors } else { concurrency };
    let threads = arguments.threads.map_or_else(
        // Each of them needs descriptors, which are taken from the connections.
        || MOST_THREADS.max(2 * runnable + 1),
        |threads| threads as usize,
    );
    Ok(Settings {
        model: arguments.model.clone(),
        concurrency,
        threads,
        accept: arguments.accept.unwrap_or(Accept::Posted),
        posted_accepts: posted_accepts(arguments) as usize,
        set_size: arguments.set_size.map_or(0, |size| size as usize),
        first_data: arguments.first_data,
        silent: arguments.max_silent.map(|all| all.div_ceil(arguments.processes) as usize),
        idle_timeout: arguments.idle_timeout,
        connections: connections_of_one_process(arguments, descriptors, threads)?,
        driver: arguments.driver.unwrap_or(Driver::Automatic),
        backlog: arguments.backlog.unwrap_or_else(|| limits::backlog_limit().unwrap_or(4_096)),
        receive_only: arguments.receive_only,
        files: files(arguments)?,
        telling: arguments.telling.clone(),
        slowness: arguments.slowness.clone(),
        processes: arguments.processes,
        drain: Duration::from_secs(arguments.drain_seconds),
        live: arguments.live,
        grace: grace(arguments)?,
        quiet: arguments.quiet,
        json: arguments.json,
    })
}

fn grace(arguments: &ServeArguments) -> anyhow::Result<Duration> {
    let drain = Duration::from_secs(arguments.drain_seconds);
    match arguments.grace {
        Some(grace) if grace > drain => Err(Usage(format!(
            "--grace {} is longer than the --drain-seconds {}, which it is part of",
            humantime::format_duration(grace),
            arguments.drain_seconds
        ))
        .into()),
        Some(grace) => Ok(grace),
        None if arguments.listen_fds.is_some() => Ok(drain / 2),
        None => Ok(Duration::ZERO),
    }
}

fn posted_accepts(arguments: &ServeArguments) -> u32 {
    arguments.posted_accepts.unwrap_or(10)
}

fn files(arguments: &ServeArguments) -> anyhow::Result<Option<FilesSettings>> {
    let usage = |text: &str| Err(Usage(text.to_owned()).into());
    if arguments.app == App::Echo {
        arguments.files.refuse()?;
        return match &arguments.folder {
            None => Ok(None),
            Some(_) => usage("a folder is for files: give --app files"),
        };
    }
    if arguments.receive_only || arguments.first_data.is_some() {
        return usage("--receive-only and --first-data are for --app echo");
    }
    if arguments.model != model::DEFAULT || arguments.accept == Some(Accept::Thread) {
        return usage(
            "files are served by the completion port with posted accepts: leave --model and \
             --accept out",
        );
    }
    let alone = || arguments.address.as_ref().map(PathBuf::from);
    match arguments.folder.clone().or_else(alone) {
        None => usage("--app files needs the folder to serve: overlapped serve --app files DIR"),
        Some(folder) => {
            if arguments.files.tls && arguments.posted_accepts.is_some() {
                return usage(
                    "--posted-accepts means nothing with --tls, where one accept is posted at a time: \
                     leave it out",
                );
            }
            let settings = arguments.files.resolve(folder, arguments.processes)?;
            if (arguments.json || arguments.live) && settings.logs_to_output() {
                let other = if arguments.json { "--json" } else { "--live" };
                return usage(&format!(
                    "--access-log - and {other} both want standard output: name a file for the log"
                ));
            }
            Ok(Some(settings))
        }
    }
}

fn connections_of_one_process(
    arguments: &ServeArguments,
    descriptors: u64,
    threads: usize,
) -> anyhow::Result<usize> {
    // Accepts that are posted and what the library opens for each thread need descriptors too.
    let mut besides = u64::from(posted_accepts(arguments)) + 2 * threads as u64;
    if arguments.app == App::Files {
        besides += files::OPEN_FILES as u64;
    }
    let room = plan::connections_per_process(descriptors.saturating_sub(besides));
    let room = model::room_beside_threads(arguments, room);
    anyhow::ensure!(
        room > 0,
        "{} descriptors leave no room for connections: {}",
        words::grouped(descriptors),
        platform::REMEDY_FOR_NO_ROOM
    );
    let Some(asked) = arguments.max_connections else {
        // Each connection may take a file of its own; who asks for more knows that they will not.
        return Ok(if arguments.app == App::Files { room.div_ceil(2) } else { room } as usize);
    };
    let of_one = u64::from(asked).div_ceil(u64::from(arguments.processes));
    if of_one > room {
        let processes = u64::from(asked).div_ceil(room);
        anyhow::bail!(
            "--max-connections {asked} is more than {} process(es) can hold with {} descriptors \
             each: {}",
            arguments.processes,
            words::grouped(descriptors),
            platform::remedy_for_too_many(of_one + besides + plan::DESCRIPTOR_RESERVE, processes),
        );
    }
    Ok(of_one as usize)
}

impl Settings {
    /// What a server at `address` is called for who looks at it.
    pub fn shown_as(&self, address: SocketAddr) -> String {
        match &self.files {
            Some(files) => format!("files of {} on {address}", files.folder.display()),
            None => format!("echo by {} on {address}", self.model),
        }
    }

    /// The limits of one process's server.
    pub fn limits(&self) -> Limits {
        Limits {
            concurrency: self.concurrency,
            threads: self.threads,
            accepting: match self.accept {
                Accept::Posted => Accepting::Posted,
                Accept::Thread => Accepting::Thread,
            },
            posted_accepts: self.posted_accepts,
            set_size: self.set_size,
            first_data: self.first_data,
            silent_connections: self.silent,
            idle_timeout: self.idle_timeout,
            connections: self.connections,
            driver: match self.driver {
                Driver::Automatic => DriverChoice::Automatic,
                Driver::Epoll => DriverChoice::Epoll,
                Driver::Iocp => DriverChoice::Iocp,
            },
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        arguments: ServeArguments,
    }

    fn settings(options: &[&str]) -> anyhow::Result<Settings> {
        let words = ["serve"].iter().chain(options).copied();
        resolve(&Only::parse_from(words).arguments, 20_000)
    }

    /// How many threads a server has by itself.
    fn threads() -> u64 {
        settings(&[]).expect("settings").threads as u64
    }

    #[test]
    fn a_limit_too_low_for_anything_is_told() {
        let error = resolve(&Only::parse_from(["serve"]).arguments, 70).expect_err("too low");
        assert!(error.to_string().contains(platform::REMEDY_FOR_NO_ROOM), "{error}");
    }

    #[test]
    fn there_is_always_a_thread_to_spare() {
        let settings = settings(&["--concurrency", "4"]).expect("settings");
        assert_eq!(settings.threads, MOST_THREADS);
        assert_eq!(settings.posted_accepts, 10);
    }

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        let settings = settings(&["--threads", "5"]).expect("settings");
        assert!(settings.connections < 20_000 - 64 - 10, "{}", settings.connections);
        assert!(settings.connections > 19_000, "{}", settings.connections);
    }

    #[test]
    fn threads_that_wait_for_events_need_descriptors_too() {
        let of = |options: &[&str]| settings(options).expect("settings").connections;
        let (blocking, events) = (of(&["--model", "blocking"]), of(&["--model", "event-select"]));
        let threads = blocking / 63;
        assert!((blocking - 2 * threads - 2..blocking - threads).contains(&events), "{events}");
        assert!(of(&["--model", "select", "--set-size", "1"]) < blocking / 2);
        assert_eq!(of(&["--model", "select"]), blocking);
    }

    #[test]
    fn an_option_of_another_model_is_refused() {
        for options in [
            &["--model", "select", "--threads", "3"] as &[&str],
            &["--model", "blocking", "--driver", "epoll"],
            &["--set-size", "64"],
            &["--accept", "thread", "--posted-accepts", "3"],
        ] {
            let error = settings(options).expect_err("it means nothing");
            assert!(error.to_string().contains("means nothing"), "{error}");
        }
    }

    #[test]
    fn more_connections_than_descriptors_need_more_processes() {
        let error = settings(&["--max-connections", "30000"]).expect_err("too many");
        let words = error.to_string();
        let needed = 30_000 + plan::DESCRIPTOR_RESERVE + 10 + 2 * threads();
        assert!(words.ends_with(&platform::remedy_for_too_many(needed, 2)), "{words}");
        let both = settings(&["--max-connections", "30001", "--processes", "2"]).expect("fits");
        assert_eq!(both.connections, 15_001);
    }
}
