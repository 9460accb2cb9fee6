//! Bodies of requests (RFC 9112, 6 and 7): nobody needs one here, and none may hide a request.

use crate::world::{World, statuses};

const NEXT: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

fn world() -> World {
    let world = World::new();
    world.folder.file("a", "found");
    world
}

/// What a GET with these headers, this body and another request behind it gets.
fn asked(world: &World, headers: &str, body: &str) -> Vec<u16> {
    let told = world.told(format!("GET /a HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}{NEXT}"));
    statuses(&told)
}

#[test]
fn a_body_is_passed_over_to_its_end() {
    let world = world();
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let long = "x".repeat(12_000);
    for (headers, body) in [
        ("Content-Length: 0\r\n".to_owned(), String::new()),
        (format!("Content-Length: {}\r\n", hidden.len()), hidden.to_owned()),
        ("Content-Length: 12000\r\n".to_owned(), long.clone()),
        (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!(
                "{:x};a=\"b\"\r\n{hidden}\r\n0;c\r\nX: y\r\nContent-Length: 9\r\n\r\n",
                hidden.len()
            ),
        ),
        ("Transfer-Encoding: CHUNKED\r\n".to_owned(), "0\r\n\r\n".to_owned()),
        ("Transfer-Encoding: , chunked\r\n".to_owned(), format!("2ee0\r\n{long}\r\n0\r\n\r\n")),
    ] {
        assert_eq!(asked(&world, &headers, &body), [200, 200], "{headers}{body}");
    }
    let mut client = world.connect();
    let request =
        "GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for byte in request.bytes() {
        client.say([byte]);
    }
    assert_eq!(client.response().body, b"found", "byte by byte");
    assert_eq!(client.get("/a", "").body, b"found", "in step");
}

#[test]
fn a_body_whose_end_is_in_doubt_gets_400_and_the_end() {
    let world = world();
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length:\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
    ] {
        assert_eq!(asked(&world, headers, "0\r\n\r\n"), [400], "{headers}");
    }
    for chunks in [
        "x\r\n",
        "\r\n",
        "-1\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "10000000000000000\r\n",
        "0\r\nX : y\r\n\r\n",
    ] {
        let answers = asked(&world, "Transfer-Encoding: chunked\r\n", chunks);
        assert_eq!(answers, [400], "{chunks:?}");
    }
    let old =
        "GET /a HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(statuses(&world.told(format!("{old}{NEXT}"))), [400], "HTTP/1.0 has no codings");
}

#[test]
fn a_coding_that_nobody_knows_gets_501_and_the_end() {
    let world = world();
    for headers in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: nonsense,chunked\r\n",
    ] {
        assert_eq!(asked(&world, headers, "0\r\n\r\n"), [501], "{headers}");
    }
}

#[test]
fn a_body_that_is_too_long_gets_413_at_once_and_the_end() {
    let world = world();
    for headers in [
        "Content-Length: 100000\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let mut client = world.connect();
        // Nothing of the body is sent but what it is said to be.
        let size = if headers.starts_with('T') { "7fffffffffffffff\r\n" } else { "" };
        client.say(format!("GET /a HTTP/1.1\r\nHost: a\r\n{headers}\r\n{size}"));
        let response = client.response();
        assert_eq!((response.status, response.header("Connection")), (413, "close"), "{headers}");
        client.assert_ended();
    }
    let extensions = format!("5;{}\r\n", "x".repeat(20_000));
    assert_eq!(asked(&world, "Transfer-Encoding: chunked\r\n", &extensions), [413]);
}

#[test]
fn a_body_that_ends_too_early_is_no_request() {
    let world = world();
    for request in [
        "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
        "GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ] {
        assert_eq!(world.told(request), "", "{request}");
    }
}
