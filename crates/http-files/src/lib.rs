//! A static file server for HTTP/1.1 on the completion port.
//!
//! It serves one folder by `GET`, `HEAD` and `OPTIONS`: whole files, single ranges and conditional requests,
//! over connections that are kept alive, with requests answered in the order in which they came.
//! Bodies go out by [`transmit_file`](overlapped::TcpStream::transmit_file) and never pass through
//! the program's memory.
//!
//! ```
//! use overlapped_http_files::{Server, Settings};
//! use std::io::{Read, Write};
//!
//! let folder = std::env::temp_dir().join("overlapped-http-files-example");
//! std::fs::create_dir_all(&folder)?;
//! std::fs::write(folder.join("hello.txt"), "hello")?;
//!
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = Server::start(listener, &folder, &Settings::default())?;
//!
//! let mut client = std::net::TcpStream::connect(address)?;
//! client.write_all(b"GET /hello.txt HTTP/1.0\r\n\r\n")?;
//! let mut response = String::new();
//! client.read_to_string(&mut response)?;
//! assert!(response.starts_with("HTTP/1.1 200 OK\r\n"));
//! assert!(response.ends_with("\r\n\r\nhello"));
//!
//! server.stop(std::time::Duration::from_secs(5));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How it is made
//!
//! The text of a request is read by `request`, with `body` for what follows its head, `authority`
//! for the host and `date` for dates; its path by `target`, its conditions by `conditional` against
//! a `version` of the file; `folder` opens what a path names and never leaves the folder, and `cache` keeps it
//! open for a moment. `worker` takes packets and turns each into the next operation of its
//! connection, with `answer` deciding what a request gets; `connection` is what is kept meanwhile,
//! `deadline` ends what takes too long, and `server` starts and stops it all; `counters` and
//! `access_log` note what was done. The list of connections, the threads and their end are those of
//! `overlapped-serving`, as every server on one port has them.
//!
//! # On another server
//!
//! With the feature `responder` there is a `Responder`, which gives the same answers to requests that a server of
//! another library has read, such as hyper over TLS.

mod access_log;
mod answer;
mod authority;
mod body;
mod cache;
mod conditional;
mod connection;
mod counters;
mod date;
mod deadline;
mod folder;
mod listing;
mod request;
#[cfg(feature = "responder")]
mod responder;
mod response;
mod server;
mod settings;
mod target;
mod version;
mod worker;

pub use access_log::{AccessLog, LogTrouble};
pub use counters::Status;
pub use overlapped_serving::{Errors, Threads};
#[cfg(feature = "responder")]
pub use responder::{Body, Responder};
pub use server::{Server, Stopped};
pub use settings::{Settings, TimeLimits};
