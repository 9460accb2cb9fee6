//! The report as one HTML file that needs no other: no script, no font, no picture from elsewhere.
//!
//! The plots are SVG elements of the page itself, so that the style sheet colours them: both themes, and
//! the width of the window, are its business. That is also why they are made with the same templates as
//! the page: plotting libraries write colours into their pictures and know no style sheet.
//!
//! - `scale` maps figures to places on an axis; `frame` is what plots share.
//! - `lines`, `bars` and `spans` are one kind of plot each; `plots` says what is plotted.
//! - `course` is another page in the same form, of figures over the time.

mod bars;
mod course;
mod frame;
mod lines;
mod plots;
mod scale;
mod spans;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub use course::Course;

use super::super::document::{Document, PaceName};
use super::columns::{self, Shown};
use super::{about, conclusions, tables};
use plots::Section;

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn page(document: &Document) -> String {
    let body = html! {
        header {
            h1 { (about::TITLE) }
            p.lead { (about::lead(document)) }
            dl.facts {
                @for (name, value) in about::facts(document) {
                    div { dt { (name) } dd { (value) } }
                }
            }
        }
        @for part in plots::sections(document) { (section(&part)) }
        section {
            h2 { "All figures" }
            @for pace in document.paces() { (table(document, pace)) }
            (how_it_works(document))
        }
        section {
            h2 { "Method and limits" }
            @for sentence in about::method(document) { p { (sentence) } }
        }
        section.words {
            h2 { "In plain words" }
            @for paragraph in conclusions::long(document) {
                p { strong { (paragraph.lead) } " " (paragraph.text) }
            }
        }
    };
    whole(about::TITLE, &body)
}

/// A page of its own around `body`.
fn whole(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    page.into_string() + "\n"
}

fn section(section: &Section) -> Markup {
    html! {
        section {
            h2 { (section.title) }
            p { (section.text) }
            div.plots {
                @for plot in &section.plots {
                    figure {
                        figcaption { strong { (plot.title) } " " (plot.unit) }
                        (plot.picture)
                    }
                }
            }
        }
    }
}

fn table(document: &Document, pace: PaceName) -> Markup {
    let columns = tables::shown(Shown::Report);
    let rows = document.rows_at(pace, None);
    let remarks = tables::remarks(&rows);
    let class = |column| if columns::is_of_words(column) { "word" } else { "figure" };
    // A line goes between two numbers of connections.
    let begins = |index: usize| index > 0 && rows[index].connections != rows[index - 1].connections;
    html! {
        h3 { (about::pace_name(pace)) }
        p { (about::pace_line(document, pace)) }
        p.hint { "The table has " (columns.len()) " columns; where they have no room, it scrolls sideways." }
        div.table tabindex="0" role="region" aria-label=(about::pace_name(pace)) {
            table {
                thead { tr { @for column in &columns { th.(class(column)) { (column.title) } } } }
                tbody {
                    @for (index, row) in rows.iter().enumerate() {
                        tr.begins[begins(index)] {
                            @for (column, cell) in columns.iter().zip(tables::cells(row, &columns)) {
                                td.(class(column)) { (cell) }
                            }
                        }
                    }
                }
            }
        }
        @if !remarks.is_empty() {
            ul.remarks { @for remark in remarks { li { (remark) } } }
        }
    }
}

/// The models in their own words.
fn how_it_works(document: &Document) -> Markup {
    let described =
        document.models.iter().filter_map(|it| Some((&it.name, it.description.as_ref()?)));
    html! {
        h3 { "The models in their own words" }
        dl.models {
            @for (name, description) in described { dt { (name) } dd { (description) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn the_page_stands_alone_and_is_escaped() {
        let mut document = examples::usual();
        document.rows[0].model = "<script>alert(1)</script>".to_owned();
        document.rows[0].problems.push("<b>".to_owned());
        let page = page(&document);
        for foreign in ["<script", "http://", "https://", "url(", "@import", "<b>"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(page.contains("Linux &lt;6&gt;") && page.contains("a &amp; b"));
        assert!(page.contains("prefers-color-scheme"));
        assert_eq!(page.matches("<figure>").count(), page.matches("<svg").count());
        // An SVG element that is not closed would swallow those after it.
        for element in ["line", "polyline", "polygon", "circle", "rect", "text"] {
            let opened = page.matches(&format!("<{element} ")).count();
            let closed = page.matches(&format!("</{element}>")).count();
            assert_eq!(opened, closed, "{element}");
            assert!(opened > 0 || element == "polygon", "{element}");
        }
    }

    #[test]
    fn any_document_makes_a_page_without_nonsense_in_its_plots() {
        let mut extreme = examples::usual();
        for (index, row) in extreme.rows.iter_mut().enumerate() {
            let median = row.median.as_mut().expect("a median");
            match index % 4 {
                0 => {
                    median.messages_per_second = 1e300;
                    median.p99_us = Some(0.0);
                }
                1 => median.processor_us_per_message = Some(1e-300),
                2 => row.median = None,
                _ => {
                    row.connections = 0;
                    median.resident_kib = Some(u64::MAX);
                }
            }
        }
        let mut empty = examples::usual();
        empty.rows.clear();
        empty.models.clear();
        for document in [extreme, empty] {
            let page = page(&document);
            for nonsense in ["NaN", "inf\"", "=\"inf", "-inf"] {
                assert!(!page.contains(nonsense), "{nonsense}");
            }
        }
    }
}
