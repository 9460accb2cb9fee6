//! Limits of this process from the kernel, and those of the kernel from /proc.

use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::LimitPair;
use crate::room;

pub(crate) const RAISE_DESCRIPTORS_OR: &str = "raise the descriptor limit (ulimit -n) or ";
pub(crate) const WIDEN_PORT_RANGE: &str = "widen net.ipv4.ip_local_port_range";

impl From<Rlimit> for LimitPair {
    fn from(limit: Rlimit) -> Self {
        Self { soft: limit.current, hard: limit.maximum }
    }
}

pub(crate) fn descriptors() -> LimitPair {
    getrlimit(Resource::Nofile).into()
}

pub(crate) fn descriptors_open() -> io::Result<u64> {
    // The listing itself holds one.
    Ok((fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1))
}

/// The limit of locked memory, in bytes.
pub fn locked_memory_bytes() -> LimitPair {
    getrlimit(Resource::Memlock).into()
}

pub(crate) fn raise_descriptors() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

pub(crate) fn port_range() -> io::Result<(u16, u16)> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    parse_port_range(&text).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("not a port range: {text:?}"))
    })
}

fn parse_port_range(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next()?, numbers.next()?) {
        (Ok(first), Ok(last)) if first <= last => Some((first, last)),
        _ => None,
    }
}

/// The least of the limits that stand in the way of a thread. That of the group of processes this one
/// is in is among them where the kernel has such groups and no more than one hierarchy of them.
pub(crate) fn machine_threads() -> io::Result<u64> {
    let threads = number("/proc/sys/kernel/threads-max")?;
    let numbers = number("/proc/sys/kernel/pid_max")?;
    let group = number("/sys/fs/cgroup/pids.max").unwrap_or(u64::MAX);
    Ok(threads.min(numbers).min(group))
}

pub(crate) fn machine_threads_open() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    parse_threads(&text).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("not a load average: {text:?}"))
    })
}

/// The fourth field is `running/all`.
fn parse_threads(text: &str) -> Option<u64> {
    text.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

fn number(path: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    text.trim()
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{path}: {text:?}")))
}

pub(crate) fn backlog_limit() -> io::Result<u32> {
    let limit = number("/proc/sys/net/core/somaxconn")?;
    Ok(u32::try_from(limit).unwrap_or(u32::MAX))
}

/// What the kernel has for the sockets of all processes together, as far as it can be read.
pub(crate) fn resources_of_sockets() -> Vec<room::Resource> {
    let resource = |name, amount, ends, remedy| room::Resource { name, amount, ends, remedy };
    let files = fs::read_to_string("/proc/sys/fs/file-nr").ok();
    let files = files.as_deref().and_then(parse_open_files).map(|(open, most)| {
        let left = most.saturating_sub(open);
        resource("fs.file-max", format!("{left} of {most} left"), left, "raise it")
    });
    let watches = number("/proc/sys/fs/epoll/max_user_watches")
        .ok()
        .map(|most| resource("fs.epoll.max_user_watches", most.to_string(), most, "raise it"));
    let tracked = number("/proc/sys/net/netfilter/nf_conntrack_count")
        .ok()
        // Nobody tracks connections where none is tracked. Both ends of a connection are one entry.
        .filter(|count| *count > 0)
        .zip(number("/proc/sys/net/netfilter/nf_conntrack_max").ok())
        .map(|(count, most)| {
            let left = most.saturating_sub(count);
            resource("nf_conntrack_max", format!("{left} of {most} left"), 2 * left, "raise it")
        });
    [files, watches, tracked].into_iter().flatten().collect()
}

/// How many files are open, and how many may be.
fn parse_open_files(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next()?, numbers.next()?, numbers.next()?) {
        (Ok(open), Ok(_), Ok(most)) => Some((open, most)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_of_the_machine_are_found() {
        assert_eq!(parse_threads("0.52 0.58 0.59 2/211 4711\n"), Some(211));
        assert_eq!(parse_threads("0.52 0.58\n"), None);
        let limit = machine_threads().expect("a limit");
        assert!(machine_threads_open().expect("threads") < limit);
    }

    #[test]
    fn open_files_are_read_beside_their_limit() {
        assert_eq!(parse_open_files("1120\t0\t2466183\n"), Some((1_120, 2_466_183)));
        assert_eq!(parse_open_files("1120\t0\n"), None);
        let names: Vec<_> = resources_of_sockets().iter().map(|resource| resource.name).collect();
        assert!(names.starts_with(&["fs.file-max", "fs.epoll.max_user_watches"]), "{names:?}");
    }

    #[test]
    fn the_port_range_of_the_kernel_is_understood() {
        assert_eq!(parse_port_range("32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(parse_port_range("60999 32768"), None);
        assert_eq!(parse_port_range("32768"), None);
        assert_eq!(parse_port_range(""), None);
    }
}
