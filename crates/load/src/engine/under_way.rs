//! The messages of one connection that are under way. An idle connection has none of this: of many
//! connections nearly all are idle, and each of their bytes counts.

use std::collections::VecDeque;
use std::time::Instant;

use crate::pattern::Verifier;

/// What is known of messages that are under way.
pub(super) struct UnderWay {
    /// When each was to be sent, the oldest first.
    pub(super) intended: VecDeque<Instant>,
    /// Of the oldest.
    pub(super) verifier: Option<Verifier>,
}

impl UnderWay {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self { intended: VecDeque::with_capacity(1), verifier: None })
    }
}
