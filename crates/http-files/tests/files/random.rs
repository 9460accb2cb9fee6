//! Requests that chance has made, and real ones that it has spoilt.

use crate::world::{World, settings};
use overlapped_http_files::Settings;
use std::io::Write;
use std::net::Shutdown;

const REQUESTS: usize = 20_000;

/// A small generator of numbers; the same seed gives the same requests.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // Steele and Vigna's splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

fn request(random: &mut Random) -> Vec<u8> {
    let method = random.one(&["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "get", ""]);
    let target = random.one(&[
        "/",
        "/a",
        "/a/",
        "/sub",
        "/sub/",
        "/sub/../a",
        "/%2e%2e/",
        "/%",
        "/a%00",
        "*",
        "http://a/a",
        "//",
        "/a?%zz#",
        "/./a",
        "/\u{e9}",
        "/a%2fb",
        "/sub//b",
        "",
    ]);
    let version = random.one(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/1.1x", ""]);
    let mut text = format!("{method} {target} {version}\r\nHost: a\r\n");
    for _ in 0..random.below(5) {
        let header = random.one(&[
            "Range: bytes=0-",
            "Range: bytes=-1",
            "Range: bytes=5-2",
            "Range: bytes=99999999999999999999-",
            "If-None-Match: *",
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
            "If-Modified-Since: Sunday, 06-Nov-94 99:99:99 GMT",
            "If-Range: \"x\"",
            "If-Match: W/,,\"",
            "Connection: close",
            "Connection: keep-alive, ,",
            "Content-Length: 5",
            "Content-Length: -1",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: chunked",
            "Host: b",
            "A:",
            ": b",
            "A : b",
            " folded",
            "Expect: 100-continue",
        ]);
        text.push_str(header);
        text.push_str(random.one(&["\r\n", "\r\n", "\r\n", "\n", "\r", ""]));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    for _ in 0..random.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes.truncate(at),
            2 => bytes.insert(at, random.next() as u8),
            _ => {
                let part = bytes[at..].to_vec();
                bytes.extend_from_slice(&part);
            }
        }
    }
    if random.below(10) == 0 {
        bytes = (0..random.below(300)).map(|_| random.next() as u8).collect();
    }
    bytes
}

#[test]
fn no_request_however_made_stops_the_server_or_gets_a_wrong_answer() {
    let seed = std::env::var("OVERLAPPED_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(20_261_121);
    println!("OVERLAPPED_SEED={seed}");
    let world = World::with(Settings { listing: true, ..settings() });
    world.folder.file("a", "0123456789");
    world.folder.file("sub/b", "b");
    std::thread::scope(|threads| {
        for thread in 0..2 {
            let world = &world;
            threads.spawn(move || ask(world, &mut Random(seed + thread)));
        }
    });
    world.until(|status| status.connected == 0);
    assert_eq!(world.get("/a").body, b"0123456789");
    let status = world.server.status();
    assert!(status.responses >= 1_000, "{status:?}");
    assert_eq!(status.errors.other, 0, "{status:?}");
}

fn ask(world: &World, random: &mut Random) {
    let mut left = REQUESTS / 2;
    while left > 0 {
        let mut client = world.connect();
        let together = 1 + random.below(20).min(left - 1);
        left -= together;
        for _ in 0..together {
            // The server may have closed the connection over what came before.
            let _ = client.stream.write_all(&request(random));
        }
        let _ = client.stream.shutdown(Shutdown::Write);
        let answers = client.rest_until_any_end();
        if !answers.is_empty() {
            assert!(answers.starts_with(b"HTTP/1.1 "), "{:?}", String::from_utf8_lossy(&answers));
        }
    }
}
