//! Ranges and conditions, over the wire.

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
    assert_eq!(client.get("/a", "Range: bytes=5-4\r\n").status, 200);
    assert_eq!(client.get("/a", "Range: bytes=0-1\r\nRange: bytes=3-4\r\n").status, 200);
}

#[test]
fn a_client_that_has_the_file_gets_no_body() {
    let world = World::new();
    world.folder.file("a", "contents");
    let mut client = world.connect();
    let first = client.get("/a", "");
    let (tag, date) = (first.header("ETag"), first.header("Last-Modified"));
    for header in [format!("If-None-Match: {tag}"), format!("If-Modified-Since: {date}")] {
        let response = client.get("/a", &format!("{header}\r\n"));
        assert_eq!((response.status, response.body.len()), (304, 0), "{header}");
        assert_eq!(response.header("ETag"), tag);
    }
    assert_eq!(client.get("/a", "If-None-Match: \"other\"\r\n").status, 200);
    assert_eq!(client.get("/a", "If-Match: \"other\"\r\n").status, 412);
    let range = "Range: bytes=0-2\r\n";
    assert_eq!(client.get("/a", &format!("{range}If-Range: {tag}\r\n")).body, b"con");
    assert_eq!(client.get("/a", &format!("{range}If-Range: \"other\"\r\n")).body, b"contents");
}
