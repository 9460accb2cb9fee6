//! What a port does differently on each system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;
