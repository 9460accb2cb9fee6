//! What changes in a directory as packets (P32, P46, P122, P130, P140).

use crate::errno;
use crate::files_world::Scratch;
use crate::packets::{assert_nothing_comes, code, next, outcome};
use crate::world::{Numbers, PATIENCE, World};
use overlapped::{
    Change, Directory, OpenDirectory, OrPacket, Packet, PacketHandle, PacketKind, Port, is_aborted,
};
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A directory of one test, which is removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = Scratch::nothing().path().to_owned();
        fs::create_dir(&path).expect("the target directory can be written");
        Self(path)
    }

    fn write(&self, name: &str, contents: &str) {
        fs::write(self.0.join(name), contents).expect("it can be written");
    }

    fn open(&self) -> OpenDirectory {
        OpenDirectory::open(&self.0).expect("it is a directory")
    }

    fn associated(&self, port: &Port<Numbers>) -> Directory<Numbers> {
        port.associate(self.open(), 7).expect("it can be watched")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It may be gone.
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct ChangedPacket {
    directory: Directory<Numbers>,
    operation: u64,
    result: io::Result<Vec<Change>>,
}

fn changed(port: &Port<Numbers>) -> ChangedPacket {
    match next(port) {
        Packet::Changed { directory, operation, result } => {
            ChangedPacket { directory, operation, result }
        }
        other => panic!("the packet of changes was owed, not {other:?}"),
    }
}

/// All changes, however many packets they come in, up to this one; without those that only say that something
/// was modified, which may be many.
fn names_until(port: &Port<Numbers>, last: &Change) -> Vec<Change> {
    let mut all = Vec::new();
    while !all.contains(last) {
        let packet = changed(port);
        let changes = packet.result.expect("the directory is there");
        assert!(!changes.is_empty());
        all.extend(changes.into_iter().filter(|change| !matches!(change, Change::Modified(_))));
        packet.directory.changes(0).expect("none is in flight");
    }
    all
}

#[test]
fn p32_what_is_made_renamed_and_removed_is_told_in_order() {
    let (port, folder) = (World::System.exact_port(1), Folder::new());
    let directory = folder.associated(&port);
    directory.changes(1).expect("none is in flight");
    assert_nothing_comes(&port);
    folder.write("one", "1");
    let packet = changed(&port);
    assert_eq!((*packet.directory.key(), packet.operation), (7, 1));
    assert!(packet.directory == directory);
    let changes = packet.result.expect("the directory is there");
    assert_eq!(changes.first(), Some(&Change::Created("one".into())));

    directory.changes(2).expect("none is in flight");
    fs::rename(folder.0.join("one"), folder.0.join("two")).expect("it is there");
    fs::create_dir(folder.0.join("below")).expect("there is nothing of that name");
    fs::remove_file(folder.0.join("two")).expect("it is there");
    let all = names_until(&port, &Change::Removed("two".into()));
    let expected = [
        Change::RenamedFrom("one".into()),
        Change::RenamedTo("two".into()),
        Change::Created("below".into()),
        Change::Removed("two".into()),
    ];
    assert_eq!(all, expected);
}

#[test]
fn what_is_written_is_told_as_modified() {
    let (port, folder) = (World::System.exact_port(1), Folder::new());
    folder.write("one", "before");
    let directory = folder.associated(&port);
    directory.changes(1).expect("none is in flight");
    folder.write("one", "and after");
    let changes = changed(&port).result.expect("the directory is there");
    assert!(changes.iter().all(|change| *change == Change::Modified("one".into())), "{changes:?}");
}

#[test]
fn p46_what_changes_between_two_operations_is_told_to_the_next() {
    const FILES: usize = 200;
    let (port, folder) = (World::System.exact_port(1), Folder::new());
    let directory = folder.associated(&port);
    // From the first operation on it is kept everywhere.
    directory.changes(0).expect("none is in flight");
    let names: Vec<_> = (0..FILES).map(|number| format!("file-{number}")).collect();
    names.iter().for_each(|name| folder.write(name, ""));
    let all = names_until(&port, &Change::Created(names[FILES - 1].clone().into()));
    let created: Vec<_> = names.iter().map(|name| Change::Created(name.into())).collect();
    assert_eq!(all, created, "each once, in order");
}

#[test]
fn what_changes_below_is_told_only_where_it_is_asked_for() {
    let (port, folder) = (World::System.exact_port(1), Folder::new());
    fs::create_dir(folder.0.join("below")).expect("there is nothing of that name");
    let directory = folder.associated(&port);
    directory.changes(1).expect("none is in flight");
    folder.write("below/one", "");
    folder.write("last", "");
    let all = names_until(&port, &Change::Created("last".into()));
    assert_eq!(all, [Change::Created("last".into())]);
    directory.close();

    let below = OpenDirectory::open_with_all_below(&folder.0);
    if cfg!(target_os = "linux") {
        assert_eq!(below.expect_err("Linux cannot").kind(), ErrorKind::Unsupported);
        return;
    }
    // The packet of what was in flight at the close, aborted unless more was told of the last file.
    assert_eq!(outcome(next(&port)).0, 0);
    let directory = port.associate(below.expect("Windows can"), 8).expect("it can be watched");
    directory.changes(2).expect("none is in flight");
    // One that is made now: Wine looks only into those that it has seen.
    fs::create_dir(folder.0.join("new")).expect("there is nothing of that name");
    names_until(&port, &Change::Created("new".into()));
    folder.write("new/two", "");
    let two = Change::Created(Path::new("new").join("two"));
    assert!(names_until(&port, &two).contains(&two));
}

#[test]
fn p130_p131_p140_a_cancelled_or_closed_wait_for_changes_is_aborted_once() {
    let (port, folder) = (World::System.exact_port(1), Folder::new());
    let directory = folder.associated(&port);
    assert_eq!(port.snapshot().devices, 1);
    let id = directory.changes(1).expect("none is in flight");
    let refused = directory.changes(2).expect_err("one is");
    assert_eq!((refused.error.kind(), refused.returned), (ErrorKind::ResourceBusy, 2));
    directory.cancel(id).expect("it is in flight");
    let packet = changed(&port);
    assert!(packet.operation == 1 && packet.result.is_err_and(|error| is_aborted(&error)));
    assert_eq!(directory.cancel(id).expect_err("it is over").kind(), ErrorKind::NotFound);
    assert_eq!(directory.cancel_all(), 0);
    directory.changes(3).expect("none is in flight");
    folder.write("one", "");
    let packet = changed(&port);
    assert_eq!(packet.operation, 3);
    let changes = packet.result.expect("the directory is there");
    assert_eq!(changes.first(), Some(&Change::Created("one".into())));

    directory.changes(4).expect("none is in flight");
    let _ = outcome_or_again(&port, &directory);
    directory.close();
    assert_eq!(port.snapshot().devices, 0);
    assert_eq!(outcome(next(&port)), (4, Some(errno::CANCELED)));
    let closed = Some(errno::FILE_CLOSED);
    directory.changes(5).or_packet();
    let packet = next(&port);
    assert_eq!(packet.kind(), PacketKind::Changed);
    let parts = packet.into_parts().expect("it is of an operation");
    assert_eq!((parts.operation, code(&parts.result)), (5, closed));
    assert!(matches!(parts.handle, PacketHandle::Directory(of_packet) if of_packet == directory));
    assert_nothing_comes(&port);
}

/// What was still told of before is taken, and the operation started anew, until it waits.
fn outcome_or_again(port: &Port<Numbers>, directory: &Directory<Numbers>) -> usize {
    let mut told = 0;
    while let Some(packet) = port.try_take().expect("the port is open") {
        assert_eq!(outcome(packet), (4, None));
        directory.changes(4).expect("none is in flight");
        told += 1;
    }
    told
}

#[test]
fn p122_a_closed_port_tells_no_changes_and_lets_go_of_the_directory() {
    let (port, folder) = (World::System.exact_port(1), Folder::new());
    let directory = folder.associated(&port);
    directory.changes(1).expect("none is in flight");
    drop(directory);
    assert_eq!(port.snapshot().devices, 1, "the operation holds it");
    let kept = folder.associated(&port);
    kept.changes(2).expect("none is in flight");
    port.close();
    assert_eq!(port.snapshot().devices, 1, "the handle that is kept");
    folder.write("one", "");
    assert!(port.take_timeout(PATIENCE).is_err());
    let refused = kept.changes(3).expect_err("the port is closed");
    assert_eq!(refused.error.kind(), ErrorKind::BrokenPipe);
}

#[test]
fn p122_a_closed_port_gives_what_waits_for_changes_to_the_hook_as_aborted() {
    let (given, taken) = std::sync::mpsc::channel();
    let hook = move |packet: Packet<Numbers>| given.send(outcome(packet)).expect("it is there");
    let port = World::System.port(|builder| builder.concurrency(1).on_discard(hook));
    let folder = Folder::new();
    let directory = folder.associated(&port);
    directory.changes(1).expect("none is in flight");
    port.close();
    assert_eq!(taken.recv_timeout(PATIENCE), Ok((1, Some(errno::CANCELED))));
    directory.changes(2).or_packet();
    let (operation, _) = taken.try_recv().expect("a refusal that is a packet is given, too");
    assert_eq!(operation, 2);
    drop((directory, port));
    assert!(taken.try_recv().is_err(), "nothing is given twice");
}

#[test]
fn a_name_that_is_no_text_is_told_as_it_is() {
    let name = no_text();
    let (port, folder) = (World::System.exact_port(1), Folder::new());
    let directory = folder.associated(&port);
    directory.changes(0).expect("none is in flight");
    if let Err(error) = fs::write(folder.0.join(&name), "") {
        println!("skipped: the file system refuses {}: {error}", name.display());
        return;
    }
    let created = Change::Created(name.into());
    assert_eq!(names_until(&port, &created), [created]);
}

#[cfg(target_os = "linux")]
fn no_text() -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(b"no-\xff-text".to_vec())
}

#[cfg(windows)]
fn no_text() -> OsString {
    use std::os::windows::ffi::OsStringExt;
    OsString::from_wide(&[u16::from(b'n'), 0xd800, u16::from(b't')])
}

#[test]
fn what_is_no_directory_is_refused_with_its_path() {
    let folder = Folder::new();
    folder.write("one", "");
    for (name, kind) in [("one", ErrorKind::NotADirectory), ("none", ErrorKind::NotFound)] {
        let path = folder.0.join(name);
        let error = OpenDirectory::open(&path).expect_err("it is no directory");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(path.to_str().expect("it is text")), "{error}");
    }
    let port = World::simulated().exact_port(1);
    let refused = port.associate(folder.open(), 7).expect_err("it is not simulated");
    assert_eq!(refused.error.kind(), ErrorKind::Unsupported);
    let (directory, 7) = refused.returned else { panic!("the key is given back") };
    World::System.exact_port(1).associate(directory, 8).expect("it is as it was");
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_was_removed_is_not_found_after_its_last_changes() {
    let (port, folder) = (World::System.exact_port(1), Folder::new());
    folder.write("one", "");
    let directory = folder.associated(&port);
    fs::remove_dir_all(&folder.0).expect("it is there");
    directory.changes(1).expect("that it is gone was not told");
    let changes = changed(&port).result.expect("something was removed before");
    assert_eq!(changes, [Change::Removed("one".into())]);
    let refused = directory.changes(2).expect_err("nothing comes any more");
    assert_eq!(refused.error.kind(), ErrorKind::NotFound);

    let folder = Folder::new();
    let directory = folder.associated(&port);
    directory.changes(3).expect("it is there");
    fs::remove_dir(&folder.0).expect("it is empty");
    assert_eq!(changed(&port).result.expect_err("it is gone").kind(), ErrorKind::NotFound);
}

#[cfg(target_os = "linux")]
#[test]
fn attributes_of_the_directory_itself_are_a_change_without_a_name() {
    use std::os::unix::fs::PermissionsExt;
    let (port, folder) = (World::System.exact_port(1), Folder::new());
    let directory = folder.associated(&port);
    directory.changes(1).expect("it is there");
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).expect("it is ours");
    let changes = changed(&port).result.expect("it is there");
    assert_eq!(changes, [Change::Modified(PathBuf::new())]);
}

#[cfg(target_os = "linux")]
#[test]
fn p46_p130_a_cancel_loses_no_change_and_tells_none_twice() {
    const FILES: usize = 500;
    let (port, folder) = (World::System.exact_port(1), Folder::new());
    let directory = folder.associated(&port);
    directory.changes(0).expect("none is in flight");
    let names: Vec<_> = (0..FILES).map(|number| format!("file-{number}")).collect();
    let last = Change::Created(names[FILES - 1].clone().into());
    let mut told = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for name in &names {
                folder.write(name, "");
                directory.cancel_all();
            }
        });
        while !told.contains(&last) {
            // Whichever came first: there is one packet.
            match changed(&port).result {
                Ok(changes) => told.extend(changes),
                Err(error) => assert!(is_aborted(&error), "{error}"),
            }
            directory.changes(0).expect("its packet was taken");
        }
    });
    told.retain(|change| matches!(change, Change::Created(_)));
    let created: Vec<_> = names.iter().map(|name| Change::Created(name.into())).collect();
    assert_eq!(told, created, "each once, in order");
}

#[cfg(windows)]
#[test]
fn what_is_lost_between_two_operations_is_told_as_an_overflow() {
    const FILES: usize = 1_000;
    let (port, folder) = (World::System.exact_port(1), Folder::new());
    let directory = folder.associated(&port);
    directory.changes(0).expect("none is in flight");
    folder.write("first", "");
    changed(&port).result.expect("the directory is there");
    // Many times what the system keeps for one operation.
    let names: Vec<_> = (0..FILES).map(|number| format!("{number}-{}", "x".repeat(200))).collect();
    names.iter().for_each(|name| folder.write(name, ""));
    let last = Change::Created(names[FILES - 1].clone().into());
    let mut told = Vec::new();
    while !told.contains(&last) && !told.contains(&Change::Overflow) {
        directory.changes(0).expect("its packet was taken");
        told.extend(changed(&port).result.expect("the directory is there"));
    }
    let is_told = |name: &String| told.contains(&Change::Created(name.into()));
    assert!(told.contains(&Change::Overflow) || names.iter().all(is_told), "{told:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn more_changes_than_the_system_keeps_are_told_as_an_overflow() {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("it is there");
    let limit: usize = limit.trim().parse().expect("it is a number");
    if limit > 100_000 {
        println!("skipped: the system keeps {limit} changes, too many for a test");
        return;
    }
    let (port, folder) = (World::System.exact_port(1), Folder::new());
    let directory = folder.associated(&port);
    let (one, two) = (folder.0.join("one"), folder.0.join("two"));
    folder.write("one", "");
    for number in 0..limit {
        let (from, to) = if number % 2 == 0 { (&one, &two) } else { (&two, &one) };
        fs::rename(from, to).expect("it is there");
    }
    directory.changes(0).expect("none is in flight");
    let all = names_until(&port, &Change::Overflow);
    assert_eq!(all.last(), Some(&Change::Overflow));
    assert!(all.len() <= limit + 1);
}
