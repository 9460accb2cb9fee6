//! How the operations meet a kernel that carries them itself, where there is one.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod linux_unix;
#[cfg(target_os = "linux")]
mod linux_unix_datagrams;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(super) use linux::{
    AcceptRoom, Joined, KindInKernel, MessageRoom, SenderRoom, TransmitRoom, WaitingSend,
};
#[cfg(windows)]
pub(super) use windows::{
    AcceptRoom, Joined, KindInKernel, MessageRoom, SenderRoom, TransmitRoom, WaitingSend,
};
