//! What differs by system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;
