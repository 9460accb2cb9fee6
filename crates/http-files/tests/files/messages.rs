//! The syntax of requests (RFC 9112): what is read, what is refused, and what ends the connection.

use crate::world::{World, statuses};

fn world() -> World {
    let world = World::new();
    world.folder.file("a", "found");
    world
}

/// Another request, which must not be answered once the connection is to end.
const NEXT: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn what_is_no_request_gets_400_and_the_end() {
    let world = world();
    for text in [
        "GET /a HTTP/1.1\r\nHost: a\r\nA\0: b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nA: b\0\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\rA: b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nA: b\r\n folded\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nA: b\r\n\tfolded\r\n\r\n",
        "GET /a HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET /a HTTP/1.1\r\n\r\n Host: a\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello",
        "GET /a HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\n: nameless\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nA(b): c\r\n\r\n",
        "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a  HTTP/1.1\r\nHost: a\r\n\r\n",
        " GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET\t/a\tHTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET /a\r\nHost: a\r\n\r\n",
        "G(T /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1x\r\nHost: a\r\n\r\n",
        "GET /a http/1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
    ] {
        let told = world.told(format!("{text}{NEXT}"));
        assert_eq!(statuses(&told), [400], "{text:?}: {told}");
        assert!(told.contains("\r\nConnection: close\r\n"), "{text:?}");
    }
}

#[test]
fn what_is_only_unusual_is_read() {
    let world = world();
    for text in [
        "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\n\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1\nHost: a\n\n",
        "GET /a HTTP/1.1\r\nhOsT:a\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: \t a \t \r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nEmpty:\r\nUnknown: \u{fc}\x01\r\n\r\n",
        "GET /%61 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET //./a? HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a?|^{}[]`\" HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        // A control character in a value is dangerous as part of what follows it.
        let text = text.replace('\x01', "");
        let told = world.told(format!("{text}{NEXT}"));
        assert_eq!(statuses(&told), [200, 200], "{text:?}: {told}");
    }
    let long = "x".repeat(8_000);
    let told = world.told(format!("GET /a?{long} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(statuses(&told), [200], "8,000 bytes of a target are little");
}

#[test]
fn a_request_says_once_and_rightly_who_it_is_for() {
    let world = world();
    for host in ["a", "a:80", "a:", "127.0.0.1", "[::1]:80", "a-b_c.example", "%61"] {
        let told = world.told(format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n{NEXT}"));
        assert_eq!(statuses(&told), [200, 200], "{host}");
    }
    for host in [
        "",
        "a b",
        "a/b",
        "u@a",
        "u:p@a",
        "a:b",
        "a:99999",
        ":80",
        "::1",
        "[::1",
        "a, b",
        "a?b",
        "a#b",
        "http://a/",
        "\u{fc}",
    ] {
        for version in ["1.1", "1.0"] {
            let told = world.told(format!("GET /a HTTP/{version}\r\nHost: {host}\r\n\r\n{NEXT}"));
            assert_eq!(statuses(&told), [400], "{host} in HTTP/{version}: {told}");
        }
    }
    for lines in ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nA: b\r\nHOST: b\r\n"] {
        let told = world.told(format!("GET /a HTTP/1.1\r\n{lines}\r\n{NEXT}"));
        assert_eq!(statuses(&told), [400], "{lines}: {told}");
    }
    assert_eq!(statuses(&world.told("GET /a HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n")), [400]);
    assert_eq!(statuses(&world.told("GET /a HTTP/1.0\r\n\r\n")), [200]);
}

#[test]
fn a_whole_address_is_a_target_and_says_who_it_is_for() {
    let world = world();
    for (target, host, expected) in [
        ("http://a/a", "a", 200),
        ("HTTP://other.example:81/a", "a", 200),
        ("http://[::1]/a", "", 200),
        ("http://a/%61?x", "b:1", 200),
        ("http://a/a", "b/c", 400),
        ("http:///a", "a", 400),
        ("http://u@a/a", "a", 400),
        ("http://u:p@a/a", "a", 400),
        ("http://a b/a", "a", 400),
        ("http://a:x/a", "a", 400),
        ("http://a/../a", "a", 400),
        ("http:a", "a", 400),
        ("ftp://a/a", "a", 400),
        ("https://a/a", "a", 421),
    ] {
        let told = world.told(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(statuses(&told), [expected], "{target} for {host}: {told}");
    }
}

#[test]
fn each_form_of_a_target_is_for_its_methods() {
    let world = world();
    for (line, expected) in [
        ("OPTIONS * HTTP/1.1", 200),
        ("OPTIONS /a HTTP/1.1", 200),
        ("OPTIONS http://a HTTP/1.1", 200),
        ("OPTIONS a:80 HTTP/1.1", 400),
        ("OPTIONS ** HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("HEAD * HTTP/1.1", 400),
        ("GET a:80 HTTP/1.1", 400),
        ("GET a HTTP/1.1", 400),
        ("CONNECT a:80 HTTP/1.1", 405),
        ("CONNECT a HTTP/1.1", 400),
        ("CONNECT a: HTTP/1.1", 400),
        ("CONNECT a:99999 HTTP/1.1", 400),
        ("CONNECT /a HTTP/1.1", 400),
    ] {
        let told = world.told(format!("{line}\r\nHost: a\r\n\r\n"));
        assert_eq!(statuses(&told), [expected], "{line}: {told}");
    }
    let told = world.told(format!("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n{NEXT}"));
    assert_eq!(statuses(&told), [405], "what follows is not for us: {told}");
}

#[test]
fn a_later_http_1_is_answered_as_ours_and_others_by_505() {
    let world = world();
    let told = world.told(format!("GET /a HTTP/1.2\r\nHost: a\r\n\r\n{NEXT}"));
    assert_eq!(statuses(&told), [200, 200], "{told}");
    assert_eq!(statuses(&world.told("GET /a HTTP/1.9\r\n\r\n")), [400], "it needs a host, too");
    let mut client = world.connect();
    for byte in b"GET /a HTTP/1.2\r\nHost: a\r\n\r\n" {
        client.say([*byte]);
    }
    assert_eq!(client.response().body, b"found", "byte by byte");
    for version in ["2.0", "0.9", "3.0", "9.9"] {
        let told = world.told(format!("GET /a HTTP/{version}\r\nHost: a\r\n\r\n{NEXT}"));
        assert_eq!(statuses(&told), [505], "{told}");
        assert!(
            told.ends_with(
                "505 HTTP Version Not Supported: HTTP/1.1 and HTTP/1.0 are spoken here\n"
            )
        );
    }
    assert_eq!(statuses(&world.told("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), [505]);
    let told = world.told("GET /a HTTP/1.0\r\n\r\n");
    assert!(told.starts_with("HTTP/1.1 200 OK\r\n"), "answers are of our version: {told}");
}

#[test]
fn nothing_that_comes_after_close_is_answered() {
    let world = world();
    for option in ["close", "Close", "x, close", "close, keep-alive", ", ,close"] {
        let first = format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: {option}\r\n\r\n");
        let told = world.told(format!("{first}{NEXT}{NEXT}"));
        assert_eq!(statuses(&told), [200], "{option}: {told}");
        assert!(told.contains("\r\nConnection: close\r\n"), "{told}");
    }
    let split = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&world.told(format!("{split}{NEXT}"))), [200]);
    let told =
        world.told(format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n{NEXT}"));
    assert_eq!(statuses(&told), [200, 200], "another option: {told}");
}
