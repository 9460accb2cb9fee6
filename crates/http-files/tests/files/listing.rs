//! Pages of names: whatever they show can be had.

use crate::world::{Client, World, settings};
use overlapped_http_files::Settings;
use std::collections::BTreeSet;

const ENCODED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC.remove(b'-');

fn world() -> World {
    World::with(Settings { listing: true, ..settings() })
}

/// Follows every link from the root; returns the targets, and panics at one that does not answer.
fn crawl(client: &mut Client) -> BTreeSet<String> {
    let (mut seen, mut left) = (BTreeSet::new(), vec!["/".to_owned()]);
    while let Some(target) = left.pop() {
        if !seen.insert(target.clone()) {
            continue;
        }
        let response = client.get(&target, "");
        assert_eq!(response.status, 200, "{target}");
        if !target.ends_with('/') || !response.header("Content-Type").starts_with("text/html") {
            continue;
        }
        let page = String::from_utf8(response.body).expect("text");
        for link in page.split("<a href=\"./").skip(1) {
            left.push(format!("{target}{}", link.split_once('"').expect("a link").0));
        }
    }
    seen
}

#[test]
fn a_page_shows_folders_and_files_to_the_last() {
    let world = world();
    let mut expected = BTreeSet::from(["/".to_owned()]);
    for name in ["a", "sub/b", "sub/deeper/c", "with space", "per%cent", "a&b;c=d,e", "x'y"] {
        world.folder.file(name, name);
        let mut path = String::new();
        for part in name.split('/') {
            if !path.is_empty() {
                expected.insert(format!("{path}/"));
            }
            path.push('/');
            path.extend(percent_encoding::utf8_percent_encode(part, ENCODED));
        }
        expected.insert(path);
    }
    std::fs::create_dir(world.folder.path().join("empty")).expect("a folder");
    expected.insert("/empty/".to_owned());
    assert_eq!(crawl(&mut world.connect()), expected);
}

#[cfg(unix)]
#[test]
fn a_page_shows_nothing_that_cannot_be_had() {
    use std::os::unix::fs::symlink;
    let world = world();
    let path = world.folder.path();
    world.folder.file("file", "x");
    world.folder.file("sub/file", "x");
    let link = |to: &str, name: &str| symlink(to, path.join(name)).expect("a link");
    link("file", "good-link");
    link("sub", "good-folder-link");
    link("nowhere", "dead");
    link("/etc/hostname", "outward");
    link("../..", "upward");
    link("/etc", "absolute");
    link("loop", "loop");
    link("pipe", "to-pipe");
    let pipe = std::process::Command::new("mkfifo").arg(path.join("pipe")).status();
    assert!(pipe.expect("mkfifo").success());
    let _socket = std::os::unix::net::UnixListener::bind(path.join("socket")).expect("a socket");
    world.folder.file("back\\slash", "x");
    // A folder whose index leads out answers 403.
    world.folder.file("bad-index/other", "x");
    symlink("/etc/hostname", path.join("bad-index/index.html")).expect("a link");
    let closed = world.folder.file("closed/file", "x");
    let unreadable = world.folder.file("unreadable", "x");
    let shut = |path: &std::path::Path, mode| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    shut(closed.parent().expect("a folder"), 0o000);
    shut(&unreadable, 0o000);
    // Whoever may read everything, may read these.
    let mut expected = vec![
        "/",
        "/file",
        "/good-folder-link/",
        "/good-folder-link/file",
        "/good-link",
        "/sub/",
        "/sub/file",
    ];
    if std::fs::File::open(&unreadable).is_ok() {
        expected.extend(["/closed/", "/closed/file", "/unreadable"]);
    }
    expected.sort_unstable();
    let seen = crawl(&mut world.connect());
    shut(closed.parent().expect("a folder"), 0o700);
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_not_touched_by_a_request_or_a_page() {
    let world = world();
    let path = world.folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo").success());
    std::os::unix::fs::symlink("pipe", world.folder.path().join("link")).expect("a link");
    // Whoever opens the pipe for writing waits for a reader, which must be the one below.
    let (path_of_writer, opened) =
        (path.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let tell = opened.clone();
    let writer = std::thread::spawn(move || {
        let mut pipe =
            std::fs::OpenOptions::new().write(true).open(path_of_writer).expect("a reader");
        tell.store(true, std::sync::atomic::Ordering::SeqCst);
        std::io::Write::write_all(&mut pipe, b"for the reader")
    });
    for _ in 0..50 {
        assert_eq!(world.get("/").status, 200);
        assert_eq!(world.get("/pipe").status, 403);
        assert_eq!(world.get("/link").status, 403);
    }
    assert!(!opened.load(std::sync::atomic::Ordering::SeqCst), "the server has opened the pipe");
    assert_eq!(std::fs::read(path).expect("the pipe"), b"for the reader");
    writer.join().expect("no panic").expect("it was read");
}

#[test]
fn names_that_make_a_target_too_long_are_not_shown() {
    let world = World::with(Settings { listing: true, target_bytes: 40, ..settings() });
    let long = "x".repeat(50);
    world.folder.file(&long, "");
    world.folder.file("short", "");
    let page = String::from_utf8(world.get("/").body).expect("text");
    assert!(page.contains("\"./short\"") && !page.contains(&long), "{page}");
}
