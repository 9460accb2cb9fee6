//! What a fuzzer calls: one function for each target, which takes any bytes and panics at what must not be.
//!
//! `fuzz_targets` hands them to libFuzzer, `tests/replay.rs` to an ordinary test. Both find the targets by name in
//! [`TARGETS`].

pub mod documents;
pub mod framers;
pub mod http_path;
pub mod port_script;
pub mod tls_and_async;
pub mod transfer_client;
pub mod transfer_server;

mod folders;
mod hostile;

/// A target: its name, and what takes the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, in the order in which `scripts/fuzz` runs them.
pub const TARGETS: &[Target] = &[
    ("port_script", port_script::run),
    ("http_path", http_path::run),
    ("transfer_server", transfer_server::run),
    ("transfer_client", transfer_client::run),
    ("documents", documents::run),
    ("framers", framers::run),
    ("tls_and_async", tls_and_async::run),
];
