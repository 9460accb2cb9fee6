//! What starts the time of operations, puts it off, and ends what is over.

use super::{End, LeastRate, Limits, NEVER};
use crate::conn::connection::Connection;
use crate::conn::connections::Connections;
use crate::conn::delivery::Delivery;
use crate::conn::facts::Moment;
use crate::conn::handle::{Handle, abort};
use crate::conn::locked::Locked;
use crate::conn::operation::{Direction, Operation};
use crate::conn::timers::Due;
use crate::error::{OperationId, not_in_flight, timed_out};
use std::io;
use std::sync::Arc;
use std::time::Duration;

impl<O: Operation> Locked<'_, O> {
    /// The limits of a connection that has none become such that do not limit.
    fn limits(&mut self) -> &mut Limits {
        self.limited = true;
        let connections = self.connections;
        self.rare.limits_or_new(|| Limits::new(connections.now()))
    }

    /// An operation is in flight that was not before.
    #[cold]
    #[inline(never)]
    pub(in crate::conn) fn limit_started(&mut self, direction: Direction, id: u32) {
        let first = self.first_in_flight(direction);
        let other = match direction {
            Direction::Receive => Direction::Send,
            Direction::Send => Direction::Receive,
        };
        let is_first = first.is_none_or(|first| first == id);
        let is_alone = is_first && self.first_in_flight(other).is_none();
        let connections = self.connections;
        let limits = self.limits();
        let needs_clock = limits.idle.is_some()
            || limits.side(direction).each.is_some()
            || limits.side(direction).least.is_some();
        if !needs_clock {
            return;
        }
        let now = connections.now();
        if is_alone {
            limits.quiet_since = now;
        }
        let side = limits.side(direction);
        if is_first && side.runs {
            // What ended the one before has told nobody.
            side.begin_window(now, side.moved);
        }
        side.run(now);
        let mut due = side.window_end().unwrap_or(NEVER);
        if let Some(each) = side.each {
            side.forget_before(first);
            let at = now.after(each).nanoseconds();
            side.ends.push(End { id, at });
            due = due.min(at);
        }
        if let Some(idle) = limits.idle {
            due = due.min(limits.quiet_since.after(idle).nanoseconds());
        }
        self.look_at(due);
    }

    /// An operation is complete that has transferred so many bytes.
    pub(in crate::conn) fn limit_transferred(&mut self, direction: Direction, bytes: u64) {
        let stops = self.first_in_flight(direction).is_none();
        let connections = self.connections;
        let limits = self.limits();
        let idle = limits.idle.is_some();
        let side = limits.side(direction);
        side.moved += bytes;
        let is_news = std::mem::replace(&mut side.seen, side.moved) != side.moved;
        let rated = side.least.is_some();
        if !(rated || idle && is_news) {
            return;
        }
        let now = connections.now();
        if rated {
            side.run(now);
            if stops {
                side.stop(now);
            }
        }
        if is_news {
            limits.quiet_since = now;
        }
    }

    /// An attempt may have transferred a part of the first operation.
    #[cold]
    #[inline(never)]
    pub(in crate::conn) fn limit_partly(&mut self, direction: Direction) {
        let (part, connections) = (self.part_of_first(direction), self.connections);
        let limits = self.limits();
        let side = limits.side(direction);
        if side.moved + part != side.seen {
            side.seen = side.moved + part;
            limits.quiet_since = connections.now();
        }
    }

    /// The kernel has carried out a step of an operation.
    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(in crate::conn) fn limit_stepped(&mut self) {
        let now = self.connections.now();
        self.limits().quiet_since = now;
    }

    /// What the first operation of a direction has transferred, as far as the connection knows it.
    fn part_of_first(&self, direction: Direction) -> u64 {
        let first = self.waiting(direction).and_then(|waiting| waiting.first.as_ref());
        first.map_or(0, |pending| pending.operation.transferred())
    }

    /// Has the limits looked at when it is `due`, or earlier.
    fn look_at(&mut self, due: u64) {
        let (connections, token) = (self.connections, self.token);
        let limits = self.limits();
        if due >= limits.due {
            return;
        }
        let (now, at) = (connections.now(), Moment::at(due));
        let (timers, scheduler) = (&connections.timers, &connections.scheduler);
        let entry = limits.entry.filter(|entry| timers.move_to(scheduler, *entry, now, at));
        // A port that is closed looks at nothing.
        let new = || timers.start_at(scheduler, now, at, Due::Limits(token)).ok();
        limits.entry = entry.or_else(new);
        limits.due = due;
    }

    /// The entry was due: ends what is over, and sets it anew. True when the alarm has to be set for
    /// a shortage.
    fn look_at_limits(&mut self, delivery: &mut Delivery<O>) -> bool {
        if !self.limited {
            return false;
        }
        // Mostly it is the one that was due, and a later one only if that overlapped.
        self.forget_limits();
        let mut deferred = false;
        let now = self.connections.now().nanoseconds();
        if self.next_look().is_some_and(|next| next <= now) {
            // What has come by now is a success.
            self.set_ready();
            deferred = self.advance(delivery);
            let now = self.connections.now();
            for id in self.take_over(now) {
                self.time_out(id, delivery);
            }
        }
        self.look_again();
        deferred
    }

    /// When something is over next. `None` when nothing can be.
    fn next_look(&mut self) -> Option<u64> {
        let (receive, send) =
            (self.first_in_flight(Direction::Receive), self.first_in_flight(Direction::Send));
        let limits = self.rare.limits_mut()?;
        let mut next = NEVER;
        for (side, first) in [(&mut limits.receives, receive), (&mut limits.sends, send)] {
            side.forget_before(first);
            let ends = side.ends.iter().map(|end| end.at);
            next = ends.fold(next, u64::min);
            if first.is_some() {
                next = side.window_end().map_or(next, |end| end.min(next));
            }
        }
        if let Some(idle) = limits.idle
            && (receive.is_some() || send.is_some())
        {
            next = next.min(limits.quiet_since.after(idle).nanoseconds());
        }
        (next != NEVER).then_some(next)
    }

    /// The operations that are over, and forgets their ends. Windows of rates that are over begin
    /// anew.
    fn take_over(&mut self, now: Moment) -> Vec<u32> {
        let at = now.nanoseconds();
        let mut over = Vec::new();
        let mut ends_all = [false; 2];
        for direction in [Direction::Receive, Direction::Send] {
            let part = self.part_of_first(direction);
            let is_in_flight = self.first_in_flight(direction).is_some();
            let side = self.limits().side(direction);
            while let Some(End { id, .. }) = side.ends.remove(|end| end.at <= at) {
                over.push(id);
            }
            if let Some(least) = side.least
                && is_in_flight
                && side.window_end().is_some_and(|end| end <= at)
            {
                let total = side.moved + part;
                ends_all[direction as usize] = total - side.before_window.min(total) < least.bytes;
                side.begin_window(now, total);
            }
        }
        let limits = self.limits();
        if let Some(idle) = limits.idle
            && limits.quiet_since.after(idle).nanoseconds() <= at
        {
            ends_all = [true; 2];
            limits.quiet_since = now;
        }
        for direction in [Direction::Receive, Direction::Send] {
            if ends_all[direction as usize] {
                over.extend(self.ids_in_flight(direction));
            }
        }
        over
    }

    /// Ends an operation whose time is over, if it has not completed.
    fn time_out(&mut self, id: u32, delivery: &mut Delivery<O>) {
        let Some(mut pending) = self.remove(id) else {
            self.time_out_in_kernel(id);
            return;
        };
        abort(&mut pending, self);
        // Only now: to the connection it is a cancel, and no loss.
        pending.operation.fail(timed_out());
        self.end_if_sent();
        delivery.add_of(self.connections, pending.into_packet(), false);
    }

    /// The first operation in flight of a direction.
    fn first_in_flight(&self, direction: Direction) -> Option<u32> {
        let waiting = self.waiting(direction).and_then(|waiting| waiting.first.as_ref());
        let ids = self.ids_in_kernel(direction).chain(waiting.map(|pending| pending.id));
        ids.min_by(|one, other| (one.wrapping_sub(*other) as i32).cmp(&0))
    }

    fn ids_in_flight(&self, direction: Direction) -> impl Iterator<Item = u32> {
        let waiting = self.waiting(direction).into_iter().flat_map(|waiting| waiting.iter());
        self.ids_in_kernel(direction).chain(waiting.map(|pending| pending.id))
    }

    fn look_again(&mut self) {
        if let Some(next) = self.next_look() {
            self.look_at(next);
        }
    }

    /// Before the connection goes: it leaves nothing in the port's timers.
    pub(in crate::conn) fn forget_limits(&mut self) {
        let connections = self.connections;
        connections.forget_limits(&mut **self);
    }
}

impl<O: Operation> Connections<O> {
    /// Takes what a connection has in the port's timers out of them.
    pub(in crate::conn) fn forget_limits(&self, connection: &mut Connection<O>) {
        if let Some(entry) = connection.rare.limits_mut().and_then(|limits| limits.take_entry()) {
            self.timers.cancel(entry);
        }
    }
}

/// The entry of the connection with this token was due.
pub(in crate::conn) fn ring<O: Operation>(
    connections: &Arc<Connections<O>>,
    token: u64,
    delivery: &mut Delivery<O>,
) {
    // Whoever has it is not idle. If there is another entry when this one comes again, it finds nothing to do.
    let Some(mut at) = connections.find_or_later(token, Due::Limits(token)) else { return };
    let owes_retry = at.look_at_limits(delivery);
    drop(at);
    if owes_retry {
        connections.defer(token);
    }
}

impl<O: Operation> Handle<O> {
    /// Sets how long the operation may be in flight from now on.
    pub(crate) fn set_limit(&self, id: OperationId, limit: Option<Duration>) -> io::Result<()> {
        let mut at = self.lock();
        let direction = Direction::of_id(id.0);
        if !at.ids_in_flight(direction).any(|in_flight| in_flight == id.0) {
            return Err(not_in_flight());
        }
        let end = limit.map(|limit| self.connections().now().after(limit).nanoseconds());
        at.limits().side(direction).set_end(id.0, end);
        at.look_at(end.unwrap_or(NEVER));
        Ok(())
    }

    /// Sets how long each operation of a direction may be in flight, of those that are started from
    /// now on.
    pub(crate) fn set_limit_of_each(&self, direction: Direction, limit: Option<Duration>) {
        self.lock().limits().side(direction).each = limit;
    }

    pub(crate) fn set_least_rate(&self, direction: Direction, least: Option<LeastRate>) {
        let mut at = self.lock();
        let part = at.part_of_first(direction);
        let runs = at.first_in_flight(direction).is_some();
        let now = self.connections().now();
        let side = at.limits().side(direction);
        side.least = least.filter(|least| least.bytes > 0);
        side.stop(now);
        side.begin_window(now, side.moved + part);
        side.runs = runs;
        at.look_again();
    }

    pub(crate) fn set_idle_limit(&self, limit: Option<Duration>) {
        let now = self.connections().now();
        let mut at = self.lock();
        let limits = at.limits();
        limits.idle = limit;
        limits.quiet_since = now;
        at.look_again();
    }
}
