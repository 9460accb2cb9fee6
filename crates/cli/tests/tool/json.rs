//! With `--json` standard output holds JSON and nothing else, one document a line, in every command and
//! however it ends.

use serde_json::Value;

use crate::copy::{Scratch, contents};
use crate::process::{Ended, Nobody, Running, address_in, run};
use crate::schema;

/// Checks each line against the schema that its format names; gives their names.
fn documents(output: &str) -> Vec<String> {
    let name_of = |line: &str| {
        let document: Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{error}: {line:?} of {output:?}"));
        let format = document["format"].as_str().expect("every document has a format");
        let name = format.strip_prefix("overlapped-").and_then(|rest| rest.rsplit_once('-'));
        let name = name.expect("a format is overlapped-NAME-VERSION").0.to_owned();
        schema::check(&name, &document);
        name
    };
    output.lines().map(name_of).collect()
}

/// Runs a server until it was asked something; gives all that it wrote.
fn served(options: &[&str], ask: impl Fn(&str)) -> Ended {
    let server = Running::start_until_interrupted(options);
    let first = server.output_until("\n");
    ask(&address_in(&first).to_string());
    let ended = server.interrupt();
    Ended { output: first + &ended.output, ..ended }
}

#[test]
fn every_command_writes_documents_and_nothing_else() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(100_000));
    let folder = scratch.path("");
    let load = |address: &str| {
        let ended = run(&["stress", address, "-c", "3", "-m", "2", "-i", "1ms", "--json"]);
        assert_eq!((ended.code(), documents(&ended.output)), (0, vec!["stress".into()]));
    };
    let mut servers: Vec<Vec<&str>> = vec![
        vec![],
        vec!["--quiet"],
        vec!["--model", "select"],
        vec!["--accept", "thread"],
        vec!["--first-data", "20s"],
    ];
    if cfg!(target_os = "linux") {
        servers.push(vec!["--processes", "2"]);
    }
    for options in servers {
        let ended = served(&[&["serve", "127.0.0.1:0", "--json"], &options[..]].concat(), load);
        assert_eq!(ended.code(), 0, "{options:?}: {ended:?}");
        assert_eq!(documents(&ended.output), ["listening", "serve-summary"], "{options:?}");
        // Status goes to standard error, in the same form.
        assert!(documents(&ended.errors).iter().all(|name| name == "serve-status"), "{ended:?}");
    }
    let files = ["serve", "127.0.0.1:0", &folder, "--app", "files", "--listing", "--json"];
    let ended = served(&files, |_| ());
    assert_eq!(documents(&ended.output), ["listening", "serve-summary"]);

    let fetch = |address: &str| {
        let ended = run(&["fetch", address, &scratch.path("fetched"), "--json"]);
        assert_eq!((ended.code(), documents(&ended.output)), (0, vec!["fetch".into()]));
    };
    let ended = served(&["send", &source, "127.0.0.1:0", "--json"], fetch);
    assert_eq!(documents(&ended.output), ["listening", "send"]);

    let short = ["--models", "blocking", "--counts", "2", "--rounds", "1", "--duration", "50ms"];
    for (command, name) in [
        (vec!["doctor", "--json"], "doctor"),
        (vec!["copy", &source, &scratch.path("copied"), "--json"], "copy"),
        ([&["compare", "--json"], &short[..]].concat(), "compare"),
    ] {
        let ended = run(&command);
        assert_eq!((ended.code(), documents(&ended.output)), (0, vec![name.into()]), "{command:?}");
    }
}

#[test]
fn a_command_that_fails_writes_documents_or_nothing() {
    let scratch = Scratch::new();
    let source = scratch.write("source", b"contents");
    let (none, target) = (scratch.path("none"), scratch.path("target"));
    let folder = scratch.path("");
    let nobody = &Nobody::new().address;
    let (_server, in_use) = Running::serve(&["--quiet"]);
    let in_use = in_use.to_string();
    let failing: &[(&[&str], i32)] = &[
        (&["serve", &in_use], 1),
        (&["serve", "192.0.2.1:7000"], 1),
        (&["serve", "127.0.0.1:0", &none, "--app", "files"], 1),
        (&["serve", "127.0.0.1:0", &folder, "--app", "files", "--access-log", "-"], 2),
        (&["serve", "127.0.0.1:0", "--processes", "2", "--app", "files", &none], 1),
        (&["serve", "127.0.0.1:0", "--max-connections", "4000000000"], 1),
        (&["serve", "--no-such-option"], 2),
        (&["send", &source, &in_use], 1),
        (&["send", &none, "127.0.0.1:0"], 1),
        (&["send", &source, "127.0.0.1:0", "--times", "0"], 2),
        (&["fetch", nobody, &target], 1),
        (&["fetch", "nowhere"], 2),
        (&["copy", &none, &target], 1),
        (&["copy", &source], 2),
        (&["stress", nobody, "-c", "2", "-m", "1"], 1),
        (&["stress", "127.0.0.1:0"], 2),
        (&["compare", "--counts", "4000000000"], 1),
        (&["compare", "--from", &none], 1),
        (&["compare", "--counts", "x"], 2),
        (&["doctor", "--no-such-option"], 2),
    ];
    for (arguments, code) in failing {
        let ended = run(&[arguments, &["--json"][..]].concat());
        assert_eq!(ended.code(), *code, "{arguments:?}: {ended:?}");
        documents(&ended.output);
        assert!(ended.errors.starts_with("overlapped: "), "{arguments:?}: {ended:?}");
    }
}
