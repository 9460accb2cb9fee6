//! The calls of the operating system, and nothing else: what lies here knows none of the models. The
//! only `unsafe` code is here.

pub(crate) mod code;
mod family;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

pub(crate) use family::Family;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(windows)]
pub(crate) use windows::*;
