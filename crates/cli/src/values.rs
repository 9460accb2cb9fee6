//! How option values are read.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::ValueEnum;
use overlapped_copy::Sync;
use overlapped_load::plan::MOST_PROCESSES;

/// What must have reached the device before a command is done.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum SyncWhat {
    None,
    File,
    All,
}

impl From<SyncWhat> for Sync {
    fn from(what: SyncWhat) -> Self {
        match what {
            SyncWhat::None => Self::None,
            SyncWhat::File => Self::File,
            SyncWhat::All => Self::All,
        }
    }
}

/// Reads `host:port`; a name is looked up, and an IPv4 address is preferred. One that is written as
/// IPv6 (`[::ffff:192.0.2.1]:80`) is an IPv4 address all the same.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        let is_mapped = address.ip().to_canonical().is_ipv4();
        return Ok(if is_mapped {
            (address.ip().to_canonical(), address.port()).into()
        } else {
            address
        });
    }
    let form = || "write it as HOST:PORT, for example 127.0.0.1:12345 or [::1]:12345".to_owned();
    let Some((host, port)) = text.rsplit_once(':').filter(|(_, port)| !port.is_empty()) else {
        return Err(form());
    };
    if !port.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(form());
    }
    let port: u16 = port.parse().map_err(|_| format!("ports go up to 65535, not to {port}"))?;
    // In brackets it is an address with the name of an interface, as [fe80::1%eth0]:80.
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return Err("write an address of IPv6 in brackets, for example [::1]:12345".to_owned());
    }
    let host = bare.unwrap_or(host);
    let found = (host, port).to_socket_addrs().map_err(|error| match host.split_once('%') {
        Some((_, scope)) => format!(
            "no interface is called '{scope}' here, or what stands before it is no link-local \
             address of IPv6: write it as [fe80::1%eth0]:{port}"
        ),
        None => error.to_string(),
    })?;
    let found: Vec<SocketAddr> = found.collect();
    found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first())
        .copied()
        .ok_or_else(|| "the name has no address".to_owned())
}

/// Reads an address; a port alone is one of this machine for itself.
pub fn address_or_port(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<u16>() {
        Ok(port) => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
        Err(_) => address(text),
    }
}

/// Reads a time with its unit: `250ms`, `3s`, `2m`; a number alone is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time as 250ms, 3s or 2m".to_owned();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let seconds_per_unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        _ => return Err(wrong()),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(wrong());
    }
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * seconds_per_unit).map_err(|_| wrong())
}

/// Reads a time that must not be zero.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() { Err("it must be longer than nothing".to_owned()) } else { Ok(time) }
}

/// Reads a number from 1 on. Underscores and commas may group its digits.
pub fn positive(text: &str) -> Result<u32, String> {
    let digits: String = text.chars().filter(|letter| !matches!(letter, '_' | ',')).collect();
    match digits.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("it must be a whole number from 1 on".to_owned()),
    }
}

/// Reads a number of processes.
pub fn processes(text: &str) -> Result<u32, String> {
    let number = positive(text)?;
    if number > MOST_PROCESSES {
        return Err(format!("more than {MOST_PROCESSES} processes are of no use"));
    }
    Ok(number)
}

/// Reads a number of bytes that may be large, or 0: `64`, `16k`, `1m`, `5g`, `2t`, in powers of 1,024.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "write a number of bytes as 64, 16k, 1m, 5g or 2t".to_owned();
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(['k', 'm', 'g', 't']);
    let power = match &lower[digits.len()..] {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.replace(['_', ','], "").parse().map_err(|_| wrong())?;
    number.checked_mul(1 << power).ok_or_else(wrong)
}

/// Reads a size in bytes: `64`, `16k`, `1m`; k and m are 1,024 and 1,048,576.
pub fn size(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.to_ascii_lowercase().strip_suffix(['k', 'm']) {
        Some(digits) if text.ends_with(['k', 'K']) => (digits.to_owned(), 1_024),
        Some(digits) => (digits.to_owned(), 1_024 * 1_024),
        None => (text.to_owned(), 1),
    };
    let bytes = positive(&digits)
        .map_err(|_| "write a size as 64, 16k or 1m".to_owned())
        .map(|number| number as usize * unit)?;
    if bytes > LARGEST_MESSAGE {
        return Err(format!("a message may have at most {LARGEST_MESSAGE} bytes"));
    }
    Ok(bytes)
}

/// A message is held in memory once per connection that is busy with it.
const LARGEST_MESSAGE: usize = 64 * 1_024 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_a_known_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("3"), Ok(Duration::from_secs(3)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "s", "3h", "-1s", "1e3s", "nan", "infs", "9999999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
        assert!(positive_duration("0ms").is_err());
    }

    #[test]
    fn addresses_are_told_how_to_be_written() {
        assert_eq!(address("127.0.0.1:80"), Ok(SocketAddr::from(([127, 0, 0, 1], 80))));
        assert!(address("[::1]:80").is_ok());
        assert_eq!(address("[::ffff:127.0.0.1]:80"), Ok(SocketAddr::from(([127, 0, 0, 1], 80))));
        if cfg!(target_os = "linux") {
            let of_the_loopback = "[fe80::1%1]:80".parse().map_err(|_| String::new());
            assert_eq!(address("[fe80::1%lo]:80"), of_the_loopback);
        }
        for wrong in ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:-1", "80"] {
            let error = address(wrong).expect_err("not an address");
            assert!(error.contains("HOST:PORT"), "{wrong:?}: {error}");
        }
        for wrong in ["127.0.0.1:99999", "[::1]:65536"] {
            let error = address(wrong).expect_err("no port");
            assert!(error.contains("65535"), "{wrong:?}: {error}");
        }
        let error = address("fe80::1%eth0:80").expect_err("no brackets");
        assert!(error.contains("brackets"), "{error}");
        let error = address("[fe80::1%no such thing]:80").expect_err("no interface");
        assert!(error.contains("'no such thing'") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn numbers_and_sizes_are_positive() {
        assert_eq!(positive("30,000"), Ok(30_000));
        assert_eq!(positive("30_000"), Ok(30_000));
        assert!(positive("0").is_err() && positive("-3").is_err() && positive("x").is_err());
        assert_eq!(size("64"), Ok(64));
        assert_eq!(size("16k"), Ok(16_384));
        assert_eq!(size("1M"), Ok(1_048_576));
        assert_eq!((bytes("0"), bytes("1k"), bytes("2T")), (Ok(0), Ok(1_024), Ok(2 << 40)));
        for wrong in ["", "k", "-1", "1kk", "1x", "99999999t"] {
            assert!(bytes(wrong).is_err(), "{wrong:?}");
        }
        assert!(size("0").is_err() && size("k").is_err() && size("4000m").is_err());
    }
}
