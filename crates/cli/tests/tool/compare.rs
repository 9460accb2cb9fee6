//! The comparison as a command, with measurements as short as they can be.

use crate::process::{Running, run};
use crate::schema;

#[test]
fn the_document_holds_every_model_at_every_count() {
    let ended =
        run(&["compare", "--json", "--counts", "2,4", "--rounds", "2", "--seconds", "150ms"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let document = ended.json();
    schema::check("compare", &document);
    assert_eq!(document["complete"], true);
    let rows = document["rows"].as_array().expect("rows");
    let named: Vec<(&str, u64)> = rows
        .iter()
        .map(|row| {
            let model = row["model"].as_str().expect("a name");
            (model, row["connections"].as_u64().expect("a number"))
        })
        .collect();
    for model in ["completion-port", "blocking"] {
        for count in [2, 4] {
            assert!(named.contains(&(model, count)), "{model} at {count}: {named:?}");
        }
    }
    for row in rows {
        assert_eq!(row["rounds"].as_array().map(Vec::len), Some(2));
        let median = &row["median"];
        assert_eq!(median["attempted"], row["connections"]);
        assert_eq!(median["established"], row["connections"]);
        assert_eq!(median["errors"], 0, "{row:#}");
        assert!(median["messages_per_second"].as_f64() > Some(0.0), "{row:#}");
        assert!(median["threads"].as_u64() > Some(0), "{row:#}");
        assert!(median["resident_kib"].as_u64() > Some(0), "{row:#}");
        if cfg!(target_os = "linux") {
            assert!(median["processor_percent"].as_f64() > Some(0.0), "{row:#}");
            assert!(median["machine_busy_elsewhere_percent"].is_number(), "{row:#}");
        }
    }
}

#[test]
fn the_table_and_the_closing_words_are_for_people() {
    let ended = run(&["compare", "--counts", "3", "--rounds", "1", "--seconds", "150ms"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    for part in
        ["| connections |", "completion-port", "blocking", "switches/msg", "At 3 connections "]
    {
        assert!(ended.output.contains(part), "{part:?} is not in {}", ended.output);
    }
    assert_eq!(ended.errors.lines().count(), 2, "one line for each measurement: {}", ended.errors);
}

#[test]
fn ctrl_c_keeps_what_was_measured() {
    let comparison = Running::start_until_interrupted(&[
        "compare",
        "--json",
        "--counts",
        "2",
        "--rounds",
        "1000",
        "--seconds",
        "100ms",
    ]);
    let line = comparison.errors_until("\n");
    assert!(line.contains("at 2 connections"), "{line}");
    let ended = comparison.interrupt();
    assert_eq!(ended.code(), 1);
    let document = ended.json();
    schema::check("compare", &document);
    assert_eq!(document["complete"], false);
    assert!(document["measurements_made"].as_u64() >= Some(1), "{document:#}");
    assert!(ended.errors.contains("of 2000 measurements were made"), "{}", ended.errors);
}
