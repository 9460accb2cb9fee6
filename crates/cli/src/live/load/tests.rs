use ratatui::crossterm::event::{KeyCode, KeyModifiers};

use super::*;
use crate::live::server::lines_of;

/// A load that tells what a test has at hand.
#[derive(Default)]
struct Fixed {
    told: Vec<Told>,
    starts: usize,
    stops: usize,
}

impl Load for Fixed {
    fn told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    fn start(&mut self) -> anyhow::Result<()> {
        self.starts += 1;
        Ok(())
    }

    fn stop(&mut self) {
        self.stops += 1;
    }
}

fn screen() -> LoadScreen<Fixed> {
    LoadScreen::new(Fixed::default(), "load on 127.0.0.1:12345".to_owned(), 1_000, Some(3_000))
}

fn now(connected: u64, echoed: u64, failed: u64) -> Told {
    Told::Now(Now { connected, failed, echoed, is_open: connected == 1_000 })
}

fn drawn(screen: &LoadScreen<Fixed>, width: u16, height: u16) -> String {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    screen.draw(area, &mut buffer);
    lines_of(&buffer)
}

fn press(screen: &mut LoadScreen<Fixed>, letter: char) -> Then {
    screen.press(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)).expect("it goes on")
}

#[track_caller]
fn assert_has(screen: &LoadScreen<Fixed>, parts: &[&str]) {
    let text = drawn(screen, 80, 24);
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
}

#[test]
fn a_second_has_its_rates_and_its_percentiles() {
    let mut screen = screen();
    screen.take(now(400, 0, 0));
    assert_has(&screen, &["opening", "connections are being opened", "400 open of 1,000"]);
    let mut latencies = Latencies::default();
    (1..=100).for_each(|ms| latencies.record(Duration::from_millis(ms)));
    screen.take(now(1_000, 500, 0));
    screen.take(Told::Latencies(latencies));
    let begun = screen.begun.0;
    assert!(!screen.end_second(begun + SECOND / 2), "it is not over");
    assert!(screen.end_second(begun + SECOND));
    assert_has(
        &screen,
        &[
            "loading",
            "ok every echo came back right so far",
            "500 /s, 500 of 3,000 so far",
            "latency p50   50.0 ms",
            "p99           99.0 ms",
            "longest      100.0 ms",
            " s  stop the load",
        ],
    );
    assert!(screen.end_second(begun + 2 * SECOND));
    assert_has(&screen, &["-- no echo came back in the last second", "0 /s, 500 of 3,000"]);
}

#[test]
fn a_load_is_stopped_and_run_again_from_the_start() {
    let mut screen = screen();
    screen.take(now(1_000, 500, 3));
    assert_has(&screen, &["!! 3 connections have failed"]);
    assert_eq!(press(&mut screen, 's'), Then::GoOn);
    press(&mut screen, 's');
    assert_eq!((screen.load.stops, screen.load.starts), (1, 0), "it is ending already");
    let result = "target  127.0.0.1:12345\nmessages  500".to_owned();
    screen.take(Told::Ended { result, complaint: Some("3 of 1,000 failed".to_owned()) });
    assert_has(
        &screen,
        &["ENDED", "!! ended: 3 of 1,000 failed", "── result", "messages  500", "run it again"],
    );
    press(&mut screen, 's');
    assert_eq!(screen.load.starts, 1);
    assert_has(&screen, &["opening", "0 of 3,000 so far"]);
    screen.take(Told::Ended { result: String::new(), complaint: None });
    assert_has(&screen, &["ok ended: every echo came back right"]);
    assert_eq!(press(&mut screen, 'q'), Then::Quit);
}

#[test]
fn a_small_terminal_says_how_large_it_must_be_and_any_size_is_drawn() {
    let screen = screen();
    let text = drawn(&screen, 20, 10).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(text, "too small: it is 20x10, 60x16 is needed");
    for (width, height) in
        (0..70).step_by(6).flat_map(|width| (0..60).step_by(5).map(move |height| (width, height)))
    {
        drawn(&screen, width, height);
    }
}

#[test]
fn a_screen_that_stands_still_takes_nothing() {
    let mut screen = screen();
    screen.load.told.push(now(400, 0, 0));
    press(&mut screen, 'p');
    assert!(!screen.update().expect("it goes on"));
    assert_has(&screen, &["SCREEN STANDS STILL", "0 open of 1,000"]);
    press(&mut screen, 'p');
    assert!(screen.update().expect("it goes on"));
    assert_has(&screen, &["400 open of 1,000"]);
}
