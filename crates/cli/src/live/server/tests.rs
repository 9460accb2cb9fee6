use overlapped_observe::View;
use overlapped_observe::view::StallKind;
use ratatui::crossterm::event::{KeyCode, KeyModifiers};

use super::*;
use crate::live::fixture;

fn drawn(width: u16, height: u16, history: &History, shown: &Shown) -> String {
    let picture = Picture { history, shown, looks: Looks::plain(), lost: None, can_pause: true };
    lines_of(&buffer_of(width, height, &picture))
}

fn buffer_of(width: u16, height: u16, picture: &Picture) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    picture.draw(area, &mut buffer);
    buffer
}

#[track_caller]
fn assert_has(screen: &str, parts: &[&str]) {
    for part in parts {
        assert!(screen.contains(part), "{part:?} is missing:\n{screen}");
    }
}

#[test]
fn a_usual_terminal_has_every_part_and_says_why_the_server_is_slow() {
    let screen = drawn(80, 24, &fixture::blocking(), &Shown::default());
    assert_eq!(screen.lines().count(), 24, "{screen}");
    assert_has(
        &screen,
        &[
            " echo by completion-port on 127.0.0.1:12345",
            "serving  1 process  up 20 s",
            "!! handler store::append blocks (asleep in fsync) for 52 ms, 30 times in the",
            "last 10 s: 11 of 13 threads are paused, 3 packets wait",
            " connections        40 open (most 60), 2.0 accepted/s",
            " messages        1,000 /s, 62.5 KiB/s",
            " errors              0 /s, none so far",
            " queue wait    < 67 ms p99, p50 < 1.0 us",
            " processor        25 % of one processor",
            "at most 2 of 64 threads run (│)",
            "device list",
            "completion queue",
            "waiting threads",
            "released threads     2 of 2 ██│",
            "paused threads           11 ███████████ ",
            "store::append",
            "blocks   fsync",
            "   60   81 ms    3.1 s        now",
            "worker-3 is in store::append for 48 ms (blocks, asleep in fsync)",
            "── log",
            "12:00:40 connected 127.0.0.1:40040",
            " q  quit",
            " s  stop serving",
        ],
    );
}

#[test]
fn a_wide_terminal_has_two_columns_and_a_longer_log() {
    let screen = drawn(200, 50, &fixture::blocking(), &Shown::default());
    assert_eq!(screen.lines().count(), 50, "{screen}");
    assert_has(&screen, &["render", "computes", "connected 127.0.0.1:40010", "threads held now"]);
    let beside = screen.lines().find(|line| line.contains("connections")).expect("a row");
    assert!(beside.contains("handlers that held a thread for long"), "{screen}");
    // A line of figures is three rows high; the log is beside it.
    let paused = screen.lines().position(|line| line.contains("paused threads")).expect("a row");
    assert!(paused > 35 && screen.lines().nth(paused).is_some_and(|row| row.contains("connected")));
}

#[test]
fn however_many_threads_are_held_the_handlers_are_told_of_and_what_is_cut_off_is_marked() {
    let long = "a handler whose name is as long as a whole sentence is, or nearly so";
    let history = fixture::history(|second, view| {
        view.connections.refused = 1_000_000_000 * second;
        view.stalls = vec![fixture::stall(long, StallKind::Blocks, Some("fsync"), second)];
        let others = ["render", "index", "pack", "mail"];
        view.stalls.extend(others.map(|it| fixture::stall(it, StallKind::Computes, None, 1)));
        view.busy = vec![fixture::busy(long, StallKind::Blocks, Some("fsync")); 30];
    });
    for (width, height) in [(80, 24), (150, 30), (200, 50)] {
        let screen = drawn(width, height, &history, &Shown::default());
        assert_has(&screen, &["longest together", "threads held now (", " more)"]);
        let rows = |part| screen.lines().filter(move |row| row.contains(part));
        let marked = |part| rows(part).count() > 0 && rows(part).all(|row| row.contains(".."));
        assert!(screen.contains("mail ") || width == 80, "{screen}");
        assert!(marked("blocks   fsync") || width == 200, "{screen}");
        assert!(marked("worker-3 is in") || width == 200, "{screen}");
        assert!(marked("open (most") || width > 150, "{screen}");
    }
}

#[test]
fn no_terminal_is_too_small_to_say_how_large_it_must_be() {
    let history = fixture::blocking();
    for (width, height) in [(20, 10), (59, 50), (200, 17)] {
        let screen = drawn(width, height, &history, &Shown::default());
        let words = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.ends_with(&format!("it is {width}x{height}, 60x18 is needed")), "{words}");
    }
    assert_has(&drawn(60, 18, &history, &Shown::default()), &["paused threads", "── handlers"]);
    for width in (0..90).step_by(9) {
        for height in (0..30).step_by(5) {
            drawn(width, height, &history, &Shown { has_help: true, ..Shown::default() });
        }
    }
}

#[test]
fn a_model_without_a_port_says_so() {
    let history = fixture::history(|_, view| view.port = None);
    let screen = drawn(80, 24, &history, &Shown::default());
    assert_has(
        &screen,
        &["this model has no completion port", "ok nothing is wrong", "none so far"],
    );
    let history = fixture::history(|_, view| (view.port, view.processes) = (None, 3));
    let screen = drawn(80, 24, &history, &Shown::default());
    assert_has(&screen, &["3 processes", "each process has a port of its own"]);
}

#[test]
fn a_filter_is_for_the_log_and_for_handlers() {
    let history = fixture::history(|_, view| {
        view.stalls = vec![
            fixture::stall("append", StallKind::Blocks, Some("fsync"), 3),
            fixture::stall("render", StallKind::Blocks, None, 3),
        ];
        view.log = vec![fixture::line(1, "connected 10.0.0.1:1"), fixture::line(2, "fsync failed")];
    });
    let shown = Shown { filter: "FSYNC".to_owned(), ..Shown::default() };
    let screen = drawn(80, 24, &history, &shown);
    assert_has(&screen, &["append", "fsync failed", "log (only \"FSYNC\")"]);
    assert!(!screen.contains("render") && !screen.contains("connected"), "{screen}");
}

#[test]
fn the_log_scrolls_and_says_what_is_below() {
    let history = fixture::blocking();
    let shown = Shown { scrolled: 30, ..Shown::default() };
    let screen = drawn(80, 24, &history, &shown);
    assert_has(&screen, &["connected 127.0.0.1:40010", "30 below"]);
    let shown = Shown { scrolled: 1_000, ..Shown::default() };
    assert_has(&drawn(80, 24, &history, &shown), &["connected 127.0.0.1:40001"]);
}

#[test]
fn what_comes_from_others_controls_no_terminal() {
    let evil = "a\u{1b}[2Jb\u{202e}c";
    let history = fixture::history(|_, view| {
        view.name = evil.to_owned();
        view.log = vec![fixture::line(1, evil)];
        view.stalls = vec![fixture::stall(evil, StallKind::Blocks, Some(evil), view.uptime_ms)];
        view.busy = vec![fixture::busy(evil, StallKind::Blocks, Some(evil))];
    });
    let screen = drawn(200, 50, &history, &Shown::default());
    assert!(!screen.contains(['\u{1b}', '\u{202e}']), "{screen}");
    assert_has(&screen, &["\\u{1b}[2Jb"]);
}

#[test]
fn without_colours_nothing_has_one() {
    let (history, shown) = (fixture::blocking(), Shown::default());
    let coloured = |looks| {
        let picture =
            Picture { history: &history, shown: &shown, looks, lost: None, can_pause: true };
        let buffer = buffer_of(80, 24, &picture);
        buffer.content().iter().any(|cell| {
            let plain = ratatui::style::Color::Reset;
            (cell.fg, cell.bg) != (plain, plain)
        })
    };
    assert!(!coloured(Looks::plain()) && coloured(Looks::coloured()));
}

/// A server whose views a test has at hand.
struct Told {
    views: Vec<anyhow::Result<Option<View>>>,
    is_paused: bool,
}

impl Source for Told {
    fn view(&mut self) -> anyhow::Result<Option<View>> {
        if self.views.is_empty() { Ok(None) } else { self.views.remove(0) }
    }

    fn can_pause(&self) -> bool {
        true
    }

    fn pause(&mut self, pause: bool) -> anyhow::Result<()> {
        self.is_paused = pause;
        Ok(())
    }
}

fn screen_of(screen: &ServerScreen<Told>) -> String {
    let area = Rect::new(0, 0, 80, 24);
    let mut buffer = Buffer::empty(area);
    screen.draw(area, &mut buffer);
    lines_of(&buffer)
}

fn press(screen: &mut ServerScreen<Told>, letter: char) -> Then {
    screen.press(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)).expect("it goes on")
}

#[test]
fn a_lost_server_is_told_of_and_seen_again() {
    let views = vec![
        Ok(Some(fixture::view(1))),
        Err(anyhow::anyhow!("nobody listens")),
        Ok(Some(fixture::view(3))),
    ];
    let mut screen = ServerScreen::new(Told { views, is_paused: false }, Duration::ZERO);
    assert_has(&screen_of(&screen), &["no answer yet", "nothing was seen yet"]);
    assert!(screen.update().expect("it goes on"));
    assert_has(&screen_of(&screen), &["up 1 s"]);
    assert!(screen.update().expect("it goes on"));
    assert_has(
        &screen_of(&screen),
        &[
            "NO ANSWER, was serving",
            "no answer, and it is tried again: nobody listens",
            "device list",
        ],
    );
    assert!(screen.update().expect("it goes on"));
    assert_has(&screen_of(&screen), &["up 3 s"]);
    assert!(!screen.update().expect("it goes on"), "nothing is new");
}

#[test]
fn a_screen_that_stands_still_goes_on_where_the_server_is_by_then() {
    let views = vec![Ok(Some(fixture::view(1))), Ok(Some(fixture::view(2)))];
    let mut screen = ServerScreen::new(Told { views, is_paused: false }, Duration::ZERO);
    screen.update().expect("it goes on");
    press(&mut screen, 'p');
    screen.update().expect("it goes on");
    assert_has(&screen_of(&screen), &["SCREEN STANDS STILL", "up 1 s"]);
    press(&mut screen, 'p');
    assert_has(&screen_of(&screen), &["up 2 s"]);
}

#[test]
fn serving_is_stopped_and_started_by_what_the_server_says_it_does() {
    let mut paused = fixture::view(2);
    paused.phase = Phase::Paused;
    let views = vec![Ok(Some(fixture::view(1))), Ok(Some(paused))];
    let mut screen = ServerScreen::new(Told { views, is_paused: false }, Duration::ZERO);
    screen.update().expect("it goes on");
    assert_eq!(press(&mut screen, 's'), Then::GoOn);
    assert!(screen.source.is_paused);
    screen.update().expect("it goes on");
    assert_has(&screen_of(&screen), &["PAUSED", " s  start serving"]);
    press(&mut screen, 's');
    assert!(!screen.source.is_paused);
    assert_eq!(press(&mut screen, 'q'), Then::Quit);
}
