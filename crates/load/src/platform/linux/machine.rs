//! Figures of the whole machine from /proc.

use std::fs;
use std::io;
use std::ops::Range;
use std::time::Duration;

use crate::kernel_figures::{MemoryFigures, SocketFigures};

pub(crate) fn sockets() -> io::Result<SocketFigures> {
    let text = fs::read_to_string("/proc/net/sockstat")?;
    parse_sockets(&text, rustix::param::page_size() as u64 / 1_024).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "/proc/net/sockstat is not as expected")
    })
}

fn parse_sockets(text: &str, page_kib: u64) -> Option<SocketFigures> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let value = |name: &str| -> Option<u64> {
        words.chunks_exact(2).find(|pair| pair[0] == name)?[1].parse().ok()
    };
    Some(SocketFigures {
        tcp_in_use: value("inuse")?,
        tcp_time_wait: value("tw")?,
        tcp_memory_kib: value("mem")? * page_kib,
    })
}

pub(crate) fn memory() -> io::Result<MemoryFigures> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let mut memory = parse_memory(&text).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "/proc/meminfo is not as expected")
    })?;
    let in_sockets_kib = sockets().map_or(0, |sockets| sockets.tcp_memory_kib);
    memory.all_kernel_kib = memory.all_kernel_kib.map(|all_kib| all_kib + in_sockets_kib);
    Ok(memory)
}

fn parse_memory(text: &str) -> Option<MemoryFigures> {
    let value = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let with = |objects: &str| Some(value(objects)? + value("KernelStack")? + value("PageTables")?);
    Some(MemoryFigures {
        total_kib: value("MemTotal")?,
        available_kib: value("MemAvailable")?,
        kernel_kib: with("SUnreclaim"),
        all_kernel_kib: with("Slab"),
    })
}

pub(crate) fn is_wine() -> bool {
    false
}

pub(crate) fn processor_time() -> io::Result<Duration> {
    machine_time(BUSY)
}

pub(crate) fn idle_time() -> io::Result<Duration> {
    machine_time(IDLE)
}

pub(crate) fn stolen_time() -> io::Result<Duration> {
    machine_time(STOLEN)
}

/// The fields user, nice and system, those of time without work and of waiting for a disk, and that of
/// time that the host gave to others.
const BUSY: Range<usize> = 0..3;
const IDLE: Range<usize> = 3..5;
const STOLEN: Range<usize> = 7..8;

fn machine_time(fields: Range<usize>) -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    parse_machine(&text, fields)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/stat is not as expected"))
}

/// Such fields of all processors, in 1/100 s.
fn parse_machine(text: &str, fields: Range<usize>) -> Option<Duration> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let all: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let ticks: u64 = all.get(fields)?.iter().sum();
    Some(Duration::from_millis(ticks * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_the_sum_of_its_processors() {
        let text = "cpu  100 20 3 999 5 6 7 8 0 0\ncpu0 1 1 1 1\n";
        assert_eq!(parse_machine(text, BUSY), Some(Duration::from_millis(1_230)));
        assert_eq!(parse_machine(text, IDLE), Some(Duration::from_millis(10_040)));
        assert_eq!(parse_machine(text, STOLEN), Some(Duration::from_millis(80)));
        assert_eq!(parse_machine("cpu0 1 1 1\n", BUSY), None);
    }

    #[test]
    fn memory_is_read_by_names() {
        let text = "MemTotal:  900 kB\nMemAvailable:  400 kB\nSlab: 50 kB\nSUnreclaim:  30 kB\n\
                    KernelStack:  5 kB\nPageTables:  7 kB\n";
        let expected = MemoryFigures {
            total_kib: 900,
            available_kib: 400,
            kernel_kib: Some(42),
            all_kernel_kib: Some(62),
        };
        assert_eq!(parse_memory(text), Some(expected));
        assert_eq!(parse_memory("MemTotal:  900 kB\n"), None);
    }

    #[test]
    fn the_tcp_line_is_read_by_names() {
        let text = "sockets: used 12\nTCP: inuse 7 orphan 0 tw 3 alloc 1 mem 185\nUDP: inuse 0\n";
        let expected = SocketFigures { tcp_in_use: 7, tcp_time_wait: 3, tcp_memory_kib: 740 };
        assert_eq!(parse_sockets(text, 4), Some(expected));
        assert_eq!(parse_sockets("UDP: inuse 0 mem 0\n", 4), None);
    }
}
