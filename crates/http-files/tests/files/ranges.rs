//! Ranges, over the wire.

use crate::world::{World, pattern};

#[test]
fn a_range_is_that_part_of_the_file() {
    let world = World::new();
    let contents = pattern(1 << 20);
    world.folder.file("a", &contents);
    let mut client = world.connect();
    let size = contents.len();
    for (range, first, last) in [
        ("0-0", 0, 0),
        ("100-199", 100, 199),
        ("1048000-", 1_048_000, size - 1),
        ("-10", size - 10, size - 1),
        ("500000-99999999999999999999", 500_000, size - 1),
    ] {
        let response = client.get("/a", &format!("Range: bytes={range}\r\n"));
        assert_eq!(response.status, 206, "{range}");
        assert_eq!(response.header("Content-Range"), format!("bytes {first}-{last}/{size}"));
        assert!(response.body == contents[first..=last], "{range}");
    }
    let beyond = client.get("/a", &format!("Range: bytes={size}-\r\n"));
    assert_eq!((beyond.status, beyond.header("Content-Range")), (416, "bytes */1048576"));
}

#[test]
fn a_range_that_is_none_or_of_no_use_is_ignored() {
    let world = World::new();
    world.folder.file("a", "0123456789");
    world.folder.file("empty", "");
    let mut client = world.connect();
    let many = (0..200).map(|at| format!("{at}-")).collect::<Vec<_>>().join(",");
    for range in [
        "bytes=5-4",
        "bytes=",
        "bytes=x-y",
        "bytes=-",
        "bytes=--1",
        "lines=0-1",
        "bytes",
        "",
        "bytes=0-1,3-4",
        "bytes=0-,0-,0-,0-",
        &format!("bytes={many}"),
    ] {
        let response = client.get("/a", &format!("Range: {range}\r\n"));
        assert_eq!((response.status, response.body.len()), (200, 10), "{range}");
        assert!(!response.headers.contains_key("Content-Range"), "{range}");
    }
    assert_eq!(client.get("/a", "Range: bytes=0-1\r\nRange: bytes=3-4\r\n").status, 200);
    client.say("HEAD /a HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\n");
    let head = client.head_response();
    assert_eq!((head.status, head.header("Content-Length")), (200, "10"));
    assert_eq!(client.get("/a", "Range: bytes=,1-2,\r\n").body, b"12");
    assert_eq!(client.get("/a", "Range: bytes=-0\r\n").status, 416);
    let nothing = client.get("/empty", "Range: bytes=0-\r\n");
    assert_eq!((nothing.status, nothing.header("Content-Range")), (416, "bytes */0"));
    assert_eq!(client.get("/empty", "Range: bytes=-5\r\n").status, 200);
}
