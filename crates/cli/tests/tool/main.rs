//! The tool as its users meet it: the real program, its output, its exit codes.
//!
//! `process` starts the program and reads what it says; `schema` checks JSON against the files in
//! the schema folder. The other files hold the tests of one command each.

mod bad_input;
mod client;
mod compare;
mod doctor;
mod help;
mod process;
mod schema;
mod serve;
mod stress;
