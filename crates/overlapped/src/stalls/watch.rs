//! The thread that looks whether work holds its thread for long.

use super::seat::{Alarm, StallSeat};
use super::table::{StallSummary, StalledThread, Table};
use super::{Stall, StallKind, Stalls};
use crate::panics::contained;
use crate::sync;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How many looks there are in the time after which work counts as a stall.
const LOOKS: u32 = 3;

/// What work of a label is called; nothing if it has ended.
type Describe = Box<dyn Fn(u64) -> Option<Cow<'static, str>> + Send + Sync>;

/// Is told of stalls.
type Tell = Box<dyn Fn(&Stall) + Send + Sync>;

/// Watches the threads of a pool for work that holds its thread for long. [`Workers`](crate::Workers) has one of its own;
/// this is for who runs threads or tasks by other means.
///
/// It ends when its last clone is dropped.
///
/// ```
/// use overlapped::StallWatch;
/// use std::time::Duration;
///
/// let long = Duration::from_millis(5);
/// let watch = StallWatch::start("jobs", long, |label| Some(format!("job {label}").into()), |stall| {
///     println!("{} has held its thread for {:?}", stall.name, stall.lasted);
/// });
/// let seat = watch.seat();
/// seat.sit();
/// seat.begin(7);
/// while watch.counts() == overlapped::Stalls::default() {
///     std::thread::sleep(Duration::from_millis(1));
/// }
/// seat.end();
/// assert_eq!(watch.summaries()[0].name, "job 7");
/// watch.leave(&seat);
/// ```
#[derive(Clone)]
pub struct StallWatch(Arc<Owner>);

/// Ends the thread of the watch when it is dropped.
struct Owner(Arc<Shared>);

impl Owner {
    fn end(&self) {
        self.0.alarm.is_over.store(true, Ordering::SeqCst);
        self.0.alarm.parker.unpark();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.end();
    }
}

struct Shared {
    seats: Mutex<Seats>,
    alarm: Arc<Alarm>,
    table: Mutex<Table>,
    after: Duration,
}

#[derive(Default)]
struct Seats {
    present: Vec<Arc<StallSeat>>,
    begun_by_ended: u64,
}

impl StallWatch {
    /// Starts a watch for work that lasts longer than `after`, on a thread called `name-stalls`. Where none can be had,
    /// nothing is watched.
    ///
    /// `describe` says what work of a label is called, or nothing if that has ended meanwhile; work that has called
    /// itself something ([`doing`](crate::doing)) goes by that. `tell` is called once for each stall, within two thirds of `after`
    /// or so, by the thread of the watch: what it takes long for delays the next look. A panic of either ends there.
    pub fn start(
        name: &str,
        after: Duration,
        describe: impl Fn(u64) -> Option<Cow<'static, str>> + Send + Sync + 'static,
        tell: impl Fn(&Stall) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            seats: Mutex::default(),
            alarm: Arc::default(),
            table: Mutex::default(),
            after,
        });
        let watch = Looks {
            shared: Arc::clone(&shared),
            describe: Box::new(describe),
            tell: Box::new(tell),
            long: Vec::new(),
            begun: 0,
            last: sync::now(),
        };
        let thread = std::thread::Builder::new().name(format!("{name}-stalls"));
        let _ = thread.spawn(move || watch.run());
        Self(Arc::new(Owner(shared)))
    }

    /// Whether both are clones of one watch.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Ends the watch before its last clone is dropped. What was seen stays.
    pub fn end(&self) {
        self.0.end();
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }

    /// A seat for one more thread, which is to [sit](StallSeat::sit) down there.
    pub fn seat(&self) -> Arc<StallSeat> {
        let seat = Arc::new(StallSeat::new(Arc::clone(&self.shared().alarm)));
        self.shared().seats.lock().present.push(Arc::clone(&seat));
        seat
    }

    /// The thread of a seat is not watched any more.
    pub fn leave(&self, seat: &Arc<StallSeat>) {
        let mut seats = self.shared().seats.lock();
        let before = seats.present.len();
        seats.present.retain(|other| !Arc::ptr_eq(other, seat));
        if seats.present.len() < before {
            seats.begun_by_ended += seat.begun();
        }
    }

    /// How often work was begun, by threads that have left as well.
    pub fn begun(&self) -> u64 {
        let seats = self.shared().seats.lock();
        seats.present.iter().map(|seat| seat.begun()).sum::<u64>() + seats.begun_by_ended
    }

    /// The labels of what is worked on at this moment, one for each thread that works.
    pub fn labels(&self) -> Vec<u64> {
        self.shared().seats.lock().present.iter().filter_map(|seat| seat.label()).collect()
    }

    /// How many stalls there were.
    pub fn counts(&self) -> Stalls {
        self.shared().table.lock().counts
    }

    /// The stalls by name, the last seen first. The names that were seen least lately are forgotten, if there are more
    /// than 64.
    pub fn summaries(&self) -> Vec<StallSummary> {
        self.shared().table.lock().summaries()
    }

    /// The threads that are stalled at this moment, in no order.
    pub fn stalled(&self) -> Vec<StalledThread> {
        self.shared().table.lock().now.clone()
    }
}

impl fmt::Debug for StallWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StallWatch").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// A seat whose work lasts from one look to the next.
struct Long {
    seat: Arc<StallSeat>,
    steps: u64,
    label: u64,
    /// When it was seen first.
    since: Instant,
    /// For how long the thread had computed when it was seen for the second time, and when that was.
    clock: (Instant, Option<Duration>),
    /// Told of.
    stall: Option<StalledThread>,
}

/// For how long the thread of a seat has computed.
fn computed(seat: &StallSeat) -> Option<Duration> {
    seat.thread()?.view.as_ref()?.computed()
}

impl Long {
    /// What the thread has done since the work was seen for the second time.
    fn kind(&self, now: Instant) -> StallKind {
        let (then, Some(before)) = self.clock else { return StallKind::Unknown };
        match computed(&self.seat) {
            None => StallKind::Unknown,
            Some(after) if after.saturating_sub(before) * 2 < now - then => StallKind::Blocks,
            Some(_) => StallKind::Computes,
        }
    }
}

/// What the thread of the watch has.
struct Looks {
    shared: Arc<Shared>,
    describe: Describe,
    tell: Tell,
    long: Vec<Long>,
    /// How often work had been begun at the last look, and when that was.
    begun: u64,
    last: Instant,
}

impl Looks {
    fn run(mut self) {
        let alarm = Arc::clone(&self.shared.alarm);
        let pause = (self.shared.after / LOOKS).max(Duration::from_millis(1));
        loop {
            alarm.parker.park(Some(pause));
            if alarm.is_over.load(Ordering::SeqCst) {
                return;
            }
            if self.look(sync::now()) {
                alarm.dozes.store(false, Ordering::SeqCst);
                continue;
            }
            // It said so one look ago: who had not seen that has shown its work by now.
            if alarm.dozes.swap(true, Ordering::SeqCst) {
                while alarm.dozes.load(Ordering::SeqCst) && !alarm.is_over.load(Ordering::SeqCst) {
                    alarm.parker.park(None);
                }
            }
        }
    }

    /// Says whether anything was worked on since the last look. Of work that is over before the next look nothing is kept.
    fn look(&mut self, now: Instant) -> bool {
        let before = std::mem::replace(&mut self.last, now);
        let mut lasting = Vec::new();
        let begun = {
            let seats = self.shared.seats.lock();
            let glances = seats.present.iter().map(|seat| {
                let (begun, lasts) = seat.glance();
                if let Some(steps) = lasts {
                    lasting.push((Arc::clone(seat), steps));
                }
                begun
            });
            glances.sum::<u64>() + seats.begun_by_ended
        };
        let works = std::mem::replace(&mut self.begun, begun) != begun || !lasting.is_empty();
        if lasting.is_empty() && self.long.is_empty() {
            return works;
        }
        self.long.retain(|long| long.seat.look() == Some((long.steps, long.label)));
        for (seat, steps) in lasting {
            let is_its = |long: &Long| Arc::ptr_eq(&long.seat, &seat);
            match self.long.iter().position(is_its) {
                Some(index) => self.goes_on(index, now),
                None => {
                    // It may have ended meanwhile.
                    let Some((_, label)) = seat.look().filter(|(now, _)| *now == steps) else {
                        continue;
                    };
                    let clock = (now, computed(&seat));
                    self.long.push(Long { seat, steps, label, since: before, clock, stall: None });
                }
            }
        }
        let stalled = self.long.iter().filter_map(|long| long.stall.clone()).collect();
        self.shared.table.lock().now = stalled;
        works
    }

    /// Work lasts that has been looked at twice before.
    fn goes_on(&mut self, index: usize, now: Instant) {
        let long = &mut self.long[index];
        let lasted = now - long.since;
        match &mut long.stall {
            Some(stall) => {
                let before = std::mem::replace(&mut stall.lasted, lasted);
                self.shared.table.lock().goes_on(stall, before, now);
            }
            None if lasted >= self.shared.after => self.stalls(index, now),
            None => {}
        }
    }

    /// Tells of work that has lasted for long.
    fn stalls(&mut self, index: usize, now: Instant) {
        let long = &mut self.long[index];
        let kind = long.kind(now);
        let thread = long.seat.thread();
        let asleep_in = match kind {
            StallKind::Blocks => {
                thread.and_then(|thread| thread.view.as_ref()).and_then(|view| view.asleep_in())
            }
            _ => None,
        };
        let own_name = long.seat.name_in(long.steps);
        let name = own_name.or_else(|| contained(|| (self.describe)(long.label)).flatten());
        // It may have ended just now.
        let Some(name) = name else { return };
        let lasted = now - long.since;
        let thread = thread.map_or_else(String::new, |thread| thread.name.clone());
        let stall = StalledThread {
            thread,
            name: name.clone(),
            kind,
            asleep_in: asleep_in.clone(),
            lasted,
        };
        self.shared.table.lock().add(&stall, now);
        long.stall = Some(stall);
        let told = Stall { label: long.label, name, lasted, kind, asleep_in };
        contained(|| (self.tell)(&told));
    }
}
