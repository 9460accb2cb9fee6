//! Any bytes to who sends a file: what comes back is nothing, or what the protocol says to those bytes.
//!
//! A second reading of `docs/send-and-fetch.md` says which request a sender must understand.

use crate::folders;
use crate::hostile::exchange;
use overlapped_file_transfer::{SendSettings, Sender};
use std::net::{SocketAddr, TcpListener};
use std::sync::LazyLock;
use std::time::UNIX_EPOCH;
use tempfile::TempDir;

const NAME: &[u8] = b"shown name.bin";
const HEAD_BYTES: usize = 80;
const REQUEST_BYTES: usize = 48;

struct Served {
    #[expect(dead_code, reason = "it is removed when it is dropped")]
    folder: TempDir,
    #[expect(dead_code, reason = "it ends when it is dropped")]
    sender: Sender,
    address: SocketAddr,
    content: Vec<u8>,
    /// Its length, seconds and nanoseconds, as they travel.
    identity: Vec<u8>,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let folder = folders::fresh();
    let path = folder.path().join("file");
    let content: Vec<u8> = (0..20_011_u32).map(|number| (number % 253) as u8).collect();
    std::fs::write(&path, &content).expect("a file");
    let modified = std::fs::metadata(&path).and_then(|it| it.modified()).expect("a time");
    let since = modified.duration_since(UNIX_EPOCH).expect("it was made now");
    let mut identity = (content.len() as u64).to_be_bytes().to_vec();
    identity.extend_from_slice(&since.as_secs().to_be_bytes());
    identity.extend_from_slice(&since.subsec_nanos().to_be_bytes());
    let name = String::from_utf8(NAME.to_vec()).expect("text");
    let settings = SendSettings { name: Some(name), ..SendSettings::default() };
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
    let address = listener.local_addr().expect("it listens");
    let sender = Sender::start(listener, &path, &settings, ()).expect("it starts");
    Served { folder, sender, address, content, identity }
});

/// The first byte says where the request is cut, and what of it is made right, so that more requests are understood.
pub fn run(data: &[u8]) {
    let served = &*SERVED;
    let Some((how, rest)) = data.split_first() else { return };
    let mut bytes = rest.to_vec();
    if how & 1 > 0 && bytes.len() >= REQUEST_BYTES {
        bytes[..10].copy_from_slice(b"OVLFETCH\0\x01");
    }
    if how & 2 > 0 && bytes.len() >= REQUEST_BYTES {
        bytes[10] = 0;
        bytes[11] &= 3;
        bytes[16..24].copy_from_slice(&u64::from(rest[23]).to_be_bytes());
        bytes[24..44].copy_from_slice(&served.identity);
    }
    let answer = exchange(served.address, &bytes, usize::from(how >> 2));
    if bytes.len() < REQUEST_BYTES {
        // A request that ends before it is whole.
        assert!(answer.is_empty() || is_refusal(&answer), "{answer:?}");
        return;
    }
    match understood(&bytes[..REQUEST_BYTES]) {
        None => assert!(
            answer.is_empty() || is_refusal(&answer),
            "{:?}",
            &answer[..answer.len().min(80)]
        ),
        Some(request) if bytes.len() > REQUEST_BYTES => {
            // What comes after it is none of the protocol, and may end the connection.
            assert!(answer.len() <= served.longest(&request) + 3 * HEAD_BYTES, "{}", answer.len());
        }
        Some(request) => served.check(&request, &answer),
    }
}

struct Request {
    head_only: bool,
    with_checksum: bool,
    offset: u64,
    identity: Vec<u8>,
}

fn understood(bytes: &[u8]) -> Option<Request> {
    let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight"));
    let flags = u16::from_be_bytes([bytes[10], bytes[11]]);
    let (offset, length) = (number(16), number(24));
    let is_one = bytes.starts_with(b"OVLFETCH\0\x01") && flags < 4 && offset <= length;
    is_one.then(|| Request {
        head_only: flags & 1 > 0,
        with_checksum: flags & 2 > 0,
        offset,
        identity: bytes[24..44].to_vec(),
    })
}

fn is_refusal(answer: &[u8]) -> bool {
    answer.len() == HEAD_BYTES && answer.starts_with(b"OVLSENDS\0\x01\0\x02")
}

impl Served {
    /// Where the body begins: where it was asked for, if the file is that one.
    fn begins(&self, request: &Request) -> usize {
        if request.identity == self.identity { request.offset as usize } else { 0 }
    }

    fn longest(&self, request: &Request) -> usize {
        let body = if request.head_only { 0 } else { self.content.len() - self.begins(request) };
        HEAD_BYTES + NAME.len() + body
    }

    fn check(&self, request: &Request, answer: &[u8]) {
        let mut answer = answer;
        // A checksum may take a while.
        while request.with_checksum && answer.starts_with(b"OVLSENDS\0\x01\0\x01") {
            answer = &answer[HEAD_BYTES..];
        }
        assert!(
            answer.starts_with(b"OVLSENDS\0\x01\0\0"),
            "no file: {:?}",
            &answer[..answer.len().min(80)]
        );
        assert_eq!(answer.len(), self.longest(request));
        assert_eq!(usize::from(u16::from_be_bytes([answer[12], answer[13]])), NAME.len());
        assert_eq!(answer[15] == 1, request.with_checksum);
        let begins = self.begins(request);
        let told =
            if request.head_only { &answer[16..24] } else { &(begins as u64).to_be_bytes()[..] };
        assert_eq!(&answer[16..24], told);
        assert_eq!(answer[24..44], self.identity);
        let (name, body) = answer[HEAD_BYTES..].split_at(NAME.len());
        assert_eq!(name, NAME);
        assert!(request.head_only || body == &self.content[begins..], "other bytes");
    }
}
