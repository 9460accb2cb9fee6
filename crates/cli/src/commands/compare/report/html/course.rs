//! The page of figures over the time: what was measured once a minute or so, and what is to hold of it.

use maud::html;
use serde::Deserialize;

use super::lines::{self, Across, Line};
use super::plots::{Plot, Section};
use super::scale::Spread;
use super::{section, whole};
use crate::words::grouped;

/// Figures over the time, with the words about them.
#[derive(Debug, Deserialize)]
pub struct Course {
    title: String,
    lead: String,
    /// Names and values.
    facts: Vec<(String, String)>,
    /// What is to hold, each with whether it does and how far.
    verdicts: Vec<(String, String)>,
    sections: Vec<Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    title: String,
    text: String,
    plots: Vec<Figures>,
}

#[derive(Debug, Deserialize)]
struct Figures {
    title: String,
    unit: String,
    lines: Vec<Series>,
}

#[derive(Debug, Deserialize)]
struct Series {
    name: String,
    /// Minutes since the beginning, and the figure.
    points: Vec<(f64, f64)>,
}

impl Course {
    /// The whole page.
    pub fn page(&self) -> String {
        let body = html! {
            header {
                h1 { (self.title) }
                p.lead { (self.lead) }
                dl.facts {
                    @for (name, value) in &self.facts { div { dt { (name) } dd { (value) } } }
                }
            }
            section.words {
                h2 { "What is to hold" }
                @for (what, says) in &self.verdicts { p { strong { (what) } " " (says) } }
            }
            @for part in &self.sections { (section(&part.section())) }
        };
        whole(&self.title, &body)
    }
}

impl Part {
    /// A plot without figures is left out.
    fn section(&self) -> Section {
        let plots = self.plots.iter().filter_map(Figures::plot).collect();
        Section { title: self.title.clone(), text: self.text.clone(), plots }
    }
}

impl Figures {
    fn plot(&self) -> Option<Plot> {
        let line = |(model, series): (usize, &Series)| {
            let Series { name, points } = series;
            Line { model, name: name.clone(), heavy: false, points: points.clone() }
        };
        let lines: Vec<Line> = self.lines.iter().enumerate().map(line).collect();
        let alt = format!("{}, {}, by minute", self.title, self.unit);
        let say = |figure: f64| match figure {
            small if small < 100.0 => format!("{small:.2} {}", self.unit),
            figure => format!("{} {}", grouped(figure.round() as u64), self.unit),
        };
        let picture = lines::plot(&lines, (Across::Minutes, Spread::Even), &alt, say)?;
        Some(Plot { title: self.title.clone(), unit: self.unit.clone(), picture })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(points: &str) -> Course {
        let text = r#"{"title": "A <hour>", "lead": "l", "facts": [["of", "it"]],
            "verdicts": [["memory", "holds"]], "sections": [{"title": "s", "text": "t", "plots": [
            {"title": "p99", "unit": "us", "lines": [{"name": "plain", "points": POINTS}]}]}]}"#;
        serde_json::from_str(&text.replace("POINTS", points)).expect("a course")
    }

    #[test]
    fn a_course_is_a_page_that_stands_alone_and_is_escaped() {
        let page = course("[[1, 300], [2, 310]]").page();
        for foreign in ["<script", "http://", "https://", "url(", "@import", "<hour>"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(
            page.contains("minute 2.0: 310 us") && page.contains("<strong>memory</strong> holds")
        );
        assert!(page.contains(">minutes</text>"), "the axis says what it is of");
    }

    #[test]
    fn many_points_are_a_line_without_marks_and_none_are_no_plot() {
        let many: Vec<_> = (1..=360).map(|index| (f64::from(index) / 6.0, 5.0)).collect();
        let many = course(&serde_json::to_string(&many).expect("numbers")).page();
        assert!(many.contains("<polyline") && !many.contains("<circle"));
        assert!(!course("[]").page().contains("<svg"));
    }
}
