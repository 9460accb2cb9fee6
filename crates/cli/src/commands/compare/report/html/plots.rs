//! What is plotted. A plot that would say nothing is left out: one without figures, and one whose figures
//! are the same for all.

use maud::Markup;

use super::super::super::document::{Document, Measurement, PaceName, Row};
use super::bars::{self, Bar};
use super::lines::{self, Across, Line};
use super::scale::Spread;
use super::spans::{self, Span};
use crate::words::{grouped, size};

/// The model that is drawn heavier than the others.
const HEAVY: &str = "completion-port";

/// Rows with fewer of their connections established are not drawn.
const REACHED: f64 = 0.99;

/// Figures of which the greatest is so many times the least are shown on a logarithmic axis.
const FAR: f64 = 5.0;

/// Plots with a common heading.
pub struct Section {
    pub title: String,
    pub text: String,
    pub plots: Vec<Plot>,
}

/// One plot.
pub struct Plot {
    pub title: String,
    pub unit: String,
    pub picture: Markup,
}

/// The parts of a bar, and what stands at its end.
type Parts = ([f64; 2], String);

/// All plots of the report.
pub fn sections(document: &Document) -> Vec<Section> {
    let sections = [work(document), latencies(document), holdings(document)];
    sections.into_iter().filter(|section| !section.plots.is_empty()).collect()
}

/// The number that gives a model its colour and mark: the first for the one that is drawn heavier.
fn number(document: &Document, model: &str) -> usize {
    if model == HEAVY {
        return 0;
    }
    let others = document.models.iter().filter(|it| it.name != HEAVY);
    1 + others.map(|it| it.name.as_str()).position(|name| name == model).unwrap_or(0)
}

/// The median of a row that reached its connections.
fn reached(row: &Row) -> Option<&Measurement> {
    let least = f64::from(row.connections) * REACHED;
    row.median.as_ref().filter(|median| median.established as f64 >= least)
}

/// A figure over the connections, or by model where there is one number of connections only.
fn by_connections(
    document: &Document,
    pace: PaceName,
    (title, unit): (&str, &str),
    figure: fn(&Measurement) -> Option<f64>,
    say: fn(f64) -> String,
) -> Option<Plot> {
    let mut lines: Vec<Line> = Vec::new();
    for it in &document.models {
        let rows = document.rows_at(pace, None);
        let points = rows
            .iter()
            .filter(|row| row.model == it.name)
            .filter_map(|row| Some((f64::from(row.connections), figure(reached(row)?)?)));
        let points = points.collect();
        let model = number(document, &it.name);
        lines.push(Line { model, name: it.name.clone(), heavy: it.name == HEAVY, points });
    }
    let over_counts = document.counts(pace).len() > 1;
    let spread = if over_counts { suitable_spread(&lines) } else { Spread::Even };
    let unit = match spread {
        Spread::Even => unit.to_owned(),
        Spread::Logarithmic => format!("{unit}, logarithmic"),
    };
    let alt = format!("{title}, {unit}, by number of connections and model");
    let picture = if over_counts {
        lines::plot(&lines, (Across::Connections, spread), &alt, say)
    } else {
        let bar = |line: &Line| {
            let value = line.points.first()?.1;
            Some(Bar {
                model: line.model,
                name: line.name.clone(),
                heavy: line.heavy,
                parts: [value, 0.0],
                said: say(value),
            })
        };
        bars::plot(lines.iter().filter_map(bar).collect(), &alt)
    };
    Some(Plot { title: title.to_owned(), unit, picture: picture? })
}

/// One model far from the others would press them together on an even axis.
fn suitable_spread(lines: &[Line]) -> Spread {
    let figures = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let (least, greatest) = (figures().fold(f64::MAX, f64::min), figures().fold(0.0, f64::max));
    if greatest > least * FAR { Spread::Logarithmic } else { Spread::Even }
}

fn work(document: &Document) -> Section {
    let mut plots = Vec::new();
    let cost = |it: &Measurement| it.processor_us_per_message;
    let say_cost = |value| format!("{value:.1} us");
    plots.extend(by_connections(
        document,
        PaceName::ClosedLoop,
        ("Throughput", "messages/s, closed loop"),
        |it| Some(it.messages_per_second),
        |value| format!("{} messages/s", grouped(value.round() as u64)),
    ));
    plots.extend(by_connections(
        document,
        PaceName::ClosedLoop,
        ("Processor time of a message", "us, closed loop"),
        cost,
        say_cost,
    ));
    if let Some(rate) = document.rate_per_second {
        let unit = format!("us, at {} messages/s", grouped(rate.max(0.0).round() as u64));
        plots.extend(by_connections(
            document,
            PaceName::FixedRate,
            ("Processor time of a message", &unit),
            cost,
            say_cost,
        ));
    }
    Section {
        title: "What gets through, and what it costs".to_owned(),
        text:
            "Throughput is better higher, processor time lower. Processor time is the server's own."
                .to_owned(),
        plots,
    }
}

fn latencies(document: &Document) -> Section {
    // At the closed loop the latency is the time in the queue, which throughput shows as well.
    let fixed = !document.counts(PaceName::FixedRate).is_empty();
    let pace = if fixed { PaceName::FixedRate } else { PaceName::ClosedLoop };
    let medians: Vec<(&Row, f64, f64)> = document
        .rows_at(pace, None)
        .into_iter()
        .filter_map(|row| reached(row).and_then(|it| Some((row, it.p50_us?, it.p99_us?))))
        .collect();
    let all: Vec<f64> = medians.iter().flat_map(|(_, low, high)| [*low, *high]).collect();
    let mut plots = Vec::new();
    for connections in document.counts(pace) {
        let here = medians.iter().filter(|(row, _, _)| row.connections == connections);
        let spans = here.map(|&(row, low, high)| Span {
            model: number(document, &row.model),
            name: row.model.clone(),
            heavy: row.model == HEAVY,
            low,
            high,
        });
        let title = format!("{} connections", grouped(connections.into()));
        let alt = format!("Latency with {title}, p50 and p99 by model");
        if let Some(picture) = spans::plot(spans.collect(), &all, &alt) {
            plots.push(Plot { title, unit: "p50 to p99".to_owned(), picture });
        }
    }
    let text = match document.rate_per_second.filter(|_| fixed) {
        Some(rate) => format!(
            "At {} messages/s over all connections, from the intended time of sending to the last byte \
             of the echo. The scale is logarithmic and the same in all plots; lower is better.",
            grouped(rate.max(0.0).round() as u64)
        ),
        None => "In the closed loop, where it is mostly time in the queue. The scale is logarithmic and \
                 the same in all plots; lower is better."
            .to_owned(),
    };
    Section { title: "Latency".to_owned(), text, plots }
}

fn holdings(document: &Document) -> Section {
    let pace = document.paces().first().copied().unwrap_or(PaceName::ClosedLoop);
    let most = document
        .rows_at(pace, None)
        .into_iter()
        .filter(|row| reached(row).is_some())
        .map(|row| row.connections)
        .max();
    let Some(connections) = most.filter(|connections| *connections > 0) else {
        return Section { title: String::new(), text: String::new(), plots: Vec::new() };
    };
    let rows = document.rows_at(pace, Some(connections));
    let bars = |parts: &dyn Fn(&Measurement) -> Option<Parts>| -> Vec<Bar> {
        let bar = |row: &&Row| {
            let (parts, said) = parts(reached(row)?)?;
            let model = number(document, &row.model);
            Some(Bar { model, name: row.model.clone(), heavy: row.model == HEAVY, parts, said })
        };
        rows.iter().filter_map(bar).collect()
    };
    // Where the kernel's part is not known for all, it would make the others look small.
    let knows_kernel =
        rows.iter().filter_map(|row| reached(row)).all(|it| it.kernel_memory_kib.is_some());
    let memory = bars(&|it| {
        let each = |kib: u64| kib as f64 / f64::from(connections);
        let kernel = it.kernel_memory_kib.filter(|_| knows_kernel).map_or(0.0, each);
        let own = each(it.resident_kib?);
        Some(([own, kernel], size((own + kernel) * 1_024.0)))
    });
    let whose = if knows_kernel { "pale: in the kernel, both ends" } else { "the server's own" };
    let threads = bars(&|it| Some(([it.threads? as f64, 0.0], grouped(it.threads?))));
    let switches = bars(&|it| {
        let switches = it.context_switches_per_message?;
        Some(([switches, 0.0], format!("{switches:.2}")))
    });
    let at = format!("with {} connections", grouped(connections.into()));
    let mut plots = Vec::new();
    let mut add = |title: &str, unit: &str, bars: Vec<Bar>| {
        let differ = bars.iter().any(|bar| bar.said != bars[0].said);
        let picture = bars::plot(bars, &format!("{title}, {unit}, by model"));
        if let Some(picture) = picture.filter(|_| differ) {
            plots.push(Plot { title: title.to_owned(), unit: unit.to_owned(), picture });
        }
    };
    add("Memory of a connection", &format!("{at}; {whose}"), memory);
    add("Threads", &at, threads);
    add("Context switches of a message", &format!("{at}, {}", pace_word(pace)), switches);
    Section {
        title: "What it takes".to_owned(),
        text: format!(
            "{} Less is better.",
            if document.counts(pace).len() > 1 {
                "At the largest number of connections that a model reached."
            } else {
                "What the server holds while messages flow."
            }
        ),
        plots,
    }
}

fn pace_word(pace: PaceName) -> &'static str {
    match pace {
        PaceName::ClosedLoop => "closed loop",
        PaceName::FixedRate => "fixed rate",
        PaceName::Churn => "churn",
        PaceName::Skew => "skew",
        PaceName::Idle => "idle",
    }
}
