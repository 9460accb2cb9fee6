//! Finds a connection by the token that an event or a packet names, under one lock: its own.
//!
//! Slots lie in pages that never move. A token is the slot's place and its generation; the
//! generation changes when the slot is emptied, so a token that another thread took from the system
//! before a socket was closed finds nothing (L13, P142). Pages grow with the table, by a quarter of
//! it at the most, and are kept until the table is dropped: the memory of closed connections is
//! used for the next ones, and goes back to the system with the port.

use crate::sync::{Mutex, MutexGuard};
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;
use std::time::Duration;

/// Pages of one size. After as many of them the size doubles.
const PAGES_OF_A_SIZE: usize = 4;
const FIRST_PAGE: usize = 16;
/// How many bits of a token say where in its page the slot lies; the next ones say in which page.
const OFFSET_BITS: u32 = 25;
/// As many as have at most so many slots, which are 268 million together.
const PAGES: usize = PAGES_OF_A_SIZE * (OFFSET_BITS - FIRST_PAGE.ilog2() + 1) as usize;

struct Slot<C> {
    generation: u32,
    /// Filled, and neither emptied nor retired.
    counted: bool,
    content: Option<C>,
}

type Page<C> = Box<[Mutex<Slot<C>>]>;

/// Connections by token.
pub(crate) struct Table<C> {
    pages: [OnceLock<Page<C>>; PAGES],
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    slots: Vec<Place>,
    /// Slots below this index have been used at least once.
    used: u32,
    count: usize,
}

/// A slot whose lock is held, and in which there is something.
pub(crate) struct Entry<'a, C>(MutexGuard<'a, Slot<C>>);

/// Another thread has the slot's lock.
#[derive(Debug)]
pub(crate) struct Held;

impl<'a, C> Entry<'a, C> {
    /// What is in the slot, if that is what the token names.
    #[inline]
    fn of(slot: MutexGuard<'a, Slot<C>>, token: u64) -> Option<Self> {
        let (_, generation) = Place::split(token);
        (slot.generation == generation && slot.content.is_some()).then_some(Self(slot))
    }
}

impl<C> Deref for Entry<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.0.content.as_ref().expect("an entry is made of a slot that is filled")
    }
}

impl<C> DerefMut for Entry<'_, C> {
    fn deref_mut(&mut self) -> &mut C {
        self.0.content.as_mut().expect("an entry is made of a slot that is filled")
    }
}

impl<C> Table<C> {
    pub(crate) fn new() -> Self {
        Self { pages: [const { OnceLock::new() }; PAGES], free: Mutex::new(Free::default()) }
    }

    /// Puts something into a slot, and gives its token and the slot with its lock held.
    pub(crate) fn insert(&self, content: C) -> (u64, Entry<'_, C>) {
        let place = {
            let mut free = self.free.lock();
            free.count += 1;
            free.slots.pop().unwrap_or_else(|| {
                free.used += 1;
                Place::of_index(free.used - 1)
            })
        };
        let page = self.pages[place.page()].get_or_init(|| {
            let empty = || Mutex::new(Slot { generation: 0, counted: false, content: None });
            (0..page_size(place.page())).map(|_| empty()).collect()
        });
        let mut slot = page[place.offset()].lock();
        slot.counted = true;
        slot.content = Some(content);
        (place.token(slot.generation), Entry(slot))
    }

    /// What has this token, unless its slot was emptied since. The token may be anything: a stranger
    /// may have made it up (F9).
    #[inline]
    pub(crate) fn find(&self, token: u64) -> Option<Entry<'_, C>> {
        Entry::of(self.slot(token)?.lock(), token)
    }

    /// The same, unless another thread has it for so long.
    #[inline]
    pub(crate) fn find_within(
        &self,
        token: u64,
        patience: Duration,
    ) -> Result<Option<Entry<'_, C>>, Held> {
        let Some(slot) = self.slot(token) else { return Ok(None) };
        slot.lock_within(patience).map(|slot| Entry::of(slot, token)).ok_or(Held)
    }

    #[inline]
    fn slot(&self, token: u64) -> Option<&Mutex<Slot<C>>> {
        let (place, _) = Place::split(token);
        self.pages.get(place.page())?.get()?.get(place.offset())
    }

    /// What has this token counts no more, but is found until it is removed.
    pub(crate) fn retire(&self, token: u64) {
        let counted =
            self.find(token).is_some_and(|mut entry| std::mem::take(&mut entry.0.counted));
        self.free.lock().count -= usize::from(counted);
    }

    /// Empties the slot of this token, and gives what was in it.
    pub(crate) fn remove(&self, token: u64) -> Option<C> {
        let (content, counted) = {
            let mut slot = self.find(token)?.0;
            // The highest generations would collide with the system's own tokens.
            slot.generation = (slot.generation + 1) % (u32::MAX - 1);
            (slot.content.take(), std::mem::take(&mut slot.counted))
        };
        let mut free = self.free.lock();
        free.slots.push(Place::split(token).0);
        free.count -= usize::from(counted);
        content
    }

    pub(crate) fn count(&self) -> usize {
        self.free.lock().count
    }

    /// The tokens of all that there is at some moment during the call.
    pub(crate) fn tokens(&self) -> Vec<u64> {
        let used = self.free.lock().used;
        let token = |index| {
            let place = Place::of_index(index);
            let slot = self.pages[place.page()].get()?[place.offset()].lock();
            slot.content.is_some().then(|| place.token(slot.generation))
        };
        (0..used).filter_map(token).collect()
    }
}

fn page_size(page: usize) -> usize {
    FIRST_PAGE << (page / PAGES_OF_A_SIZE)
}

/// Where a slot lies, as the lower half of a token has it: the page, and where in it. Events are
/// many, and new slots are few, so it is computed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(u32);

impl Place {
    /// That of the slot which is the `index`th to be used.
    fn of_index(index: u32) -> Self {
        const FIRST_SIZE: usize = PAGES_OF_A_SIZE * FIRST_PAGE;
        let position = index as usize + FIRST_SIZE;
        let size = (position / FIRST_SIZE).ilog2() as usize;
        let within = position - (FIRST_SIZE << size);
        let page_bits = FIRST_PAGE.ilog2() as usize + size;
        let page = size * PAGES_OF_A_SIZE + (within >> page_bits);
        Self((page as u32) << OFFSET_BITS | (within & ((1 << page_bits) - 1)) as u32)
    }

    #[inline]
    fn page(self) -> usize {
        (self.0 >> OFFSET_BITS) as usize
    }

    #[inline]
    fn offset(self) -> usize {
        (self.0 & ((1 << OFFSET_BITS) - 1)) as usize
    }

    fn token(self, generation: u32) -> u64 {
        u64::from(generation) << 32 | u64::from(self.0)
    }

    /// The place and the generation of a token.
    #[inline]
    fn split(token: u64) -> (Self, u32) {
        (Self(token as u32), (token >> 32) as u32)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn value(table: &Table<u64>, token: u64) -> Option<u64> {
        table.find(token).map(|entry| *entry)
    }

    #[test]
    fn l13_a_token_of_an_emptied_slot_finds_nothing() {
        let table = Table::new();
        let tokens: Vec<u64> = (0..1_000).map(|value| table.insert(value).0).collect();
        assert_eq!((table.count(), table.tokens()), (1_000, tokens.clone()));
        assert!((0..).zip(&tokens).all(|(number, token)| value(&table, *token) == Some(number)));

        assert_eq!(table.remove(tokens[500]), Some(500));
        assert_eq!(value(&table, tokens[500]), None);
        let (again, _) = table.insert(7);
        assert_eq!(again as u32, tokens[500] as u32, "the slot is used again");
        assert_eq!(value(&table, tokens[500]), None, "and the old token still finds nothing");
        assert_eq!(table.remove(tokens[500]), None, "nor empties it");
        assert_eq!(value(&table, again), Some(7));
    }

    #[test]
    fn f9_a_token_that_was_never_given_finds_nothing_and_makes_no_room() {
        let table = Table::new();
        let (token, _) = table.insert(7);
        for made_up in [1, 64, 0xDEAD_BEEF, u64::from(u32::MAX), u64::MAX, token | 1 << 32] {
            assert_eq!(value(&table, made_up), None, "{made_up:#x}");
        }
        let made = table.pages.iter().filter(|page| page.get().is_some()).count();
        assert_eq!((made, value(&table, token)), (1, Some(7)));
    }

    #[test]
    fn what_is_retired_is_found_and_counts_no_more() {
        let table = Table::new();
        let (token, _) = table.insert(7);
        table.retire(token);
        table.retire(token);
        assert_eq!((table.count(), value(&table, token)), (0, Some(7)));
        assert_eq!((table.remove(token), table.count()), (Some(7), 0));
    }

    #[test]
    fn every_index_has_a_place_of_its_own_in_a_page_that_holds_it() {
        let mut next = (0, 0);
        for index in 0..100_000 {
            let place = Place::of_index(index);
            assert_eq!((place.page(), place.offset()), next, "{index}");
            next = if next.1 + 1 == page_size(next.0) {
                (next.0 + 1, 0)
            } else {
                (next.0, next.1 + 1)
            };
        }
        let slots: usize = (0..PAGES).map(page_size).sum();
        let last = Place::of_index(slots as u32 - 1);
        assert_eq!((last.page(), last.offset()), (PAGES - 1, page_size(PAGES - 1) - 1));
        assert!(page_size(PAGES - 1) <= 1 << OFFSET_BITS);
    }
}
