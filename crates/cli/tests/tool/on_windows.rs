//! What Windows refuses. A second Ctrl-C is not tested there: only the console sends one to a program
//! alone.

use crate::copy::{Scratch, names_in};
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

#[test]
fn copies_to_and_from_what_is_no_name_of_a_file_are_refused_before_anything_is_written() {
    let scratch = Scratch::new();
    let source = scratch.write("source", b"contents");
    std::fs::create_dir(scratch.path("tree")).expect("a folder can be made");
    scratch.write("tree/file", b"contents");
    let before = scratch.names();
    let in_scratch = [
        "nul",
        "con",
        "CON.txt",
        "aux.tar.gz",
        "com1",
        "lpt9.x",
        "conin$",
        "x.",
        "x ",
        "x:y",
        "a::$DATA",
        "source:stream",
        "a?b",
        "nul\\x",
        "x.\\y",
    ];
    let elsewhere = ["nul", "con", "a:b", "c:", r"\\.\nul", r"\\.\C:", r"\\.\PhysicalDrive0", "x."];
    let targets = in_scratch.iter().map(|name| scratch.path(name));
    for target in targets.chain(elsewhere.map(str::to_owned)) {
        for source in [["-q", source.as_str()].as_slice(), &["-rq", &scratch.path("tree")]] {
            let ended = run(&[&["copy"], source, &[&target]].concat());
            assert_eq!((ended.code(), ended.output.as_str()), (1, ""), "{target}: {ended:?}");
            assert_eq!(ended.errors.lines().count(), 1, "{target}: {}", ended.errors);
            assert!(ended.errors.contains("choose another target"), "{target}: {}", ended.errors);
            assert_eq!(scratch.names(), before, "{target}");
        }
    }
    assert_eq!(scratch.read("source"), b"contents");
    // Nor is a device read as if it were a file.
    for device in ["nul", "con", r"\\.\nul", "conin$"] {
        let ended = run(&["copy", "-q", device, &scratch.path("new")]);
        assert_eq!((ended.code(), ended.errors.lines().count()), (1, 1), "{device}: {ended:?}");
        assert!(ended.errors.contains("it cannot be copied"), "{device}: {ended:?}");
        assert_eq!(scratch.names(), before, "{device}");
    }
}

/// Other systems put such names into folders, and so does this one behind `\\?\`.
#[test]
fn a_tree_with_a_name_that_is_reserved_is_copied_without_it() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("tree")).expect("a folder can be made");
    scratch.write("tree/good", b"contents");
    let literal = format!(r"\\?\{}\", scratch.path("tree").replace('/', "\\"));
    let mut made = 0;
    for name in ["nul.txt", "dot.", "space "] {
        made += usize::from(std::fs::write(format!("{literal}{name}"), name).is_ok());
    }
    if made == 0 {
        eprintln!("skipped: reserved names in a tree: this system makes none");
        return;
    }
    let ended = run(&["copy", "-rq", &scratch.path("tree"), &scratch.path("copy")]);
    assert_eq!(ended.code(), 1);
    let told = ended.errors.lines().filter(|line| line.contains("cannot be copied under its name"));
    assert_eq!(told.count(), made, "{}", ended.errors);
    assert_eq!(names_in(scratch.path("copy").as_ref()), ["good"]);
    for name in ["nul.txt", "dot.", "space "] {
        let _ = std::fs::remove_file(format!("{literal}{name}"));
    }
}
