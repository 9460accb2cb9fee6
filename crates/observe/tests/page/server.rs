//! A server that shows the page, with views and a recording that were made before.

use overlapped_observe::{Recording, View};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

const PAGE: &str = include_str!("../../src/page.html");

struct Shown {
    views: Vec<View>,
    recording: Option<Recording>,
    is_over: AtomicBool,
    /// Those that are to be ended with the server.
    streams: Mutex<Vec<TcpStream>>,
}

/// It serves until it is dropped.
pub struct Server {
    address: SocketAddr,
    shown: Arc<Shown>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Sends all these views to each page at once, and gives the recording to who asks for one.
    pub fn start(views: Vec<View>, recording: Option<Recording>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (is_over, streams) = (AtomicBool::new(false), Mutex::default());
        let shown = Arc::new(Shown { views, recording, is_over, streams });
        let ours = Arc::clone(&shown);
        let accepting = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ours.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let kept = stream.try_clone().expect("a descriptor is free");
                ours.streams.lock().expect("nobody panics under it").push(kept);
                let shown = Arc::clone(&ours);
                // A browser that leaves in the middle is no fault.
                std::thread::spawn(move || drop(answer(&stream, &shown)));
            }
        });
        Self { address, shown, accepting: Some(accepting) }
    }

    pub fn address(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shown.is_over.store(true, Ordering::SeqCst);
        // It wakes the accept.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().expect("it did not panic");
        }
        for stream in self.shown.streams.lock().expect("nobody panics under it").drain(..) {
            // The browser may have ended it before.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

/// Answers one request, and ends the connection, unless events may follow.
fn answer(mut stream: &TcpStream, shown: &Shown) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    // The rest of the head.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let (status, kind, body) = match request.split(" HTTP/").next().unwrap_or_default() {
        "GET /" => ("200 OK", "text/html; charset=utf-8", PAGE.to_owned()),
        "GET /views" => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            stream.write_all(head.as_bytes())?;
            for view in &shown.views {
                write!(stream, "data: {}\n\n", serde_json::to_string(view)?)?;
            }
            return Ok(());
        }
        "POST /record?ms=1000" => match &shown.recording {
            Some(recording) => ("200 OK", "application/json", serde_json::to_string(recording)?),
            None => ("404 Not Found", "text/plain", "this server has no port".to_owned()),
        },
        _ => ("404 Not Found", "text/plain", String::new()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.shutdown(Shutdown::Write)
}
