//! Linux: figures from /proc, limits from the kernel.

pub(crate) mod errors;
pub(crate) mod limits;
pub(crate) mod machine;
pub(crate) mod process;
pub(crate) mod source;
