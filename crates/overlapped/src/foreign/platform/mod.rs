//! What differs by system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod linux_directory;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
mod windows_directory;

#[cfg(target_os = "linux")]
pub(crate) use linux_directory::{Directories, DirectoryCore};
#[cfg(windows)]
pub(crate) use windows_directory::{Directories, DirectoryCore};
