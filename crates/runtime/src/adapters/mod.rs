//! The traits of other crates for our streams and runtime: those of futures-io, and others each with a
//! feature.

mod futures_io;
#[cfg(feature = "hyper")]
pub(crate) mod hyper;
#[cfg(feature = "tokio-io")]
mod tokio_io;
