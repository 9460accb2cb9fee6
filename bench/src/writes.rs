//! What a message costs in atomic writes, told by a server of a build that counts them.
//!
//! A line that only one thread writes stays in that thread's cache. One that several write travels
//! between processors, so these are told apart, and among them those of the whole port from those of
//! one connection: the former are contended by all threads, the latter by those that happen to serve
//! the same connection one after the other.
//!
//! *Classes.* A place in the code is of one connection when its read-modify-writes fell on at least a
//! quarter as many lines as there were connections; else it is of the port. A quarter, since several
//! small things may share a line. What is rare and spread (a timer, a connect) is in the first class,
//! with next to nothing for a message. *Shared* is a line that two threads or more have written, by
//! read-modify-writes or stores of atomics, anywhere in the run.
//!
//! Everything from the start of the process is counted, connecting and ending too. It needs some
//! thousand messages for each connection, so that this does not show.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::str::FromStr;

use overlapped::atomic_writes::{self, Writes};

/// The part of the connections over whose number of lines a place has to be spread.
const SPREAD: usize = 4;

/// Places that write more seldom than once in so many messages are not listed.
const RARE: f64 = 1_000.0;

/// The load that a server is given: so many connections with so many messages each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Connections.
    pub connections: usize,
    /// Messages of each.
    pub messages: u64,
}

impl FromStr for Load {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hint = "give CONNECTIONSxMESSAGES, as in 128x2000";
        let (connections, messages) = text.split_once('x').ok_or(hint)?;
        let load = Self {
            connections: connections.parse().map_err(|_| hint)?,
            messages: messages.parse().map_err(|_| hint)?,
        };
        if load.connections == 0 || load.messages == 0 { Err(hint) } else { Ok(load) }
    }
}

/// Where a line belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    SharedOfPort,
    SharedOfConnection,
    OfOneThread,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::SharedOfPort => "port",
            Self::SharedOfConnection => "connection",
            Self::OfOneThread => "one thread",
        }
    }
}

/// What the library has written by now, for a message of `load`; fails when this build does not count.
pub fn report(load: Load) -> anyhow::Result<String> {
    match atomic_writes::writes() {
        Some(writes) => Ok(tell(&writes, load)),
        None => anyhow::bail!("this build does not count; build it with --features count"),
    }
}

fn tell(writes: &[Writes], load: Load) -> String {
    let mut writers: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut lines: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for one in writes {
        writers.entry(one.line).or_default().insert(one.thread);
        if one.read_modify_writes > 0 {
            lines.entry(place(one)).or_default().insert(one.line);
        }
    }
    let class = |one: &Writes| {
        let spread = lines[&place(one)].len() * SPREAD >= load.connections;
        match (writers[&one.line].len() > 1, spread) {
            (false, _) => Class::OfOneThread,
            (true, true) => Class::SharedOfConnection,
            (true, false) => Class::SharedOfPort,
        }
    };
    let mut classes = BTreeMap::from([
        (Class::SharedOfPort, 0),
        (Class::SharedOfConnection, 0),
        (Class::OfOneThread, 0),
    ]);
    let mut places: BTreeMap<(Class, String), u64> = BTreeMap::new();
    for one in writes.iter().filter(|one| one.read_modify_writes > 0) {
        *classes.entry(class(one)).or_default() += one.read_modify_writes;
        *places.entry((class(one), place(one))).or_default() += one.read_modify_writes;
    }
    let messages = load.messages as f64 * load.connections as f64;
    let mut places: Vec<_> = places.into_iter().map(|(key, sum)| (key, sum as f64)).collect();
    places.sort_by(|(_, one), (_, other)| other.total_cmp(one));

    let mut text =
        String::from("| place | lines of | lines | for a message |\n|---|---|---:|---:|\n");
    for ((class, place), sum) in places.iter().filter(|(_, sum)| sum * RARE >= messages) {
        let (name, lines, each) = (class.name(), lines[place].len(), sum / messages);
        let _ = writeln!(text, "| {place} | {name} | {lines} | {each:.3} |");
    }
    let threads = writes.iter().map(|one| one.thread).collect::<BTreeSet<_>>().len();
    let _ = writeln!(
        text,
        "\nread-modify-writes for a message on shared lines: {:.2} of the port, {:.2} of one connection; \
         on lines of one thread: {:.2}; {messages} messages, {} connections, {threads} threads wrote",
        classes[&Class::SharedOfPort] as f64 / messages,
        classes[&Class::SharedOfConnection] as f64 / messages,
        classes[&Class::OfOneThread] as f64 / messages,
        load.connections,
    );
    text
}

fn place(one: &Writes) -> String {
    let file = one.place.file();
    let file = file.rsplit_once("src/").map_or(file, |(_, inside)| inside);
    format!("{file}:{}", one.place.line())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::Location;

    #[track_caller]
    fn written(line: usize, thread: usize, read_modify_writes: u64, stores: u64) -> Writes {
        Writes { line, place: Location::caller(), thread, read_modify_writes, stores }
    }

    #[test]
    fn lines_are_told_apart_by_who_writes_them_and_how_far_they_are_spread() {
        let mut writes = Vec::new();
        // One lock of the port, by two threads; one of each connection, by two; one of each thread;
        // one that a second thread only stores to.
        for thread in 0..2 {
            writes.push(written(1, thread, 100, 0));
            writes.extend((10..50).map(|line| written(line, thread, 2, 0)));
            writes.push(written(60 + thread, thread, 25, 0));
            let rmw = if thread == 0 { 10 } else { 0 };
            writes.push(written(70, thread, rmw, 1));
        }
        let text = tell(&writes, Load { connections: 40, messages: 5 });
        let said = "shared lines: 1.05 of the port, 0.80 of one connection; on lines of one thread: 0.25; \
                    200 messages";
        assert!(text.contains(said), "{text}");
    }

    #[test]
    fn a_load_is_read_as_it_is_written() {
        assert_eq!("128x2000".parse(), Ok(Load { connections: 128, messages: 2_000 }));
        for wrong in ["128", "0x1", "1x0", "x", "1x2x3"] {
            assert!(wrong.parse::<Load>().is_err(), "{wrong}");
        }
    }
}
