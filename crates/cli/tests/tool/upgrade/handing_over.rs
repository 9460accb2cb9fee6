//! The parent that has the listening socket, and what it hands over.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use socket2::{Domain, Socket, Type};

use crate::process::{Ended, Running};
use crate::system;

/// A process that listens and serves nobody itself.
pub struct Parent {
    socket: Socket,
    pub address: SocketAddr,
}

impl Parent {
    pub fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        socket.bind(&any.into()).and_then(|()| socket.listen(4_096)).expect("a free port");
        let address = socket.local_addr().expect("it is bound").as_socket().expect("of IP");
        Self { socket, address }
    }

    /// Starts a server on the socket.
    pub fn serve(&self, options: &[&str]) -> Running {
        let socket = OwnedFd::from(self.socket.try_clone().expect("a descriptor"));
        with_socket(socket, &[("LISTEN_FDS", "1")], &[&["--listen-fds"], options].concat())
    }
}

/// Starts `serve` with this as its descriptor 3, the way a script does it.
fn with_socket(socket: OwnedFd, variables: &[(&str, &str)], options: &[&str]) -> Running {
    system::start_as_usual();
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "exec \"$0\" serve \"$@\" 3<&0 4<&0 </dev/null",
            env!("CARGO_BIN_EXE_overlapped"),
        ])
        .args(options)
        .env_remove("LISTEN_PID")
        .envs(variables.iter().copied());
    Running::run_on(command, Stdio::from(socket))
}

fn refused(
    socket: OwnedFd,
    variables: &[(&str, &str)],
    options: &[&str],
    code: i32,
    parts: &[&str],
) {
    let ended: Ended = with_socket(socket, variables, options).wait();
    assert_eq!((ended.code(), ended.output.as_str()), (code, ""), "{ended:?}");
    assert_eq!(ended.errors.lines().count(), 1, "{ended:?}");
    for part in parts {
        assert!(ended.errors.contains(part), "{options:?}: {part:?} is not in {}", ended.errors);
    }
}

#[test]
fn a_socket_is_known_by_its_name_and_what_is_none_is_refused() {
    let parent = Parent::new();
    let socket = || OwnedFd::from(parent.socket.try_clone().expect("a descriptor"));
    let two = [("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "web:admin")];
    let server = with_socket(socket(), &two, &["--listen-fds=admin", "--quiet"]);
    assert_eq!(server.address(), parent.address);
    assert_eq!(server.interrupt().code(), 0);

    let one = [("LISTEN_FDS", "1")];
    let only = ["--listen-fds"];
    refused(socket(), &two, &only, 1, &["2 sockets", "web", "admin", "--listen-fds=NAME"]);
    refused(socket(), &two, &["--listen-fds=other"], 1, &["\"other\"", "web"]);
    refused(socket(), &[], &only, 1, &["LISTEN_FDS is not set", ".socket unit"]);
    refused(socket(), &[("LISTEN_FDS", "many")], &only, 1, &["\"many\""]);
    refused(socket(), &[("LISTEN_FDS", "4000000000")], &only, 1, &["4000000000"]);
    let of_another = [one[0], ("LISTEN_PID", "1")];
    refused(socket(), &of_another, &only, 1, &["for the process 1"]);

    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    refused(datagrams.into(), &one, &only, 1, &["no listening socket of TCP", "ListenStream="]);
    let connected = TcpStream::connect(parent.address).expect("it listens");
    refused(connected.into(), &one, &only, 1, &["no listening socket of TCP"]);
    let file = std::fs::File::open("/dev/null").expect("it is there");
    refused(file.into(), &one, &only, 1, &["no listening socket of TCP"]);

    for (options, part) in [
        (&["127.0.0.1:0"][..], "leave out the address 127.0.0.1:0"),
        (&["127.0.0.1:0", ".", "--app", "files"], "leave out the address 127.0.0.1:0"),
        (&["--dual-stack"], "--dual-stack"),
        (&["--backlog", "9"], "--backlog"),
        (&["--first-data", "1s"], "--first-data"),
        (&["--model", "select"], "--listen-fds"),
        (&["--accept", "thread"], "--listen-fds"),
        (&["--drain-seconds", "3", "--grace", "4s"], "--grace 4s is longer"),
    ] {
        refused(socket(), &one, &[&only, options].concat(), 2, &[part]);
    }
}

/// A folder with files, and a certificate.
pub struct World(PathBuf);

/// What the files hold.
pub const PAGE_BYTES: usize = 3_000;
pub const LARGE_BYTES: usize = 300_000;

/// The contents of a file.
pub fn contents(name: &str) -> Vec<u8> {
    let length = if name == "page" { PAGE_BYTES } else { LARGE_BYTES };
    (0..length).map(|number| (number % 251) as u8).collect()
}

impl World {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("overlapped-{name}-{}", std::process::id()));
        // It may be there from the round before.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("site")).expect("a folder");
        for name in ["page", "large"] {
            std::fs::write(path.join("site").join(name), contents(name)).expect("a file");
        }
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.expect("a certificate is made");
        std::fs::write(path.join("certificate"), made.cert.pem()).expect("a file");
        std::fs::write(path.join("key"), made.signing_key.serialize_pem()).expect("a file");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }

    pub fn site(&self) -> String {
        self.path("site")
    }

    /// The certificate and its key.
    pub fn certificate(&self) -> (String, String) {
        (self.path("certificate"), self.path("key"))
    }

    /// What a client of TLS trusts.
    pub fn trust(&self) -> Arc<ClientConfig> {
        let certificate =
            CertificateDer::from_pem_file(self.path("certificate")).expect("it is one");
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("it is one");
        Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

// The one of the standard library is what a parent of another program has.
#[test]
fn any_listening_socket_will_do() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    let server = with_socket(socket.into(), &[("LISTEN_FDS", "1")], &["--listen-fds", "--quiet"]);
    assert_eq!(server.address(), address);
    assert_eq!(server.interrupt().code(), 0);
}
