//! Copies with looks from outside at moments that no other process can hit.

#[cfg(target_os = "linux")]
mod swapped;

use crate::engine::run;
use crate::runs::Part;
use crate::transfer::{Phase, Transfer};
use crate::{Plan, Settings, Stop, Summary};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

type Hook<What> = Option<Box<dyn Fn(&Transfer, What) + Sync>>;

/// What a test does at a moment of a copy.
#[derive(Default)]
pub(crate) struct Hooks {
    opened: Hook<()>,
    claimed: Hook<Part>,
    phase: Hook<Phase>,
}

impl Hooks {
    pub(crate) fn opened(&self, transfer: &Transfer) {
        if let Some(hook) = &self.opened {
            hook(transfer, ());
        }
    }

    pub(crate) fn claimed(&self, transfer: &Transfer, part: Part) {
        if let Some(hook) = &self.claimed {
            hook(transfer, part);
        }
    }

    pub(crate) fn phase(&self, transfer: &Transfer, phase: Phase) {
        if let Some(hook) = &self.phase {
            hook(transfer, phase);
        }
    }
}

/// A folder of one test, which goes when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("overlapped-copy-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a folder can be made");
        Self(path)
    }

    fn source(&self) -> PathBuf {
        self.0.join("source")
    }

    fn target(&self) -> PathBuf {
        self.0.join("target")
    }

    /// What lies in the folder beside the source, in the order of the names.
    fn others(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("it is a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names.map(|it| it.to_string_lossy().into_owned()).collect();
        names.retain(|name| name != "source");
        names.sort();
        names
    }

    /// The one file in the folder that has this in its name.
    fn left(&self, part: &str) -> PathBuf {
        let others = self.others();
        let found: Vec<&String> = others.iter().filter(|name| name.contains(part)).collect();
        assert_eq!(found.len(), 1, "{others:?}");
        self.0.join(found[0])
    }

    /// Copies the source to the target, where an old one is.
    fn copy(&self, settings: &Settings, stop: &Stop, hooks: &Hooks) -> Summary {
        let plan = Plan::new(&[self.source()], &self.target(), false).expect("a plan");
        run(&plan, settings, &(), stop, hooks).expect("a port can be made")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A source of twenty blocks and a bit, of which no two are the same, and an old target.
fn world() -> (Scratch, Vec<u8>) {
    let scratch = Scratch::new();
    let contents: Vec<u8> = (0..20 * 65_536 + 7u32).map(|n| (n / 253 + n) as u8).collect();
    std::fs::write(scratch.source(), &contents).expect("it can be written");
    std::fs::write(scratch.target(), "old").expect("it can be written");
    (scratch, contents)
}

fn on_claim(hook: impl Fn(&Transfer, Part) + Sync + 'static) -> Hooks {
    Hooks { claimed: Some(Box::new(hook)), ..Hooks::default() }
}

/// The copy failed with such words, the old target is whole, and nothing else was left.
fn assert_failed(scratch: &Scratch, summary: &Summary, words: &str) {
    let said: Vec<String> = summary.failures.iter().map(ToString::to_string).collect();
    assert!(said.len() == 1 && said[0].contains(words), "{said:?}");
    assert_eq!(summary.files, 0);
    assert_eq!(scratch.others(), ["target"]);
    assert_eq!(std::fs::read(scratch.target()).expect("it is there"), b"old");
}

#[test]
fn r53_r58_as_many_operations_are_in_flight_as_were_asked_for_and_never_more() {
    let (scratch, contents) = world();
    for in_flight in [1, 2, 4, 7] {
        let settings = Settings { in_flight, ..Settings::default() };
        // How many there are at most is up to the scheduler; that there are as many once is not.
        let reaches = (0..200).any(|_| {
            let summary = scratch.copy(&settings, &Stop::default(), &Hooks::default());
            assert_eq!(summary.failures, []);
            assert!(summary.peak_in_flight <= in_flight as u64, "{summary:?}");
            assert_eq!((summary.reads, summary.writes), (21, 21));
            assert_eq!(summary.bytes, contents.len() as u64);
            assert_eq!(std::fs::read(scratch.target()).expect("it is there"), contents);
            summary.peak_in_flight == in_flight as u64
        });
        assert!(reaches, "{in_flight}");
    }
}

#[test]
fn r59_e36_e37_a_source_that_becomes_shorter_is_an_error() {
    for length in [0, 1, 65_536 * 3 + 100, 65_536 * 20 + 6] {
        let (scratch, _) = world();
        let source = scratch.source();
        let cut = move |_: &Transfer, ()| {
            let file = std::fs::OpenOptions::new().write(true).open(&source).expect("it opens");
            file.set_len(length).expect("it can be cut");
        };
        let hooks = Hooks { opened: Some(Box::new(cut)), ..Hooks::default() };
        let summary = scratch.copy(&Settings::default(), &Stop::default(), &hooks);
        assert_failed(&scratch, &summary, "shorter than 1310727 bytes while it was copied");
    }
}

#[test]
fn e35_a_read_or_write_that_is_refused_at_its_start_ends_the_copy_of_that_file() {
    for part in [0, 5, 20] {
        let (scratch, _) = world();
        let hooks = on_claim(move |transfer, it| {
            if it.offset == part * 65_536 {
                transfer.source.close();
            }
        });
        let summary = scratch.copy(&Settings::default(), &Stop::default(), &hooks);
        assert_failed(&scratch, &summary, "source: it cannot be read");

        let (scratch, _) = world();
        let hooks = on_claim(move |transfer, it| {
            if it.offset == part * 65_536 {
                transfer.target.close();
            }
        });
        let summary = scratch.copy(&Settings::default(), &Stop::default(), &hooks);
        assert_failed(&scratch, &summary, "target: it cannot be written");
    }
}

#[test]
fn r59_a_copy_that_is_stopped_leaves_the_old_target_and_nothing_else() {
    for part in [0, 1, 10, 20] {
        let (scratch, _) = world();
        let stop = Stop::default();
        let told = stop.clone();
        let hooks = on_claim(move |_, it| {
            if it.offset == part * 65_536 {
                told.request();
            }
        });
        let summary = scratch.copy(&Settings::default(), &stop, &hooks);
        assert!(summary.stopped && summary.failures.is_empty(), "{summary:?}");
        assert_eq!(scratch.others(), ["target"]);
        assert_eq!(std::fs::read(scratch.target()).expect("it is there"), b"old");
    }
}

/// Copies with `resume` and stops at the eleventh block.
fn stopped_halfway(scratch: &Scratch, settings: &Settings) {
    let stop = Stop::default();
    let told = stop.clone();
    let hooks = on_claim(move |_, it| {
        if it.offset == 10 * 65_536 {
            told.request();
        }
    });
    let summary = scratch.copy(settings, &stop, &hooks);
    assert!(summary.stopped && summary.bytes >= 5 * 65_536, "{summary:?}");
    scratch.left(".target.overlapped-copy-");
    scratch.left(".target.overlapped-record-");
    assert_eq!(scratch.others().len(), 3);
}

#[test]
fn what_a_stopped_copy_has_left_is_gone_on_from_if_it_is_right() {
    for verify in [false, true] {
        let (scratch, contents) = world();
        let settings = Settings { resume: true, verify, ..Settings::default() };
        stopped_halfway(&scratch, &settings);
        // One byte of what is there goes bad.
        let temporary = scratch.left(".target.overlapped-copy-");
        let mut half = std::fs::read(&temporary).expect("it is there");
        half[100] ^= 1;
        std::fs::write(&temporary, half).expect("it can be written");

        let summary = scratch.copy(&settings, &Stop::default(), &Hooks::default());
        assert_eq!(summary.failures, []);
        assert!(summary.resumed_bytes >= 4 * 65_536, "{summary:?}");
        assert_eq!(summary.resumed_bytes + summary.bytes, contents.len() as u64);
        assert_eq!(std::fs::read(scratch.target()).expect("it is there"), contents);
        assert_eq!(scratch.others(), ["target"]);

        let summary = scratch.copy(&settings, &Stop::default(), &Hooks::default());
        assert_eq!((summary.files, summary.files_kept, summary.reads), (0, 1, 0));
    }
}

#[test]
fn what_was_left_of_another_source_is_not_gone_on_from() {
    let (scratch, mut contents) = world();
    let settings = Settings { resume: true, ..Settings::default() };
    stopped_halfway(&scratch, &settings);
    contents.reverse();
    std::fs::write(scratch.source(), &contents).expect("it can be written");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
    let file = std::fs::OpenOptions::new().write(true).open(scratch.source()).expect("it opens");
    file.set_modified(later).expect("it has a time");
    let summary = scratch.copy(&settings, &Stop::default(), &Hooks::default());
    assert_eq!((summary.resumed_bytes, summary.bytes), (0, contents.len() as u64));
    assert_eq!(std::fs::read(scratch.target()).expect("it is there"), contents);
}

#[test]
fn without_resume_what_was_left_is_replaced() {
    let (scratch, contents) = world();
    stopped_halfway(&scratch, &Settings { resume: true, ..Settings::default() });
    let summary = scratch.copy(&Settings::default(), &Stop::default(), &Hooks::default());
    assert_eq!((summary.resumed_bytes, summary.bytes), (0, contents.len() as u64));
    assert_eq!(std::fs::read(scratch.target()).expect("it is there"), contents);
    assert_eq!(scratch.others(), ["target"]);
}

/// Elsewhere nobody else can write the file meanwhile.
#[cfg(target_os = "linux")]
#[test]
fn a_byte_that_goes_bad_before_it_is_verified_is_found() {
    use std::os::unix::fs::FileExt;
    for offset in [0, 700_000, 20 * 65_536 + 6] {
        let (scratch, contents) = world();
        let bad = contents[offset as usize] ^ 4;
        let flip = move |transfer: &Transfer, phase: Phase| {
            if phase == Phase::Verifying {
                let path = transfer.open_path();
                let file = std::fs::OpenOptions::new().write(true).open(path).expect("it opens");
                file.write_all_at(&[bad], offset).expect("it can be written");
            }
        };
        let hooks = Hooks { phase: Some(Box::new(flip)), ..Hooks::default() };
        let settings = Settings { verify: true, ..Settings::default() };
        let summary = scratch.copy(&settings, &Stop::default(), &hooks);
        assert_failed(&scratch, &summary, "what was read back is not what was written");
        let summary = scratch.copy(&settings, &Stop::default(), &Hooks::default());
        assert_eq!(summary.failures, []);
        assert_eq!((summary.verified_bytes, summary.flushes), (contents.len() as u64, 1));
    }
}

/// Copies the source to the target from within a copy of it, and gives what came of the inner one.
fn copied_within(scratch: &Scratch, settings: &Settings) -> (Summary, Vec<crate::Failure>) {
    let (source, target) = (scratch.source(), scratch.target());
    let second = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (told, within) = (second.clone(), settings.clone());
    let hooks = on_claim(move |_, it| {
        if it.offset == 0 {
            let plan = Plan::new(std::slice::from_ref(&source), &target, false).expect("a plan");
            let settings = within.clone();
            // On a thread of its own, since this one is bound to the port of the first copy.
            let summary = std::thread::spawn(move || {
                run(&plan, &settings, &(), &Stop::default(), &Hooks::default())
            });
            let summary = summary.join().expect("no panic").expect("a port can be made");
            told.lock().expect("no panic").extend(summary.failures);
        }
    });
    let summary = scratch.copy(settings, &Stop::default(), &hooks);
    let second = second.lock().expect("no panic").clone();
    (summary, second)
}

#[test]
fn two_copies_to_one_target_do_not_mix() {
    // To an old target, both are whole, and the one that ends last stays.
    let (scratch, contents) = world();
    let (first, second) = copied_within(&scratch, &Settings::default());
    assert_eq!((first.failures, second), (vec![], vec![]));
    assert_eq!(std::fs::read(scratch.target()).expect("it is there"), contents);
    assert_eq!(scratch.others(), ["target"]);
    // To a new one, the second to end does not replace the first, and is told so.
    std::fs::remove_file(scratch.target()).expect("it is there");
    let (first, second) = copied_within(&scratch, &Settings::default());
    assert_eq!(second, []);
    assert!(first.failures.len() == 1 && first.failures[0].text.contains("made it meanwhile"));
    assert_eq!(std::fs::read(scratch.target()).expect("it is there"), contents);
    assert_eq!(scratch.others(), ["target"]);
    // What can be gone on from belongs to one of them.
    std::fs::write(scratch.target(), "old").expect("it can be written");
    let resume = Settings { resume: true, ..Settings::default() };
    let (first, second) = copied_within(&scratch, &resume);
    assert_eq!(first.failures, []);
    assert!(second.len() == 1 && second[0].text.contains("another copy is writing it"));
    assert_eq!(std::fs::read(scratch.target()).expect("it is there"), contents);
    assert_eq!(scratch.others(), ["target"]);
}

#[test]
fn r59_a_copy_that_is_stopped_opens_no_further_file() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.source()).expect("a folder can be made");
    for name in 0..50 {
        let path = scratch.source().join(name.to_string());
        std::fs::write(path, "contents").expect("it can be written");
    }
    let stop = Stop::default();
    let told = stop.clone();
    let hooks = Hooks { opened: Some(Box::new(move |_, ()| told.request())), ..Hooks::default() };
    let plan = Plan::new(&[scratch.source()], &scratch.target(), true).expect("a plan");
    let settings = Settings { in_flight: 2, ..Settings::default() };
    let summary = run(&plan, &settings, &(), &stop, &hooks).expect("a port can be made");
    assert!(summary.stopped && summary.reads <= 2, "{summary:?}");
    let left = std::fs::read_dir(scratch.target()).expect("it was made").count();
    assert_eq!(left as u64, summary.files);
}
