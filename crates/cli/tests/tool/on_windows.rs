//! What Windows refuses. A second Ctrl-C is not tested there: only the console sends one to a program
//! alone.

use crate::process::run;

#[test]
fn several_processes_are_refused_in_one_line() {
    let ended = run(&["serve", "127.0.0.1:0", "--processes", "2"]);
    assert_eq!((ended.code(), ended.output.as_str()), (1, ""));
    assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
    assert!(ended.errors.contains("--processes 2: a server is one process"), "{}", ended.errors);
}

#[test]
fn figures_that_the_system_does_not_tell_are_null() {
    let options = ["--counts", "2", "--rounds", "1", "--seconds", "150ms", "--models", "blocking"];
    let document = run(&[["compare", "--json"].as_slice(), &options].concat()).json();
    crate::schema::check("compare", &document);
    let median = &document["rows"][0]["median"];
    assert!(median["kernel_socket_kib"].is_null(), "{median:#}");
    assert!(median["kernel_memory_kib"].is_null(), "{median:#}");
    assert!(median["context_switches_per_message"].is_null(), "{median:#}");
    assert!(document["machine"]["congestion_control"].is_null(), "{document:#}");
    if std::env::var_os("OVERLAPPED_WINE").is_some() {
        for figure in
            ["processor_us_per_message", "processor_percent", "machine_busy_elsewhere_percent"]
        {
            assert!(median[figure].is_null(), "{figure}: {median:#}");
        }
    }
    let words = run(&[["compare"].as_slice(), &options].concat()).output;
    assert!(words.contains("not known is shown as -"), "{words}");
}
