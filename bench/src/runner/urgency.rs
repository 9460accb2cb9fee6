//! Going before the other programs of the machine: nice values, and the weight of the session.
//!
//! Linux shares processors between sessions first (autogroups) and looks at nice values only inside
//! of one. So nice values decide between server and generator, and against programs of this
//! session; against those of other sessions only the weight of the session helps.

use std::fs;
use std::path::Path;

use anyhow::Context;
use rustix::process::{getpriority_process, setpriority_process};

const AUTOGROUP: &str = "/proc/self/autogroup";
const SESSION_NICE: &str = "-20";
const SERVER_NICE: i32 = -10;
const LOAD_NICE: i32 = -20;

/// Nice values of server and generator; none leaves them as they are.
///
/// The generator goes before a server that shares its processor, since it has to keep its schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NiceValues {
    /// Of the server.
    pub server: Option<i32>,
    /// Of the generator.
    pub load: Option<i32>,
}

impl NiceValues {
    /// The usual ones, where this process may set them and get back its own.
    pub fn permitted() -> Self {
        let Ok(before) = getpriority_process(None) else { return Self::default() };
        let permitted = setpriority_process(None, LOAD_NICE).is_ok()
            && setpriority_process(None, before).is_ok();
        if !permitted {
            return Self::default();
        }
        Self { server: Some(SERVER_NICE), load: Some(LOAD_NICE) }
    }
}

/// The session goes before all others until this is dropped or [`restored`](Self::restore).
#[derive(Clone, Debug)]
pub struct UrgentSession {
    nice_before: String,
}

impl UrgentSession {
    /// Raises the weight of this session.
    pub fn begin() -> anyhow::Result<Self> {
        anyhow::ensure!(Path::new(AUTOGROUP).exists(), "no autogroups here; leave out --urgent");
        let text = fs::read_to_string(AUTOGROUP).context("cannot read the session's weight")?;
        let nice_before = parse_nice(&text).context("cannot understand /proc/self/autogroup")?;
        fs::write(AUTOGROUP, SESSION_NICE)
            .context("cannot raise the session's weight; --urgent needs root")?;
        Ok(Self { nice_before: nice_before.to_owned() })
    }

    /// Gives the session the weight it had.
    pub fn restore(&self) {
        if let Err(error) = fs::write(AUTOGROUP, &self.nice_before) {
            eprintln!("warning: cannot restore the session's weight in {AUTOGROUP}: {error}");
        }
    }
}

impl Drop for UrgentSession {
    fn drop(&mut self) {
        self.restore();
    }
}

fn parse_nice(autogroup: &str) -> Option<&str> {
    autogroup.trim().rsplit_once(" nice ").map(|(_, nice)| nice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_of_a_session_is_its_last_word() {
        assert_eq!(parse_nice("/autogroup-3 nice -4\n"), Some("-4"));
        assert_eq!(parse_nice(""), None);
    }

    #[test]
    fn asking_for_permission_changes_nothing() {
        let before = getpriority_process(None).expect("the nice value");
        NiceValues::permitted();
        assert_eq!(getpriority_process(None).expect("the nice value"), before);
    }
}
