//! Windows: by the end of standard input, since no program can send another a Ctrl-C of its own.

/// What to start the tool with so that it can be interrupted.
pub const INTERRUPTIBLE: &[&str] = &["--until-input-ends"];

/// There are no signals that a program could be started to ignore.
pub fn start_as_usual() {}

/// Whoever waits for the tool closes its input first, and that is what ends it.
pub fn interrupt(_process_id: u32) {}

/// The driver that sockets have, and what else `doctor` looks at here.
pub const DRIVER: &str = "iocp";
pub const LOOKS: &[&str] = &[];

/// What the tool advises: too few handles for a server, for a load, for a comparison; too few local
/// ports.
pub const FOR_SERVER: &[&str] = &["give fewer", "one process"];
pub const FOR_LOAD: &[&str] = &["--processes"];
pub const FOR_COMPARISON: &[&str] = &["--counts"];
pub const FOR_PORTS: &[&str] = &["dynamicport", "127.0.0.0/8"];

/// How long the longest file is that the process has open and that has no name; there are none.
pub fn unnamed_bytes(_process_id: u32) -> u64 {
    0
}
