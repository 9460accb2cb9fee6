//! What another thread of this process does: for how long it has computed, and in which system call it sleeps.
//!
//! On Linux `/proc` says so (`schedstat` and `syscall` of a task). Elsewhere nothing does.

use std::time::Duration;

/// A view of one thread, made by that thread.
#[derive(Debug)]
pub(crate) struct ThreadView(#[cfg(target_os = "linux")] linux::Task);

impl ThreadView {
    /// A view of the calling thread, where there can be one.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_this_thread() -> Option<Self> {
        Some(Self(linux::Task::of_this_thread()))
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of_this_thread() -> Option<Self> {
        None
    }

    /// For how long the thread has computed, or waited for a processor to do so.
    pub(crate) fn computed(&self) -> Option<Duration> {
        #[cfg(target_os = "linux")]
        return self.0.computed();
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// The system call in which the thread sleeps at this moment, with what it was called for if that is known,
    /// such as `fsync of /var/lib/visits.db`.
    pub(crate) fn asleep_in(&self) -> Option<String> {
        #[cfg(target_os = "linux")]
        return self.0.asleep_in();
        #[cfg(not(target_os = "linux"))]
        None
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Duration;
    use syscalls::Sysno;

    #[derive(Debug)]
    pub(super) struct Task(PathBuf);

    impl Task {
        pub(super) fn of_this_thread() -> Self {
            let number = rustix::thread::gettid().as_raw_nonzero();
            Self(PathBuf::from(format!("/proc/self/task/{number}")))
        }

        pub(super) fn computed(&self) -> Option<Duration> {
            let text = fs::read_to_string(self.0.join("schedstat")).ok()?;
            let mut nanoseconds = text.split_whitespace().map(str::parse);
            let (computed, waited): (u64, u64) =
                (nanoseconds.next()?.ok()?, nanoseconds.next()?.ok()?);
            Some(Duration::from_nanos(computed + waited))
        }

        pub(super) fn asleep_in(&self) -> Option<String> {
            // "running", or the number of the call and its arguments.
            let text = fs::read_to_string(self.0.join("syscall")).ok()?;
            let mut words = text.split_whitespace();
            let number: i64 = words.next()?.parse().ok()?;
            let first = words.next().and_then(|word| word.strip_prefix("0x"));
            let first = first.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            // A negative one: it sleeps in the kernel for something else, such as a page of memory.
            let number = usize::try_from(number).ok();
            let Some(call) = number.and_then(Sysno::new) else {
                return Some("the kernel, outside of a call".to_owned());
            };
            let of_what = first
                .filter(|_| takes_descriptor(call))
                .and_then(|descriptor| fs::read_link(format!("/proc/self/fd/{descriptor}")).ok());
            Some(match of_what {
                Some(path) => format!("{} of {}", call.name(), path.display()),
                None => call.name().to_owned(),
            })
        }
    }

    /// Whether its first argument is the descriptor that it works on.
    fn takes_descriptor(call: Sysno) -> bool {
        matches!(
            call,
            Sysno::read
                | Sysno::write
                | Sysno::pread64
                | Sysno::pwrite64
                | Sysno::readv
                | Sysno::writev
                | Sysno::preadv
                | Sysno::pwritev
                | Sysno::fsync
                | Sysno::fdatasync
                | Sysno::ftruncate
                | Sysno::fallocate
                | Sysno::flock
                | Sysno::fcntl
                | Sysno::connect
                | Sysno::accept
                | Sysno::accept4
                | Sysno::recvfrom
                | Sysno::recvmsg
                | Sysno::sendto
                | Sysno::sendmsg
                | Sysno::getdents64
        )
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::io::Read;
        use std::os::fd::AsRawFd;
        use std::os::unix::net::UnixStream;
        use std::sync::mpsc;

        #[test]
        fn a_thread_is_seen_in_the_call_in_which_it_sleeps() {
            let (mut ours, theirs) = UnixStream::pair().expect("a pair");
            let descriptor = ours.as_raw_fd();
            let expected =
                fs::read_link(format!("/proc/self/fd/{descriptor}")).expect("it is open");
            let (tell, told) = mpsc::channel();
            let thread = std::thread::spawn(move || {
                tell.send(Task::of_this_thread()).expect("somebody asks");
                ours.read(&mut [0; 1])
            });
            let task = told.recv().expect("it begins");
            let of = format!(" of {}", expected.display());
            // It gets there by itself, and stays.
            while !task.asleep_in().is_some_and(|text| text.ends_with(&of)) {
                std::thread::yield_now();
            }
            drop(theirs);
            assert_eq!(thread.join().expect("no panic").expect("the end"), 0);
        }
    }
}
