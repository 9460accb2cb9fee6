//! Files, and what becomes of their operations when their futures are dropped.

mod world;

use futures_util::future::{join_all, poll_immediate};
use overlapped_runtime::Buffer;
use overlapped_runtime::fs::{self, File, FileOptions};
use overlapped_runtime::time::sleep;
use std::io::{ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

/// A folder of one test, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a test with the path of a file in a folder of its own.
fn run<F: Future<Output = ()>>(name: &str, test: impl FnOnce(PathBuf) -> F) {
    let path = std::env::temp_dir().join(format!("overlapped-fs-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a folder");
    let folder = Folder(path);
    world::run(test(folder.file("one")));
}

/// Bytes of which each place tells its number.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|number| (number % 251) as u8).collect()
}

async fn made(path: &Path) -> File {
    File::create(path).await.expect("it can be made")
}

#[test]
fn what_is_written_at_places_is_read_at_places() {
    run("places", async |path: PathBuf| {
        let file = made(&path).await;
        let bytes = pattern(1 << 20);
        // All at the same time, in any order.
        let writes = bytes.chunks(10_000).enumerate().rev().map(|(number, chunk)| {
            let file = &file;
            async move { file.write_at(chunk.to_vec(), number as u64 * 10_000).await.0 }
        });
        for result in join_all(writes).await {
            result.expect("it is written");
        }
        file.sync().await.expect("the device has it");
        assert_eq!(file.size().expect("it is open"), 1 << 20);
        assert_eq!(file.metadata().await.expect("it is open").len(), 1 << 20);
        let (result, buffer) = file.read_at(Buffer::with_capacity(5_000), 300_000).await;
        assert_eq!(result.expect("it is read"), 5_000);
        assert!(buffer[..] == bytes[300_000..305_000]);
        let (result, buffer) = file.read_at(buffer, (1 << 20) - 7).await;
        assert_eq!((result.expect("it is read"), &buffer[..]), (7, &bytes[(1 << 20) - 7..]));
        assert_eq!(file.read_at(buffer, 1 << 20).await.0.expect("it is no error"), 0, "the end");
        file.set_len(10).await.expect("it is open for writing");
        assert_eq!(fs::read(&path).await.expect("it is there"), pattern(10));
    });
}

#[test]
fn whole_files_are_read_and_written() {
    run("whole", async |path: PathBuf| {
        for count in [0, 1, 8 * 1024 - 1, 8 * 1024, 8 * 1024 + 1, 3 << 20] {
            fs::write(&path, pattern(count)).await.expect("it is written");
            assert!(fs::read(&path).await.expect("it is there") == pattern(count), "{count}");
        }
        fs::write(&path, "a text").await.expect("it is written");
        assert_eq!(fs::read_to_string(&path).await.expect("it is there"), "a text");
        fs::write(&path, vec![0xff]).await.expect("it is written");
        let error = fs::read_to_string(&path).await.expect_err("it is no text");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        // A file whose size says nothing.
        if cfg!(target_os = "linux") {
            let status = fs::read_to_string("/proc/self/status").await.expect("it is there");
            assert!(status.starts_with("Name:"), "{status}");
        }
    });
}

#[test]
fn what_cannot_be_done_is_an_error() {
    run("errors", async |path: PathBuf| {
        let error = File::open(&path).await.expect_err("it is not there");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("one"), "{error}");
        drop(made(&path).await);
        let mut read_only = File::open(&path).await.expect("it is there");
        assert!(read_only.write_at("x", 0).await.0.is_err());
        assert!(read_only.write("x").await.0.is_err());
        assert_eq!(read_only.position(), 0);
        assert!(read_only.sync().await.is_err());
        assert!(read_only.set_len(1).await.is_err());
        assert!(read_only.seek(SeekFrom::Current(-1)).await.is_err());
        let options = FileOptions::new().write(true).create_new(true);
        let error = File::open_with(&path, &options).await.expect_err("it is there");
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn reads_and_writes_in_sequence_move_the_position() {
    run("sequence", async |path: PathBuf| {
        let mut file = made(&path).await;
        for part in pattern(100_000).chunks(7_000) {
            file.write(part.to_vec()).await.0.expect("it is written");
        }
        assert_eq!(file.position(), 100_000);
        assert_eq!(file.seek(SeekFrom::End(-99_999)).await.expect("it is no error"), 1);
        let (mut bytes, mut buffer) = (Vec::new(), Buffer::with_capacity(9_000));
        loop {
            let result;
            (result, buffer) = file.read(buffer).await;
            match result.expect("it is read") {
                0 => break,
                count => assert_eq!(count, buffer.len()),
            }
            bytes.extend_from_slice(&buffer);
        }
        assert!(bytes == pattern(100_000)[1..], "{} bytes, or others", bytes.len());
    });
}

#[test]
fn operations_in_sequence_that_are_dropped_are_whole_and_in_order() {
    run("dropped", async |path: PathBuf| {
        let mut file = made(&path).await;
        let mut expected = Vec::new();
        for round in 0..100_u8 {
            let part = vec![round; 20_000];
            let begun = {
                let mut write = pin!(file.write(part.clone()));
                // Polled once: it is under way, or waits for the one before.
                poll_immediate(write.as_mut()).await.is_none()
            };
            // The position tells whether it was begun.
            if file.position() > expected.len() as u64 {
                expected.extend_from_slice(&part);
            } else {
                assert!(begun, "what is complete has moved the position");
            }
            if round % 10 == 9 {
                let before = file.position();
                let read = poll_immediate(pin!(file.read(Buffer::with_capacity(10)))).await;
                assert!(read.is_none_or(|(result, _)| result.is_ok_and(|count| count == 0)));
                assert_eq!(file.position(), before, "nothing was read");
            }
        }
        let end = file.seek(SeekFrom::Current(0)).await.expect("all are written");
        assert_eq!(end, expected.len() as u64);
        drop(file);
        assert!(fs::read(&path).await.expect("it is there") == expected);
        assert!(expected.len() >= 20_000, "at least the first was begun");
    });
}

#[test]
fn a_write_that_is_dropped_at_a_place_is_whole_also_when_the_file_is_dropped() {
    run("whole-write", async |path: PathBuf| {
        let bytes = pattern(4 << 20);
        let file = made(&path).await;
        drop(poll_immediate(pin!(file.write_at(bytes.clone(), 0))).await);
        drop(file);
        // Only the bytes tell when it has ended.
        while fs::read(&path).await.expect("it is there") != bytes {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn futures_that_are_dropped_anywhere_leave_nothing() {
    run("anywhere", async |path: PathBuf| {
        for polls in 0..60 {
            // A file of its own: a write that was dropped may still empty the one of its round.
            let path = path.with_extension(polls.to_string());
            let exchange = async move {
                fs::write(&path, pattern(100_000)).await?;
                let mut file = File::open(&path).await?;
                let metadata = file.metadata().await?;
                let (result, buffer) = file.read(Buffer::with_capacity(1_000)).await;
                assert!(result? == 1_000 && metadata.len() == 100_000);
                file.read_at(buffer, 5).await.0.map(drop)
            };
            let mut exchange = pin!(exchange);
            for _ in 0..polls {
                if let Some(result) = poll_immediate(exchange.as_mut()).await {
                    result.expect("nothing is wrong");
                    break;
                }
                overlapped_runtime::yield_now().await;
            }
        }
    });
}

#[test]
fn the_traits_of_tokio_read_write_and_seek() {
    use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

    run("tokio", async |path: PathBuf| {
        let mut file = made(&path).await;
        let bytes = pattern(500_000);
        file.write_all(&bytes).await.expect("it is written");
        assert_eq!(AsyncSeekExt::seek(&mut file, SeekFrom::Start(3)).await.expect("it can"), 3);
        let mut all = Vec::new();
        file.read_to_end(&mut all).await.expect("it is read");
        assert!(all == bytes[3..]);
        // What was read ahead is read again when the file was changed.
        AsyncSeekExt::seek(&mut file, SeekFrom::Start(0)).await.expect("it can");
        assert_eq!(file.read_u8().await.expect("it is read"), 0);
        file.write_at("new", 1).await.0.expect("it is written");
        let mut word = [0; 3];
        file.read_exact(&mut word).await.expect("it is read");
        assert_eq!(&word, b"new");
        file.write_all(b"newer").await.expect("it is written");
        AsyncSeekExt::seek(&mut file, SeekFrom::Current(-5)).await.expect("it can");
        let mut word = [0; 5];
        file.read_exact(&mut word).await.expect("it is read");
        assert_eq!(&word, b"newer");
        file.shutdown().await.expect("all is written");

        let mut read_only = File::open(&path).await.expect("it is there");
        assert!(read_only.write_all(b"x").await.is_err(), "it was opened for reading");
    });
}

#[test]
fn the_traits_of_futures_read_write_and_seek() {
    use futures_util::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

    run("futures", async |path: PathBuf| {
        let mut file = made(&path).await;
        let bytes = pattern(200_000);
        file.write_all(&bytes).await.expect("it is written");
        file.flush().await.expect("it is written");
        assert_eq!(
            AsyncSeekExt::seek(&mut file, SeekFrom::End(-5)).await.expect("it can"),
            199_995
        );
        let mut end = Vec::new();
        file.read_to_end(&mut end).await.expect("it is read");
        assert_eq!(end, bytes[199_995..]);
        file.close().await.expect("all is written");
    });
}
