//! A bar for each model, with its figure.

use maud::{Markup, html};

use super::frame::{WIDTH, at, colour};
use super::scale::{Scale, Spread, can_show};

const ROW: f64 = 24.0;
const TOP: f64 = 4.0;
const LEFT: f64 = 132.0;
const RIGHT: f64 = WIDTH - 84.0;

/// The figure of a model.
pub struct Bar {
    /// Number of the model, which gives its colour.
    pub model: usize,
    pub name: String,
    pub heavy: bool,
    /// Parts of the bar, from the left; the second is paler.
    pub parts: [f64; 2],
    /// What stands at its end.
    pub said: String,
}

/// The plot, in the order of the sums; None when there are no figures.
pub fn plot(mut bars: Vec<Bar>, alt: &str) -> Option<Markup> {
    let sum = |bar: &Bar| bar.parts.iter().copied().filter(|part| can_show(*part)).sum::<f64>();
    bars.retain(|bar| can_show(sum(bar)));
    bars.sort_by(|first, second| sum(first).total_cmp(&sum(second)));
    let scale = Scale::over(Spread::Even, &bars.iter().map(sum).collect::<Vec<_>>(), LEFT, RIGHT)?;
    let height = TOP * 2.0 + ROW * bars.len() as f64;
    let place = |index: usize| TOP + ROW * index as f64;
    Some(html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(alt) {
            line.base x1=(at(LEFT)) x2=(at(LEFT)) y1="0" y2=(at(height)) {}
            @for (index, bar) in bars.iter().enumerate() {
                text.label.heavy[bar.heavy] x=(at(LEFT - 8.0)) y=(at(place(index) + 16.0))
                    text-anchor="end" { (bar.name) }
                rect.bar.(colour(bar.model)) x=(at(LEFT)) y=(at(place(index) + 4.0)) height="16"
                    width=(at(scale.place(bar.parts[0]) - LEFT)) {
                    title { (bar.name) ": " (bar.said) }
                }
                @if can_show(bar.parts[1]) {
                    rect.bar.pale.(colour(bar.model)) x=(at(scale.place(bar.parts[0])))
                        y=(at(place(index) + 4.0)) height="16"
                        width=(at(scale.place(sum(bar)) - scale.place(bar.parts[0]))) {
                        title { (bar.name) ": " (bar.said) }
                    }
                }
                text.value x=(at(scale.place(sum(bar)) + 6.0)) y=(at(place(index) + 16.0)) {
                    (bar.said)
                }
            }
        }
    })
}
