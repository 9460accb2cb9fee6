//! Sockets that the parent process has opened, by the protocol of systemd: `LISTEN_FDS` is how many there
//! are, from descriptor 3 on, `LISTEN_FDNAMES` has their names with a colon between two of them, and
//! `LISTEN_PID` is the process they are for. A parent that cannot know that leaves it out.

use std::net::TcpListener;

use anyhow::{Context, bail, ensure};
use listenfd::ListenFd;
use socket2::SockRef;

/// More than anybody passes; a wrong number must not cost memory.
const MOST: usize = 1_024;

/// Takes the socket with this name, or the only one.
pub fn inherited(name: Option<&str>) -> anyhow::Result<TcpListener> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let count = variable("LISTEN_FDS");
    ensure!(!count.is_empty(), "{}", explain("LISTEN_FDS is not set"));
    let is_some = count.parse::<usize>().is_ok_and(|count| (1..=MOST).contains(&count));
    ensure!(
        is_some,
        "{}",
        explain(&format!("LISTEN_FDS is {count:?}, which is no number of them"))
    );
    let names = variable("LISTEN_FDNAMES");
    let names: Vec<&str> = names.split(':').filter(|name| !name.is_empty()).collect();
    let process = variable("LISTEN_PID");
    let mut sockets = ListenFd::from_env();
    if sockets.len() == 0 {
        bail!(explain(&format!("they are for the process {process}, by LISTEN_PID")));
    }
    let index = match name {
        Some(name) => names.iter().position(|other| *other == name).with_context(|| {
            format!("no socket has the name {name:?} in LISTEN_FDNAMES, which has {names:?}")
        })?,
        None if sockets.len() == 1 => 0,
        None => bail!(
            "{} sockets were handed over, with the names {names:?}: say which one, --listen-fds=NAME",
            sockets.len()
        ),
    };
    let descriptor = 3 + index;
    let no_listener =
        "is no listening socket of TCP: in a .socket unit give ListenStream=HOST:PORT";
    let listener = sockets.take_tcp_listener(index).ok().flatten().with_context(|| {
        format!("descriptor {descriptor}, which was handed over, {no_listener}")
    })?;
    let listens = SockRef::from(&listener).is_listener().unwrap_or(false);
    ensure!(listens, "descriptor {descriptor}, which was handed over, {no_listener}");
    Ok(listener)
}

fn explain(what: &str) -> String {
    format!(
        "no socket was handed over for --listen-fds: {what}; start the server by a .socket unit of systemd, \
         or by another parent that passes one, or give an address"
    )
}
