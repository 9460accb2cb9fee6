//! The page in a headless browser: what it says of a server, and how it plays a recording. Passed over, by name, where no
//! Chromium is installed.
#![cfg(target_os = "linux")]

mod browser;
mod server;

use browser::Browser;
use overlapped_observe::recording::{self, Ended, Move, Place, Recording, ThreadLine, What};
use overlapped_observe::view::{
    self, BusyThread, Connections, Errors, LogLine, Phase, PortView, StallKind, StallLine, Traffic,
    Verdict, View, Weight,
};
use server::Server;
use std::fs;

/// A name that would be markup if it were not shown as text.
const HANDLER: &str = "save <i id=\"markup\">order</i>";

/// What the server shows after so many seconds.
fn view(second: u64) -> View {
    View {
        format: view::FORMAT.to_owned(),
        name: "echo, completion port".to_owned(),
        at_ms: 1_780_000_000_000 + second * 1000,
        uptime_ms: 60_000 + second * 1000,
        phase: Phase::Serving,
        verdict: Verdict { weight: Weight::Good, text: "nothing is wrong".to_owned() },
        processes: 1,
        connections: Connections { open: 1234, accepted: 5000, ..Connections::default() },
        traffic: Traffic { messages: second * 4321, bytes: second * 1_000_000 },
        errors: Errors::default(),
        processor_seconds: 1.5 * second as f64,
        port: Some(PortView {
            devices: 1235,
            waiting: 3,
            released: 1,
            concurrency: 2,
            most_threads: 64,
            queue_delay_ns: vec![(1024, second * 99), (65536, second)],
            ..PortView::default()
        }),
        stalls: Vec::new(),
        busy: Vec::new(),
        log: vec![
            LogLine { number: 1, at_ms: 1_780_000_000_000, text: "listening".to_owned() },
            LogLine { number: 4, at_ms: 1_780_000_001_000, text: "a client".to_owned() },
        ],
    }
}

/// The same while a handler blocks.
fn view_of_a_block(second: u64) -> View {
    let (name, asleep_in) = (HANDLER.to_owned(), Some("fsync".to_owned()));
    let mut view = view(second);
    view.verdict =
        Verdict { weight: Weight::Bad, text: format!("handler {HANDLER} blocks for 50 ms") };
    view.stalls.push(StallLine {
        name: name.clone(),
        kind: StallKind::Blocks,
        asleep_in: asleep_in.clone(),
        count: 20 * second,
        longest_ms: 81.0,
        total_ms: 20.0 * 50.0 * second as f64,
        last_ms_ago: 10,
    });
    let thread = "worker 3".to_owned();
    view.busy.push(BusyThread { thread, name, kind: StallKind::Blocks, asleep_in, for_ms: 40 });
    let port = view.port.as_mut().expect("it has one");
    (port.queued, port.waiting, port.released, port.paused) = (37, 1, 2, 5);
    view
}

/// Thread 1 runs, and thread 2 waits. Packets come; thread 1 blocks, thread 2 is let in and takes one, and then thread 1
/// runs again.
fn recording() -> Recording {
    let threads = [("worker 0", Place::Released), (HANDLER, Place::Waiting)];
    let moved = |thread, from, to| What::Thread { thread, from, to };
    let moves = [
        (1_000, What::Queued { queued: 1 }),
        (2_000, What::Queued { queued: 2 }),
        (500_000, moved(0, Place::Released, Place::Paused)),
        (500_000, moved(1, Place::Waiting, Place::Released)),
        (500_000, What::Taken { thread: Some(1), queued: 1 }),
        (900_000, moved(0, Place::Paused, Place::Released)),
    ];
    Recording {
        format: recording::FORMAT.to_owned(),
        name: "echo, completion port".to_owned(),
        at_ms: 1_780_000_000_000,
        length_ns: 1_000_000,
        concurrency: 1,
        devices: 7,
        queued: 0,
        threads: threads.map(|(name, place)| ThreadLine { name: name.to_owned(), place }).to_vec(),
        moves: moves.map(|(at_ns, what)| Move { at_ns, what }).to_vec(),
        ended: Ended::Asked,
    }
}

/// Starts a browser, and calls `test` with it. Nothing may have gone wrong in the page by itself.
fn in_browser(name: &str, test: impl FnOnce(&mut Browser, &std::path::Path)) {
    let folder = tempfile::tempdir().expect("a folder for the browser");
    if let Some(mut browser) = Browser::start(name, folder.path()) {
        test(&mut browser, folder.path());
        assert_eq!(browser.complaints, Vec::<String>::new());
    }
}

/// The numbers in the corners of queue, waiting, released and paused.
fn counts(browser: &mut Browser) -> String {
    let counts = browser.ask(
        "['queue', 'waiting', 'released', 'paused']
           .map((id) => document.querySelector(`#${id} .count`).textContent).join(' ')",
    );
    counts.as_str().expect("they are there").to_owned()
}

fn opened(browser: &mut Browser, address: &str) {
    browser.go(address);
    browser.until("!document.getElementById('player').hidden");
}

#[test]
fn the_page_says_what_is_wrong_and_nothing_when_nothing_is() {
    in_browser("the_page_says_what_is_wrong_and_nothing_when_nothing_is", |browser, _| {
        let server = Server::start((0..5).map(view).collect(), None);
        browser.go(&server.address());
        browser.until("document.getElementById('numbers').textContent.includes('4,321')");
        let verdict = browser.text("verdict");
        assert_eq!(verdict, "nothing is wrong");
        assert_eq!(browser.ask("document.getElementById('verdict').className"), "good");
        assert_eq!(counts(browser), "0 3 1 0");
        let numbers = browser.text("numbers");
        for number in ["1,234", "4,321", "1.00 MB", "1.50"] {
            assert!(numbers.contains(number), "{number} in {numbers}");
        }
        assert!(browser.text("log").contains("2 lines left out"), "the numbers have a gap");

        drop(server);
        browser.until("document.getElementById('state').textContent.includes('connection lost')");
        assert_eq!(counts(browser), "0 3 1 0", "the last that came stays");

        let server = Server::start((0..5).map(view_of_a_block).collect(), None);
        browser.go(&server.address());
        browser.until("document.querySelector('#queue .count').textContent === '37'");
        let verdict = browser.text("verdict");
        assert_eq!(verdict, format!("handler {HANDLER} blocks for 50 ms"));
        assert_eq!(browser.ask("document.getElementById('verdict').className"), "bad");
        assert_eq!(browser.ask("document.getElementById('markup')"), serde_json::Value::Null);
        assert!(browser.text("stalls").contains(HANDLER));
        assert!(browser.text("busy").contains("worker 3"));

        browser.press("record");
        browser.until("document.getElementById('record-state').textContent.includes('no port')");
    });
}

#[test]
fn a_recording_is_stepped_forwards_and_back_played_and_saved() {
    in_browser("a_recording_is_stepped_forwards_and_back_played_and_saved", |browser, folder| {
        let server = Server::start((0..2).map(view).collect(), Some(recording()));
        browser.go(&server.address());
        browser.press("record");
        browser.until("!document.getElementById('player').hidden");
        assert_eq!(counts(browser), "0 1 1 0");
        let blocks = "Thread 1 (worker 0) blocks, and gives its slot away: another thread may run in \
                      its place. One slot is free.";
        let takes = format!(
            "Thread 2 ({HANDLER}) takes packet 1, the oldest one. 1 packet is left in the queue."
        );
        let steps = [
            ("1 1 1 0", "Packet 1 comes into the queue, which was empty.".to_owned()),
            ("2 1 1 0", "Packet 2 comes into the queue, behind 1 other.".to_owned()),
            ("2 1 0 1", blocks.to_owned()),
            ("2 0 1 1", format!("Thread 2 ({HANDLER}) is woken and runs.")),
            ("1 0 1 1", takes.clone()),
            (
                "1 0 2 0",
                "Thread 1 (worker 0) runs again. Now 2 threads run, 1 more than are let in: no \
                 packet is handed out until one of them stops."
                    .to_owned(),
            ),
        ];
        for (wanted, words) in &steps {
            browser.press("next");
            assert_eq!((counts(browser).as_str(), &browser.text("said")), (*wanted, words));
        }
        for (wanted, words) in steps.iter().rev().skip(1) {
            browser.press("back");
            assert_eq!((counts(browser).as_str(), &browser.text("said")), (*wanted, words));
        }
        browser.press("block");
        assert_eq!(browser.text("said"), blocks);
        browser.key("ArrowRight", "ArrowRight");
        browser.key("ArrowRight", "ArrowRight");
        assert_eq!(browser.text("said"), takes);
        let holds = "document.querySelector('#released .thread .packet').textContent";
        assert_eq!(browser.ask(holds), "1", "the thread has the packet");
        browser.key("Home", "Home");
        assert_eq!(counts(browser), "0 1 1 0");

        browser.press("play");
        browser.until("document.getElementById('where').textContent.startsWith('Step 6 of 6')");
        assert_eq!(counts(browser), "1 0 2 0");
        let summary = browser.text("summary");
        assert!(summary.contains("1 packet taken, 2 threads"), "{summary}");
        assert!(summary.contains("blocked once, for 400 µs at most"), "{summary}");
        assert!(summary.contains("none waited longer than 499 µs"), "{summary}");

        // Saved as a page it needs no server, and can be saved again.
        let page = browser.ask("standalone()");
        let data = browser.ask("JSON.stringify(playing.recording)");
        drop(server);
        let saved = folder.join("saved.html");
        fs::write(&saved, page.as_str().expect("a page")).expect("it is written");
        opened(browser, &format!("file://{}#step=5", saved.display()));
        assert_eq!(browser.text("said"), takes);
        assert_eq!(browser.ask("document.getElementById('markup')"), serde_json::Value::Null);
        assert_eq!(browser.ask("standalone()"), page);

        // And so does what was saved as data, in any such page.
        let kept = folder.join("saved.json");
        let other = data.as_str().expect("text").replace("worker 0", "another");
        fs::write(&kept, other).expect("it is written");
        browser.give_file("open", &kept);
        browser.until("document.querySelector('#paused').innerHTML.includes('another')");
        fs::write(&kept, "{}").expect("it is written");
        browser.give_file("open", &kept);
        browser
            .until("document.getElementById('record-state').textContent.includes('no recording')");
    });
}

#[test]
fn the_page_fits_into_a_narrow_window_light_and_dark() {
    in_browser("the_page_fits_into_a_narrow_window_light_and_dark", |browser, _| {
        let views = (0..3).map(view_of_a_block).collect();
        let server = Server::start(views, Some(recording()));
        let mut grounds = Vec::new();
        for scheme in ["light", "dark"] {
            browser.look(400, 800, scheme);
            opened(browser, &format!("{}#record&step=3", server.address()));
            browser.until("document.getElementById('numbers').textContent.includes('4,321')");
            assert_eq!(browser.ask("document.documentElement.scrollWidth"), 400, "{scheme}");
            grounds.push(browser.ask("getComputedStyle(document.body).backgroundColor"));
        }
        assert_ne!(grounds[0], grounds[1]);
    });
}
