//! What is taken out of a run's outcome, how it is shown, and what Overlapped is held to.

use serde::Serialize;

use crate::load::outcome::Outcome;

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Processor time of the server for a message, in microseconds.
    CpuPerMessage,
    /// Context switches of the server for a message.
    SwitchesPerMessage,
    /// Messages in a second.
    MessagesPerSecond,
    /// Processor time of the server as a share of the time, in percent.
    ServerBusy,
    /// The same of the generator.
    GeneratorBusy,
    /// Latency of the light connections, in microseconds.
    P50,
    /// The same.
    P99,
    /// The same.
    P999,
    /// Messages of the hot connections in a second.
    HotPerSecond,
    /// Latency of the hot connections, in microseconds.
    HotP50,
    /// How late the generator sent, in microseconds.
    LagP99,
    /// Resident memory for an idle connection, in bytes.
    BytesPerConnection,
    /// Processor time that somebody else used, in percent of one processor.
    Disturbance,
}

impl Metric {
    /// Title of the column.
    pub fn title(self) -> &'static str {
        match self {
            Self::CpuPerMessage => "CPU us/message",
            Self::SwitchesPerMessage => "switches/message",
            Self::MessagesPerSecond => "messages/s",
            Self::ServerBusy => "server %",
            Self::GeneratorBusy => "generator %",
            Self::P50 => "p50 us",
            Self::P99 => "p99 us",
            Self::P999 => "p99.9 us",
            Self::HotPerSecond => "hot messages/s",
            Self::HotP50 => "hot p50 us",
            Self::LagP99 => "lag p99 us",
            Self::BytesPerConnection => "bytes/connection",
            Self::Disturbance => "others %",
        }
    }

    /// The figure, if the run has it.
    pub fn of(self, outcome: &Outcome) -> Option<f64> {
        let (server, messages) = (outcome.server.as_ref(), outcome.messages as f64);
        match self {
            Self::CpuPerMessage => Some(server?.cpu_us / messages),
            Self::SwitchesPerMessage => {
                let server = server?;
                Some((server.voluntary_switches + server.involuntary_switches) as f64 / messages)
            }
            Self::MessagesPerSecond => Some(messages / outcome.seconds),
            Self::ServerBusy => Some(server?.cpu_us / 1e4 / outcome.seconds),
            Self::GeneratorBusy => Some(outcome.generator_share * 100.0),
            Self::P50 => Some(outcome.latency?.p50_us),
            Self::P99 => Some(outcome.latency?.p99_us),
            Self::P999 => Some(outcome.latency?.p99_9_us),
            Self::HotPerSecond => Some(outcome.hot?.count as f64 / outcome.seconds),
            Self::HotP50 => Some(outcome.hot?.p50_us),
            Self::LagP99 => Some(outcome.lag?.p99_us),
            Self::BytesPerConnection => Some(outcome.memory?.bytes_per_connection),
            Self::Disturbance => Some(outcome.disturbance * 100.0),
        }
    }

    /// The figure as it is shown.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::CpuPerMessage | Self::SwitchesPerMessage => format!("{value:.3}"),
            Self::P50 | Self::P99 | Self::P999 | Self::HotP50 | Self::LagP99 if value < 100.0 => {
                format!("{value:.1}")
            }
            _ => format!("{value:.0}"),
        }
    }
}

/// What Overlapped is held to in a case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The figure is at most so many times tokio's.
    Ratio {
        /// Which figure.
        metric: Metric,
        /// How many times.
        at_most: f64,
    },
    /// The figure itself is at most this.
    Value {
        /// Which figure.
        metric: Metric,
        /// The bound.
        at_most: f64,
    },
}

impl Goal {
    /// Which figure the goal is about.
    pub fn metric(self) -> Metric {
        match self {
            Self::Ratio { metric, .. } | Self::Value { metric, .. } => metric,
        }
    }

    /// One line that says whether `value`, or `ratio` to tokio, meets the goal; none when the
    /// figure is missing.
    pub fn verdict(self, value: Option<f64>, ratio: Option<f64>) -> Option<String> {
        let title = self.metric().title();
        let (reached, at_most, unit) = match self {
            Self::Ratio { at_most, .. } => (ratio?, at_most, " x tokio"),
            Self::Value { at_most, .. } => (value?, at_most, ""),
        };
        let verdict = if reached <= at_most { "met" } else { "MISSED" };
        let shown = if unit.is_empty() { format!("{reached:.0}") } else { format!("{reached:.2}") };
        Some(format!("{title}: {shown}{unit}, goal at most {at_most}{unit}: {verdict}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Spent;

    #[test]
    fn figures_are_per_message() {
        let spent = Spent {
            cpu_us: 500.0,
            voluntary_switches: 30,
            involuntary_switches: 20,
            ..Spent::default()
        };
        let outcome =
            Outcome { messages: 100, seconds: 2.0, server: Some(spent), ..Outcome::default() };
        assert_eq!(Metric::CpuPerMessage.of(&outcome), Some(5.0));
        assert_eq!(Metric::SwitchesPerMessage.of(&outcome), Some(0.5));
        assert_eq!(Metric::MessagesPerSecond.of(&outcome), Some(50.0));
        assert_eq!(Metric::P99.of(&outcome), None);
    }

    #[test]
    fn a_goal_is_met_at_its_bound() {
        let goal = Goal::Ratio { metric: Metric::CpuPerMessage, at_most: 1.05 };
        assert!(goal.verdict(Some(9.0), Some(1.05)).is_some_and(|line| line.ends_with(": met")));
        assert!(goal.verdict(Some(9.0), Some(1.06)).is_some_and(|line| line.ends_with("MISSED")));
        assert_eq!(goal.verdict(Some(9.0), None), None);
        let goal = Goal::Value { metric: Metric::BytesPerConnection, at_most: 400.0 };
        assert!(goal.verdict(Some(401.0), None).is_some_and(|line| line.ends_with("MISSED")));
    }
}
