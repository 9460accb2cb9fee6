//! What a responder answers is what a server answers.

use http::{Request, Version};
use http_body::Body as _;
use overlapped_http_files::{Body, Responder, Server, Settings};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Status, headers that both say, and the body.
type Answer = (u16, Vec<(String, String)>, Vec<u8>);

fn sorted<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let both = |name: &str| !name.eq_ignore_ascii_case("date");
    let headers = headers.filter(|(name, _)| both(name));
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    headers.sort();
    headers
}

fn read(mut body: Body) -> Result<Vec<u8>, std::io::Error> {
    let mut context = Context::from_waker(Waker::noop());
    let mut bytes = Vec::new();
    while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
        let piece = frame?.into_data().unwrap_or_default();
        assert!(piece.len() <= 64 * 1024, "a piece of {} bytes", piece.len());
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn of_responder(
    responder: &Responder,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder().method(method).uri(target).version(Version::HTTP_11);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response = responder.respond(None, &request.body(()).expect("a request"));
    let status = response.status().as_u16();
    let headers = response.headers().iter();
    let headers =
        sorted(headers.map(|(name, value)| (name.as_str(), value.to_str().expect("text"))));
    (status, headers, read(response.into_body()).expect("the file is there"))
}

fn of_server(
    server: std::net::SocketAddr,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let mut stream = TcpStream::connect(server).expect("the server listens");
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("{method} {target} HTTP/1.1\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).expect("it is connected");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("it is answered");
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&bytes[..end]).expect("text");
    let status = head[9..12].parse().expect("a status");
    let headers = sorted(head.split("\r\n").filter_map(|line| line.split_once(": ")));
    (status, headers, bytes[end + 4..].to_vec())
}

fn with_folder(name: &str, test: impl FnOnce(&Path)) {
    let folder = std::env::temp_dir().join(format!("overlapped-{name}-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("sub")).expect("a folder");
    let large: Vec<u8> = (0..300_001_u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(folder.join("large.txt"), large).expect("a file");
    std::fs::write(folder.join("empty"), "").expect("a file");
    test(&folder);
    std::fs::remove_dir_all(&folder).expect("nobody has it");
}

#[test]
fn a_responder_answers_as_a_server_does() {
    with_folder("responder-same", |folder| {
        let settings = Settings { listing: true, ..Settings::default() };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let server = Server::start(listener, folder, &settings).expect("it starts");
        let responder = Responder::open(folder, &settings, false).expect("a folder");
        // From then on its version is told: a tag, and a date.
        while !of_responder(&responder, "HEAD", "/large.txt", &[("host", "a")])
            .1
            .iter()
            .any(|(name, _)| name == "last-modified")
        {
            std::thread::yield_now();
        }
        let (_, headers, _) =
            of_server(address, "HEAD", "/large.txt", &[("host", "a"), ("connection", "close")]);
        let tag = headers.iter().find(|(name, _)| name == "etag").expect("a tag").1.clone();
        let mut statuses = Vec::new();
        for (method, target, field) in [
            ("GET", "/large.txt", ("x", "y")),
            ("HEAD", "/large.txt", ("x", "y")),
            ("GET", "/empty", ("x", "y")),
            ("GET", "/", ("x", "y")),
            ("GET", "/sub?a=b", ("x", "y")),
            ("GET", "/gone", ("x", "y")),
            ("GET", "/%2e%2e/x", ("x", "y")),
            ("GET", "/large.txt", ("range", "bytes=70000-200000")),
            ("GET", "/large.txt", ("range", "bytes=-5")),
            ("GET", "/large.txt", ("range", "bytes=400000-")),
            ("GET", "/large.txt", ("if-none-match", &tag)),
            ("GET", "/large.txt", ("if-match", "\"other\"")),
            ("OPTIONS", "/large.txt", ("x", "y")),
            ("POST", "/large.txt", ("x", "y")),
            ("BREW", "/large.txt", ("x", "y")),
            ("GET", "/large.txt", ("host", "twice")),
            ("GET", "/large.txt", ("content-length", "99999")),
            ("GET", "https://a/large.txt", ("x", "y")),
            ("GET", "http://a/large.txt", ("x", "y")),
        ] {
            let fields = [("host", "a"), ("connection", "close"), field];
            let answer = of_server(address, method, target, &fields);
            assert_eq!(
                of_responder(&responder, method, target, &fields),
                answer,
                "{method} {target} {field:?}"
            );
            statuses.push(answer.0);
        }
        let expected = [
            200, 200, 200, 200, 301, 404, 400, 206, 206, 416, 304, 412, 200, 405, 501, 400, 413,
            421, 200,
        ];
        assert_eq!(statuses, expected);
        let status = responder.status();
        assert_eq!((status.refusals, server.status().refusals), (9, 9));
        server.stop(Duration::ZERO);
    });
}

#[test]
fn a_file_that_becomes_shorter_is_an_error_and_not_an_end() {
    with_folder("responder-shorter", |folder| {
        let responder = Responder::open(folder, &Settings::default(), true).expect("a folder");
        let request = Request::get("https://a/large.txt").body(()).expect("a request");
        let response = responder.respond(None, &request);
        assert_eq!(response.headers()["content-length"], "300001");
        let file = std::fs::OpenOptions::new().write(true).open(folder.join("large.txt"));
        file.and_then(|file| file.set_len(70_000)).expect("it is cut");
        assert!(read(response.into_body()).is_err());
        assert_eq!(responder.status().responses, 0);
    });
}
