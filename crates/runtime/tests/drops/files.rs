//! Files: what is in a file is what was written, whoever drops the futures, on each backend.

use super::{Random, assert_bytes, bytes, drops_wanted, polled, run_with};
use overlapped::FilesChoice;
use overlapped_runtime::fs::File;
use overlapped_runtime::{Buffer, Runtime};
use std::io::SeekFrom;
use std::path::PathBuf;

/// A path that nobody else has, whose file goes with it.
pub(super) struct Path(pub(super) PathBuf);

impl Path {
    pub(super) fn new(name: &str) -> Self {
        let name = format!("overlapped-drops-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        // It may not have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes in sequence until so many futures were dropped. Each byte tells its place.
async fn write(file: &mut File, random: &mut Random, drops: u64) {
    let mut dropped = 0;
    while dropped < drops {
        let (start, length, times) = (file.position(), random.below(2_000), random.polls(4));
        match polled(file.write(bytes(start, length)), times).await {
            Some((result, _)) => result.expect("it is written"),
            None => dropped += 1,
        }
        // Whole or not at all, by when the write before it was complete.
        let position = file.position();
        assert!(position == start || (times > 0 && position == start + length));
    }
}

/// Reads in sequence and at places until the end of what was written; how many futures were dropped.
async fn read(file: &mut File, random: &mut Random) -> u64 {
    let end = file.seek(SeekFrom::Current(0)).await.expect("all of it is written");
    assert_eq!(file.size().expect("it is open"), end);
    file.seek(SeekFrom::Start(0)).await.expect("it is the start");
    let mut dropped = 0;
    loop {
        let room = Buffer::with_capacity(1 + random.below(4_000) as usize);
        let (start, times) = (file.position(), random.polls(4));
        let read = match random.below(100) {
            0 => polled(file.sync(), times).await.map(|result| {
                result.expect("the device has it");
                (start, Ok(0), Buffer::with_capacity(0))
            }),
            1..30 => {
                let place = random.below(end + 1);
                let read = polled(file.read_at(room, place), times).await;
                read.map(|(result, buffer)| (place, result, buffer))
            }
            _ => {
                let read = polled(file.read(room), times).await;
                if let Some((Ok(0), _)) = &read {
                    assert_eq!(start, end, "nothing is lost");
                    return dropped;
                }
                read.map(|(result, buffer)| (start, result, buffer))
            }
        };
        match read {
            None => {
                dropped += 1;
                assert_eq!(file.position(), start, "the next read has the same bytes");
            }
            Some((place, result, buffer)) => {
                assert_eq!(result.expect("it is read"), buffer.len());
                assert_bytes(place, &buffer);
            }
        }
    }
}

fn drop_futures_of_files(files: FilesChoice, name: &str) {
    /// A file is read, and emptied, when so many writes were dropped.
    const ROUND: u64 = 100;

    let path = Path::new(name);
    run_with(Runtime::builder().files(files), async {
        let mut file = File::create(&path.0).await.expect("it can be made");
        let (mut random, mut dropped) = (Random(1), 0);
        while dropped < drops_wanted() / 8 {
            write(&mut file, &mut random, ROUND).await;
            dropped += ROUND + read(&mut file, &mut random).await;
            file.set_len(0).await.expect("it is emptied");
            file.seek(SeekFrom::Start(0)).await.expect("it is the start");
        }
        eprintln!("{dropped} futures of files were dropped, {name}");
    });
}

#[test]
fn no_byte_of_a_file_is_lost_or_doubled_by_futures_that_are_dropped() {
    drop_futures_of_files(FilesChoice::Automatic, "kernel");
}

#[test]
fn no_byte_of_a_file_is_lost_or_doubled_by_helpers() {
    drop_futures_of_files(FilesChoice::Helpers, "helpers");
}
