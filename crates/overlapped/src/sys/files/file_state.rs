//! What tells one state of a file from another.

/// What tells one state of an open file from another: where two states are equal, the contents are,
/// as far as the file system can say.
///
/// Times are in nanoseconds since the beginning of 1970, as fine as the file system keeps them. What
/// is written twice within one step of its clock, or through a shared mapping of memory, may leave
/// the state as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileState {
    /// The size in bytes.
    pub bytes: u64,
    /// The number of the file in its file system. Another file under the same name has another
    /// number.
    pub identity: u64,
    /// How many names it has: 0 when it was removed, or another file was put into its place.
    pub names: u64,
    /// When the contents were written. A program that may write them may also set this time to any
    /// value.
    pub written_ns: i128,
    /// When contents, size, names or rights were changed, by the system's clock; programs cannot
    /// set it on Linux. If the file system keeps no such time, this is another time, or 0.
    pub changed_ns: i128,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::{FileOptions, OpenFile};
    use std::fs::FileTimes;
    use std::time::SystemTime;

    /// Changes `path` until the clock of the file system has moved on, and tells its state.
    fn after(before: &super::FileState, file: &OpenFile, change: impl Fn()) -> super::FileState {
        loop {
            change();
            let now = file.state().expect("a state");
            if now.changed_ns != before.changed_ns {
                return now;
            }
        }
    }

    #[test]
    fn contents_of_the_same_length_and_time_are_another_state() {
        let path = std::env::temp_dir().join(format!("overlapped-state-{}", std::process::id()));
        let old = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
        let write = |text: &str| {
            let file = std::fs::File::create(&path).expect("a file");
            std::io::Write::write_all(&mut &file, text.as_bytes()).expect("written");
            file.set_times(old).expect("a time");
        };
        write("AAAA");
        let file = OpenFile::open(&path, &FileOptions::new().read(true)).expect("the file");
        let first = file.state().expect("a state");
        assert_eq!((first.bytes, first.written_ns), (4, 0));
        assert_eq!(file.state().expect("a state"), first, "nothing has changed");
        let second = after(&first, &file, || write("BBBB"));
        assert_eq!((second.bytes, second.written_ns), (4, 0), "size and time are the same");
        assert_ne!(second, first);
        assert_eq!(second.identity, first.identity);
        std::fs::remove_file(&path).expect("removed");
        // Windows keeps the name until the file is closed.
        if cfg!(unix) {
            assert_eq!(file.state().expect("a state").names, 0);
        }
    }
}
