//! The programs, each driven by a client that is not of this project: `curl`, `openssl s_client`. What is not
//! installed is skipped by name.

mod certificates;
#[path = "../http_sqlite.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod http_sqlite;
#[path = "../https.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod https;

use overlapped::ListenSocket;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// No test waits longer than this for anything; it fails instead.
const PATIENCE: Duration = Duration::from_secs(300);

/// A folder for one test; removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("overlapped-example-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn listen() -> (ListenSocket, SocketAddr) {
    let socket = ListenSocket::bind("127.0.0.1:0", 128).expect("one can listen");
    let address = socket.local_addr().expect("it has an address");
    (socket, address)
}

/// What a program did that gets `input`; nothing if it is not installed.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    match command.spawn() {
        Ok(mut child) => {
            let mut stdin = child.stdin.take().expect("it is piped");
            // It may end before it has read all.
            let _ = stdin.write_all(input);
            drop(stdin);
            Some(child.wait_with_output().expect("it ends"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: {program} {arguments:?}: no {program} here");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// What a program prints that has to succeed; nothing if it is not installed.
fn output_of(program: &str, arguments: &[&str], input: &[u8]) -> Option<String> {
    let output = run(program, arguments, input)?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {printed}{complaint}");
    Some(printed)
}

#[test]
fn curl_is_answered_by_the_api_over_sqlite() {
    let folder = Folder::new("http-sqlite");
    let (socket, address) = listen();
    let file = folder.file("visits.db");
    // It serves until the test program ends.
    thread::spawn(move || http_sqlite::serve(socket, &file).expect("it serves on"));

    // Requests that come in pieces and one behind the other, as no client of others sends them.
    let mut client = TcpStream::connect(address).expect("it can be connected");
    client.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let requests = b"GET /slow HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nhost: here\r\n\r\nnone\n\n\n";
    for part in requests.chunks(11) {
        client.write_all(part).expect("it receives");
    }
    let mut answers = String::new();
    while !answers.contains("kB") {
        let mut bytes = [0; 1_000];
        let length = client.read(&mut bytes).expect("it answers");
        assert!(length > 0, "the end after {answers}");
        answers.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
    // It is the last answer, and whatever follows is none of it.
    client.read_to_string(&mut answers).ok();
    assert_eq!(answers.matches("HTTP/1.1").count(), 3, "{answers}");
    let ok = "HTTP/1.1 200 OK\r\nContent-Length:";
    let two = format!("{ok} 8\r\n\r\nvisit 1\n{ok} 6\r\n\r\nhello\nHTTP/1.1 400 Bad Request\r\n");
    assert!(answers.starts_with(&two), "{answers}");

    // A body is not taken for a request.
    let mut client = TcpStream::connect(address).expect("it can be connected");
    client.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let body = "GET /slow HTTP/1.1\r\n\r\n";
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
    client.write_all(format!("{head}{body}").as_bytes()).expect("it receives");
    let mut answer = String::new();
    client.read_to_string(&mut answer).ok();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");

    let get = |path: &str| {
        let patience = PATIENCE.as_secs().to_string();
        let url = format!("http://{address}{path}");
        output_of(
            "curl",
            &["--silent", "--show-error", "--noproxy", "*", "--max-time", &patience, &url],
            b"",
        )
    };
    if let Some(page) = get("/") {
        assert_eq!(page, "hello\n");
        assert_eq!(get("/slow").as_deref(), Some("visit 2\n"));
        assert_eq!(get("/slow").as_deref(), Some("visit 3\n"));
    }
}

#[test]
fn curl_and_openssl_are_answered_over_tls() {
    let folder = Folder::new("https");
    let (key, certificate) = (folder.file("key.pem"), folder.file("cert.pem"));
    let name = |path: &PathBuf| path.to_str().expect("it is a text").to_owned();
    let (key_name, certificate_name) = (name(&key), name(&certificate));
    let make = "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost";
    let mut make: Vec<_> = make.split(' ').collect();
    make.extend(["-keyout", &key_name, "-out", &certificate_name]);
    if output_of("openssl", &make, b"").is_none() {
        return;
    }
    let (socket, address) = listen();
    let config = https::config(&certificate, &key).expect("they are of one form");
    // It serves until the test program ends.
    thread::spawn(move || https::serve(socket, config).expect("it serves on"));

    // Who speaks no TLS loses the connection, and nobody else does.
    let mut client = TcpStream::connect(address).expect("it can be connected");
    client.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let told = client.write_all(b"GET / HTTP/1.1\r\n\r\n");
    let end = told.and_then(|()| client.read_to_end(&mut Vec::new()));
    assert!(matches!(end, Ok(0..100) | Err(_)), "{end:?}");

    let address = address.to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let ask = [
            "s_client",
            "-connect",
            &address,
            "-CAfile",
            &certificate_name,
            "-servername",
            "localhost",
            "-verify_return_error",
            "-quiet",
            "-no_ign_eof",
            version,
        ];
        // It ends with its input, and may do so before the answer has come.
        let output = run("openssl", &ask, b"").expect("it is here");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{version}: {said}");
    }
    let (_, port) = address.split_once(':').expect("it has a port");
    let url = format!("https://localhost:{port}/");
    let resolve = format!("localhost:{port}:127.0.0.1");
    let patience = PATIENCE.as_secs().to_string();
    let ask = [
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--max-time",
        &patience,
        "--cacert",
        &certificate_name,
        "--resolve",
        &resolve,
        &url,
        &url,
    ];
    if let Some(pages) = output_of("curl", &ask, b"") {
        assert_eq!(pages, "hello\nhello\n");
    }
}

#[test]
fn who_goes_on_after_the_end_of_tls_loses_the_connection() {
    let (server, client) = certificates::configs();
    let (socket, address) = listen();
    // It serves until the test program ends.
    thread::spawn(move || https::serve(socket, server).expect("it serves on"));
    let name = "localhost".try_into().expect("it is a name");
    let mut tls = rustls::ClientConnection::new(Arc::new(client), name).expect("it can begin");
    let mut stream = TcpStream::connect(address).expect("it can be connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let mut asking = rustls::Stream::new(&mut tls, &mut stream);
    asking.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it is connected");
    asking.read_exact(&mut [0; 15]).expect("it is answered");
    tls.send_close_notify();
    tls.write_tls(&mut stream).expect("it is connected");
    // The server may be told of the end first, and have closed.
    let _ = stream.write_all(&[23, 3, 3, 0, 1, 0]);
    let end = stream.read_to_end(&mut Vec::new());
    let has_waited = |error: &std::io::Error| {
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
    };
    assert!(!end.as_ref().is_err_and(has_waited), "{end:?}");
}
