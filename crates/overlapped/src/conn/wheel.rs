//! What is due at a time, in a hierarchical timer wheel: entering, moving and taking out cost the same
//! however many entries there are.
//!
//! Time is cut into ticks. Each level has 64 slots, and a slot of one level is as long as all slots of
//! the level below. An entry lies on the lowest level on which its tick and the present one are in
//! different slots; when its slot begins it goes down to where it belongs then. So it is moved a few
//! times at the most, and nobody sorts anything but what is due together.
//!
//! Entries lie in one array, and those of a slot are linked by their places in it.

/// A tick has so many bits of nanoseconds: it takes 131 µs.
const TICK_BITS: u32 = 17;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// With as many all ticks of 64 bits of nanoseconds have a place.
const LEVELS: usize = 8;
const NONE: u32 = u32::MAX;

/// Names an entry. Once that is taken out it names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    place: u32,
    generation: u32,
}

pub(super) struct Wheel<T> {
    entries: Vec<Entry<T>>,
    /// The first place that is free.
    free: u32,
    /// The first entry of each slot.
    heads: Box<[u32; LEVELS * SLOTS]>,
    /// Which slots of a level have entries.
    occupied: [u64; LEVELS],
    /// This tick and those before it are over.
    elapsed: u64,
    next_number: u64,
}

struct Entry<T> {
    /// In nanoseconds.
    at: u64,
    /// Of two entries with one time, the one with the lower number is due first.
    number: u64,
    generation: u32,
    /// The neighbours in its slot; the next free place, of one that is free.
    next: u32,
    previous: u32,
    slot: u16,
    content: Option<T>,
}

impl<T> Wheel<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            heads: Box::new([NONE; LEVELS * SLOTS]),
            occupied: [0; LEVELS],
            elapsed: 0,
            next_number: 0,
        }
    }

    /// Enters `content` for the time `at`. Times are in nanoseconds.
    pub(super) fn insert(&mut self, at: u64, content: T) -> Key {
        let number = self.take_number();
        let entry = Entry {
            at,
            number,
            generation: 0,
            next: NONE,
            previous: NONE,
            slot: 0,
            content: Some(content),
        };
        let place = match self.entries.get_mut(self.free as usize) {
            Some(free) => {
                let place = std::mem::replace(&mut self.free, free.next);
                *free = Entry { generation: free.generation, ..entry };
                place
            }
            None => {
                let place = u32::try_from(self.entries.len()).expect("memory ends before");
                assert_ne!(place, NONE, "memory ends before");
                self.entries.push(entry);
                place
            }
        };
        self.link(place);
        Key { place, generation: self.entries[place as usize].generation }
    }

    /// Moves an entry to another time; false when it was taken out.
    pub(super) fn reset(&mut self, key: Key, at: u64) -> bool {
        if self.find(key).is_none() {
            return false;
        }
        self.unlink(key.place);
        let number = self.take_number();
        let entry = &mut self.entries[key.place as usize];
        entry.at = at;
        entry.number = number;
        self.link(key.place);
        true
    }

    /// Puts an entry where it belongs by now, so that [`Wheel::next`] is not too early for it.
    pub(super) fn place_by(&mut self, now: u64, key: Key) {
        if self.find(key).is_some() {
            self.unlink(key.place);
            self.advance(now);
            self.link(key.place);
        }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        self.find(key)?;
        self.unlink(key.place);
        self.vacate(key.place).map(|(_, _, content)| content)
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.find(key)?.content.as_ref()
    }

    /// Adds to `due` what is due by now, in the order of its times. Of very much it may leave later
    /// ticks for the next call: [`Wheel::next`] says whether there are any.
    pub(super) fn take_due(&mut self, now: u64, due: &mut Vec<T>) {
        /// After as many it ends with the tick.
        const ENOUGH: usize = 1024;
        let present = now >> TICK_BITS;
        let mut taken = Vec::new();
        while taken.len() < ENOUGH
            && let Some((level, slot, tick)) = self.first_slot()
            && tick <= present
        {
            self.elapsed = tick;
            self.occupied[level] &= !(1 << slot);
            let head = &mut self.heads[level * SLOTS + slot];
            let mut next = std::mem::replace(head, NONE);
            while let Some(entry) = self.entries.get(next as usize) {
                let place = std::mem::replace(&mut next, entry.next);
                if tick_of(entry.at) <= tick {
                    taken.extend(self.vacate(place));
                } else {
                    self.link(place);
                }
            }
        }
        self.advance(now);
        taken.sort_unstable_by_key(|(at, number, _)| (*at, *number));
        due.extend(taken.into_iter().map(|(_, _, content)| content));
    }

    /// When [`Wheel::take_due`] has something to do next, in nanoseconds: no earlier than the first
    /// entry is due, and at most a tick later, or when entries have to go down a level.
    pub(super) fn next(&self) -> Option<u64> {
        self.first_slot().map(|(_, _, tick)| tick << TICK_BITS)
    }

    pub(super) fn into_contents(self) -> impl Iterator<Item = T> {
        self.entries.into_iter().filter_map(|entry| entry.content)
    }

    fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn find(&self, key: Key) -> Option<&Entry<T>> {
        let entry = self.entries.get(key.place as usize)?;
        (entry.generation == key.generation && entry.content.is_some()).then_some(entry)
    }

    /// What is over by now is over, as far as nothing is left of it.
    pub(super) fn advance(&mut self, now: u64) {
        let present = now >> TICK_BITS;
        if present > self.elapsed && self.first_slot().is_none_or(|(_, _, tick)| tick > present) {
            self.elapsed = present;
        }
    }

    /// The slot that begins first, with its level and the tick with which it does. Of two levels the
    /// lower one has what comes first.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let low = SLOT_BITS * level as u32;
        let above = (self.elapsed >> low) & !(SLOTS as u64 - 1);
        Some((level, slot, (above | slot as u64) << low))
    }

    fn link(&mut self, place: u32) {
        let entry = &mut self.entries[place as usize];
        // What is due already comes with the next tick.
        let tick = tick_of(entry.at).max(self.elapsed + 1);
        let level = ((tick ^ self.elapsed).ilog2() / SLOT_BITS) as usize;
        let within = (tick >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        let slot = level * SLOTS + within;
        entry.slot = slot as u16;
        entry.previous = NONE;
        entry.next = std::mem::replace(&mut self.heads[slot], place);
        let next = entry.next;
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = place;
        }
        self.occupied[level] |= 1 << within;
    }

    fn unlink(&mut self, place: u32) {
        let Entry { next, previous, slot, .. } = self.entries[place as usize];
        let slot = usize::from(slot);
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = previous;
        }
        match self.entries.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => self.heads[slot] = next,
        }
        if self.heads[slot] == NONE {
            self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        }
    }

    /// Frees the place of an entry that is in no slot.
    fn vacate(&mut self, place: u32) -> Option<(u64, u64, T)> {
        let entry = &mut self.entries[place as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = std::mem::replace(&mut self.free, place);
        Some((entry.at, entry.number, entry.content.take()?))
    }
}

/// The tick with which what is due at this time may be taken: none is taken early.
fn tick_of(at: u64) -> u64 {
    at.div_ceil(1 << TICK_BITS)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::collections::BTreeMap;

    const MS: u64 = 1_000_000;

    fn len<T>(wheel: &Wheel<T>) -> usize {
        wheel.entries.iter().filter(|entry| entry.content.is_some()).count()
    }

    fn due(wheel: &mut Wheel<u64>, now: u64) -> Vec<u64> {
        let mut due = Vec::new();
        wheel.take_due(now, &mut due);
        due
    }

    /// Against an ordered map, through random steps over times of every size.
    #[test]
    fn entries_come_in_order_and_never_early_nor_a_tick_late() {
        let random = Cell::new(7_u64);
        let below = |most: u64| {
            let mut next = random.get();
            next ^= next << 13;
            next ^= next >> 7;
            next ^= next << 17;
            random.set(next);
            next % most
        };
        let mut wheel = Wheel::new();
        let mut expected: BTreeMap<(u64, u64), (u64, Key)> = BTreeMap::new();
        let (mut now, mut number) = (0_u64, 0);
        for step in 0..200_000_u64 {
            let at = now.saturating_add(below(1 << (10 + below(34))));
            let nth = below(expected.len().max(1) as u64) as usize;
            let some = expected.iter().nth(nth.min(20)).map(|(key, value)| (*key, *value));
            match (below(10), some) {
                (0..=4, _) | (_, None) => {
                    number += 1;
                    wheel.advance(now);
                    let key = wheel.insert(at, step);
                    expected.insert((at, number), (step, key));
                }
                (5, Some((old, (content, key)))) => {
                    number += 1;
                    assert!(wheel.reset(key, at));
                    wheel.place_by(now, key);
                    expected.remove(&old);
                    expected.insert((at, number), (content, key));
                }
                (6, Some((old, (content, key)))) => {
                    assert_eq!(wheel.remove(key), Some(content));
                    assert_eq!((wheel.remove(key), wheel.reset(key, at)), (None, false));
                    expected.remove(&old);
                }
                _ => {
                    let first = expected.first_key_value().map(|((at, _), _)| *at);
                    let next = wheel.next().expect("there is something");
                    assert!(first.is_some_and(|first| next <= first + (1 << TICK_BITS)));
                    now = match below(2) {
                        0 => now.max(next),
                        _ => now + below(1 << (10 + below(30))),
                    };
                    loop {
                        let taken = due(&mut wheel, now);
                        for content in taken {
                            let ((at, _), (wanted, _)) = expected.pop_first().expect("it is there");
                            assert_eq!(content, wanted, "of the earliest");
                            assert!(at <= now, "it is due");
                        }
                        if wheel.next().is_none_or(|next| next > now) {
                            break;
                        }
                    }
                    let late = (now >> TICK_BITS) << TICK_BITS;
                    assert!(expected.first_key_value().is_none_or(|((at, _), _)| *at >= late));
                }
            }
            if step % 100 == 0 {
                assert_eq!(len(&wheel), expected.len());
            }
        }
    }

    #[test]
    fn an_entry_far_away_goes_down_a_few_times_and_is_due_then() {
        let mut wheel = Wheel::new();
        let year = 365 * 24 * 3_600_000 * MS;
        wheel.advance(5 * MS);
        wheel.insert(100 * year, 1);
        wheel.insert(u64::MAX, 2);
        let mut steps = 0;
        loop {
            let next = wheel.next().expect("it is there");
            steps += 1;
            if !due(&mut wheel, next).is_empty() {
                assert!((100 * year..100 * year + (1 << TICK_BITS)).contains(&next));
                break;
            }
        }
        assert!(steps <= LEVELS, "one for each level at the most, not {steps}");
        assert_eq!(len(&wheel), 1);
    }

    /// A million of them, by arithmetic: no entry has anything outside of the array.
    #[test]
    fn an_entry_takes_no_more_than_64_bytes_and_its_place_is_used_again() {
        assert!(size_of::<Entry<[usize; 2]>>() <= 64);
        let mut wheel = Wheel::new();
        for round in 0..3 {
            wheel.advance(round * MS);
            let keys: Vec<_> =
                (0..1_000).map(|number| wheel.insert((round + number) * MS, ())).collect();
            for key in keys {
                assert_eq!(wheel.remove(key), Some(()));
            }
            assert_eq!((len(&wheel), wheel.next()), (0, None));
            assert_eq!(wheel.entries.len(), 1_000);
        }
    }
}
