//! What tells versions of a file apart: it changes when the contents can have changed, whatever
//! times anybody has set.

use crate::world::{Client, PATIENCE, World};
use std::fs::{File, FileTimes};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Writes a file and says that it was written at `time`.
fn write(path: &Path, contents: &str, time: SystemTime) {
    let mut file = File::create(path).expect("a file");
    file.write_all(contents.as_bytes()).expect("written");
    file.set_times(FileTimes::new().set_modified(time)).expect("a time");
}

fn times() -> [SystemTime; 6] {
    let day = Duration::from_secs(86_400);
    let next_day = SystemTime::now() + day;
    // Before 1970, its beginning, the second after, a time of archives, one to come, and an odd one.
    [
        UNIX_EPOCH - 3_653 * day,
        UNIX_EPOCH,
        UNIX_EPOCH + Duration::from_secs(1),
        UNIX_EPOCH + 3_652 * day,
        next_day,
        UNIX_EPOCH + Duration::from_nanos(1_000_000_000_123_456_789),
    ]
}

/// That the conditions of somebody who has the old contents get the new ones, at once and when the
/// new ones are a version of their own.
fn assert_new(world: &World, client: &mut Client, conditions: &[String], time: SystemTime) {
    let deadline = Instant::now() + PATIENCE;
    // Another file is seen after a second at the latest.
    while client.get("/a", "").body != b"BBBB" {
        assert!(Instant::now() < deadline, "{time:?}: the old contents are served for ever");
    }
    for is_settled in [false, true] {
        if is_settled {
            world.settled("/a");
        }
        for (name, value) in conditions.iter().map(|it| it.split_once(": ").expect("a value")) {
            let whole = client.get("/a", &format!("{name}: {value}\r\n"));
            let what = (whole.status, &whole.body[..]);
            assert_eq!(what, (200, b"BBBB" as &[u8]), "{time:?}, {name}, {is_settled}");
            let part = client.get("/a", &format!("If-Range: {value}\r\nRange: bytes=0-1\r\n"));
            assert_eq!(part.status, 200, "{time:?}: a part of another version, {name}");
        }
    }
}

fn conditions(world: &World) -> Vec<String> {
    let head = world.settled("/a");
    vec![
        format!("If-None-Match: {}", head.header("ETag")),
        format!("If-Modified-Since: {}", head.header("Last-Modified")),
    ]
}

#[test]
fn other_contents_of_the_same_length_and_time_are_another_version() {
    let world = World::new();
    let path = world.folder.path().join("a");
    let mut client = world.connect();
    for time in times() {
        write(&path, "AAAA", time);
        let old = conditions(&world);
        write(&path, "BBBB", time);
        assert_new(&world, &mut client, &old, time);
    }
}

// Wine does not let a file be replaced that is open.
#[cfg(unix)]
#[test]
fn another_file_of_the_same_length_and_time_is_another_version() {
    let world = World::new();
    let path = world.folder.path().join("a");
    let mut client = world.connect();
    for time in times() {
        write(&path, "AAAA", time);
        // There already, so that the file is no younger than what the client has.
        write(&world.folder.path().join("b"), "BBBB", time);
        let old = conditions(&world);
        std::fs::rename(world.folder.path().join("b"), &path).expect("renamed");
        assert_new(&world, &mut client, &old, time);
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_was_replaced_is_not_served_any_more() {
    let world = World::new();
    let path = world.folder.file("a", "old");
    let mut client = world.connect();
    for number in 0..100 {
        let contents = format!("contents {number}");
        let new = world.folder.file("b", &contents);
        std::fs::rename(new, &path).expect("renamed");
        assert_eq!(client.get("/a", "").body, contents.as_bytes(), "the name is this one's");
    }
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(client.get("/a", "").status, 404);
}

#[test]
fn the_same_contents_stay_one_version() {
    let world = World::new();
    let path = world.folder.path().join("a");
    write(&path, "AAAA", UNIX_EPOCH);
    let first = world.settled("/a");
    for _ in 0..10 {
        let again = world.settled("/a");
        assert_eq!(again.header("ETag"), first.header("ETag"));
        assert_eq!(again.header("Last-Modified"), first.header("Last-Modified"));
    }
    let other = World::new();
    write(&other.folder.path().join("a"), "AAAA", UNIX_EPOCH);
    assert_ne!(other.settled("/a").header("ETag"), first.header("ETag"), "another file");
}

#[test]
fn no_file_was_changed_after_its_answer() {
    let world = World::new();
    let path = world.folder.path().join("a");
    let date = |text: &str| httpdate::parse_http_date(text).expect("a date");
    for time in times() {
        write(&path, "AAAA", time);
        let head = world.settled("/a");
        assert!(
            date(head.header("Last-Modified")) < date(head.header("Date")),
            "{time:?}: {head:?}"
        );
    }
}

#[test]
fn a_file_that_keeps_changing_never_gets_an_answer_of_before() {
    let world = World::new();
    let path = world.folder.path().join("a");
    let mut client = world.connect();
    let mut tags = std::collections::HashMap::new();
    for number in 1_000..3_000 {
        let contents = format!("{number}");
        write(&path, &contents, UNIX_EPOCH);
        let response = client.get("/a", "");
        assert_eq!(response.body, contents.as_bytes());
        if let Some(tag) = response.headers.get("ETag") {
            let other = tags.insert(tag.clone(), contents.clone());
            assert_eq!(other, None, "one tag for two contents");
        }
    }
}
