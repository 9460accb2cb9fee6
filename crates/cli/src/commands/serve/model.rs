//! Which model serves, and which options mean something for it.

use clap::builder::PossibleValuesParser;
use overlapped_models::models;

use super::{Accept, ServeArguments};
use crate::exit::Usage;

/// The model that serves unless another one is named.
pub const DEFAULT: &str = "completion-port";

/// The threads of these wait for so many connections each.
const WAIT_FOR_EVENTS: [&str; 2] = ["event-select", "overlapped-event"];
const EVENTS_OF_A_THREAD: u64 = 63;

/// Reads the name of a model.
pub fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(models().iter().map(|model| model.name()))
}

/// Refuses options that mean nothing for the model, rather than to ignore them silently.
pub fn check(arguments: &ServeArguments) -> Result<(), Usage> {
    let model = arguments.model.as_str();
    let given = [
        ("--concurrency", DEFAULT, arguments.concurrency.is_some()),
        ("--threads", DEFAULT, arguments.threads.is_some()),
        ("--accept", DEFAULT, arguments.accept.is_some()),
        ("--posted-accepts", DEFAULT, arguments.posted_accepts.is_some()),
        ("--max-silent", DEFAULT, arguments.max_silent.is_some()),
        ("--driver", DEFAULT, arguments.driver.is_some()),
        ("--listen-fds", DEFAULT, arguments.listen_fds.is_some()),
        ("--grace", DEFAULT, arguments.grace.is_some()),
        ("--set-size", "select", arguments.set_size.is_some()),
    ];
    for (option, owner, is_given) in given {
        if is_given && owner != model {
            return Err(Usage(format!(
                "{option} is an option of the model {owner} and means nothing for {model}: leave \
                 it out"
            )));
        }
    }
    let posted = [
        ("--posted-accepts", arguments.posted_accepts.is_some()),
        ("--max-silent", arguments.max_silent.is_some()),
        ("--listen-fds", arguments.listen_fds.is_some()),
        ("--grace", arguments.grace.is_some()),
    ];
    for (option, is_given) in posted {
        if is_given && arguments.accept == Some(Accept::Thread) {
            return Err(Usage(format!(
                "{option} means nothing where a thread accepts: leave it out, or --accept"
            )));
        }
    }
    Ok(())
}

/// How many of `descriptors` a model leaves for its connections: its threads need some, too.
pub fn room_beside_threads(arguments: &ServeArguments, descriptors: u64) -> u64 {
    let of_a_thread = match arguments.set_size {
        Some(size) => u64::from(size),
        None if WAIT_FOR_EVENTS.contains(&arguments.model.as_str()) => EVENTS_OF_A_THREAD,
        None => return descriptors,
    };
    // What wakes the thread, and what it waits with.
    descriptors * of_a_thread / (of_a_thread + 2)
}
