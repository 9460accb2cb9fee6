//! What a server shows of itself while it runs.
//!
//! - [`view`] is everything at one moment, as numbers and words that travel as JSON. `of_pool` makes the part of it that is
//!   about a port and its threads.
//! - [`prometheus`] is a view as text for Prometheus.
//! - [`http`] shows it all on addresses of its own. It calls the others; they do not know it.
#![forbid(unsafe_code)]

pub mod http;
mod of_pool;
pub mod prometheus;
pub mod view;

pub use http::{Observer, Pages, Source};
pub use view::View;
