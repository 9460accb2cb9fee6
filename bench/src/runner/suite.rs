//! What is compared: the suites and their cases.

use serde::Serialize;

use super::Options;
use super::metric::{Goal, Metric};

/// A group of cases that ask one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// Processor time per message: ping-pong, server on one processor.
    Ping,
    /// Latency of light connections beside handlers that block, two threads.
    Sleepers,
    /// Latency of light connections beside handlers that compute, two threads.
    Busy,
    /// Memory of an idle connection.
    Idle,
}

/// One row of a suite: a server's arguments and what is asked of it.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// The suite.
    pub suite: Suite,
    /// What is special about this case.
    pub name: String,
    /// Processors of the server.
    pub server_cpus: Vec<usize>,
    /// Arguments of the server.
    pub server_arguments: Vec<String>,
    /// Mode of the load generator.
    pub load_mode: String,
    /// Its arguments.
    pub load_arguments: Vec<String>,
    /// What Overlapped is held to.
    pub goal: Goal,
}

impl Suite {
    /// What the suite's tables show; the first is the one that counts.
    pub fn metrics(self) -> &'static [Metric] {
        use Metric::*;
        match self {
            Self::Ping => &[
                CpuPerMessage,
                SwitchesPerMessage,
                MessagesPerSecond,
                ServerBusy,
                GeneratorBusy,
                P50,
                P99,
                P999,
                Disturbance,
            ],
            Self::Sleepers | Self::Busy => &[
                P99,
                P50,
                P999,
                HotPerSecond,
                HotP50,
                CpuPerMessage,
                SwitchesPerMessage,
                LagP99,
                Disturbance,
            ],
            Self::Idle => &[BytesPerConnection],
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Sleepers => "sleepers",
            Self::Busy => "busy",
            Self::Idle => "idle",
        }
    }
}

impl Case {
    /// Suite and name.
    pub fn title(&self) -> String {
        format!("{}: {}", self.suite.title(), self.name)
    }
}

/// The cases of the chosen suites.
pub fn cases(options: &Options) -> Vec<Case> {
    let all = [Suite::Ping, Suite::Sleepers, Suite::Busy, Suite::Idle];
    let chosen = if options.suites.is_empty() { &all[..] } else { &options.suites };
    let mut cases = Vec::new();
    for &suite in chosen {
        match suite {
            Suite::Ping => cases.extend([
                ping(options, 128, 64, 1),
                ping(options, 1024, 64, 1),
                ping(options, 128, 512, 16),
            ]),
            Suite::Sleepers => cases.extend((1..=2).map(|hot| sleepers(options, hot))),
            Suite::Busy => cases.extend((1..=4).map(|hot| busy(options, hot))),
            Suite::Idle => cases.push(idle(options)),
        }
    }
    cases
}

fn ping(options: &Options, connections: usize, size: usize, depth: usize) -> Case {
    let name = match depth {
        1 => format!("{connections} connections, {size} bytes"),
        _ => format!("{connections} connections, {size} bytes, {depth} deep"),
    };
    Case {
        suite: Suite::Ping,
        name,
        server_cpus: cpus(options, &[0]),
        server_arguments: words(format!("--threads 1 --msg-size {size}")),
        load_mode: "ping".into(),
        load_arguments: words(format!(
            "--connections {connections} --msg-size {size} --depth {depth} {}",
            time(options)
        )),
        goal: Goal::Ratio { metric: Metric::CpuPerMessage, at_most: 1.05 },
    }
}

fn sleepers(options: &Options, hot: usize) -> Case {
    Case {
        suite: Suite::Sleepers,
        name: format!("{hot} hot, 5 ms of sleep each"),
        server_arguments: words("--threads 2 --sleep-us 5000".into()),
        goal: Goal::Ratio { metric: Metric::P99, at_most: 0.25 },
        ..beside(options, hot)
    }
}

fn busy(options: &Options, hot: usize) -> Case {
    Case {
        suite: Suite::Busy,
        name: format!("{hot} hot, 200 us of work each"),
        server_arguments: words("--threads 2 --work-us 200".into()),
        goal: Goal::Ratio { metric: Metric::P99, at_most: 1.0 },
        ..beside(options, hot)
    }
}

/// Light connections beside hot ones; two threads on two processors.
fn beside(options: &Options, hot: usize) -> Case {
    Case {
        suite: Suite::Sleepers,
        name: String::new(),
        server_cpus: cpus(options, &[0, 1]),
        server_arguments: Vec::new(),
        load_mode: "paced".into(),
        load_arguments: words(format!("--light 200 --rate 2000 --hot {hot} {}", time(options))),
        goal: Goal::Ratio { metric: Metric::P99, at_most: 1.0 },
    }
}

fn idle(options: &Options) -> Case {
    let connections = options.idle_connections;
    Case {
        suite: Suite::Idle,
        name: format!("{connections} connections"),
        server_cpus: cpus(options, &[0]),
        server_arguments: words("--threads 1".into()),
        load_mode: "idle".into(),
        load_arguments: words(format!("--connections {connections}")),
        goal: Goal::Value { metric: Metric::BytesPerConnection, at_most: 400.0 },
    }
}

fn time(options: &Options) -> String {
    format!("--warm-up {} --seconds {}", options.warm_up, options.seconds)
}

fn cpus(options: &Options, default: &[usize]) -> Vec<usize> {
    if options.server_cpus.is_empty() { default.to_vec() } else { options.server_cpus.clone() }
}

fn words(text: String) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
