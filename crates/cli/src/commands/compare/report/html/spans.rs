//! A line from one figure to a greater one for each model, on a logarithmic axis: p50 to p99.

use maud::{Markup, html};

use super::frame::{WIDTH, at, colour, mark};
use super::scale::{Scale, Spread, can_show};
use crate::words::latency;

const ROW: f64 = 24.0;
const TOP: f64 = 4.0;
const LEFT: f64 = 132.0;
const RIGHT: f64 = WIDTH - 66.0;

/// The two figures of a model, in microseconds.
pub struct Span {
    /// Number of the model, which gives its colour and mark.
    pub model: usize,
    pub name: String,
    pub heavy: bool,
    pub low: f64,
    pub high: f64,
}

/// The plot, in the order of the greater figures; None when there are no figures. `all` is what the axis
/// shall hold, so that several plots have the same one.
pub fn plot(mut spans: Vec<Span>, all: &[f64], alt: &str) -> Option<Markup> {
    spans.retain(|span| can_show(span.low) && can_show(span.high));
    spans.sort_by(|first, second| first.high.total_cmp(&second.high));
    let scale = Scale::over(Spread::Logarithmic, all, LEFT, RIGHT).filter(|_| !spans.is_empty())?;
    let bottom = TOP * 2.0 + ROW * spans.len() as f64;
    let height = bottom + 22.0;
    let place = |index: usize| TOP + ROW * index as f64 + 12.0;
    Some(html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(alt) {
            @for tick in ticks_apart(&scale) {
                line.grid x1=(at(scale.place(tick))) x2=(at(scale.place(tick))) y1="0" y2=(at(bottom)) {}
                text.tick x=(at(scale.place(tick))) y=(at(bottom + 15.0)) text-anchor="middle" {
                    (axis(tick))
                }
            }
            @for (index, span) in spans.iter().enumerate() {
                text.label.heavy[span.heavy] x=(at(LEFT - 8.0)) y=(at(place(index) + 4.0))
                    text-anchor="end" { (span.name) }
                line.span.(colour(span.model)) x1=(at(scale.place(span.low)))
                    x2=(at(scale.place(span.high))) y1=(at(place(index))) y2=(at(place(index))) {}
                (mark(span.model, scale.place(span.low), place(index),
                    &format!("{}: p50 {}", span.name, latency(span.low))))
                (mark(span.model, scale.place(span.high), place(index),
                    &format!("{}: p99 {}", span.name, latency(span.high))))
                text.value x=(at(scale.place(span.high) + 9.0)) y=(at(place(index) + 4.0)) {
                    (latency(span.high))
                }
            }
        }
    })
}

fn ticks_apart(scale: &Scale) -> Vec<f64> {
    let mut ticks: Vec<f64> = Vec::new();
    for tick in scale.ticks() {
        let place = scale.place(tick);
        if ticks.last().is_none_or(|last| place - scale.place(*last) >= 52.0) {
            ticks.push(tick);
        }
    }
    ticks
}

/// A latency on an axis, in microseconds.
fn axis(tick: f64) -> String {
    match tick {
        tick if tick >= 1e6 => format!("{} s", tick / 1e6),
        tick if tick >= 1e3 => format!("{} ms", tick / 1e3),
        tick => format!("{tick} us"),
    }
}
