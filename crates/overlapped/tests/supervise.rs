//! The example program that starts others, with a command that fails at first.
#![cfg(target_os = "linux")]

#[path = "../examples/supervise.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod supervise;

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// One byte for each time that the command has run.
fn runs() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("supervise-runs")
}

#[test]
#[ignore = "it is the command: it succeeds the third time"]
fn the_command() {
    let mut file = OpenOptions::new().append(true).create(true).open(runs()).expect("it is ours");
    file.write_all(b"x").expect("there is room");
    // Without the words of a test that fails.
    std::process::exit(i32::from(fs::read(runs()).expect("it is there").len() < 3));
}

#[test]
fn a_command_that_fails_is_run_again_until_it_succeeds() {
    let _ = fs::remove_file(runs());
    let this = std::env::current_exe().expect("it is known");
    let command = [this.into(), "--exact".into(), "the_command".into(), "--ignored".into()];
    supervise::supervise(&command).expect("it succeeds in the end");
    assert_eq!(fs::read(runs()).expect("it has run").len(), 3);
    let none = ["/there/is/no/such/command".into()];
    assert_eq!(supervise::supervise(&none).expect_err("none").kind(), ErrorKind::NotFound);

    // Here, since a signal reaches every supervisor of the process. The command asks this process to
    // end, and would go on for long itself.
    let number = runs().with_extension("pid");
    let script = format!("echo $$ > '{}'; kill -TERM $PPID; exec sleep 1000", number.display());
    let command = ["sh".into(), "-c".into(), script.into()];
    supervise::supervise(&command).expect("it ends at the signal");
    let number = fs::read_to_string(&number).expect("it has run");
    let is_there = Path::new("/proc").join(number.trim()).exists();
    assert!(!is_there, "the command goes on");
}
