//! What a server shows of itself while it runs.
//!
//! - [`view`] is everything at one moment, as numbers and words that travel as JSON. It knows nobody.
//! - [`recording`] is each move of a port's threads and packets during a short time. `page.html` shows both.
#![forbid(unsafe_code)]

pub mod recording;
pub mod view;

pub use recording::Recording;
pub use view::View;
