//! `copy` and `fetch` to file systems that cannot do everything: one that refuses to change permissions, one
//! that ignores case (Linux). Each is mounted in a namespace of its own and goes with it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::copy::Scratch;
use crate::schema;
use crate::transfer::send;

/// What a script has said that has run in `scratch`, as root and with its own mounts, after `mount` has
/// made a file system at `m`; None, and by name why, where that cannot be. In the script `$1` is the tool.
fn mounted(scratch: &Scratch, program: &str, mount: &str, script: &str) -> Option<String> {
    let is_there = Command::new("which").arg(program).output();
    if !is_there.is_ok_and(|found| found.status.success()) {
        eprintln!("skipped: {mount}: there is no {program}");
        return None;
    }
    if !rustix::process::geteuid().is_root() || !Path::new("/dev/fuse").exists() {
        eprintln!("skipped: {mount}: only root mounts, and needs /dev/fuse");
        return None;
    }
    // What is mounted must be unmounted, or its server stays.
    let script =
        format!("{{ {mount}; }} >mount.log 2>&1 || exit 77\n{script}\ncd /; umount \"$2\"");
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_overlapped")])
        .arg(scratch.path("m"))
        .current_dir(scratch.path(""))
        .output()
        .expect("there is unshare");
    if output.status.code() == Some(77) {
        let said = fs::read_to_string(scratch.path("mount.log")).unwrap_or_default();
        eprintln!("skipped: {mount}: it cannot be mounted here: {said}");
        return None;
    }
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Some(text(output.stdout) + &text(output.stderr))
}

fn folders(scratch: &Scratch, names: &[&str]) {
    for name in names {
        fs::create_dir_all(scratch.path(name)).expect("a folder can be made");
    }
}

fn kinds(document: &Value) -> Vec<&str> {
    let warnings = document["warnings"].as_array().expect("a list");
    warnings.iter().map(|it| it["kind"].as_str().expect("text")).collect()
}

#[test]
fn where_permissions_cannot_be_changed_a_copy_and_a_fetch_warn_and_succeed() {
    for flag in ["--chmod-deny", "--chmod-ignore"] {
        let scratch = Scratch::new();
        folders(&scratch, &["a", "m", "tree/sub"]);
        let file = scratch.write("tree/file", b"contents");
        scratch.write("tree/sub/other", b"others");
        scratch.write("a/old", b"old");
        let (sender, address) = send(&file, &[]);
        let script = format!(
            "set -e; umask 022; chmod 644 tree/file tree/sub/other; chmod 755 tree/sub
             \"$1\" copy --json tree/file m/by-copy >copy.json 2>copy.errors
             \"$1\" copy --json --resume -r tree m/tree >tree.json 2>tree.errors
             \"$1\" copy -q tree/file m/old
             \"$1\" fetch --json {address} m/by-fetch >fetch.json 2>fetch.errors
             \"$1\" fetch -q --resume {address} m/again
             ls -A m; ls -A m/tree"
        );
        let Some(said) = mounted(&scratch, "bindfs", &format!("bindfs {flag} a m"), &script) else {
            return;
        };
        assert_eq!(
            said, "again\nby-copy\nby-fetch\nold\ntree\nfile\nsub\n",
            "every command succeeds and leaves nothing else"
        );
        for name in ["a/by-copy", "a/old", "a/tree/file", "a/by-fetch", "a/again"] {
            assert_eq!(scratch.read(name), b"contents", "{name}");
        }
        for (command, name) in [("copy", "copy"), ("copy", "tree"), ("fetch", "fetch")] {
            let text = String::from_utf8(scratch.read(&format!("{name}.json"))).expect("text");
            let document: Value = serde_json::from_str(&text).expect("a document");
            schema::check(command, &document);
            let kinds = kinds(&document);
            assert_eq!(kinds.iter().filter(|kind| **kind == "permissions").count(), 1, "{kinds:?}");
            let errors = scratch.read(&format!("{name}.errors"));
            let errors = String::from_utf8(errors).expect("text");
            assert!(errors.contains("does not keep permissions"), "{errors}");
        }
        assert_eq!(sender.interrupt().code(), 0);
    }
}

#[test]
fn on_a_file_system_without_unnamed_files_what_a_killed_copy_has_left_is_removed_by_the_next() {
    let scratch = Scratch::new();
    folders(&scratch, &["a", "m"]);
    scratch.write("source", &crate::copy::contents(16 << 20));
    scratch.write("a/.target.overlapped-copy-1.1", b"foreign");
    let script = "
        for number in 1 2 3; do
          \"$1\" copy -q --block-size 4k --in-flight 1 source m/target & killed=$!
          until [ $(ls -A m | wc -l) = 2 ]; do :; done
          kill -9 $killed; wait $killed 2>/dev/null
          rm -f m/target
        done
        ls -A m | wc -l
        \"$1\" copy -q source m/target && cmp source m/target && ls -A m; cat m/.t*";
    let Some(said) = mounted(&scratch, "bindfs", "bindfs a m", script) else { return };
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said[1..], [".target.overlapped-copy-1.1", "target", "foreign"], "{said:?}");
}

/// A new NTFS at `m` for which names in small and large letters are the same.
const NTFS: &str = "truncate -s 64M i && mkfs.ntfs -F -Q -q i && lowntfs-3g i m -o ignore_case";

#[test]
fn two_names_that_are_one_where_case_is_ignored_are_told_and_the_first_is_kept() {
    let scratch = Scratch::new();
    folders(&scratch, &["m", "s/Sub", "s/sub", "t"]);
    for number in 0..60 {
        scratch.write(&format!("s/f{number}"), &crate::copy::contents(20_000));
    }
    for (name, contents) in [
        ("s/README", "README"),
        ("s/readme", "readme"),
        ("s/Sub/one", "one"),
        ("s/sub/two", "two"),
        ("t/readme", "of t"),
    ] {
        scratch.write(name, contents.as_bytes());
    }
    // New names; names of old files; two sources; and the same with what a copy goes on from.
    let script = "
        \"$1\" copy -q -r s m 2>&1; echo \"ended with $?\"; ls m/s | wc -l; cat m/s/README; echo
        \"$1\" copy -q -r s m 2>&1; echo \"ended with $?\"; ls m/s | wc -l; cat m/s/README; echo
        \"$1\" copy -q s/README t/readme m 2>&1; echo \"ended with $?\"; cat m/README; echo
        \"$1\" copy -q -r --resume s m/n 2>&1; echo \"ended with $?\"; ls m/n | wc -l; ls -A m";
    let Some(said) = mounted(&scratch, "lowntfs-3g", NTFS, script) else { return };
    let parts: Vec<&str> = said.split("ended with ").collect();
    assert_eq!(parts.len(), 5, "{said}");
    for (number, problems) in [(0, 2), (1, 2), (2, 1), (3, 2)] {
        let lines: Vec<&str> =
            parts[number].lines().filter(|line| line.starts_with("overlapped: ")).collect();
        assert_eq!(lines.len(), problems + 1, "{said}");
        let pairs = lines.iter().filter(|line| line.contains("mean the same in the target"));
        assert_eq!(pairs.count(), problems, "{said}");
        assert!(parts[number + 1].starts_with("1\n"), "{said}");
    }
    // 60 files, one of two, and one folder of two.
    assert_eq!(said.lines().filter(|line| *line == "62").count(), 3, "{said}");
    let kept = said.lines().filter(|line| ["README", "readme"].contains(line)).count();
    assert!(kept >= 3, "one of both is there and whole: {said}");
    assert!(!said.contains("overlapped-copy"), "{said}");
}
