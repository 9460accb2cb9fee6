//! Figures of the whole machine from /proc.

use std::fs;
use std::io;
use std::time::Duration;

use crate::kernel_figures::SocketFigures;

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

pub(crate) fn is_wine() -> bool {
    false
}

pub(crate) fn processor_time() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    parse_machine(&text)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/stat is not as expected"))
}

/// The fields user, nice and system of all processors, in 1/100 s.
fn parse_machine(text: &str) -> Option<Duration> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let ticks: u64 = fields.get(..3)?.iter().sum();
    Some(Duration::from_millis(ticks * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_the_sum_of_its_processors() {
        let text = "cpu  100 20 3 999 5 6 7 8 0 0\ncpu0 1 1 1 1\n";
        assert_eq!(parse_machine(text), Some(Duration::from_millis(1_230)));
        assert_eq!(parse_machine("cpu0 1 1 1\n"), None);
    }

    #[test]
    fn the_tcp_line_is_read_by_names() {
        let text = "sockets: used 12\nTCP: inuse 7 orphan 0 tw 3 alloc 1 mem 185\nUDP: inuse 0\n";
        let expected = SocketFigures { tcp_in_use: 7, tcp_time_wait: 3, tcp_memory_kib: 740 };
        assert_eq!(parse_sockets(text, 4), Some(expected));
        assert_eq!(parse_sockets("UDP: inuse 0 mem 0\n", 4), None);
    }
}
