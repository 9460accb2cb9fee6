//! Handlers that held a thread for long, and threads that are held now.

use overlapped_observe::view::{BusyThread, StallKind, StallLine};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Row, Table, Widget};

use super::Picture;
use crate::live::figures;
use crate::live::looks::{row, title};
use crate::live::parts::shortened;
use crate::words::{grouped, plain};

/// How many lines the stalls want.
pub fn height(picture: &Picture) -> u16 {
    2 + lines(stalls(picture).len())
}

/// How many lines the threads want that are held now.
pub fn busy_height(picture: &Picture) -> u16 {
    match busy(picture).len() {
        0 => 0,
        some => 1 + lines(some),
    }
}

fn lines(number: usize) -> u16 {
    u16::try_from(number.clamp(1, 100)).unwrap_or(100)
}

fn stalls<'a>(picture: &Picture<'a>) -> Vec<&'a StallLine> {
    let passes = |line: &&StallLine| {
        let asleep_in = line.asleep_in.as_deref().unwrap_or_default();
        picture.shown.passes(&format!("{} {} {asleep_in}", line.name, word(line.kind)))
    };
    let all = picture.history.last().into_iter().flat_map(|view| &view.stalls);
    all.filter(passes).collect()
}

fn busy<'a>(picture: &Picture<'a>) -> Vec<&'a BusyThread> {
    picture.history.last().into_iter().flat_map(|view| &view.busy).collect()
}

/// A sum of times in one unit.
fn together(ms: f64) -> String {
    match ms / 1e3 {
        long if long >= 7_200.0 => format!("{:.0} h", long / 3_600.0),
        long if long >= 120.0 => format!("{:.0} min", long / 60.0),
        _ => figures::ms(ms),
    }
}

/// How long ago in whole units, which go on as the screen does.
fn ago(ms: u64) -> String {
    match ms / 1_000 {
        0 => "now".to_owned(),
        seconds @ 1..60 => format!("{seconds} s ago"),
        seconds @ 60..3_600 => format!("{} min ago", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} h ago", seconds / 3_600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}

fn word(kind: StallKind) -> &'static str {
    match kind {
        StallKind::Blocks => "blocks",
        StallKind::Computes => "computes",
        StallKind::Unknown => "unknown",
    }
}

/// Draws who held a thread for long.
pub fn draw(area: Rect, buffer: &mut Buffer, picture: &Picture) {
    let looks = picture.looks;
    let stalls = stalls(picture);
    let room = usize::from(area.height.saturating_sub(2));
    let more = match stalls.len().saturating_sub(room) {
        0 => "that held a thread for long".to_owned(),
        more => format!("that held a thread for long ({more} more)"),
    };
    title(row(area, 0), buffer, looks, "handlers", &more);
    if stalls.is_empty() {
        let text = match picture.shown.filter.is_empty() {
            true => " none so far",
            false => " none passes the filter",
        };
        return Line::from(text).render(row(area, 1), buffer);
    }
    // The columns of fixed width and the gaps come first; name and call share the rest.
    let rest = area.width.saturating_sub(8 + 6 + 7 + 8 + 10 + 6);
    let calls = stalls.iter().take(room).filter_map(|line| line.asleep_in.as_deref());
    let widest = calls.map(|call| call.chars().count()).max().unwrap_or(0).max("asleep in".len());
    let asleep = (rest / 2).min(u16::try_from(widest).unwrap_or(rest));
    let name = usize::from(rest.saturating_sub(asleep + 1));
    let rows = stalls.iter().take(room).map(|line| {
        let right = |text: String| Text::from(text).right_aligned();
        Row::new([
            Text::from(format!(" {}", shortened(&plain(&line.name), name))),
            Text::from(word(line.kind)),
            Text::from(call(&plain(line.asleep_in.as_deref().unwrap_or("-")), usize::from(asleep))),
            right(grouped(line.count)),
            right(figures::ms(line.longest_ms)),
            right(together(line.total_ms)),
            right(ago(line.last_ms_ago)),
        ])
    });
    let right = |text: &'static str| Text::from(text).right_aligned();
    let head = Row::new([
        Text::from(" handler"),
        Text::from("what"),
        Text::from("asleep in"),
        right("times"),
        right("longest"),
        right("together"),
        right("last"),
    ]);
    let widths = [
        Constraint::Min(10),
        Constraint::Length(8),
        Constraint::Length(asleep),
        Constraint::Length(6),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(10),
    ];
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    Table::new(rows, widths).header(head.style(looks.bold())).render(below, buffer);
}

/// A call, and the end of the path that it was called for, on so many columns.
fn call(text: &str, width: usize) -> String {
    let letters = text.chars().count();
    match text.split_once(" of ") {
        Some((call, path)) if letters > width => {
            let room = width.saturating_sub(call.chars().count() + " of ..".len());
            let skipped = path.chars().count().saturating_sub(room);
            format!("{call} of ..{}", path.chars().skip(skipped).collect::<String>())
        }
        _ => text.to_owned(),
    }
}

/// Draws whose threads are held now.
pub fn draw_busy(area: Rect, buffer: &mut Buffer, picture: &Picture) {
    let busy = busy(picture);
    if area.height < 2 {
        return;
    }
    let room = usize::from(area.height - 1);
    let more = match busy.len().saturating_sub(room) {
        0 => String::new(),
        more => format!("({more} more)"),
    };
    title(row(area, 0), buffer, picture.looks, "threads held now", &more);
    if busy.is_empty() {
        return Line::from(" none").render(row(area, 1), buffer);
    }
    for (number, thread) in busy.iter().take(room).enumerate() {
        let asleep =
            thread.asleep_in.as_ref().map_or(String::new(), |call| format!(", asleep in {call}"));
        let text = format!(
            " {} is in {} for {} ({}{asleep})",
            thread.thread,
            thread.name,
            figures::ms(thread.for_ms as f64),
            word(thread.kind)
        );
        Line::from(shortened(&plain(&text), usize::from(area.width)))
            .render(row(area, 1 + number as u16), buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fit_into_their_columns() {
        assert_eq!(
            [999, 59_000, 61_000, 7_300_000].map(ago),
            ["now", "59 s ago", "1 min ago", "2 h ago"]
        );
        assert_eq!([214.0, 118_000.0, 130_000.0].map(together), ["214 ms", "118 s", "2 min"]);
    }

    #[test]
    fn of_a_long_path_the_end_is_shown() {
        assert_eq!(call("fsync", 3), "fsync");
        assert_eq!(call("fsync of /srv/a.db", 18), "fsync of /srv/a.db");
        assert_eq!(call("fsync of /srv/app/store.db", 20), "fsync of ../store.db");
    }
}
