//! Any bytes to the file server: what it answers is HTTP, of the folder, and what its statuses mean.
//!
//! The folder has a link that leads out of it, to a file with a [`SECRET`]. The same request, if it can be written as
//! one of the crate `http`, goes to a `Responder`, which must answer alike.

use crate::folders;
use crate::hostile::exchange;
use overlapped_http_files::{Responder, Server, Settings};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

/// What no answer may have.
const SECRET: &[u8] = b"this is outside of the folder";
/// All that the server says, beside an interim answer.
const STATUSES: [u16; 17] =
    [200, 206, 301, 304, 400, 403, 404, 405, 408, 412, 413, 414, 416, 417, 421, 431, 501];
const ALSO: [u16; 3] = [500, 503, 505];

struct Site {
    #[expect(dead_code, reason = "it is removed when it is dropped")]
    folder: TempDir,
    #[expect(dead_code, reason = "it ends when it is dropped")]
    server: Server,
    address: SocketAddr,
    responder: Responder,
    large: Vec<u8>,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let folder = folders::fresh();
    let (outside, site) = (folder.path().join("outside"), folder.path().join("site"));
    std::fs::create_dir_all(site.join("sub")).expect("a folder");
    std::fs::create_dir_all(&outside).expect("a folder");
    std::fs::write(outside.join("secret"), SECRET).expect("a file");
    std::fs::write(site.join("empty"), "").expect("a file");
    std::fs::write(site.join("a b.txt"), "with a space").expect("a file");
    std::fs::write(site.join("sub/index.html"), "<p>index</p>").expect("a file");
    let large: Vec<u8> = (0..70_001_u32).map(|number| b'a' + (number % 26) as u8).collect();
    std::fs::write(site.join("large.txt"), &large).expect("a file");
    links(&site, &outside);
    let settings = Settings { listing: true, threads: 2, ..Settings::default() };
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
    let address = listener.local_addr().expect("it listens");
    let server = Server::start(listener, &site, &settings).expect("it starts");
    let responder = Responder::open(&site, &settings, false).expect("a folder");
    Site { folder, server, address, responder, large }
});

#[cfg(unix)]
fn links(site: &Path, outside: &Path) {
    use std::os::unix::fs::symlink;
    symlink(outside, site.join("out")).expect("a link");
    symlink("../outside/secret", site.join("up")).expect("a link");
}

#[cfg(not(unix))]
fn links(_: &Path, _: &Path) {}

/// The first byte says where the request is cut in two.
pub fn run(data: &[u8]) {
    let (cut, bytes) =
        data.split_first().map_or((0, data), |(cut, rest)| (usize::from(*cut), rest));
    let site = &*SITE;
    let answer = exchange(site.address, bytes, cut);
    assert!(!contains(&answer, SECRET), "the secret came out");
    let mut rest = &answer[..];
    while !rest.is_empty() {
        rest = one_answer(rest, &site.large);
    }
    respond(site, bytes);
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

/// Looks at the first answer, and gives what is behind it.
fn one_answer<'a>(bytes: &'a [u8], large: &[u8]) -> &'a [u8] {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").expect("a whole head") + 4;
    let head = std::str::from_utf8(&bytes[..end]).expect("text");
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status: u16 = status.unwrap_or_else(|| panic!("no status: {head:?}"));
    let rest = &bytes[end..];
    if status == 100 {
        return rest;
    }
    assert!(STATUSES.contains(&status) || ALSO.contains(&status), "{status}");
    let field = |name: &str| {
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
        lines.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let range = field("content-range");
    assert_eq!(range.is_some(), matches!(status, 206 | 416), "{head:?}");
    assert_eq!(field("location").is_some(), status == 301, "{head:?}");
    let Some(length) = field("content-length") else {
        assert!(matches!(status, 304), "an answer without a length: {head:?}");
        return rest;
    };
    let length: usize = length.parse().expect("a number");
    // Nothing that is in the folder begins like an answer: so this one has no body.
    if rest.is_empty() || rest.starts_with(b"HTTP/1.1 ") {
        return rest;
    }
    assert!(rest.len() >= length, "{} bytes of {length} came: {head:?}", rest.len());
    let body = &rest[..length];
    if let (206, Some(range)) = (status, range) {
        let (span, whole) =
            range.strip_prefix("bytes ").and_then(|it| it.split_once('/')).expect("a range");
        let (first, last) = span.split_once('-').expect("a range");
        let (first, last): (usize, usize) =
            (first.parse().expect("a number"), last.parse().expect("a number"));
        assert!(first <= last && last - first + 1 == length, "{range} of {length} bytes");
        if whole == large.len().to_string() {
            assert_eq!(body, &large[first..=last], "other bytes than {range}");
        }
    }
    &rest[length..]
}

/// The same request without the wire.
fn respond(site: &Site, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")).take(20) {
        request = request.header(name, value);
    }
    let Ok(request) = request.body(()) else { return };
    let response = site.responder.respond(None, &request);
    let status = response.status().as_u16();
    assert!(STATUSES.contains(&status) || ALSO.contains(&status), "{status}");
    let has_range = response.headers().contains_key("content-range");
    assert_eq!(has_range, matches!(status, 206 | 416), "{:?}", response.headers());
    let mut body = std::pin::pin!(response.into_body());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while let std::task::Poll::Ready(Some(frame)) =
        http_body::Body::poll_frame(body.as_mut(), &mut context)
    {
        let piece = frame.expect("the file is there").into_data().unwrap_or_default();
        assert!(!contains(&piece, SECRET), "the secret came out");
    }
}
