//! Memory of the server for connections that have sent one message and are silent since.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::Context;

use super::IdleOptions;
use super::connection::{Connection, LIGHT};
use super::outcome::{Memory, Outcome};
use super::session::Session;
use crate::process::resident_bytes;

/// Time for the server to give back what it gives back of itself.
const SETTLE: Duration = Duration::from_millis(500);

/// Opens the connections and reads the server's memory before and after.
pub fn run(options: &IdleOptions) -> anyhow::Result<Outcome> {
    let common = &options.common;
    let size = common.msg_size.get();
    let pid = common.server_pid.context("the idle mode needs --server-pid")?;
    let connections = options.connections.get();
    let mut session = Session::new(size, 1)?;

    std::thread::sleep(SETTLE);
    let before_bytes = resident_bytes(pid)?;
    session.open(connections, common, |number| {
        let source = source(number, options.sources, common.addr.ip());
        Connection::open(common.addr, source, LIGHT, number, size)
    })?;
    std::thread::sleep(SETTLE);
    let idle_bytes = resident_bytes(pid)?;
    std::thread::sleep(Duration::from_secs_f64(options.hold.max(0.0)));

    let grown = idle_bytes as f64 - before_bytes as f64;
    let bytes_per_connection = grown / connections as f64;
    Ok(Outcome {
        mode: "idle".into(),
        messages: connections as u64,
        memory: Some(Memory { connections, before_bytes, idle_bytes, bytes_per_connection }),
        ..Outcome::default()
    })
}

/// The loopback address that connection `number` comes from; any, when the server is not on IPv4
/// loopback.
fn source(number: u64, sources: u8, server: IpAddr) -> Option<IpAddr> {
    let last = 1 + (number % u64::from(sources)) as u8;
    let loopback = server.is_ipv4() && server.is_loopback();
    loopback.then_some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_over_the_sources() {
        let server = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let sources: Vec<_> = (0..5).filter_map(|number| source(number, 3, server)).collect();
        let expected = [1, 2, 3, 1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
        assert_eq!(sources, expected);
        assert_eq!(source(0, 3, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))), None);
    }
}
