//! What plots share: the names of axes and figures, and labels that do not lie on each other.

use maud::{Markup, html};

use super::scale::Scale;

/// The width of every plot, in its own units; the page scales it. A phone shows it nearly as it is.
pub const WIDTH: f64 = 460.0;

/// How far the base lines of two labels must lie apart.
const LABEL_HEIGHT: f64 = 13.0;

/// How many colours the style sheet has.
const COLOURS: usize = 8;

/// The class that gives an element the colour of model number `model`.
pub fn colour(model: usize) -> String {
    format!("m{}", model % COLOURS)
}

/// A place in a plot, to a tenth.
pub fn at(place: f64) -> String {
    format!("{place:.1}")
}

/// A figure on an axis: `90k`, `1.5M`, `0.02`.
pub fn short(figure: f64) -> String {
    let (value, unit) = match figure {
        figure if figure >= 1e9 => (figure / 1e9, "G"),
        figure if figure >= 1e6 => (figure / 1e6, "M"),
        figure if figure >= 1e4 => (figure / 1e3, "k"),
        figure => (figure, ""),
    };
    let text = match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        value if value >= 0.01 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        value => format!("{value:.0e}"),
    };
    let text = match text.split_once('.') {
        Some((whole, part)) if part.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        Some(_) => text.trim_end_matches('0').to_owned(),
        None => text,
    };
    text + unit
}

/// Horizontal lines at the ticks of `scale` from `left` to `right`, with their figures.
pub fn levels(scale: &Scale, left: f64, right: f64) -> Markup {
    html! {
        @for tick in scale.ticks() {
            line.grid x1=(at(left)) x2=(at(right)) y1=(at(scale.place(tick))) y2=(at(scale.place(tick))) {}
            text.tick x=(at(left - 6.0)) y=(at(scale.place(tick) + 4.0)) text-anchor="end" {
                (short(tick))
            }
        }
    }
}

/// The shape that marks a figure of model number `model`, so that colour is not all that tells them
/// apart.
pub fn mark(model: usize, x: f64, y: f64, title: &str) -> Markup {
    let class = format!("mark {}", colour(model));
    let points = |corners: &[(f64, f64)]| {
        let corner = |(right, down): &(f64, f64)| format!("{:.1},{:.1}", x + right, y + down);
        corners.iter().map(corner).collect::<Vec<_>>().join(" ")
    };
    html! {
        @match model % 4 {
            0 => { circle class=(class) cx=(at(x)) cy=(at(y)) r="4" { title { (title) } } }
            1 => {
                rect class=(class) x=(at(x - 3.5)) y=(at(y - 3.5)) width="7" height="7" {
                    title { (title) }
                }
            }
            2 => {
                polygon class=(class) points=(points(&[(0.0, -4.6), (4.4, 3.4), (-4.4, 3.4)])) {
                    title { (title) }
                }
            }
            _ => {
                polygon class=(class)
                    points=(points(&[(0.0, -4.8), (4.8, 0.0), (0.0, 4.8), (-4.8, 0.0)])) {
                    title { (title) }
                }
            }
        }
    }
}

/// Places for labels that would like to be at `wanted`, none closer to another than a line of text, and
/// all between `top` and `bottom` as far as there is room. In the order of `wanted`.
pub fn apart(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|first, second| wanted[*first].total_cmp(&wanted[*second]));
    let mut places = wanted.to_vec();
    let mut least = top;
    for &index in &order {
        places[index] = places[index].max(least);
        least = places[index] + LABEL_HEIGHT;
    }
    let mut most = bottom;
    for &index in order.iter().rev() {
        places[index] = places[index].min(most);
        most = places[index] - LABEL_HEIGHT;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_distance_and_stay_inside() {
        let places = apart(&[100.0, 100.0, 101.0, 20.0], 10.0, 120.0);
        let mut sorted = places.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= LABEL_HEIGHT), "{places:?}");
        assert!(sorted[0] >= 10.0 && sorted[3] <= 120.0, "{places:?}");
        assert!((places[3] - 20.0).abs() < 1e-9, "one with room stays where it is: {places:?}");
    }

    #[test]
    fn figures_on_an_axis_are_short() {
        let said = [0.0, 0.25, 1.0, 1.5, 20.0, 4_096.0, 90_000.0, 1_500_000.0].map(short);
        assert_eq!(said, ["0", "0.25", "1", "1.5", "20", "4096", "90k", "1.5M"]);
    }
}
