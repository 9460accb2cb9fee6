//! Copies files by one completion port.
//!
//! A fixed number of *slots* takes turns: a slot claims the next block, reads it, writes it to the
//! same place in the target when the packet of the read comes, and claims the next one when the
//! packet of the write comes. So there are never more operations in flight than slots, blocks
//! complete in any order, and nothing waits for anything but its own block. A slot that finds no
//! block left opens the next file, so that many small files are in flight as well.
//!
//! - [`plan`](Plan) looks at the sources and says what is to be made where.
//! - [`settings`](Settings) is how it shall be done.
//! - `engine` owns the port, its threads and the slots. It is the only one who takes packets.
//! - `transfer` is one file on its way: its blocks, its phases, its end.
//! - [`unfinished`] is the file that becomes the target at the end, what is known of its contents when a later
//!   run goes on from it, and what former runs have left: the one place that makes and removes such files.
//! - `folder` is an open folder, relative to which everything is opened, made, renamed and removed.
//! - `inability` is what the target's file system cannot do, which is told and costs nothing else.
//! - `platform` is what differs between systems about an open file.
//!
//! ```
//! use overlapped_copy::{Plan, Settings, copy};
//! # let folder = std::env::temp_dir().join("overlapped-copy-example");
//! # std::fs::create_dir_all(&folder)?;
//! let (source, target) = (folder.join("source"), folder.join("target"));
//! std::fs::write(&source, "contents")?;
//! let plan = Plan::new(&[source], &target, false)?;
//! let summary = copy(&plan, &Settings::default(), &())?;
//! assert!(summary.failures.is_empty() && summary.peak_in_flight <= 4);
//! assert_eq!(std::fs::read(&target)?, b"contents");
//! # drop(plan);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod engine;
mod folder;
mod inability;
mod plan;
mod platform;
mod reserved;
mod runs;
mod settings;
mod summary;
#[cfg(test)]
mod tests;
mod transfer;
pub mod unfinished;

pub use engine::{Stop, copy, copy_until};
pub use inability::{Inability, Warning};
pub use plan::Plan;
pub use reserved::reserved_on_windows;
pub use settings::{Settings, Sync, Unbuffered};
pub use summary::{Failure, Summary};

/// What somebody who looks on is told while files are copied, from any of the threads that do it.
pub trait Watch: std::marker::Sync {
    /// So many more bytes of the sources are done, in as many more files.
    fn advanced(&self, bytes: u64, files: u64) {
        let _ = (bytes, files);
    }

    /// Something could not be copied; the rest goes on.
    fn failed(&self, failure: &Failure) {
        let _ = failure;
    }
}

/// Nobody looks on.
impl Watch for () {}
