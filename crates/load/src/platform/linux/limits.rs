//! Limits of this process from the kernel, and those of the kernel from /proc.

use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::LimitPair;

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

pub(crate) fn backlog_limit() -> io::Result<u32> {
    let text = fs::read_to_string("/proc/sys/net/core/somaxconn")?;
    text.trim()
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("not a backlog: {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_range_of_the_kernel_is_understood() {
        assert_eq!(parse_port_range("32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(parse_port_range("60999 32768"), None);
        assert_eq!(parse_port_range("32768"), None);
        assert_eq!(parse_port_range(""), None);
    }
}
