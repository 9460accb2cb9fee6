//! The tables, and the JSON document.

use std::fs;
use std::path::Path;

use anyhow::Context;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::metric::Metric;
use super::statistics::{REFERENCE, Summary, counted, ratio, summary};
use super::{LeftOut, Measured, Options};

/// What the figures depend on.
#[derive(Serialize)]
struct Machine {
    kernel: String,
    processor: String,
    processors: usize,
    congestion_control: String,
    load_average: String,
}

impl Machine {
    fn read() -> Self {
        let line = |path| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let processors = line("/proc/cpuinfo");
        let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
        Self {
            kernel: line("/proc/sys/kernel/osrelease"),
            processor: model.unwrap_or("unknown").trim_start_matches(['\t', ' ', ':']).to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            congestion_control: line("/proc/sys/net/ipv4/tcp_congestion_control"),
            load_average: line("/proc/loadavg"),
        }
    }
}

/// Says what the figures depend on.
pub fn print_machine() {
    let Machine { kernel, processor, processors, congestion_control, load_average } =
        Machine::read();
    println!(
        "{processors} x {processor}, Linux {kernel}, TCP congestion control {congestion_control}"
    );
    println!("load average at the start: {load_average}");
}

/// Prints the table of a case and whether its goal is met.
pub fn print_case(options: &Options, measured: &Measured) {
    let Measured { case, runs } = measured;
    let metrics = case.suite.metrics();
    let (first, others) = (metrics[0], &metrics[1..]);
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    let mut header = vec![
        "server".to_owned(),
        first.title().into(),
        "min..max".into(),
        format!("x {REFERENCE}"),
    ];
    header.push("min..max".into());
    header.extend(others.iter().map(|metric| metric.title().to_owned()));
    header.push("runs".into());
    let columns = header.len();
    table.set_header(header);
    for server in &options.servers {
        let name = &server.name;
        let mut row = vec![name.clone()];
        row.extend(with_spread(summary(runs, name, first), |value| first.show(value)));
        row.extend(with_spread(ratio(runs, name, first), |value| format!("{value:.3}")));
        row.extend(others.iter().map(|&metric| median(measured, name, metric)));
        row.push(count(measured, name));
        table.add_row(row);
    }
    for index in 1..columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("\n{}\n{table}", case.title());
    for server in options.servers.iter().filter(|server| server.name.starts_with("overlapped")) {
        let metric = case.goal.metric();
        let value = summary(runs, &server.name, metric).map(|summary| summary.median);
        let ratio = ratio(runs, &server.name, metric).map(|summary| summary.median);
        if let Some(verdict) = case.goal.verdict(value, ratio) {
            println!("{}: {verdict}", server.name);
        }
    }
}

fn with_spread(summary: Option<Summary>, show: impl Fn(f64) -> String) -> [String; 2] {
    match summary {
        Some(Summary { median, min, max }) => {
            [show(median), format!("{}..{}", show(min), show(max))]
        }
        None => ["-".into(), "-".into()],
    }
}

fn median(measured: &Measured, server: &str, metric: Metric) -> String {
    let summary = summary(&measured.runs, server, metric);
    summary.map_or("-".into(), |summary| metric.show(summary.median))
}

/// How many runs the figures rest on, and why the others do not count.
fn count(measured: &Measured, server: &str) -> String {
    let runs = || measured.runs.iter().filter(|run| run.server == server);
    let failed = runs().filter(|run| run.failure.is_some()).count();
    let left_out = |reason| runs().filter(|run| run.left_out == Some(reason)).count();
    let (lagged, disturbed) = (left_out(LeftOut::Lagged), left_out(LeftOut::Disturbed));
    let mut text = counted(&measured.runs, server).len().to_string();
    if lagged > 0 {
        text += &format!(", {lagged} lagged");
    }
    if disturbed > 0 {
        text += &format!(", {disturbed} disturbed");
    }
    if failed > 0 {
        text += &format!(", {failed} failed");
    }
    text
}

/// Writes everything to a file.
pub fn write_json(options: &Options, measured: &[Measured], path: &Path) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Figure {
        case: String,
        server: String,
        metric: Metric,
        over_rounds: Option<Summary>,
        to_reference: Option<Summary>,
    }
    #[derive(Serialize)]
    struct Document<'a> {
        machine: Machine,
        reference: &'a str,
        rounds: usize,
        seconds: f64,
        warm_up: f64,
        figures: Vec<Figure>,
        cases: &'a [Measured],
    }
    let mut figures = Vec::new();
    for Measured { case, runs } in measured {
        for server in options.servers.iter().map(|server| &server.name) {
            figures.extend(case.suite.metrics().iter().map(|&metric| Figure {
                case: case.title(),
                server: server.clone(),
                metric,
                over_rounds: summary(runs, server, metric),
                to_reference: ratio(runs, server, metric),
            }));
        }
    }
    let document = Document {
        machine: Machine::read(),
        reference: REFERENCE,
        rounds: options.rounds.get(),
        seconds: options.seconds,
        warm_up: options.warm_up,
        figures,
        cases: measured,
    };
    let text = serde_json::to_string_pretty(&document)?;
    fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}
