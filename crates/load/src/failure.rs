//! What can go wrong with a connection, by kind, so that the kinds are counted apart.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use crate::platform::errors;

/// The kinds of failure of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Nobody listens there.
    Refused,
    /// The other side ended the connection with a reset.
    Reset,
    /// Connecting or an echo took longer than the time allowed.
    TimedOut,
    /// The kernel had no memory for buffers.
    NoBuffers,
    /// No local port was left.
    NoPorts,
    /// The process may not open another descriptor.
    NoDescriptors,
    /// The echo was not what was sent.
    WrongBytes,
    /// The server closed in good order before the echo was complete.
    ClosedEarly,
    /// There is no way to the target.
    Unreachable,
    /// The run was ended before the connection had kept its schedule.
    Interrupted,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// The kind that an error of the system belongs to.
    pub fn of(error: &io::Error) -> Self {
        error.raw_os_error().map_or(Self::Other, errors::kind_of)
    }

    /// The kind in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::TimedOut => "timed out",
            Self::NoBuffers => "no buffers",
            Self::NoPorts => "no local port left",
            Self::NoDescriptors => "no descriptor left",
            Self::WrongBytes => "wrong bytes",
            Self::ClosedEarly => "closed early",
            Self::Unreachable => "unreachable",
            Self::Interrupted => "interrupted",
            Self::Other => "other",
        }
    }
}

/// How many connections failed, by kind, and one example of a text for the kind `Other`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// Connections by kind; kinds that did not occur are left out.
    pub by_kind: BTreeMap<FailureKind, u64>,
    /// The system's words for the first failure of kind `Other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

impl Failures {
    /// Counts one failure.
    pub fn count(&mut self, kind: FailureKind) {
        *self.by_kind.entry(kind).or_default() += 1;
    }

    /// Counts one failure by the system's error.
    pub fn count_error(&mut self, error: &io::Error) {
        let kind = FailureKind::of(error);
        if kind == FailureKind::Other && self.example.is_none() {
            self.example = Some(error.to_string());
        }
        self.count(kind);
    }

    /// All failures together.
    pub fn total(&self) -> u64 {
        self.by_kind.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Adds the failures of another process or thread.
    pub fn merge(&mut self, other: &Self) {
        for (&kind, &count) in &other.by_kind {
            let sum = self.by_kind.entry(kind).or_default();
            *sum = sum.saturating_add(count);
        }
        if self.example.is_none() {
            self.example.clone_from(&other.example);
        }
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.by_kind.is_empty() {
            return formatter.write_str("none");
        }
        for (index, (kind, count)) in self.by_kind.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(formatter, "{separator}{} {count}", kind.words())?;
        }
        match &self.example {
            Some(example) => write!(formatter, " ({example})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_find_their_kind() {
        for (code, kind) in errors::EXAMPLES {
            assert_eq!(FailureKind::of(&io::Error::from_raw_os_error(code)), kind, "{code}");
        }
    }

    #[test]
    fn failures_add_up_and_survive_json() {
        let mut failures = Failures::default();
        failures.count(FailureKind::Refused);
        let (other, _) = errors::EXAMPLES[errors::EXAMPLES.len() - 1];
        let error = io::Error::from_raw_os_error(other);
        failures.count_error(&error);
        let text = serde_json::to_string(&failures).expect("json");
        let mut other: Failures = serde_json::from_str(&text).expect("the same failures");
        assert_eq!(other, failures);
        other.merge(&failures);
        assert_eq!(other.total(), 4);
        assert_eq!(other.to_string(), format!("refused 2, other 2 ({error})"));
    }
}
