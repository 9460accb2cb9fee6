//! Help, and output that nobody reads.

use std::process::Stdio;

use crate::copy::Scratch;
use crate::process::{run, tool};
use crate::schema;

#[test]
fn the_help_names_every_command_and_no_internal_one() {
    let help = run(&["--help"]);
    assert_eq!(help.code(), 0);
    let commands = [
        "serve",
        "client",
        "stress",
        "merge",
        "top",
        "compare",
        "copy",
        "send",
        "fetch",
        "doctor",
        "completions",
        "man",
    ];
    for command in commands {
        assert!(help.output.contains(&format!("\n  {command} ")), "{command}: {}", help.output);
    }
    assert!(!help.output.contains("internal"), "{}", help.output);
}

#[test]
fn the_shells_complete_every_command_and_no_internal_one() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        assert_eq!((script.code(), script.errors.as_str()), (0, ""));
        for part in ["overlapped", "serve", "compare", "until-input-ends"] {
            assert!(script.output.contains(part), "{shell} lacks {part}");
        }
        assert!(!script.output.contains("internal"), "{shell}");
    }
    let refused = run(&["completions", "cmd"]);
    assert_eq!(refused.code(), 2);
    assert!(refused.errors.contains("bash, elvish, fish, powershell, zsh"), "{refused:?}");
}

#[test]
fn every_command_has_a_manual_page() {
    let scratch = Scratch::new();
    let folder = scratch.path("pages");
    let written = run(&["man", &folder, "--json"]);
    assert_eq!((written.code(), written.errors.as_str()), (0, ""));
    let document = written.json();
    schema::check("man", &document);
    let pages = document["pages"].as_array().expect("pages");
    assert_eq!(pages.len(), 13, "one of the tool and twelve of its commands: {document}");
    for name in ["overlapped", "overlapped-serve", "overlapped-man"] {
        let page = std::path::Path::new(&folder).join(format!("{name}.1"));
        let text = std::fs::read_to_string(&page).expect("the page");
        assert!(text.contains(".SH SYNOPSIS") && !text.contains("internal"), "{name}");
    }
    let file = scratch.write("file", b"x");
    let refused = run(&["man", &format!("{file}/below")]);
    assert_eq!(refused.code(), 1);
    assert_eq!(refused.errors.lines().count(), 1, "{refused:?}");
}

#[test]
fn every_command_explains_its_options() {
    for (command, options) in [
        (
            "serve",
            &[
                "127.0.0.1:12345",
                "--model",
                "nonblocking, select, async-select, event-select",
                "--accept",
                "--set-size",
                "--app",
                "[DIR]",
                "--listing",
                "--access-log",
                "--least-rate",
                "--connections-per-client",
                "--head-timeout",
                "--stall-timeout",
                "--concurrency",
                "--threads",
                "--posted-accepts",
                "--first-data",
                "--idle-timeout",
                "--max-connections",
                "--driver",
                "--backlog",
                "--receive-only",
                "--processes",
                "--drain-seconds",
                "--print",
                "--log",
                "--log-to",
                "--live",
                "--quiet",
                "--until-input-ends",
                "--json",
            ] as &[&str],
        ),
        ("client", &["127.0.0.1:12345"]),
        ("merge", &["<FILE>...", "--json"]),
        (
            "stress",
            &[
                "[default: 30000]",
                "[default: 3s]",
                "--messages",
                "--size",
                "--ramp",
                "--live",
                "--processes",
                "--until-input-ends",
                "--json",
                "--timeout",
                "--duration",
            ],
        ),
        ("top", &["<ADDRESS>", "--every", "--once", "--json", "--until-input-ends"]),
        (
            "compare",
            &[
                "--counts",
                "--rounds",
                "--seconds",
                "--size",
                "--json",
                "--models",
                "--until-input-ends",
                "--duration",
                "--pace",
                "--rate",
                "--from",
                "--csv",
                "--markdown",
                "--html",
            ],
        ),
        (
            "copy",
            &[
                "<SRC>... <DST>",
                "--recursive",
                "--block-size",
                "--in-flight",
                "--automatic",
                "--unbuffered",
                "--sync",
                "--resume",
                "--verify",
                "--quiet",
                "--until-input-ends",
                "--json",
            ],
        ),
        (
            "send",
            &[
                "<FILE>",
                "127.0.0.1:12346",
                "--name",
                "--times",
                "--max-connections",
                "--request-timeout",
                "--stall-timeout",
                "--drain-seconds",
                "--quiet",
                "--until-input-ends",
                "--json",
            ],
        ),
        (
            "fetch",
            &[
                "<ADDRESS>",
                "[TARGET]",
                "--force",
                "--resume",
                "--verify",
                "--sync",
                "--timeout",
                "--quiet",
                "--until-input-ends",
                "--json",
            ],
        ),
        ("doctor", &["--json"]),
    ] {
        let help = run(&[command, "--help"]);
        assert_eq!(help.code(), 0);
        for option in options {
            assert!(help.output.contains(option), "{command} lacks {option}: {}", help.output);
        }
    }
}

#[test]
fn output_that_nobody_reads_is_success() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = tool(&["doctor"])
        .stdout(Stdio::from(writer))
        .stderr(Stdio::piped())
        .output()
        .expect("the tool starts");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
