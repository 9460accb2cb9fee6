//! Which locks there are: the standard library's, or those of loom.

#[cfg(loom)]
mod loom;
#[cfg(not(loom))]
mod standard;

#[cfg(loom)]
pub(super) use self::loom::{imp, wait_timeout};
#[cfg(not(loom))]
pub(super) use standard::{imp, wait_timeout};
