//! Limits of this process and of the kernel that decide how many connections fit, read once and
//! raised where that is allowed.

use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A soft and a hard limit; None is "no limit".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitPair {
    /// What holds now.
    pub soft: Option<u64>,
    /// How far the process may raise it by itself.
    pub hard: Option<u64>,
}

impl From<Rlimit> for LimitPair {
    fn from(limit: Rlimit) -> Self {
        Self { soft: limit.current, hard: limit.maximum }
    }
}

/// The limit of open descriptors.
pub fn descriptors() -> LimitPair {
    getrlimit(Resource::Nofile).into()
}

/// The limit of locked memory, in bytes.
pub fn locked_memory_bytes() -> LimitPair {
    getrlimit(Resource::Memlock).into()
}

/// Raises the limit of open descriptors as far as allowed and returns what holds then.
pub fn raise_descriptors() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// First and last port the kernel picks from for outgoing connections.
pub fn port_range() -> io::Result<(u16, u16)> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    parse_port_range(&text).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("not a port range: {text:?}"))
    })
}

/// How many ports a range holds.
pub fn ports_in((first, last): (u16, u16)) -> u64 {
    u64::from(last.saturating_sub(first)) + 1
}

fn parse_port_range(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next()?, numbers.next()?) {
        (Ok(first), Ok(last)) if first <= last => Some((first, last)),
        _ => None,
    }
}

/// The longest backlog the kernel grants a listening socket.
pub fn backlog_limit() -> io::Result<u32> {
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
        assert_eq!(ports_in((32_768, 60_999)), 28_232);
        assert_eq!(parse_port_range("60999 32768"), None);
        assert_eq!(parse_port_range("32768"), None);
        assert_eq!(parse_port_range(""), None);
    }

    #[test]
    fn raising_reaches_the_hard_limit_and_stays() {
        let raised = raise_descriptors().expect("raising to the hard limit is always allowed");
        let pair = descriptors();
        assert_eq!(pair.soft, pair.hard);
        assert_eq!(pair.soft.unwrap_or(u64::MAX), raised);
    }
}
