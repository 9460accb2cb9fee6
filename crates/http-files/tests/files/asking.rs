//! Files, folders, heads, and connections that go on.

use crate::world::{World, pattern, settings};
use overlapped_http_files::Settings;
use std::net::Shutdown;

#[test]
fn a_file_comes_whole_with_what_describes_it() {
    let world = World::new();
    let contents = pattern(3 << 20);
    // Wine has names with other letters only where the system's language has them.
    let (name, encoded) = if cfg!(windows) { ("u", "%75") } else { ("ü", "%C3%BC") };
    world.folder.file(&format!("a b/{name}.html"), &contents);
    let target = format!("/a%20b/{encoded}.html");
    world.settled(&target);
    let response = world.get(&target);
    assert_eq!(response.status, 200);
    assert!(response.body == contents);
    assert_eq!(response.header("Content-Type"), "text/html; charset=utf-8");
    assert_eq!(response.header("Accept-Ranges"), "bytes");
    assert!(response.header("Last-Modified").ends_with(" GMT"));
    assert!(response.header("ETag").starts_with('"'));
    assert!(!response.headers.contains_key("Connection"));
}

#[test]
fn a_head_says_what_a_get_would_and_has_no_body() {
    let world = World::new();
    world.folder.file("a", pattern(100_000));
    world.settled("/a");
    let mut client = world.connect();
    let head = client.head("/a");
    let mut get = client.get("/a", "");
    assert_eq!((head.status, get.body.len()), (200, 100_000));
    get.headers.insert("Date".to_owned(), head.header("Date").to_owned());
    assert_eq!(head.headers, get.headers);
    let missing = client.head("/missing");
    assert_eq!((missing.status, missing.header("Content-Length")), (404, "14"));
    assert_eq!(client.get("/a", "").status, 200, "in step");
}

#[test]
fn an_empty_file_is_one() {
    let world = World::new();
    world.folder.file("empty.txt", "");
    let mut client = world.connect();
    for _ in 0..2 {
        let response = client.get("/empty.txt", "");
        assert_eq!((response.status, response.header("Content-Length")), (200, "0"));
    }
}

#[test]
fn requests_that_come_together_are_answered_in_order() {
    let world = World::new();
    for number in 0..10 {
        world.folder.file(&format!("{number}"), format!("{number}").repeat(number * 1_000));
    }
    let mut client = world.connect();
    let targets: Vec<usize> = (0..200).map(|at| at * 7 % 10).collect();
    let all: String =
        targets.iter().map(|it| format!("GET /{it} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.say(all);
    client.stream.shutdown(Shutdown::Write).expect("our side ends");
    for number in targets {
        let response = client.response();
        assert_eq!(response.body, format!("{number}").repeat(number * 1_000).into_bytes());
    }
    client.assert_ended();
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let world = World::new();
    world.folder.file("a", "found");
    let mut client = world.connect();
    for byte in b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n" {
        client.say([*byte]);
    }
    assert_eq!(client.response().body, b"found");
    assert_eq!(client.response().body, b"found");
}

#[test]
fn connections_end_when_the_client_asks_for_it() {
    let world = World::new();
    world.folder.file("a", "found");
    for (request, kept) in [
        ("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false),
        ("GET /a HTTP/1.0\r\n\r\n", false),
        ("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true),
    ] {
        let mut client = world.connect();
        client.say(request);
        let response = client.response();
        let expected = if kept { "keep-alive" } else { "close" };
        assert_eq!((response.status, response.header("Connection")), (200, expected), "{request}");
        if kept {
            assert_eq!(client.get("/a", "").status, 200);
        } else {
            client.assert_ended();
        }
    }
}

#[test]
fn a_folder_has_an_index_or_is_refused_or_listed() {
    let world = World::new();
    world.folder.file("with/index.html", "index");
    world.folder.file("without/a", "");
    assert_eq!(world.get("/with/").body, b"index");
    assert_eq!(world.get("/with/").header("Content-Type"), "text/html; charset=utf-8");
    assert_eq!(world.get("/without/").status, 403);
    assert_eq!(world.get("/with/index.html/").status, 404);
    let redirect = world.get("/with?q=1");
    assert_eq!((redirect.status, redirect.header("Location")), (301, "/with/?q=1"));
    assert_eq!(world.get("//with").header("Location"), "/with/");

    let world = World::with(Settings { listing: true, ..settings() });
    world.folder.file("sub/x", "");
    world.folder.file("b&'c", "");
    world.folder.file("a", "");
    let page = String::from_utf8(world.get("/").body).expect("text");
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
    assert!(at("<a href=\"./sub/\">sub/</a>") < at("<a href=\"./a\">a</a>"));
    at("<a href=\"./b%26%27c\">b&amp;&#39;c</a>");
    assert!(!page.contains("../"), "{page}");
    assert!(String::from_utf8_lossy(&world.get("/sub/").body).contains("<a href=\"../\">"));
    assert_eq!(world.get("/none/").status, 404);
}

#[cfg(unix)]
#[test]
fn names_in_a_listing_are_text_whatever_they_are() {
    let world = World::with(Settings { listing: true, ..settings() });
    world.folder.file("<script>\"\n", "");
    world.folder.file("javascript:alert(1)", "");
    let odd = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff\xfe");
    std::fs::write(world.folder.path().join::<&std::ffi::OsStr>(odd), "odd").expect("a file");
    let page = String::from_utf8(world.get("/").body).expect("text");
    assert!(!page.contains("<script") && !page.contains("\"javascript:"), "{page}");
    assert!(page.contains("./%FF%FE") && page.contains("./%3Cscript%3E%22%0A"), "{page}");
    assert_eq!(world.get("/%FF%FE").body, b"odd");
}

#[test]
fn what_is_written_into_a_file_is_seen_at_once() {
    let world = World::new();
    world.folder.file("a", "first");
    let mut client = world.connect();
    assert_eq!(client.get("/a", "").body, b"first");
    world.folder.file("a", "second, and longer");
    assert_eq!(client.get("/a", "").body, b"second, and longer");
}
