//! What a server shows of itself while it runs.
//!
//! - [`view`] is everything at one moment, as numbers and words that travel as JSON. `of_pool` makes the part of it that is
//!   about a port and its threads, and `verdict` the sentence that says what is wrong, from what was seen lately.
//! - [`between`] is what happened between two views, and [`words`] are figures in words. Who shows views uses both.
//! - [`prometheus`] is a view as text for Prometheus.
//! - [`recording`] is each move of a port's threads and packets during a short time. `page.html` shows both.
//! - [`http`] shows it all on addresses of its own. It calls the others; they do not know it.
#![forbid(unsafe_code)]

pub mod between;
pub mod http;
mod of_pool;
pub mod prometheus;
pub mod recording;
mod verdict;
pub mod view;
pub mod words;

pub use http::{Observer, Pages, Source};
pub use recording::Recording;
pub use verdict::Judge;
pub use view::View;
