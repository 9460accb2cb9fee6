//! One file from one machine to another, both ends on a completion port.
//!
//! A [`Sender`] has one file for whoever connects. It answers each request by one
//! [`transmit_file`](overlapped::TcpStream::transmit_file): the head (name, length, time of change,
//! checksum) in front, the file behind it, and the end of the connection after the last byte. [`fetch`]
//! asks for it, receives and writes with several operations in flight, and gives the file its name when
//! it is whole.
//!
//! ```
//! use overlapped_file_transfer::{FetchSettings, SendSettings, Sender, Stop, fetch};
//! use std::time::Duration;
//!
//! # let folder = std::env::temp_dir().join("overlapped-file-transfer-example");
//! # let _ = std::fs::remove_dir_all(&folder);
//! # std::fs::create_dir_all(&folder)?;
//! let (source, target) = (folder.join("source"), folder.join("target"));
//! std::fs::write(&source, "contents")?;
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let sender = Sender::start(listener, &source, &SendSettings::default(), ())?;
//!
//! let settings = FetchSettings { verify: true, ..FetchSettings::default() };
//! let fetched = fetch(address, Some(&target), &settings, &(), &Stop::default())?;
//! assert_eq!((fetched.bytes, fetched.path), (8, target.clone()));
//! assert_eq!(std::fs::read(&target)?, b"contents");
//!
//! assert_eq!(sender.stop(Duration::from_secs(5)).status.deliveries, 1);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - `wire` is what travels, `name` which names are taken.
//! - `sender` serves: `sender::worker` turns packets into the next operation of a connection.
//! - `fetcher` asks: `conversation` up to the head, `body` the file itself, `reading` what was written
//!   before or is verified, `target` where it goes.
//!
//! Neither side is encrypted or asks who the other is.

mod fetcher;
mod name;
mod rate;
mod sender;
mod wire;

pub use fetcher::failure::{Failure, Kind};
pub use fetcher::fetch;
pub use fetcher::settings::{FetchSettings, Fetched, Stage, Watch};
pub use name::shows_as_itself;
pub use overlapped_copy::{Stop, Sync};
pub use sender::settings::{Ended, Outcome, SendErrors, SendSettings, SendStatus, SendWatch};
pub use sender::{Sender, Stopped};
