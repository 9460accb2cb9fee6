//! Any bytes to who fetches a file: it fails and leaves nothing, or has what the sender says, under a plain name.

use crate::folders::{fresh, names};
use crate::hostile::PATIENCE;
use overlapped_file_transfer::{Failure, FetchSettings, Fetched, Stop, fetch};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

const HEAD_BYTES: usize = 80;
const REQUEST_BYTES: u64 = 48;
/// What is said to be longer than this is refused.
const BYTES_MAX: u64 = 1 << 20;
/// Of what there was before.
const BEFORE: &str = "before.txt";

struct Place {
    listener: TcpListener,
    #[expect(dead_code, reason = "it is removed when it is dropped")]
    outer: TempDir,
    target: PathBuf,
}

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let outer = fresh();
    let target = outer.path().join("target");
    std::fs::create_dir(&target).expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
    listener.set_nonblocking(true).expect("it is a listener");
    Place { listener, outer, target }
});

/// Answers each connection with the next one of these, until it is over.
fn answer_all(listener: &TcpListener, answers: &[&[u8]], is_over: &AtomicBool) {
    for answer in answers {
        let mut stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) if is_over.load(Ordering::SeqCst) => return,
                Err(_) => std::thread::yield_now(),
            }
        };
        stream.set_nonblocking(false).expect("it is connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is connected");
        let mut request = Vec::new();
        let _ = (&mut stream).take(REQUEST_BYTES).read_to_end(&mut request);
        let _ = stream.write_all(answer).and_then(|()| stream.shutdown(Shutdown::Write));
    }
}

/// The first byte says how the fetch is made, and what of the answer is made right, so that more are understood.
pub fn run(data: &[u8]) {
    let place = &*PLACE;
    let Some((how, rest)) = data.split_first() else { return };
    let has = |bit: u8| how & 1 << bit > 0;
    let mut answer = rest.to_vec();
    if has(0) && answer.len() >= HEAD_BYTES {
        make_right(&mut answer, has(1));
    }
    let settings = FetchSettings {
        buffers: 2,
        buffer_bytes: 4_096,
        max_bytes: Some(BYTES_MAX),
        verify: has(2),
        resume: has(3),
        force: has(4),
        ..FetchSettings::default()
    };
    let given = has(5).then(|| place.target.join("given"));
    let target = given.as_deref().unwrap_or(&place.target);
    if has(6) {
        std::fs::write(place.target.join(BEFORE), BEFORE).expect("a file");
    }
    // A fetch that goes on asks for the head first.
    let (head, is_over) = (&answer[..answer.len().min(HEAD_BYTES + 255)], AtomicBool::new(false));
    let answers = if has(3) { vec![head, &answer] } else { vec![&answer[..]] };
    let address = place.listener.local_addr().expect("it listens");
    let fetched = std::thread::scope(|scope| {
        scope.spawn(|| answer_all(&place.listener, &answers, &is_over));
        let fetched = fetch(address, Some(target), &settings, &(), &Stop::default());
        is_over.store(true, Ordering::SeqCst);
        fetched
    });
    check(place, &settings, &answer, fetched, has(6));
    for name in names(&place.target) {
        std::fs::remove_file(place.target.join(name)).expect("it is there");
    }
}

/// Gives the head the magic and the version, and a name and a length that may be.
fn make_right(answer: &mut [u8], is_whole: bool) {
    answer[..12].copy_from_slice(b"OVLSENDS\0\x01\0\0");
    answer[12] = 0;
    answer[13] %= 16;
    answer[14] = 0;
    answer[15] &= 1;
    answer[16..24].fill(0);
    answer[24..29].fill(0);
    let name = usize::from(answer[13]);
    if is_whole && answer.len() >= HEAD_BYTES + name {
        let body = (answer.len() - HEAD_BYTES - name) as u64;
        answer[24..32].copy_from_slice(&body.to_be_bytes());
    }
}

fn check(
    place: &Place,
    settings: &FetchSettings,
    answer: &[u8],
    fetched: Result<Fetched, Failure>,
    had_before: bool,
) {
    let outer = place.target.parent().expect("it is in a folder");
    assert_eq!(names(outer), ["target"], "something lies outside of the target");
    let mut left = names(&place.target);
    match fetched {
        Ok(fetched) => {
            assert_eq!(fetched.path.parent(), Some(place.target.as_path()), "{:?}", fetched.path);
            let content = std::fs::read(&fetched.path).expect("the file is there");
            assert_eq!(content.len() as u64, fetched.bytes);
            assert!(fetched.bytes <= BYTES_MAX);
            let name = usize::from(u16::from_be_bytes([answer[12], answer[13]]));
            let body = &answer[HEAD_BYTES + name..];
            assert!(fetched.was_there || body.starts_with(&content), "other bytes than were sent");
            let own = file_name(&fetched.path);
            left.retain(|name| *name != own);
        }
        Err(failure) => {
            assert!(!failure.text.is_empty() && !failure.text.contains('\n'), "{:?}", failure.text);
            assert!(!failure.text.chars().any(char::is_control), "{:?}", failure.text);
            if settings.resume {
                // What a later fetch goes on from is no file of that name.
                left.retain(|name| !name.starts_with('.') || !name.contains(".overlapped-fetch"));
            }
        }
    }
    if had_before {
        left.retain(|name| name != BEFORE);
    }
    assert!(left.is_empty(), "this is left: {left:?}");
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}
