//! Bad input and what the system refuses: one clear line, the right exit code.

use crate::process::{Running, run};
use crate::system;

/// Runs the tool and checks that it says one line that contains all of `parts`.
pub fn refused(arguments: &[&str], code: i32, parts: &[&str]) {
    let ended = run(arguments);
    assert_eq!(ended.code(), code, "{arguments:?}: {ended:?}");
    assert_eq!(ended.output, "", "{arguments:?}");
    let line = ended.errors.strip_suffix('\n').expect("a whole line");
    assert!(line.starts_with("overlapped: "), "{line}");
    assert!(!line.contains('\n'), "{line}");
    for part in parts {
        assert!(line.contains(part), "{arguments:?}: {part:?} is not in {line}");
    }
}

#[test]
fn a_wrong_command_line_is_code_2() {
    refused(
        &[],
        2,
        &[
            "serve, client, stress, merge, top, compare, copy, send, fetch, doctor, completions or man",
        ],
    );
    refused(&["serv"], 2, &["'serv'", "'serve'"]);
    refused(&["serve", "--thread", "3"], 2, &["'--thread'", "'--threads'", "serve --help"]);
    refused(&["serve", "--threads", "0"], 2, &["--threads", "at least 1"]);
    refused(&["serve", "--posted-accepts", "ten"], 2, &["'ten'", "whole number"]);
    refused(&["serve", "--concurrency", "-1"], 2, &["'-1'"]);
    refused(&["serve", "--first-data", "0s"], 2, &["longer than nothing"]);
    refused(&["serve", "--max-silent", "9"], 2, &["--first-data"]);
    refused(
        &["serve", "--model", "select", "--first-data", "1s", "--max-silent", "9"],
        2,
        &["--max-silent", "completion-port"],
    );
    refused(&["serve", "--idle-timeout", "soon"], 2, &["'soon'", "250ms"]);
    refused(&["serve", "--driver", "kqueue"], 2, &["'kqueue'", "automatic, epoll, iocp"]);
    refused(&["serve", "--model", "fibers"], 2, &["'fibers'", "blocking, nonblocking, select"]);
    refused(
        &["serve", "--model", "select", "--threads", "3"],
        2,
        &["--threads", "completion-port"],
    );
    refused(&["serve", "--set-size", "64"], 2, &["--set-size", "select", "leave it out"]);
    refused(&["serve", "--processes", "1000"], 2, &["64"]);
    refused(&["serve", "--app", "files"], 2, &["--app files DIR"]);
    refused(&["serve", "127.0.0.1:0", "."], 2, &["--app files"]);
    refused(&["serve", "--listing"], 2, &["--listing", "--app files"]);
    refused(&["serve", "--app", "files", ".", "--receive-only"], 2, &["--app echo"]);
    refused(&["serve", "here", ".", "--app", "files"], 2, &["'here'", "HOST:PORT"]);
    refused(&["serve", "127.0.0.1"], 2, &["HOST:PORT"]);
    refused(&["serve", "127.0.0.1:99999"], 2, &["65535"]);
    refused(&["serve", "[fe80::1%no-such]:0"], 2, &["'no-such'", "[fe80::1%eth0]"]);
    refused(&["serve", "--log-to", "a.log"], 2, &["--log-to", "--print or --log"]);
    refused(&["serve", "--app", "files", ".", "--log"], 2, &["--log", "--access-log"]);
    refused(&["client", "127.0.0.1"], 2, &["HOST:PORT"]);
    refused(&["client", "127.0.0.1", "99999"], 2, &["99999"]);
    refused(&["stress", "--size", "0"], 2, &["--size"]);
    refused(&["stress", "--duration", "1s", "--messages", "3"], 2, &["--duration"]);
    refused(&["stress", "127.0.0.1:0"], 2, &["port 0"]);
    refused(&["copy", "one"], 2, &["<DST>", "copy --help"]);
    refused(&["copy", "one", "two", "--block-size", "5000"], 2, &["multiple of 4k"]);
    refused(&["copy", "one", "two", "--in-flight", "0"], 2, &["at least 1"]);
    refused(&["copy", "one", "two", "--automatic", "--in-flight", "2"], 2, &["--automatic"]);
    refused(&["copy", "one", "two", "--sync", "some"], 2, &["none, file, all"]);
    refused(&["compare", "--counts", "16,,"], 2, &["--counts"]);
    refused(&["compare", "--models", "fibers"], 2, &["'fibers'", "completion-port", "blocking"]);
    refused(&["compare", "--pace", "fixed-rate"], 2, &["--rate"]);
    refused(&["compare", "--pace", "closed-loop", "--rate", "9"], 2, &["--rate"]);
    refused(&["compare", "--pace", "skew"], 2, &["--rate"]);
    refused(
        &["compare", "--pace", "skew", "--rate", "9", "--counts", "2", "--hot", "2"],
        2,
        &["hot"],
    );
    refused(&["compare", "--hot", "2"], 2, &["--hot", "skew"]);
    refused(&["compare", "--server", "mine"], 2, &["--server", "NAME=COMMAND"]);
    refused(&["compare", "--server", "a=b", "--server", "a=c"], 2, &["'a'"]);
    refused(&["compare", "--against", "nobody"], 2, &["'nobody'"]);
    refused(&["compare", "--goal", "select=2x"], 2, &["--against"]);
    refused(&["compare", "--goal", "select=-2"], 2, &["--goal"]);
    refused(&["compare", "--from", "a.json", "--server", "a=b"], 2, &["--from", "--server"]);
    refused(&["compare", "--rate", "0"], 2, &["--rate"]);
    refused(&["compare", "--from", "a.json", "--counts", "2"], 2, &["--from", "--counts"]);
    refused(&["compare", "--csv", "-", "--html", "-"], 2, &["standard output"]);
}

#[test]
fn what_the_system_refuses_is_code_1_with_the_remedy() {
    refused(&["serve", "127.0.0.1:0", "no/folder", "--app", "files"], 1, &["no/folder"]);
    refused(&["serve", "192.0.2.1:7000"], 1, &["192.0.2.1:7000", "not an address of this machine"]);
    refused(
        &["serve", "127.0.0.1:0", "--max-connections", "4000000000"],
        1,
        &[&["4000000000"], system::FOR_SERVER].concat(),
    );
    refused(
        &["stress", "127.0.0.1:7", "-c", "4000000000", "--processes", "1"],
        1,
        system::FOR_LOAD,
    );
    let more_than_ports = ["stress", "192.0.2.1:7", "-c", "70000"];
    if run(&more_than_ports).errors.contains("descriptor limit") {
        println!(
            "skipped: too few local ports: so few descriptors are allowed that they run out first"
        );
    } else {
        refused(&more_than_ports, 1, system::FOR_PORTS);
    }
    refused(&["compare", "--counts", "4000000000"], 1, system::FOR_COMPARISON);
}

#[test]
fn an_address_in_use_is_told_with_the_remedy() {
    let (_server, address) = Running::serve(&["--quiet"]);
    let address = address.to_string();
    refused(&["serve", &address], 1, &[&address, "port 0 picks a free one"]);
}
