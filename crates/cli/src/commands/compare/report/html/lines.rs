//! Lines over the number of connections, or over the time, one for each model, labelled at their ends.

use maud::{Markup, html};

use super::frame::{WIDTH, apart, at, colour, levels, mark, short};
use super::scale::{Scale, Spread, can_show};
use crate::words::grouped;

const HEIGHT: f64 = 300.0;
const LEFT: f64 = 42.0;
const RIGHT: f64 = WIDTH - 146.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = HEIGHT - 40.0;

/// A line of more points has no marks, which would hide it.
const MOST_MARKS: usize = 70;

/// What the lines go over.
#[derive(Clone, Copy)]
pub enum Across {
    Connections,
    Minutes,
}

impl Across {
    fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Minutes => "minutes",
        }
    }

    fn spread(self) -> Spread {
        match self {
            Self::Connections => Spread::Logarithmic,
            Self::Minutes => Spread::Even,
        }
    }

    fn ticks(self, figures: &[f64], scale: &Scale) -> Vec<(f64, f64)> {
        match self {
            Self::Connections => ticks_apart(figures, scale),
            Self::Minutes => {
                scale.ticks().into_iter().map(|tick| (scale.place(tick), tick)).collect()
            }
        }
    }

    fn tick(self, figure: f64) -> String {
        match self {
            Self::Connections => grouped(figure as u64),
            Self::Minutes => short(figure),
        }
    }

    fn say(self, figure: f64) -> String {
        match self {
            Self::Connections => format!("{} connections", grouped(figure as u64)),
            Self::Minutes => format!("minute {figure:.1}"),
        }
    }
}

/// The figures of a model.
pub struct Line {
    /// Number of the model, which gives its colour and mark.
    pub model: usize,
    pub name: String,
    /// Whether it is drawn heavier than the others.
    pub heavy: bool,
    /// Connections or minutes, and the figure there.
    pub points: Vec<(f64, f64)>,
}

/// The plot; None when there are no figures.
pub fn plot(
    lines: &[Line],
    (over, spread): (Across, Spread),
    alt: &str,
    say: impl Fn(f64) -> String,
) -> Option<Markup> {
    let shown: Vec<Line> = lines.iter().filter_map(only_shown).collect();
    let all = |of: fn(&(f64, f64)) -> f64| -> Vec<f64> {
        shown.iter().flat_map(|line| line.points.iter().map(of)).collect()
    };
    let across = Scale::over(over.spread(), &all(|point| point.0), LEFT, RIGHT)?;
    let up = Scale::over(spread, &all(|point| point.1), BOTTOM, TOP)?;
    let mut counts = all(|point| point.0);
    counts.sort_by(f64::total_cmp);
    counts.dedup();
    let ends: Vec<(f64, f64)> =
        shown.iter().filter_map(|line| line.points.last().copied()).collect();
    let wanted: Vec<f64> = ends.iter().map(|end| up.place(end.1)).collect();
    let labels = apart(&wanted, TOP, BOTTOM);
    let path = |line: &Line| {
        let point = |&(x, y): &(f64, f64)| format!("{:.1},{:.1}", across.place(x), up.place(y));
        line.points.iter().map(point).collect::<Vec<_>>().join(" ")
    };
    Some(html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(alt) {
            (levels(&up, LEFT, RIGHT))
            @for (place, count) in over.ticks(&counts, &across) {
                line.tick-mark x1=(at(place)) x2=(at(place)) y1=(at(BOTTOM)) y2=(at(BOTTOM + 4.0)) {}
                text.tick x=(at(place)) y=(at(BOTTOM + 17.0)) text-anchor="middle" {
                    (over.tick(count))
                }
            }
            text.axis x=(at((LEFT + RIGHT) / 2.0)) y=(at(HEIGHT - 6.0)) text-anchor="middle" {
                (over.name())
            }
            @for (line, (end, label)) in shown.iter().zip(ends.iter().zip(&labels)) {
                polyline.leader points=(format!(
                    "{:.1},{:.1} {:.1},{:.1} {:.1},{:.1}",
                    across.place(end.0) + 6.0, up.place(end.1), RIGHT + 8.0, *label, RIGHT + 14.0, *label
                )) {}
                polyline.line.heavy[line.heavy].(colour(line.model)) points=(path(line)) {}
            }
            @for (line, label) in shown.iter().zip(&labels) {
                @for &(x, y) in line.points.iter().filter(|_| line.points.len() <= MOST_MARKS) {
                    (mark(line.model, across.place(x), up.place(y), &format!(
                        "{}, {}: {}", line.name, over.say(x), say(y)
                    )))
                }
                text.label.heavy[line.heavy] x=(at(RIGHT + 17.0)) y=(at(label + 4.0)) { (line.name) }
            }
        }
    })
}

fn only_shown(line: &Line) -> Option<Line> {
    let fits = |point: &&(f64, f64)| can_show(point.0) && can_show(point.1);
    let points: Vec<_> = line.points.iter().filter(fits).copied().collect();
    let Line { model, heavy, .. } = *line;
    (!points.is_empty()).then(|| Line { model, name: line.name.clone(), heavy, points })
}

/// The counts that have room for their figures, with their places.
fn ticks_apart(counts: &[f64], across: &Scale) -> Vec<(f64, f64)> {
    let mut ticks: Vec<(f64, f64)> = Vec::new();
    for &count in counts.iter().rev() {
        let place = across.place(count);
        if ticks.last().is_none_or(|(last, _)| last - place >= 42.0) {
            ticks.push((place, count));
        }
    }
    ticks
}
