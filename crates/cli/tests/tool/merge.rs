//! `merge`: results of several runs become that of all of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bad_input::refused;
use crate::copy::Scratch;
use crate::process::{Ended, Running, run, tool};
use crate::schema;

/// The result of a run without failures, as `stress --json` writes it.
fn stress(address: &str) -> Running {
    let options = ["-c", "20", "-m", "40", "-i", "5ms", "--size", "100", "--json"];
    Running::start(&[&["stress", address], &options[..]].concat())
}

fn result_of(ended: &Ended) -> Value {
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    let result = ended.json();
    schema::check("stress", &result);
    result
}

/// How many latencies there were of each value.
fn histogram(result: &Value) -> BTreeMap<u64, u64> {
    let pairs = result["histogram"]["values"].as_array().expect("pairs");
    pairs.iter().map(|pair| (pair[0].as_u64().expect("ns"), pair[1].as_u64().expect("n"))).collect()
}

/// The least latency that this many percent of all do not exceed, in microseconds.
fn percentile(histogram: &BTreeMap<u64, u64>, percent: f64) -> f64 {
    let all: u64 = histogram.values().sum();
    let wanted = (percent / 100.0 * all as f64).ceil() as u64;
    let mut seen = 0;
    let reached = histogram.iter().find(|(_, count)| {
        seen += **count;
        seen >= wanted
    });
    (*reached.expect("one has all").0 as f64 / 100.0).round() / 10.0
}

#[test]
fn eight_runs_have_the_percentiles_of_all_their_latencies() {
    let (_server, address) = Running::serve(&["--quiet"]);
    let running: Vec<Running> = (0..8).map(|_| stress(&address.to_string())).collect();
    let results: Vec<String> = running.into_iter().map(|run| run.wait().output).collect();
    let scratch = Scratch::new();
    // One of them comes through a pipe, among documents of another kind.
    let name =
        |(number, text): (usize, &String)| scratch.write(&number.to_string(), text.as_bytes());
    let files: Vec<String> = results[1..].iter().enumerate().map(name).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let listening = "{\"format\":\"overlapped-listening-1\",\"address\":\"127.0.0.1:1\"}";
    let mut merging = Running::start(&[&["merge", "--json", "-"], &files[..]].concat());
    merging.say(&format!("{listening}\n\n{}", results[0]));
    let ended = merging.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let merged = ended.json();
    schema::check("stress", &merged);

    let mut whole = BTreeMap::new();
    for text in &results {
        for (value, count) in histogram(&serde_json::from_str(text).expect("a result")) {
            *whole.entry(value).or_default() += count;
        }
    }
    assert_eq!(whole.values().sum::<u64>(), 8 * 20 * 40);
    assert_eq!(histogram(&merged), whole);
    for (name, percent) in [
        ("p50_us", 50.0),
        ("p90_us", 90.0),
        ("p99_us", 99.0),
        ("p99_9_us", 99.9),
        ("max_us", 100.0),
    ] {
        assert_eq!(merged["latency"][name], percentile(&whole, percent), "{name}: {merged:#}");
    }
    for (name, expected) in
        [("attempted", 160), ("completed", 160), ("messages_echoed", 6_400), ("message_bytes", 100)]
    {
        assert_eq!(merged[name], expected, "{name}");
    }
    assert_eq!(merged["target"], address.to_string());
    assert_eq!(merged["runs"].as_array().expect("runs").len(), 8);

    // What was merged can be merged, and gives the same; in words it is the table of `stress`.
    let once = scratch.write("once", ended.output.as_bytes());
    let again = run(&["merge", "--json", &once]);
    assert_eq!(again.output, ended.output);
    let words = run(&["merge", &once]);
    for part in ["from 8 run(s)", "at the same time", "160 attempted", "p99.9", "failures     none"]
    {
        assert!(words.output.contains(part), "{part:?} is not in {words:?}");
    }
}

/// A small result, changed as it pleases.
fn made(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut result = json!({
        "format": "overlapped-stress-1", "target": "10.0.0.1:7", "message_bytes": 64,
        "attempted": 2, "established": 2, "peak_connected": 2, "completed": 2,
        "messages_sent": 6, "messages_echoed": 6, "messages_recorded": 6, "bytes_echoed": 384,
        "messages_per_second": 2.0, "connect_seconds": 0.5, "recorded_seconds": 3.0,
        "failures": {"by_kind": {}},
        "latency": {"count": 3, "p50_us": 1.0, "p90_us": 2.0, "p99_us": 2.0, "p99_9_us": 2.0, "max_us": 2.0},
        "histogram": {"unit": "ns", "significant_digits": 3, "values": [[1023, 2], [2047, 1]]},
        "runs": [{"id": "a", "recording_since": "2026-01-31T12:00:00Z", "recorded_seconds": 3.0}],
        "clean": true
    });
    schema::check("stress", &result);
    change(&mut result);
    format!("{result}\n").into_bytes()
}

#[test]
fn runs_that_were_apart_are_told_by_name_and_added() {
    let scratch = Scratch::new();
    let first = scratch.write("first", &made(|_| ()));
    let later = scratch.write(
        "later",
        &made(|result| {
            result["target"] = "10.0.0.2:7".into();
            result["runs"][0]["id"] = "b".into();
            result["runs"][0]["recording_since"] = "2026-01-31T12:00:03Z".into();
        }),
    );
    let ended = run(&["merge", "--json", &first, &later]);
    assert_eq!(ended.code(), 0);
    assert!(ended.errors.contains("1 of 2 runs were not at the time of the others"));
    assert!(ended.errors.trim_end().ends_with("later:1"), "{}", ended.errors);
    let merged = ended.json();
    assert_eq!(merged["target"], "10.0.0.1:7, 10.0.0.2:7");
    assert_eq!(merged["latency"]["count"], 6);
}

#[test]
fn failures_of_any_run_are_failures_of_the_whole() {
    let scratch = Scratch::new();
    let good = scratch.write("good", &made(|_| ()));
    let bad = scratch.write(
        "bad",
        &made(|result| {
            result["completed"] = 1.into();
            result["failures"]["by_kind"] = json!({"reset": u64::MAX});
            result["runs"][0]["id"] = "b".into();
        }),
    );
    let ended = run(&["merge", "--json", &good, &bad]);
    assert_eq!(ended.code(), 1);
    let merged = ended.json();
    assert_eq!((&merged["clean"], &merged["completed"]), (&json!(false), &json!(3)));
    assert!(ended.errors.contains("of 4 connections failed (reset"), "{}", ended.errors);
}

#[test]
fn what_is_no_result_takes_one_line_with_its_place() {
    let scratch = Scratch::new();
    let good = made(|_| ());
    let with = |text: &[u8]| scratch.write("given", text);
    let cases: &[(&[u8], &str)] = &[
        (b"", "given has no result of `stress --json`: it is empty"),
        (b"\n \r\n", "it is empty"),
        (&good[..good.len() / 2], "given:1: the document is cut off"),
        (b"hello\n", "given:1: this is no JSON (column 1"),
        (b"\xff\xfe{\0", "given:1: this is no JSON"),
        (b"[1]\n", "given:1: this is no document"),
        (
            b"{\"format\":\"overlapped-stress-1\"}",
            "given:1: this is no document that this version reads: \
          missing field",
        ),
        (
            b"{\"format\":\"overlapped-compare-3\"}",
            "documents of the kind overlapped-compare-3 alone",
        ),
        (&[good.clone(), good.clone()].concat(), "given:2: it has a run that "),
        (&[good.clone(), b"{".to_vec()].concat(), "given:2: the document is cut off"),
        (
            &made(|result| result["histogram"]["unit"] = "us".into()),
            "given:1: this result cannot be \
          added: its histogram is in \"us\"",
        ),
        (
            &made(|result| result["histogram"]["significant_digits"] = 2.into()),
            "2 significant digits",
        ),
        (&made(|result| result["histogram"] = Value::Null), "it has no histogram"),
        (&made(|result| result["histogram"]["values"][0][1] = 9.into()), "it was changed"),
    ];
    for (text, words) in cases {
        refused(&["merge", &with(text)], 1, &[words]);
    }
    let first = scratch.write("first", &good);
    let other = with(&made(|result| {
        result["message_bytes"] = 65.into();
        result["runs"][0]["id"] = "b".into();
    }));
    refused(&["merge", &first, &other], 1, &["given:1: messages of 65 bytes", "first:1 have 64"]);
    refused(&["merge", &first, &first], 1, &["first:1: it has a run", "give each run once"]);
    refused(&["merge", &scratch.path("none")], 1, &["cannot read", "none"]);
    refused(&["merge", &scratch.path("")], 1, &["cannot read"]);
    refused(&["merge"], 2, &["FILE"]);
}

#[test]
fn more_files_than_descriptors_are_merged() {
    let count = 1_100;
    let scratch = Scratch::new();
    let names: Vec<String> = (0..count).map(|number: u32| number.to_string()).collect();
    for name in &names {
        scratch.write(name, &made(|result| result["runs"][0]["id"] = name.as_str().into()));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut command = tool(&[&["merge", "--json"], &names[..]].concat());
    // Short names: a command line of Windows has no more than 32,767 characters.
    command.current_dir(scratch.path(""));
    let merged = result_of(&Running::run(command).wait());
    assert_eq!(merged["latency"]["count"], 3 * count);
    assert_eq!(merged["runs"].as_array().expect("runs").len(), names.len());
}
