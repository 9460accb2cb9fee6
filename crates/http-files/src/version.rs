//! What tells one version of a file from another.
//!
//! Anybody who may write a file may set the time of its writing, and some do so for all their files.
//! So what clients are given is made of what nobody can set: the time at which anything of the file
//! changed last, by the system's clock, and the number of the file. Nothing is given where that may
//! yet be the same after the next change, nor where the file system keeps no such time.

use crate::date;
use overlapped::FileState;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Two changes this far apart have two times, and the later one has a time of after the earlier one.
/// Systems' clocks for files move on every 1 to 16 ms, and are behind by as much.
const STEP: Duration = Duration::from_millis(20);

const SECOND_NS: i128 = 1_000_000_000;

/// One version of a file, or of a page that has no file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Version {
    pub(crate) size: u64,
    /// The ETag, with its quotes.
    pub(crate) tag: Option<String>,
    /// When it was changed, to the second, as it travels.
    pub(crate) modified: Option<SystemTime>,
    /// From then on there is more to say, although nothing has changed.
    pub(crate) settles: Option<SystemTime>,
}

impl Version {
    pub(crate) fn of(state: &FileState, now: SystemTime) -> Self {
        let bare = Self { size: state.bytes, ..Self::default() };
        // A time without a fraction was stored by somebody, or is too coarse: an image of files, a
        // memory stick, a folder of another system.
        if state.changed_ns <= 0 || state.changed_ns % SECOND_NS == 0 {
            return bare;
        }
        let Ok(ns) = u64::try_from(state.changed_ns) else { return bare };
        let changed = UNIX_EPOCH + Duration::from_nanos(ns);
        if now < changed + STEP {
            return Self { settles: Some(changed + STEP), ..bare };
        }
        let tag = Some(tag(state));
        // A change later in the same second would have the same date. The clock for files is behind.
        let second = UNIX_EPOCH + Duration::from_secs(date::second(changed));
        let over = second + Duration::from_secs(1) + STEP;
        if now < over {
            return Self { tag, settles: Some(over), ..bare };
        }
        Self { tag, modified: Some(second), ..bare }
    }
}

/// The numbers of files are nobody's business, so they are hashed.
fn tag(state: &FileState) -> String {
    let mut hasher = DefaultHasher::new();
    let FileState { bytes, identity, written_ns, changed_ns, names: _ } = state;
    (bytes, identity, written_ns, changed_ns).hash(&mut hasher);
    format!("\"{bytes:x}-{:016x}\"", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGED: FileState = FileState {
        bytes: 4,
        identity: 7,
        names: 1,
        written_ns: 0,
        // Half a second past 1,000,000,000.
        changed_ns: 1_000_000_000_500_000_000,
    };

    fn after(ms: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000_000) + Duration::from_millis(500 + ms)
    }

    #[test]
    fn every_fact_but_the_count_of_names_is_in_the_tag() {
        let tag = |state: FileState| Version::of(&state, after(1_000)).tag.expect("a tag");
        let first = tag(CHANGED);
        assert_eq!(tag(FileState { names: 2, ..CHANGED }), first);
        for other in [
            FileState { bytes: 5, ..CHANGED },
            FileState { identity: 8, ..CHANGED },
            FileState { written_ns: 1, ..CHANGED },
            FileState { changed_ns: CHANGED.changed_ns + 1, ..CHANGED },
        ] {
            assert_ne!(tag(other), first, "{other:?}");
        }
    }

    #[test]
    fn a_file_that_has_just_changed_has_no_tag_and_in_that_second_no_date() {
        for (ms, has_tag, has_date) in [
            (0, false, false),
            (19, false, false),
            (20, true, false),
            (519, true, false),
            (520, true, true),
            (u64::from(u32::MAX), true, true),
        ] {
            let version = Version::of(&CHANGED, after(ms));
            assert_eq!(version.tag.is_some(), has_tag, "{ms}");
            assert_eq!(version.modified.is_some(), has_date, "{ms}");
            assert_eq!(version.settles.is_none(), has_date, "{ms}");
        }
        let date = Version::of(&CHANGED, after(520)).modified.expect("a date");
        assert_eq!(date::second(date), 1_000_000_000);
        let ahead = Version::of(&CHANGED, UNIX_EPOCH);
        assert_eq!((ahead.tag, ahead.modified), (None, None), "the clock was set back");
    }

    #[test]
    fn a_change_time_that_was_only_stored_is_worth_nothing() {
        for changed_ns in [0, -5, 1_000_000_000, 1_000_000_000_000_000_000, i128::MAX] {
            let version = Version::of(&FileState { changed_ns, ..CHANGED }, after(5_000));
            let nothing = Version { size: 4, ..Version::default() };
            assert_eq!(version, nothing, "{changed_ns}");
        }
    }
}
