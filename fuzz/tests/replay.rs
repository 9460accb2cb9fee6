//! Gives every target its seeds and some thousands of generated inputs, without a fuzzer.

use overlapped_fuzz::TARGETS;
use std::path::Path;
use std::time::{Duration, Instant};

/// A target that is slow has fewer inputs, and this is said.
const TIME: Duration = Duration::from_secs(5);
const INPUTS: u64 = 4_000;

/// One step of a well-mixing hash (splitmix64).
fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Bytes of their own, or a seed of which some bytes are others, doubled or missing.
fn generated(state: &mut u64, seeds: &[Vec<u8>]) -> Vec<u8> {
    let length = [16, 64, 300, 1_200][(mix(state) % 4) as usize];
    if seeds.is_empty() || mix(state).is_multiple_of(3) {
        return (0..mix(state) % length).map(|_| mix(state) as u8).collect();
    }
    let mut bytes = seeds[(mix(state) % seeds.len() as u64) as usize].clone();
    for _ in 0..=mix(state) % 6 {
        let at = (mix(state) % (bytes.len() as u64 + 1)) as usize;
        let end = (at + (mix(state) % 9) as usize).min(bytes.len());
        match mix(state) % 4 {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.insert(at, mix(state) as u8),
            2 => bytes[at..end].iter_mut().for_each(|byte| *byte ^= 1 << (mix(state) % 8)),
            _ => {
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again));
            }
        }
    }
    bytes
}

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(other, _)| *other == name).expect("a target");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .map(|files| files.map(|file| file.expect("a seed").path()).collect())
        .unwrap_or_default();
    paths.sort();
    let seeds: Vec<_> = paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect();
    let run = |bytes: &[u8], what: &str| {
        let outcome = std::panic::catch_unwind(|| target(bytes));
        assert!(outcome.is_ok(), "{name} fails with {what}: {bytes:?}");
    };
    for (bytes, path) in seeds.iter().zip(&paths) {
        run(bytes, &path.display().to_string());
    }
    let (mut state, begun) = (1, Instant::now());
    for number in 0..INPUTS {
        if begun.elapsed() > TIME {
            println!("{name}: {number} of {INPUTS} generated inputs in {TIME:?}");
            return;
        }
        run(&generated(&mut state, &seeds), &format!("the generated input {number}"));
    }
}

/// One input that somebody has: `INPUT=FILE TARGET=NAME`.
#[test]
fn replays_a_file() {
    let (Some(path), Ok(name)) = (std::env::var_os("INPUT"), std::env::var("TARGET")) else {
        return;
    };
    let (_, target) = TARGETS.iter().find(|(other, _)| *other == name).expect("a target");
    target(&std::fs::read(path).expect("the input can be read"));
}

macro_rules! replays {
    ($($name:ident),+ $(,)?) => {
        $(#[test] fn $name() { replay(stringify!($name)); })+

        #[test]
        fn every_target_is_replayed() {
            let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($name)),+]);
        }
    };
}

replays!(
    port_script,
    http_path,
    transfer_server,
    transfer_client,
    documents,
    framers,
    tls_and_async
);
