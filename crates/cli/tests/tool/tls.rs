//! The server of files over TLS as a command.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::bad_input::refused;
use crate::process::Running;
use crate::serve::connect;

/// A folder with a file, and a certificate of `localhost` with its key beside it.
struct World(PathBuf);

impl World {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("overlapped-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("site")).expect("a folder");
        let world = Self(path);
        std::fs::write(world.path("site/hello.txt"), "hello").expect("a file");
        std::fs::write(world.path("site/large"), large()).expect("a file");
        for (certificate, key) in [("certificate", "key"), ("other-certificate", "other-key")] {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
            let made = made.expect("a certificate is made");
            std::fs::write(world.path(certificate), made.cert.pem()).expect("a file");
            std::fs::write(world.path(key), made.signing_key.serialize_pem()).expect("a file");
        }
        world
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }

    fn serve(&self, more: &[&str]) -> (Running, SocketAddr) {
        let (site, certificate, key) =
            (self.path("site"), self.path("certificate"), self.path("key"));
        let options =
            [&site, "--app", "files", "--tls", "--certificate", &certificate, "--key", &key];
        Running::serve(&[&options[..], &["--json", "--quiet"], more].concat())
    }

    /// Asks by curl for a file; None where that is not installed, or has no such version of HTTP.
    fn curl(&self, address: SocketAddr, path: &str, options: &[&str]) -> Option<Output> {
        let version = Command::new("curl").arg("--version").output();
        let version = version.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
        let version = version.unwrap_or_default();
        if version.is_empty() || options.contains(&"--http2") && !version.contains("HTTP2") {
            eprintln!("skipped: curl {options:?}: it is not here, or cannot do that");
            return None;
        }
        let port = address.port();
        let asked = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "250", "--noproxy", "*", "--resolve"])
            .arg(format!("localhost:{port}:127.0.0.1"))
            .args(options)
            .arg(format!("https://localhost:{port}{path}"))
            .output();
        Some(asked.expect("curl runs"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn large() -> Vec<u8> {
    (0..1_000_003_u32).map(|number| (number % 251) as u8).collect()
}

#[test]
fn both_versions_of_http_get_files_and_parts_of_them() {
    let world = World::new("tls-curl");
    let log = world.path("log");
    let (server, address) = world.serve(&["--access-log", &log]);
    let root = world.path("certificate");
    let mut asked = 0;
    for (version, status) in [("--http1.1", "HTTP/1.1 206"), ("--http2", "HTTP/2 206")] {
        let options = [version, "--cacert", &root];
        let Some(whole) = world.curl(address, "/large", &options) else { continue };
        assert!(whole.stdout == large(), "{version}: {whole:?}");
        let part = [&options[..], &["--include", "--range", "1-3"]].concat();
        let part = world.curl(address, "/hello.txt", &part).expect("it was there");
        let part = String::from_utf8(part.stdout).expect("text");
        assert!(part.starts_with(status) && part.ends_with("\r\n\r\nell"), "{part}");
        assert!(part.contains("content-range: bytes 1-3/5\r\n"), "{part}");
        let gone = [&options[..], &["--write-out", "%{http_code}", "--output", "-"]].concat();
        let gone = world.curl(address, "/gone", &gone).expect("it was there");
        assert_eq!(gone.stdout, b"404 Not Found\n404", "{version}");
        asked += 3;
    }
    // Who does not trust the certificate ends in the handshake.
    let refused =
        world.curl(address, "/hello.txt", &["--cacert", &world.path("other-certificate")]);
    let refusals = u64::from(refused.is_some_and(|it| !it.status.success()));
    assert_eq!(refusals, u64::from(asked > 0));
    let ended = server.interrupt();
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    let summary = ended.json();
    crate::schema::check("serve-summary", &summary);
    assert_eq!((&summary["messages"], &summary["left"]), (&asked.into(), &0.into()));
    assert_eq!(summary["errors"]["other"], refusals);
    let lines = std::fs::read_to_string(log).expect("a log");
    assert_eq!(lines.lines().count(), asked);
    assert!(asked == 0 || lines.contains("\"GET /hello.txt HTTP/1.1\" 206 3\n"), "{lines}");
}

#[test]
fn who_speaks_no_tls_or_ends_in_the_handshake_is_counted_and_harms_nobody() {
    let world = World::new("tls-plain");
    let (server, address) = world.serve(&["--max-connections", "1"]);
    let mut plain = connect(address);
    plain.write_all(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n").expect("the server reads");
    let mut answer = Vec::new();
    // It may be reset.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    drop(plain);
    // The only place is free again.
    let mut early = connect(address);
    early.write_all(&[22, 3, 1, 2]).expect("the server reads");
    early.shutdown(Shutdown::Write).expect("it is connected");
    let _ = early.read_to_end(&mut Vec::new());
    drop(early);
    let root = world.path("certificate");
    if let Some(served) = world.curl(address, "/hello.txt", &["--cacert", &root]) {
        assert_eq!(served.stdout, b"hello", "{served:?}");
    }
    let summary = server.interrupt().json();
    assert_eq!((&summary["errors"]["other"], &summary["peak_connected"]), (&2.into(), &1.into()));
}

#[test]
fn a_certificate_or_a_key_of_no_use_is_told_in_one_line() {
    let world = World::new("tls-bad");
    let (site, certificate, key) =
        (world.path("site"), world.path("certificate"), world.path("key"));
    let (other_key, text, gone) =
        (world.path("other-key"), world.path("site/hello.txt"), world.path("gone"));
    let torn = world.path("torn");
    std::fs::write(&torn, "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n")
        .expect("a file");
    let start = ["serve", "127.0.0.1:0", &site, "--app", "files", "--tls"];
    for (certificate, key, parts) in [
        (&gone, &key, &["cannot read the certificate", "gone"]),
        (&certificate, &gone, &["cannot read the key", "gone"]),
        (&text, &key, &["has no certificate", "BEGIN CERTIFICATE"]),
        (&certificate, &certificate, &["has no key", "BEGIN PRIVATE KEY"]),
        (&certificate, &other_key, &["is not that of the certificate", "other-key"]),
        (&torn, &key, &["is no valid PEM", "torn"]),
    ] {
        let files = ["--certificate", certificate, "--key", key];
        refused(&[&start[..], &files].concat(), 1, parts);
    }
    let files = ["--certificate", &certificate, "--key", &key];
    refused(&[&start[..], &files[..2]].concat(), 2, &["--key"]);
    refused(&[&["serve", "--tls"], &files[..]].concat(), 2, &["--tls", "--app files"]);
    for option in
        ["--least-rate", "--stall-timeout", "--connections-per-client", "--posted-accepts"]
    {
        let value = if option == "--stall-timeout" { "9s" } else { "9" };
        refused(&[&start[..], &files, &[option, value]].concat(), 2, &[option, "with --tls"]);
    }
}
