//! A server that shows itself: figures, health and page on addresses of their own, and handlers that are slow.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::Value;

use crate::process::{PATIENCE, Running, run};
use crate::schema;
use crate::serve::connect;

/// What is answered to a request for `path`: the head, and the body.
fn ask(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = connect(address);
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

fn view(address: SocketAddr) -> Value {
    let view = serde_json::from_str(&ask(address, "/view").1).expect("JSON");
    schema::check("live", &view);
    view
}

/// Where a server shows itself.
struct Shown {
    figures: SocketAddr,
    health: SocketAddr,
    page: SocketAddr,
}

/// A server with these options, its address, and where it shows itself.
fn shown(options: &[&str]) -> (Running, SocketAddr, Shown) {
    let all = ["--json", "--metrics", "0", "--health", "0", "--live-page", "0"];
    let (server, address) = Running::serve(&[&all[..], options].concat());
    let [figures, health, page] = ["metrics", "health", "page"].map(|what| {
        let line = server.output_until("\n");
        let document: Value = serde_json::from_str(&line).expect("JSON");
        schema::check("observing", &document);
        assert_eq!(document[what], true, "{line}");
        document["address"].as_str().expect("text").parse().expect("an address")
    });
    (server, address, Shown { figures, health, page })
}

/// Sends so many messages and takes their echoes.
fn echo(client: &mut TcpStream, messages: usize) {
    for _ in 0..messages {
        client.write_all(b"ping").expect("it reads");
        let mut echo = [0; 4];
        client.read_exact(&mut echo).expect("an echo");
        assert_eq!(&echo, b"ping");
    }
}

/// Asks until what is seen is as it is to be.
fn until(at: SocketAddr, is_so: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let seen = view(at);
        if is_so(&seen) {
            return seen;
        }
        assert!(start.elapsed() < PATIENCE, "{seen:#}");
    }
}

#[test]
fn a_server_shows_its_figures_its_health_and_a_page_where_it_is_asked_to() {
    let (server, address, at) = shown(&["--handler-sleeps", "60ms", "--handler-one-in", "5"]);
    assert!(at.page.ip().is_loopback(), "a port alone is one of this machine");
    let mut client = connect(address);
    echo(&mut client, 10);
    let seen = until(at.figures, |seen| seen["traffic"]["messages"] == 10);
    assert_eq!(seen["connections"]["open"], 1);
    // On a machine that is busy the looks may come late; then the next one is seen.
    let (seen, messages) = (10..)
        .step_by(5)
        .skip(1)
        .find_map(|messages| {
            echo(&mut client, 5);
            let seen = until(at.figures, |seen| seen["traffic"]["messages"] == messages);
            (seen["stalls"] != Value::Array(vec![])).then_some((seen, messages))
        })
        .expect("it goes on until one is seen");
    let stall = &seen["stalls"][0];
    assert_eq!(stall["name"], "--handler-sleeps", "{seen:#}");
    assert!(
        stall["count"].as_u64() >= Some(1) && stall["longest_ms"].as_f64() >= Some(25.0),
        "{seen:#}"
    );
    if cfg!(target_os = "linux") {
        assert_eq!(stall["kind"], "blocks", "{seen:#}");
        assert_eq!(stall["asleep_in"], "clock_nanosleep", "{seen:#}");
    }
    let (head, figures) = ask(at.figures, "/metrics");
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    assert!(figures.contains(&format!("\noverlapped_messages_total {messages}\n")), "{figures}");
    assert!(figures.contains("overlapped_stalls_total{handler=\"--handler-sleeps\""), "{figures}");
    assert!(figures.ends_with("# EOF\n"), "{figures}");
    assert!(ask(at.health, "/live").0.starts_with("HTTP/1.1 200 "));
    assert_eq!(ask(at.health, "/ready").1, "ready\n");
    let (head, page) = ask(at.page, "/");
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    assert!(page.starts_with("<!") && !page.contains("http://") && !page.contains("https://"));
    assert!(ask(at.page, "/metrics").0.starts_with("HTTP/1.1 404 "));
    // A stream of them, as server-sent events.
    let mut stream = connect(at.page);
    stream.write_all(b"GET /views HTTP/1.1\r\nHost: a\r\n\r\n").expect("it reads");
    let mut text = String::new();
    while text.matches("data: {\"format\":\"overlapped-live-1\"").count() < 2 {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).expect("it goes on");
        text += std::str::from_utf8(&part[..length]).expect("text");
    }
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    drop(client);
    assert_eq!(server.interrupt().code(), 0);
}

/// A handler that computes is told from one that sleeps. The system knows late that a thread has waited for a
/// processor, so one of several is enough.
#[test]
#[cfg(target_os = "linux")]
fn a_handler_that_computes_is_told_from_one_that_sleeps() {
    let (server, address, at) = shown(&["--handler-computes", "80ms"]);
    let mut client = connect(address);
    let start = Instant::now();
    let is_seen = |seen: &Value| {
        let stalls = seen["stalls"].as_array().expect("a list");
        let computes = |stall: &Value| {
            stall["kind"] == "computes"
                && stall["name"] == "--handler-computes"
                && stall["asleep_in"].is_null()
        };
        stalls.iter().any(computes)
    };
    while !is_seen(&view(at.figures)) {
        echo(&mut client, 1);
        assert!(start.elapsed() < PATIENCE, "{:#}", view(at.figures));
    }
    drop(client);
    assert_eq!(server.interrupt().code(), 0);
}

/// Who looks and does not read, or asks for nothing, takes places from others who look, and nothing from clients.
#[test]
fn who_never_reads_costs_the_clients_nothing() {
    let (server, address, at) = shown(&[]);
    let crowd: Vec<TcpStream> = (0..100)
        .map(|number| {
            let mut stream = connect(at.page);
            if number % 2 == 0 {
                stream.write_all(b"GET /views HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is taken");
            }
            stream
        })
        .collect();
    let mut client = connect(address);
    echo(&mut client, 200);
    drop((client, crowd));
    // There is room again when they have gone. A view is not made for each who asks, so it may be one from before.
    until(at.page, |seen| seen["traffic"]["messages"] == 200);
    assert_eq!(server.interrupt().code(), 0);
}

/// While a server drains it is not ready, and shows that until it has ended.
#[test]
#[cfg(target_os = "linux")]
fn a_server_that_drains_is_not_ready() {
    let options = ["--handler-sleeps", "2s", "--drain-seconds", "60"];
    let (server, address, at) = shown(&options);
    let mut client = connect(address);
    client.write_all(b"ping").expect("it reads");
    until(at.figures, |seen| seen["busy"].as_array().is_some_and(|busy| busy.len() == 1));
    crate::system::send_signal(server.id(), rustix::process::Signal::TERM);
    until(at.figures, |seen| seen["phase"] == "draining");
    let (head, body) = ask(at.health, "/ready");
    assert!(head.starts_with("HTTP/1.1 503 ") && body == "draining\n", "{head}");
    assert!(ask(at.health, "/live").0.starts_with("HTTP/1.1 200 "));
    let mut echo = Vec::new();
    client.read_to_end(&mut echo).expect("what it has sent is answered");
    assert_eq!(echo, b"ping");
    assert_eq!(server.wait().code(), 0);
}

#[test]
fn an_address_that_is_taken_is_told_with_its_option_before_anything_is_served() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it is bound").to_string();
    for option in ["--metrics", "--health", "--live-page"] {
        let ended = run(&["serve", "127.0.0.1:0", option, &address]);
        assert_eq!(ended.code(), 1, "{ended:?}");
        assert!(ended.output.is_empty() && ended.errors.lines().count() == 1, "{ended:?}");
        assert!(ended.errors.contains(option) && ended.errors.contains(&address), "{ended:?}");
    }
    let ended = run(&["serve", "127.0.0.1:0", "--handler-one-in", "5"]);
    assert_eq!(ended.code(), 2, "{ended:?}");
}

/// A recording is asked for by the page, and by no other page that is open in the same browser.
#[test]
#[cfg(target_os = "linux")]
fn the_moves_of_a_port_are_recorded_for_the_page() {
    let (server, address, at) = shown(&[]);
    let ask = |query: &str, headers: &str| {
        let mut stream = connect(at.page);
        let request = format!(
            "POST /record{query} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n",
            at.page
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    };
    let mut client = connect(address);
    let (head, body) = std::thread::scope(|threads| {
        let recorded = threads.spawn(|| ask("?ms=1000", ""));
        while !recorded.is_finished() {
            echo(&mut client, 1);
        }
        recorded.join().expect("no panic")
    });
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let recording: Value = serde_json::from_str(&body).expect("JSON");
    schema::check("recording", &recording);
    assert!(recording["moves"].as_array().is_some_and(|moves| !moves.is_empty()), "{recording}");
    let own = format!("Origin: http://{}\r\n", at.page);
    assert!(ask("?ms=1", &own).0.starts_with("HTTP/1.1 200 "));
    assert!(ask("?ms=1", "Origin: http://example.invalid\r\n").0.starts_with("HTTP/1.1 403 "));
    for query in ["?ms=0", "?ms=99999", "?ms=x"] {
        assert!(ask(query, "").0.starts_with("HTTP/1.1 400 "), "{query}");
    }
    drop(client);
    assert_eq!(server.interrupt().code(), 0);
}
