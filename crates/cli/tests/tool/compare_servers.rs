//! The comparison of servers that other command lines start, which here are copies of this tool.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::process::{Ended, run};
use crate::schema;

/// The command of a server that is told its address.
fn server(name: &str) -> String {
    format!("{name}='{}' serve {{address}}", env!("CARGO_BIN_EXE_overlapped"))
}

/// Hardly any time.
const SHORT: &[&str] = &["compare", "--duration", "150ms", "--warm-up", "100ms", "--json"];

/// Measures two servers and checks the document.
fn compare(options: &[&str]) -> (Ended, Value) {
    let (mine, theirs) = (server("mine"), server("theirs"));
    let servers = ["--server", &mine, "--server", &theirs];
    let ended = run(&[SHORT, &servers, options].concat());
    let document = ended.json();
    schema::check("compare", &document);
    (ended, document)
}

fn rows(document: &Value) -> &Vec<Value> {
    document["rows"].as_array().expect("rows")
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("servers-{name}"));
    // It is there only when the test ran before.
    let _ = fs::remove_dir_all(&folder);
    folder
}

#[test]
fn servers_are_compared_in_pairs_and_nothing_is_said_after_two_rounds() {
    // The host may take what it wants, and the load be late: such rounds are made again.
    let (ended, document) = compare(&[
        "--pace",
        "closed-loop",
        "--counts",
        "4",
        "--against",
        "theirs",
        "--rounds",
        "2",
        "--goal",
        "mine=1000x",
    ]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!((&document["complete"], &document["figure"]), (&true.into(), &"processor".into()));
    for row in rows(&document) {
        assert_eq!(row["rounds"].as_array().map(Vec::len), Some(2), "{row:#}");
        let median = &row["median"];
        assert_eq!((&median["errors"], &median["unanswered"]), (&0.into(), &0.into()), "{row:#}");
        if cfg!(target_os = "linux") {
            let time = |name: &str| median[name].as_f64().expect("a time");
            let parts = time("user_us_per_message") + time("kernel_us_per_message");
            assert!((parts - time("processor_us_per_message")).abs() < 0.02, "{row:#}");
            assert!(median["stolen_percent"].is_number(), "{row:#}");
        }
    }
    let [mine, theirs] = rows(&document).as_slice() else { panic!("two rows: {document:#}") };
    assert!(theirs["comparison"].is_null());
    if cfg!(target_os = "linux") {
        assert_eq!(mine["comparison"]["verdict"], "undecided");
        assert!(mine["comparison"]["interval"]["ratio"].as_f64() > Some(0.0), "{mine:#}");
    }
}

#[test]
fn a_pipelined_loop_has_several_messages_of_a_connection_under_way() {
    let (ended, document) = compare(&["--pace", "closed-loop", "--counts", "2", "--depth", "16"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(document["depth"], 16);
    for row in rows(&document) {
        assert!(row["median"]["messages_per_second"].as_f64() > Some(0.0), "{row:#}");
        assert_eq!(row["median"]["errors"], 0, "{row:#}");
    }
}

#[test]
fn churn_skew_and_idle_have_their_figures() {
    let figures = |options: &[&str], figure: &str| {
        let (ended, document) = compare(&[&["--rounds", "1"], options].concat());
        assert_eq!(ended.code(), 0, "{ended:?}");
        for row in rows(&document) {
            assert_eq!(row["median"]["errors"], 0, "{row:#}");
            assert_eq!(row["median"]["established"], row["connections"], "{row:#}");
            assert!(row["median"][figure].is_number(), "{figure}: {row:#}");
        }
    };
    figures(&["--pace", "churn", "--counts", "3"], "p50_us");
    let skew = ["--pace", "skew", "--counts", "9", "--hot", "2", "--rate", "200"];
    figures(&skew, "hot_messages_per_second");
    figures(&["--pace", "idle", "--counts", "50"], "resident_bytes_per_connection");
}

#[test]
fn the_section_and_the_latencies_of_each_row_are_written() {
    let folder = folder("files");
    fs::create_dir_all(&folder).expect("a folder");
    let section = folder.join("section.md");
    let (place, name) = (folder.to_str().expect("a name"), section.to_str().expect("a name"));
    let (ended, _) = compare(&[
        "--pace",
        "closed-loop",
        "--counts",
        "3",
        "--against",
        "theirs",
        "--rounds",
        "2",
        "--hgrm",
        place,
        "--section",
        name,
        "--title",
        "Three connections",
    ]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let text = fs::read_to_string(&section).expect("a file");
    assert!(
        text.starts_with("### Three connections\n\n    overlapped compare --duration"),
        "{text}"
    );
    for part in ["| mine |", "| theirs |", "| times theirs |"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    // It is made again from the document, with the command that measured.
    let json = folder.join("document.json");
    fs::write(&json, &ended.output).expect("a file");
    let again = ["compare", "--from", json.to_str().expect("a name"), "--section", "-"];
    let again = run(&[&again[..], &["--title", "Three connections"]].concat());
    assert_eq!(again.output, text);
    for server in ["mine", "theirs"] {
        let path = folder.join(format!("closed-loop-3-{server}.hgrm"));
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains("1/(1-Percentile)") && text.contains("#[Max"), "{text}");
    }
}

#[test]
fn a_server_that_does_not_say_where_it_listens_is_told_and_fails_the_comparison() {
    let wrong = format!("wrong='{}' --version", env!("CARGO_BIN_EXE_overlapped"));
    let (theirs, options) = (server("theirs"), ["--counts", "2", "--pace", "closed-loop"]);
    let servers = ["--server", &wrong, "--server", &theirs, "--against", "theirs"];
    let ended = run(&[SHORT, &servers, &options].concat());
    assert_eq!(ended.code(), 1, "{ended:?}");
    let document = ended.json();
    schema::check("compare", &document);
    assert_eq!(document["complete"], false);
    let problem = rows(&document)[0]["problems"][0].as_str().expect("a problem");
    assert!(problem.contains("listening on ADDR"), "{problem}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_runs_on_the_processors_that_are_given_to_it() {
    let folder = folder("pinned");
    fs::create_dir_all(&folder).expect("a folder");
    let said = folder.join("processors");
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let list = list.expect("the allowed processors").trim();
    let first = list.split([',', '-']).next().expect("one of them");
    let command = format!(
        "mine=sh -c 'grep Cpus_allowed_list /proc/self/status >{}; exec {} serve {{address}}'",
        said.display(),
        env!("CARGO_BIN_EXE_overlapped")
    );
    let options = ["--counts", "2", "--pace", "closed-loop", "--server-processors", first];
    let ended = run(&[SHORT, &["--server", &command], &options].concat());
    assert_eq!(ended.code(), 0, "{ended:?}");
    let said = fs::read_to_string(&said).expect("a file");
    assert_eq!(said.split_whitespace().nth(1), Some(first), "{said}");
}

/// A stall probe that gives one answer always.
#[cfg(target_os = "linux")]
fn stall_probe(answer: &str) -> String {
    format!("sh -c 'while read -r line; do echo {answer}; done'")
}

#[cfg(target_os = "linux")]
const PAIRED: &[&str] = &["--pace", "closed-loop", "--counts", "2", "--against", "theirs"];

#[test]
#[cfg(target_os = "linux")]
fn a_case_has_its_least_rounds_and_each_of_them_tells_how_long_the_machine_stood_still() {
    let probe = stall_probe("70");
    let options = ["--rounds", "8", "--least-rounds", "8", "--stall-probe", &probe];
    let (ended, document) = compare(&[PAIRED, &options].concat());
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(document["stall_limit_us"], 1_500.0);
    for row in rows(&document) {
        let rounds = row["rounds"].as_array().expect("rounds");
        assert_eq!(rounds.len(), 8, "{row:#}");
        assert!(rounds.iter().all(|round| round["longest_stall_us"] == 70.0), "{row:#}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_round_in_which_the_machine_stood_still_is_made_again_but_not_for_ever() {
    let probe = stall_probe("2000");
    let (ended, document) =
        compare(&[PAIRED, &["--rounds", "1", "--stall-probe", &probe]].concat());
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert_eq!(document["rounds_repeated"], document["rounds_stalled"]);
    assert!(document["rounds_stalled"].as_u64() > Some(0), "{document:#}");
    let problem = "the machine stood still for 2000 us in too many rounds";
    assert_eq!(rows(&document)[0]["problems"][0], problem);

    let options = ["--rounds", "1", "--stall-limit", "3ms", "--stall-probe", &probe];
    let (ended, document) = compare(&[PAIRED, &options].concat());
    assert_eq!((ended.code(), &document["rounds_stalled"]), (0, &0.into()), "{ended:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_stall_probe_that_cannot_be_asked_is_told_of() {
    for (probe, complaint) in [("true", "the stall probe has ended"), ("yes ja", "no number")] {
        let theirs = server("theirs");
        let options = ["compare", "--server", &theirs, "--stall-probe", probe];
        let ended = run(&[&options, PAIRED].concat());
        assert_eq!(ended.code(), 1, "{ended:?}");
        assert!(ended.errors.contains(complaint), "{ended:?}");
    }
}
