//! The tool as its users meet it: the real program, its output, its exit codes.
//!
//! `process` starts the program and reads what it says; `system` is how it is interrupted, and what it
//! advises, on each system; `schema` checks JSON against the files in the schema folder. `on_linux` and
//! `on_windows` hold what one system alone has, the other files the tests of one command each.

mod bad_input;
mod client;
mod compare;
mod compare_servers;
mod copy;
#[cfg(target_os = "linux")]
mod copy_beside_others;
#[cfg(target_os = "linux")]
mod copy_elsewhere;
#[cfg(target_os = "linux")]
mod copy_on_linux;
mod doctor;
#[cfg(target_os = "linux")]
mod ending;
mod files;
#[cfg(target_os = "linux")]
mod held;
mod help;
mod json;
mod merge;
mod observing;
#[cfg(target_os = "linux")]
mod on_linux;
#[cfg(windows)]
mod on_windows;
#[cfg(target_os = "linux")]
mod printing;
mod process;
mod schema;
mod serve;
#[cfg(target_os = "linux")]
mod started_oddly;
mod stress;
mod system;
mod telling;
mod tls;
mod top;
mod transfer;
#[cfg(target_os = "linux")]
mod upgrade;
