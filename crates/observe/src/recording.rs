//! The moves of a port's threads and packets during a short time, as a document that travels as JSON and can be played.

use overlapped::{Moved, Port, Protocol, RecordingEnd, ThreadPlace};
use serde::{Deserialize, Serialize};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The value of [`Recording::format`].
pub const FORMAT: &str = "overlapped-recording-1";

/// A recording has no more moves than this. As JSON they are about 8 MB.
pub const MOVES_MAX: usize = 100_000;

/// The moves of a port's threads and packets during a short time.
///
/// Whoever knows where all were at the beginning, and applies the moves in their order, knows where all are at each moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// [`FORMAT`].
    pub format: String,
    /// What was served, by which model and where.
    pub name: String,
    /// When it began, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long it lasted, in nanoseconds.
    pub length_ns: u64,
    /// How many threads the port lets run.
    pub concurrency: u64,
    /// Handles that were associated with the port when it began.
    pub devices: u64,
    /// Packets in the queue when it began.
    pub queued: u64,
    /// The threads that were bound to the port at some time in it.
    pub threads: Vec<ThreadLine>,
    /// What happened, oldest first.
    pub moves: Vec<Move>,
    /// Why it ended.
    pub ended: Ended,
}

/// A thread of a recording. Its number is its place in [`Recording::threads`], from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadLine {
    /// Its name, or empty.
    pub name: String,
    /// Where it was when the recording began.
    pub place: Place,
}

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Not bound to the port: not yet, or not any more.
    Elsewhere,
    /// It waits for a packet.
    Waiting,
    /// It runs.
    Released,
    /// It was released, and is blocked.
    Paused,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// When, in nanoseconds since the recording began.
    pub at_ns: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// A thread went from one place to another.
    Thread {
        /// Its number.
        thread: u64,
        /// Where it was.
        from: Place,
        /// Where it is from now on.
        to: Place,
    },
    /// A packet came into the queue, behind all others.
    Queued {
        /// How many are in the queue from now on.
        queued: u64,
    },
    /// The oldest packet was taken from the queue.
    Taken {
        /// The number of the thread that has it, if that is known.
        thread: Option<u64>,
        /// How many are in the queue from now on.
        queued: u64,
    },
    /// The port was closed, and what was in its queue was dropped.
    Closed,
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The time that was asked for was over.
    Asked,
    /// There were as many moves as there may be: what came later is missing.
    Limit,
    /// The port was closed.
    Closed,
}

impl Recording {
    /// Records `port`, which belongs to the server `name`, for this time; the calling thread sleeps meanwhile. Of more than
    /// [`MOVES_MAX`] moves it has the first ones.
    ///
    /// # Errors
    /// Those of [`Port::record`]: a recording runs already, the port is closed, or it is a port of Windows.
    pub fn of_port<P: Protocol>(name: &str, port: &Port<P>, length: Duration) -> io::Result<Self> {
        let began = SystemTime::now();
        let recorder = port.record(MOVES_MAX)?;
        std::thread::sleep(length);
        Ok(Self::new(name, began, recorder.finish()))
    }

    /// What the library has recorded of the port of the server `name`.
    #[must_use]
    pub fn new(name: &str, began: SystemTime, recording: overlapped::Recording) -> Self {
        let threads = recording.threads.into_iter().map(|thread| ThreadLine {
            name: thread.name.unwrap_or_default(),
            place: thread.place.into(),
        });
        let moves = recording
            .moves
            .into_iter()
            .filter_map(|one| Some(Move { at_ns: nanoseconds(one.at), what: What::of(one.what)? }));
        let at = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            format: FORMAT.to_owned(),
            name: name.to_owned(),
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            length_ns: nanoseconds(recording.length),
            concurrency: recording.concurrency as u64,
            devices: recording.devices as u64,
            queued: recording.queued as u64,
            threads: threads.collect(),
            moves: moves.collect(),
            ended: match recording.ended {
                RecordingEnd::Limit => Ended::Limit,
                RecordingEnd::Closed => Ended::Closed,
                _ => Ended::Asked,
            },
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl From<ThreadPlace> for Place {
    fn from(place: ThreadPlace) -> Self {
        match place {
            ThreadPlace::Elsewhere => Self::Elsewhere,
            ThreadPlace::Waiting => Self::Waiting,
            ThreadPlace::Released => Self::Released,
            ThreadPlace::Paused => Self::Paused,
        }
    }
}

impl What {
    /// None for what this format does not know.
    fn of(moved: Moved) -> Option<Self> {
        Some(match moved {
            Moved::Thread { thread, from, to } => {
                Self::Thread { thread: thread as u64, from: from.into(), to: to.into() }
            }
            Moved::Queued { queued } => Self::Queued { queued: queued as u64 },
            Moved::Taken { thread, queued } => {
                Self::Taken { thread: thread.map(|thread| thread as u64), queued: queued as u64 }
            }
            Moved::Closed => Self::Closed,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    struct Jobs;

    impl Protocol for Jobs {
        type Key = ();
        type Operation = ();
        type Message = u32;
    }

    #[test]
    fn a_recording_of_a_port_is_the_same_after_its_way_as_json() -> io::Result<()> {
        let port = Port::<Jobs>::builder().concurrency(1).build()?;
        let recorder = match port.record(MOVES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                println!(
                    "skipped: a_recording_of_a_port_is_the_same_after_its_way_as_json: {error}"
                );
                return Ok(());
            }
            begun => begun?,
        };
        port.post(1)?;
        port.take().map_err(io::Error::from)?;
        overlapped::blocking(|| {});
        let began = UNIX_EPOCH + Duration::from_millis(1_780_000_000_000);
        let recording = Recording::new("a server", began, recorder.finish());
        let text = serde_json::to_string(&recording)?;
        assert_eq!(serde_json::from_str::<Recording>(&text)?, recording);
        assert_eq!(recording.at_ms, 1_780_000_000_000);
        let json: serde_json::Value = serde_json::from_str(&text)?;
        let what = |index: usize| json["moves"][index]["what"].as_str().map(str::to_owned);
        assert_eq!(what(0).as_deref(), Some("queued"));
        let last = &recording.moves[recording.moves.len() - 1].what;
        assert_eq!(*last, What::Thread { thread: 0, from: Place::Paused, to: Place::Released });
        Ok(())
    }

    #[test]
    fn a_port_is_recorded_for_a_time() -> io::Result<()> {
        let port = Port::<Jobs>::new()?;
        let (length, start) = (Duration::from_millis(20), Instant::now());
        match Recording::of_port("a server", &port, length) {
            Ok(recording) => {
                assert!(start.elapsed() >= length && recording.length_ns >= 20_000_000);
                assert_eq!(recording.ended, Ended::Asked);
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
        }
        Ok(())
    }
}
