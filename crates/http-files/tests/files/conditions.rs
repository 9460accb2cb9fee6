//! Conditions over the wire (RFC 9110, 13 and 14): what a client that has a version gets.

use crate::world::{Client, Response, World, settings};
use overlapped_http_files::Settings;
use std::time::Duration;

/// A world with a settled file `a`, its tag and its date.
fn world() -> (World, String, String) {
    let world = World::with(Settings { listing: true, ..settings() });
    world.folder.file("a", "contents");
    world.folder.file("folder/b", "");
    let head = world.settled("/a");
    let (tag, date) = (head.header("ETag").to_owned(), head.header("Last-Modified").to_owned());
    (world, tag, date)
}

fn names(response: &Response) -> Vec<&str> {
    let mut names: Vec<_> = response.headers.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// The second before a date.
fn earlier(date: &str) -> String {
    let date = httpdate::parse_http_date(date).expect("a date");
    httpdate::fmt_http_date(date - Duration::from_secs(1))
}

#[test]
fn a_client_that_has_the_version_gets_304_and_little_more() {
    let (world, tag, date) = world();
    let mut client = world.connect();
    for condition in [
        format!("If-None-Match: {tag}"),
        format!("If-None-Match: \"x\", W/{tag} ,,"),
        format!("If-None-Match: \"x\"\r\nIf-None-Match: {tag}"),
        "If-None-Match: *".to_owned(),
        format!("If-Modified-Since: {date}"),
        "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT".to_owned(),
        format!("If-None-Match: {tag}\r\nIf-Modified-Since: {}", earlier(&date)),
        format!("If-None-Match: {tag}\r\nRange: bytes=0-1"),
    ] {
        for method in ["GET", "HEAD"] {
            client.say(format!("{method} /a HTTP/1.1\r\nHost: a\r\n{condition}\r\n\r\n"));
            let response = client.head_response();
            assert_eq!(response.status, 304, "{method} {condition}");
            assert_eq!(names(&response), ["Date", "ETag"], "{condition}");
            assert_eq!(response.header("ETag"), tag);
        }
    }
    assert_eq!(client.get("/a", "").body, b"contents", "in step");
}

#[test]
fn a_client_that_has_another_version_gets_this_one() {
    let (world, tag, date) = world();
    let mut client = world.connect();
    for condition in [
        "If-None-Match: \"other\"".to_owned(),
        format!("If-None-Match: {}", tag.replace('"', "")),
        format!("If-Modified-Since: {}", earlier(&date)),
        format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {date}"),
        "If-Modified-Since: yesterday".to_owned(),
        format!("If-Modified-Since: {date}, {date}"),
        format!("If-Modified-Since: {date}\r\nIf-Modified-Since: {date}"),
        format!("If-Match: {tag}"),
        format!("If-Match: \"x\", {tag}"),
        "If-Match: *".to_owned(),
        format!("If-Match: {tag}\r\nIf-Unmodified-Since: {}", earlier(&date)),
        format!("If-Unmodified-Since: {date}"),
        "If-Unmodified-Since: yesterday".to_owned(),
        format!("If-Range: {tag}"),
    ] {
        let response = client.get("/a", &format!("{condition}\r\n"));
        assert_eq!(
            (response.status, &response.body[..]),
            (200, b"contents" as &[u8]),
            "{condition}"
        );
    }
}

#[test]
fn a_condition_that_fails_gets_412() {
    let (world, tag, date) = world();
    let mut client = world.connect();
    for condition in [
        "If-Match: \"other\"".to_owned(),
        format!("If-Match: W/{tag}"),
        format!("If-Match: \"other\"\r\nIf-None-Match: {tag}"),
        format!("If-Match: \"other\"\r\nIf-Unmodified-Since: {date}"),
        format!("If-Unmodified-Since: {}", earlier(&date)),
        format!("If-Unmodified-Since: {}\r\nIf-None-Match: {tag}", earlier(&date)),
        "If-Match: \"other\"\r\nRange: bytes=0-1".to_owned(),
    ] {
        assert_eq!(client.get("/a", &format!("{condition}\r\n")).status, 412, "{condition}");
    }
}

#[test]
fn a_date_has_three_forms() {
    let (world, _, date) = world();
    let parts: Vec<&str> = date.split([' ', ':']).collect();
    let [name, day, month, year, hour, minute, second, _] = parts[..] else { panic!("{date}") };
    let long = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    let long = long.iter().find(|it| it.starts_with(&name[..3])).expect("a day");
    let day_alone = day.strip_prefix('0').unwrap_or(day);
    let mut client = world.connect();
    let mut status =
        |date: &str| client.get("/a", &format!("If-Modified-Since: {date}\r\n")).status;
    let clock = format!("{hour}:{minute}:{second}");
    assert_eq!(status(&date), 304);
    assert_eq!(status(&format!("{long}, {day}-{month}-{} {clock} GMT", &year[2..])), 304);
    assert_eq!(status(&format!("{} {month} {day_alone:>2} {clock} {year}", &name[..3])), 304);
    assert_eq!(status("Sunday, 06-Nov-94 08:49:37 GMT"), 200);
    assert_eq!(status("Sun Nov  6 08:49:37 1994"), 200);
    assert_eq!(status("Fri, 01 Jan 1960 00:00:00 GMT"), 200);
    assert_eq!(status("Tue, 30 Jun 2099 23:59:60 GMT"), 304, "a leap second");
}

#[test]
fn a_part_is_of_the_version_that_the_client_has_or_it_is_the_whole() {
    let (world, tag, date) = world();
    let mut client = world.connect();
    let mut get =
        |if_range: &str| client.get("/a", &format!("Range: bytes=0-2\r\nIf-Range: {if_range}\r\n"));
    for if_range in [&tag, &date] {
        let part = get(if_range);
        assert_eq!((part.status, &part.body[..]), (206, b"con" as &[u8]), "{if_range}");
        assert_eq!(names(&part), ["Content-Length", "Content-Range", "Date", "ETag"]);
    }
    let weak = format!("W/{tag}");
    for if_range in ["\"other\"", &weak, "*", &earlier(&date), "yesterday", ""] {
        let whole = get(if_range);
        assert_eq!((whole.status, &whole.body[..]), (200, b"contents" as &[u8]), "{if_range}");
    }
    let part = client.get("/a", "Range: bytes=0-2\r\n");
    let whole = client.get("/a", "");
    let mut expected = names(&whole);
    expected.push("Content-Range");
    expected.sort_unstable();
    assert_eq!(names(&part), expected, "who has nothing gets all that describes the file");
}

#[test]
fn a_date_is_no_condition_before_its_second_is_over() {
    let world = World::new();
    let mut client = world.connect();
    let deadline = std::time::Instant::now() + crate::world::PATIENCE;
    // Until all of it happens within one second.
    loop {
        assert!(std::time::Instant::now() < deadline, "always slower than a second");
        let before = httpdate::fmt_http_date(std::time::SystemTime::now());
        world.folder.file("a", "contents");
        let mut first = client.get("/a", "");
        while !first.headers.contains_key("ETag") {
            first = client.get("/a", "");
        }
        let part = client.get("/a", &format!("Range: bytes=0-2\r\nIf-Range: {before}\r\n"));
        let whole = client.get("/a", &format!("If-Modified-Since: {before}\r\n"));
        if whole.header("Date") == before {
            assert!(!first.headers.contains_key("Last-Modified"), "{first:?}");
            assert_eq!((part.status, whole.status), (200, 200));
            return;
        }
    }
}

#[test]
fn conditions_matter_only_where_the_answer_would_be_good() {
    let (world, tag, _) = world();
    let mut client = world.connect();
    let conditions = format!("If-None-Match: {tag}, *\r\nIf-Match: \"other\"\r\n");
    for (request, status) in [
        ("GET /none", 404),
        ("GET /folder", 301),
        ("GET /..", 400),
        ("OPTIONS /a", 200),
        ("PUT /a", 405),
    ] {
        client.say(format!("{request} HTTP/1.1\r\nHost: a\r\n{conditions}\r\n"));
        assert_eq!(client.response().status, status, "{request}");
    }
}

#[test]
fn a_page_of_names_has_no_version() {
    let (world, tag, _) = world();
    let mut client: Client = world.connect();
    let page = client.get("/folder/", "");
    assert_eq!(page.status, 200);
    for none in ["ETag", "Last-Modified", "Accept-Ranges"] {
        assert!(!page.headers.contains_key(none), "{none}");
    }
    let mut status = |headers: &str| client.get("/folder/", &format!("{headers}\r\n")).status;
    assert_eq!(status(&format!("If-None-Match: {tag}")), 200);
    assert_eq!(status("If-None-Match: *"), 304);
    assert_eq!(status(&format!("If-Match: {tag}")), 412);
    assert_eq!(status("If-Match: *"), 200);
    assert_eq!(status("If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT"), 200);
    assert_eq!(status("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"), 200);
    assert_eq!(status("Range: bytes=0-1"), 200);
}
