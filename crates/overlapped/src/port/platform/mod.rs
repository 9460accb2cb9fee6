//! What a port does differently on each system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(all(target_os = "linux", feature = "signals"))]
mod linux_signals;
#[cfg(target_os = "linux")]
mod linux_unix;
#[cfg(windows)]
mod windows;
#[cfg(all(windows, feature = "signals"))]
mod windows_signals;
