//! The comparison as a command, with measurements as short as they can be.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::process::{Running, run};
use crate::schema;

/// Two models and hardly any time.
const SHORT: &[&str] =
    &["compare", "--models", "completion-port,blocking", "--rounds", "1", "--duration", "150ms"];

/// A folder for the files of one test, which is empty.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("compare-{name}"));
    // It is there only when the test ran before.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn names_in(folder: &PathBuf) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    names
}

#[test]
fn the_document_holds_every_model_at_every_count_and_pace() {
    let options = ["--json", "--counts", "4,2", "--rounds", "2"];
    let ended = run(&[&SHORT[..3], &["--duration", "150ms"], &options].concat());
    assert_eq!(ended.code(), 0, "{ended:?}");
    let document = ended.json();
    schema::check("compare", &document);
    assert_eq!(document["complete"], true);
    assert!(document["rate_per_second"].as_f64() > Some(0.0), "{document:#}");
    let rows = document["rows"].as_array().expect("rows");
    let mut named = Vec::new();
    for row in rows {
        let text = |field: &str| row[field].as_str().expect("a name").to_owned();
        named.push((text("pace"), row["connections"].as_u64().expect("a number"), text("model")));
    }
    let mut expected = Vec::new();
    for pace in ["closed_loop", "fixed_rate"] {
        for count in [2, 4] {
            for model in ["completion-port", "blocking"] {
                expected.push((pace.to_owned(), count, model.to_owned()));
            }
        }
    }
    named.sort();
    expected.sort();
    assert_eq!(named, expected);
    for row in rows {
        assert_eq!(row["rounds"].as_array().map(Vec::len), Some(2));
        let median = &row["median"];
        assert_eq!(median["attempted"], row["connections"]);
        assert_eq!(median["established"], row["connections"]);
        assert_eq!(median["errors"], 0, "{row:#}");
        assert_eq!(median["server_processes"], 1, "{row:#}");
        assert!(median["messages_per_second"].as_f64() > Some(0.0), "{row:#}");
        assert!(median["threads"].as_u64() > Some(0), "{row:#}");
        assert!(median["resident_kib"].as_u64() > Some(0), "{row:#}");
        let lateness = &median["load_lateness_p99_us"];
        assert_eq!(lateness.is_number(), row["pace"] == "fixed_rate", "{row:#}");
        if cfg!(target_os = "linux") {
            assert!(median["processor_percent"].as_f64() > Some(0.0), "{row:#}");
            assert!(median["load_processor_percent"].as_f64() > Some(0.0), "{row:#}");
            assert!(median["machine_busy_elsewhere_percent"].is_number(), "{row:#}");
        }
    }
}

#[test]
fn the_table_and_the_closing_words_are_for_people() {
    let folder = folder("words");
    let path = folder.join("measured.json").to_str().expect("a name").to_owned();
    let options = ["--counts", "3", "--rate", "200", "--json", &path];
    let ended = run(&[SHORT, &options].concat());
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(ended.errors.lines().count(), 4, "one line for each measurement: {}", ended.errors);
    let parts = [
        "| attempted |",
        "completion-port",
        "blocking",
        "switches/msg",
        "Fixed rate: 200 messages/s over all connections",
    ];
    assert_contains(&ended.output, &parts);
    // Who was too slow is not compared, and how fast they are here is the machine's affair.
    let mut document: Value =
        serde_json::from_str(&fs::read_to_string(&path).expect("a file")).expect("a document");
    for row in document["rows"].as_array_mut().expect("rows") {
        row["median"]["messages_per_second"] = 200.into();
        row["median"]["p99_us"] = 1_000.into();
    }
    fs::write(&path, document.to_string()).expect("a file");
    let ended = run(&["compare", "--from", &path]);
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""), "{ended:?}");
    assert_contains(&ended.output, &parts);
    let places = ["At 3 connections: fastest ", "At 3 connections and 200 messages/s: lowest p99 "];
    assert_contains(&ended.output, &places);
}

fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn all_forms_are_written_and_made_again_from_the_document() {
    let folder = folder("forms");
    let forms = ["json", "csv", "markdown", "html"];
    let path = |round: &str, form: &str| {
        folder.join(format!("{round}.{form}")).to_str().expect("a name").to_owned()
    };
    let options = |round: &str| -> Vec<String> {
        forms.iter().flat_map(|form| [format!("--{form}"), path(round, form)]).collect()
    };
    let texts =
        |round: &str| forms.map(|form| fs::read_to_string(path(round, form)).expect("a file"));

    let first = options("first");
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    let ended = run(&[SHORT, &["--counts", "2,4"], &first].concat());
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.output.contains("| attempted |"), "files leave the screen alone: {ended:?}");
    let [json, csv, markdown, html] = texts("first");
    schema::check("compare", &serde_json::from_str::<Value>(&json).expect("a document"));
    assert_eq!(csv.lines().count(), 1 + 8, "{csv}");
    assert!(markdown.contains("## In plain words"), "{markdown}");
    assert!(html.ends_with("</html>\n") && html.contains("<svg"), "{html}");

    let again = options("again");
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    let from = path("first", "json");
    let copy = run(&[&["compare", "--from", &from], again.as_slice()].concat());
    assert_eq!((copy.code(), copy.errors.as_str()), (0, ""));
    assert_eq!(copy.output, ended.output);
    for (form, (first, again)) in
        forms.iter().zip([json, csv, markdown, html].into_iter().zip(texts("again")))
    {
        assert!(first == again, "{form} differs");
    }
    assert_eq!(names_in(&folder).len(), 8, "nothing else is left: {:?}", names_in(&folder));
}

#[test]
fn a_document_that_is_none_is_told_as_that() {
    let folder = folder("none");
    let refused = |name: &str, text: &str, parts: &[&str]| {
        let path = folder.join(name);
        fs::write(&path, text).expect("a file");
        let ended = run(&["compare", "--from", path.to_str().expect("a name")]);
        assert_eq!((ended.code(), ended.output.as_str()), (1, ""), "{ended:?}");
        assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
        for part in [&[name], parts].concat() {
            assert!(ended.errors.contains(part), "{part:?} is not in {}", ended.errors);
        }
    };
    refused("empty.json", "", &["no result of a comparison", "--json FILE"]);
    refused("other.json", r#"{"format": "overlapped-stress-1"}"#, &["overlapped-stress-1"]);
    refused("part.json", r#"{"format": "overlapped-compare-2", "version": "0"}"#, &["damaged"]);
    let ended = run(&["compare", "--from", "no-such-file.json"]);
    assert_eq!(ended.code(), 1);
    assert!(ended.errors.contains("cannot read no-such-file.json"), "{}", ended.errors);
}

#[test]
fn a_place_where_nothing_can_be_written_is_told_before_anything_is_measured() {
    for place in ["no-such-folder/report.html", env!("CARGO_TARGET_TMPDIR")] {
        let ended = run(&[SHORT, &["--html", place]].concat());
        assert_eq!((ended.code(), ended.output.as_str()), (1, ""), "{ended:?}");
        assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
        assert!(ended.errors.contains(&format!("cannot write {place}")), "{}", ended.errors);
    }
}

#[test]
fn a_load_that_no_memory_holds_is_passed_over_and_no_fault() {
    // A thousand connections with messages of which the buffers alone would take tens of gigabytes.
    let options = ["--counts", "60000", "--size", "64m", "--pace", "closed-loop", "--json"];
    let ended = run(&[SHORT, &options].concat());
    assert_eq!(ended.code(), 0, "{ended:?}");
    let document = ended.json();
    schema::check("compare", &document);
    assert_eq!(
        (&document["complete"], &document["measurements_skipped"]),
        (&true.into(), &2.into())
    );
    for row in document["rows"].as_array().expect("rows") {
        assert!(row["median"].is_null(), "{row:#}");
        let reason = row["skipped"][0].as_str().expect("a reason");
        assert!(reason.contains("passed over: it may need"), "{reason}");
    }
}

#[test]
fn ctrl_c_keeps_what_was_measured_in_every_form() {
    let folder = folder("interrupted");
    let place = |name: &str| folder.join(name).to_str().expect("a name").to_owned();
    let (html, markdown) = (place("part.html"), place("part.md"));
    let options =
        ["--counts", "2", "--rounds", "1000", "--json", "--html", &html, "--markdown", &markdown];
    let comparison = Running::start_until_interrupted(
        &[&SHORT[..3], &["--duration", "100ms"], &options].concat(),
    );
    let line = comparison.errors_until("\n");
    assert!(line.contains("at 2 connections"), "{line}");
    let ended = comparison.interrupt();
    assert_eq!(ended.code(), 1);
    let document = ended.json();
    schema::check("compare", &document);
    assert_eq!((&document["complete"], &document["interrupted"]), (&false.into(), &true.into()));
    assert!(document["measurements_made"].as_u64() >= Some(1), "{document:#}");
    assert!(ended.errors.contains("of 4000 measurements were made"), "{}", ended.errors);
    for name in [html, markdown] {
        let text = fs::read_to_string(&name).expect("a file");
        assert!(text.contains("Ended early: "), "{name}: {text}");
    }
    assert_eq!(names_in(&folder).len(), 2, "{:?}", names_in(&folder));
}
