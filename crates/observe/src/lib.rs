//! What a server shows of itself while it runs.
//!
//! - [`view`] is everything at one moment, as numbers and words that travel as JSON. It knows nobody.
#![forbid(unsafe_code)]

pub mod view;

pub use view::View;
