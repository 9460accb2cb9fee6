//! Methods, expectations and answers (RFC 9110).

use crate::world::{World, settings, statuses};
use overlapped_http_files::Settings;
use std::time::{Duration, SystemTime};

fn world() -> World {
    let world = World::new();
    world.folder.file("a.txt", "found");
    world.folder.file("folder/b", "");
    world
}

#[test]
fn each_method_is_answered_refused_or_unknown() {
    let world = world();
    let mut client = world.connect();
    for (method, status) in [
        ("GET", 200),
        ("OPTIONS", 200),
        ("POST", 405),
        ("PUT", 405),
        ("DELETE", 405),
        ("TRACE", 405),
        ("PATCH", 405),
        ("BREW", 501),
        ("get", 501),
        ("PROPFIND", 501),
    ] {
        // One connection for all: a refusal is no reason to end it.
        client.say(format!("{method} /a.txt HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.status, status, "{method}");
        if method == "OPTIONS" || status == 405 {
            assert_eq!(response.header("Allow"), "GET, HEAD, OPTIONS", "{method}");
        }
        assert!(!response.headers.contains_key("Connection"), "{method}");
    }
    assert_eq!(client.head("/a.txt").status, 200);
    for method in ["POST", "BREW"] {
        let body = "Content-Length: 5\r\n\r\nhello";
        let told =
            world.told(format!("{method} / HTTP/1.1\r\nHost: a\r\n{body}GET / HTTP/1.1\r\n"));
        assert_eq!(statuses(&told).len(), 1, "who sends a body is not heard out: {told}");
    }
    let star = world.connect().ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((star.status, star.header("Content-Length")), (200, "0"));
}

#[test]
fn every_answer_has_a_date_a_length_and_words() {
    let world = world();
    let many = "A: b\r\n".repeat(200);
    for (request, status) in [
        ("GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\n", 206),
        ("GET /folder HTTP/1.1\r\nHost: a\r\n\r\n", 301),
        ("GET /% HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /folder/ HTTP/1.1\r\nHost: a\r\n\r\n", 403),
        ("GET /none HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("GET /a.txt HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\"\r\n\r\n", 412),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n", 413),
        ("GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=9-\r\n\r\n", 416),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n", 417),
        ("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 421),
        (&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
        ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ] {
        let before = SystemTime::now() - Duration::from_secs(1);
        let response = world.connect().ask(request);
        assert_eq!(response.status, status, "{request}");
        let text = response.header("Date");
        let date = httpdate::parse_http_date(text).expect("a date");
        assert!(before < date && date <= SystemTime::now(), "{text}");
        assert_eq!(httpdate::fmt_http_date(date), text, "the form of dates that are written");
        let length: usize = response.header("Content-Length").parse().expect("a number");
        assert_eq!(length, response.body.len());
        assert!(!response.body.is_empty(), "{status} says nothing");
        for none in ["Transfer-Encoding", "Age", "Via", "Vary", "Trailer", "Server", "Upgrade"] {
            assert!(!response.headers.contains_key(none), "{status} has {none}");
        }
    }
}

#[test]
fn a_head_gets_no_body_whatever_is_wrong_with_it() {
    let world = world();
    let long = "x".repeat(9_000);
    for (request, status) in [
        ("HEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("HEAD /folder HTTP/1.1\r\nHost: a\r\n\r\n", 301),
        ("HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("HEAD /% HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\r\nHEAD / HTTP/1.1\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n", 413),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n", 417),
        (&format!("HEAD /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        ("HEAD / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ] {
        let told = world.told(request);
        assert_eq!(statuses(&told), [status], "{told}");
        assert!(told.ends_with("\r\n\r\n") && told.contains("\r\nContent-Length: "), "{told}");
    }
}

#[test]
fn an_expectation_is_met_only_where_nothing_follows() {
    let world = world();
    for (version, headers, expected) in [
        ("1.1", "Expect: 100-continue\r\n", vec![200]),
        ("1.1", "Expect: 100-Continue\r\nContent-Length: 0\r\n", vec![200]),
        ("1.1", "Expect: 100-continue\r\nContent-Length: 5\r\n", vec![417]),
        ("1.1", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", vec![417]),
        ("1.1", "Expect: wonders\r\n", vec![417]),
        ("1.1", "Expect: 100-continue, wonders\r\n", vec![417]),
        ("1.0", "Expect: 100-continue\r\n", vec![200]),
        ("1.0", "Expect: wonders\r\n", vec![200]),
        ("1.0", "Expect: 100-continue\r\nContent-Length: 5\r\n", vec![]),
    ] {
        let told = world.told(format!("GET /a.txt HTTP/{version}\r\nHost: a\r\n{headers}\r\n"));
        assert_eq!(statuses(&told), expected, "{headers}: {told}");
    }
    // The answer comes although nothing of the body does, and says that none is wanted.
    let put = "PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    let response = world.connect().ask(put);
    assert_eq!((response.status, response.header("Connection")), (405, "close"));
}

#[test]
fn what_is_not_for_us_is_passed_over() {
    let world = world();
    let mut client = world.connect();
    for headers in [
        "Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n",
        "TE: trailers, gzip\r\nConnection: TE\r\n",
        "Trailer: X\r\n",
        "Max-Forwards: 0\r\n",
        "Content-Range: bytes 0-1/2\r\n",
        "Accept: image/png;q=0\r\nAccept-Encoding: identity;q=0, gzip\r\nAccept-Language: xx\r\n",
        "Cache-Control: no-cache, no-store, only-if-cached\r\nPragma: no-cache\r\n",
        "Authorization: Basic eDp5\r\nFrom: x@y\r\nReferer: http://u:p@x/#y\r\n",
        "Via: 1.1 x\r\nForwarded: for=1\r\nX-Unknown: \r\n",
    ] {
        let response = client.get("/a.txt", headers);
        assert_eq!((response.status, &response.body[..]), (200, b"found" as &[u8]), "{headers}");
    }
}

#[test]
fn a_redirect_leads_to_the_folder_on_this_server() {
    let world = world();
    for (target, location) in [
        ("/folder", "/folder/"),
        ("/folder?a=/b&%41", "/folder/?a=/b&%41"),
        ("//folder", "/folder/"),
        ("/./folder", "/folder/"),
        ("http://evil.example/folder", "/folder/"),
        ("/folder?<\"|%zz", "/folder/?%3C%22%7C%25zz"),
    ] {
        let response = world.get(target);
        assert_eq!((response.status, response.header("Location")), (301, location), "{target}");
    }
}

#[test]
fn a_type_is_not_for_guessing() {
    let world = World::with(Settings { listing: true, ..settings() });
    for (name, kind) in [
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a", "application/octet-stream"),
    ] {
        world.folder.file(name, "<script>alert(1)</script>");
        let response = world.get(&format!("/{name}"));
        assert_eq!(response.header("Content-Type"), kind);
        assert_eq!(response.header("X-Content-Type-Options"), "nosniff");
    }
    assert_eq!(world.get("/").header("X-Content-Type-Options"), "nosniff");
}
