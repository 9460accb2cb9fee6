//! What `doctor` finds.

use crate::process::{run, tool};
use crate::schema;
use crate::system;

#[test]
fn the_findings_follow_their_schema() {
    let ended = run(&["doctor", "--json"]);
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    let document = ended.json();
    schema::check("doctor", &document);
    let findings = document["findings"].as_array().expect("findings");
    let names: Vec<&str> = findings.iter().filter_map(|it| it["name"].as_str()).collect();
    let everywhere = [
        "kernel",
        "driver",
        "blocked-thread monitor",
        "files",
        "descriptors",
        "local ports",
        "models",
    ];
    for name in everywhere.iter().chain(system::LOOKS) {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    for finding in findings.iter().filter(|finding| finding["state"] != "good") {
        assert!(finding["remedy"].is_string(), "no remedy: {finding}");
    }
}

#[test]
fn a_driver_that_is_forced_is_named() {
    let output = tool(&["doctor", "--json"])
        .env("OVERLAPPED_DRIVER", system::DRIVER)
        .output()
        .expect("the tool starts");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
    let findings = document["findings"].as_array().expect("findings");
    let driver = findings.iter().find(|it| it["name"] == "driver").expect("the driver");
    let found = driver["found"].as_str().expect("text");
    assert!(found.starts_with(system::DRIVER) && found.contains("OVERLAPPED_DRIVER"), "{found}");
}

#[test]
fn the_list_ends_with_the_number_of_problems() {
    let ended = run(&["doctor"]);
    assert_eq!(ended.code(), 0);
    let last = ended.output.lines().last().expect("lines");
    assert!(last.contains("problem"), "{last}");
}
