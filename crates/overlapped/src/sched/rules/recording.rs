//! A recording of what the rules do: after each transition, what is different from before.
//!
//! While one runs, threads do not use their own queues, so nothing moves without the lock. A thread
//! that waits in the backend, and for which work lies ready, counts as waiting until it is back: only
//! then it is known which one came.

use super::Rules;
use super::steps::{MemberId, Wakes, Work};
use super::threads::Standing;
use crate::sched::moves::{Move, Moved, RecordedThread, Recording, RecordingEnd, ThreadPlace};
use std::time::{Duration, Instant};

/// A recording that runs, or has ended and was not fetched yet.
#[derive(Debug)]
pub(super) struct Recorder {
    began: Instant,
    limit: usize,
    recording: Recording,
    /// By thread of the recording.
    places: Vec<ThreadPlace>,
    /// By number of a bound thread: its number in the recording.
    numbers: Vec<Option<usize>>,
    queued: usize,
    /// Who has taken a packet in this transition; nobody is named when it was the calling thread.
    takers: Vec<Option<MemberId>>,
}

/// Where a thread is as users see it.
fn place(standing: Standing) -> ThreadPlace {
    match standing {
        Standing::Outside => ThreadPlace::Elsewhere,
        Standing::Released => ThreadPlace::Released,
        Standing::Blocking | Standing::Presumed => ThreadPlace::Paused,
        Standing::Parked | Standing::Polling => ThreadPlace::Waiting,
    }
}

impl<T, E, K: Clone> Rules<T, E, K> {
    /// Begins a recording of at most `limit` moves, unless there is one. False then.
    pub(crate) fn begin_recording(
        &mut self,
        limit: usize,
        began: Instant,
        name: impl Fn(&K) -> Option<String>,
        wakes: &mut Wakes<K>,
    ) -> bool {
        if self.recorder.is_some() || self.recorded.is_some() {
            return false;
        }
        // From now on everything goes through the shared queue.
        self.reclaim_all();
        self.settle(wakes);
        let mut recorder = Recorder::new(limit, began, self.concurrency, self.visible_queue());
        let mut there: Vec<_> = (0..self.members.len())
            .filter_map(|id| Some((self.members[id].as_ref()?, id)))
            .filter(|(member, _)| member.standing != Standing::Outside)
            .collect();
        there.sort_by_key(|(member, _)| member.last_move);
        for (member, id) in there {
            recorder.add(id, name(&member.parker), place(member.standing));
        }
        self.recorder = Some(Box::new(recorder));
        true
    }

    #[inline]
    pub(crate) fn is_recorded(&self) -> bool {
        self.recorder.is_some()
    }

    /// A packet was taken, by the calling thread if none is named.
    #[inline]
    pub(super) fn note_take(&mut self, id: Option<MemberId>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.takers.push(id);
        }
    }

    /// Notes what is different since the last time. `caller` is the number of the calling thread.
    pub(crate) fn note(
        &mut self,
        now: Instant,
        caller: Option<MemberId>,
        name: impl Fn(&K) -> Option<String>,
    ) {
        let queued = self.visible_queue();
        let Some(recorder) = &mut self.recorder else { return };
        recorder.recording.length = now.saturating_duration_since(recorder.began);
        let mut changes = Vec::new();
        for (id, member) in self.members.iter().enumerate() {
            let standing = member.as_ref().map_or(Standing::Outside, |member| member.standing);
            let thread = match (recorder.number(id), member) {
                (Some(thread), _) => thread,
                (None, Some(member)) if standing != Standing::Outside => {
                    recorder.add(id, name(&member.parker), ThreadPlace::Elsewhere)
                }
                (None, _) => continue,
            };
            if recorder.places[thread] != place(standing) {
                changes.push((thread, place(standing)));
            }
            if member.is_none() {
                // The next one that has this number is another thread.
                recorder.numbers[id] = None;
            }
        }
        recorder.note(&changes, queued, caller);
        if self.closed {
            recorder.push(Moved::Closed);
            recorder.recording.ended = RecordingEnd::Closed;
        }
        if recorder.recording.ended != RecordingEnd::Finished {
            self.recorded = self.recorder.take();
        }
    }

    /// Ends the recording, if there is one.
    pub(crate) fn end_recording(&mut self, now: Instant) -> Option<Recording> {
        let mut recorder = self.recorder.take().or_else(|| self.recorded.take())?;
        if recorder.recording.ended == RecordingEnd::Finished {
            recorder.recording.length = now.saturating_duration_since(recorder.began);
        }
        Some(recorder.recording)
    }

    /// The queue as a recording shows it: also what lies ready for a thread that is on its way.
    fn visible_queue(&self) -> usize {
        let is_packet = |work: &&Work<T, E>| matches!(work, Work::Packet(_));
        self.queue.len() + self.for_pollers.iter().filter(is_packet).count()
    }
}

impl Recorder {
    fn new(limit: usize, began: Instant, concurrency: usize, queued: usize) -> Self {
        let recording = Recording {
            length: Duration::ZERO,
            concurrency,
            devices: 0,
            queued,
            threads: Vec::new(),
            moves: Vec::new(),
            ended: RecordingEnd::Finished,
        };
        let (places, numbers, takers) = (Vec::new(), Vec::new(), Vec::new());
        Self { began, limit, recording, places, numbers, queued, takers }
    }

    fn number(&self, id: MemberId) -> Option<usize> {
        self.numbers.get(id).copied().flatten()
    }

    fn add(&mut self, id: MemberId, name: Option<String>, place: ThreadPlace) -> usize {
        let thread = self.recording.threads.len();
        self.recording.threads.push(RecordedThread { name, place });
        self.places.push(place);
        self.numbers.resize(self.numbers.len().max(id + 1), None);
        self.numbers[id] = Some(thread);
        thread
    }

    /// One transition: who gives a slot back comes first, then what came, and then who got what.
    fn note(&mut self, changes: &[(usize, ThreadPlace)], queued: usize, caller: Option<MemberId>) {
        let is_release = |change: &&(usize, ThreadPlace)| change.1 == ThreadPlace::Released;
        changes.iter().filter(|change| !is_release(change)).for_each(|change| self.moved(*change));
        let takers = std::mem::take(&mut self.takers);
        for _ in 0..(queued + takers.len()).saturating_sub(self.queued) {
            self.queued += 1;
            self.push(Moved::Queued { queued: self.queued });
        }
        changes.iter().filter(is_release).for_each(|change| self.moved(*change));
        for taker in &takers {
            self.queued -= 1;
            let thread = taker.or(caller).and_then(|id| self.number(id));
            self.push(Moved::Taken { thread, queued: self.queued });
        }
        self.queued = queued;
        self.takers = takers;
        self.takers.clear();
    }

    fn moved(&mut self, (thread, to): (usize, ThreadPlace)) {
        let from = std::mem::replace(&mut self.places[thread], to);
        self.push(Moved::Thread { thread, from, to });
    }

    fn push(&mut self, what: Moved) {
        if self.recording.moves.len() < self.limit {
            self.recording.moves.push(Move { at: self.recording.length, what });
        } else {
            self.recording.ended = RecordingEnd::Limit;
        }
    }
}
