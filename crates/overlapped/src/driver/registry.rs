//! Finds the object that an event's token means, without a lock that all threads share.
//!
//! Slots lie in pages that double in size and never move. A token is the slot's index and its
//! generation; the generation changes when the slot is freed, so a token that another thread took
//! from the driver before a socket was closed finds nothing (L13, P142).

use crate::sync::Mutex;
use std::sync::OnceLock;

const FIRST_PAGE: usize = 64;
const PAGES: usize = 26;

struct Slot<V> {
    generation: u32,
    /// Reserved, and neither freed nor retired.
    counted: bool,
    value: Option<V>,
}

type Page<V> = Box<[Mutex<Slot<V>>]>;

/// Values by token.
pub(crate) struct Registry<V> {
    pages: [OnceLock<Page<V>>; PAGES],
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    slots: Vec<u32>,
    /// Slots below this index have been used at least once.
    used: u32,
    count: usize,
}

impl<V: Clone> Registry<V> {
    pub(crate) fn new() -> Self {
        Self { pages: [const { OnceLock::new() }; PAGES], free: Mutex::new(Free::default()) }
    }

    /// Reserves a slot; the token is valid once [`Registry::set`] has filled it.
    pub(crate) fn reserve(&self) -> u64 {
        let index = {
            let mut free = self.free.lock();
            free.count += 1;
            free.slots.pop().unwrap_or_else(|| {
                free.used += 1;
                free.used - 1
            })
        };
        let generation = {
            let mut slot = self.slot(index).lock();
            slot.counted = true;
            slot.generation
        };
        u64::from(generation) << 32 | u64::from(index)
    }

    pub(crate) fn set(&self, token: u64, value: V) {
        let (index, generation) = split(token);
        let mut slot = self.slot(index).lock();
        debug_assert_eq!(slot.generation, generation, "a slot is filled under its own token");
        slot.value = Some(value);
    }

    /// What `view` makes of the value, unless the slot was freed since the token was made. It is
    /// called under the slot's lock. The token may be anything: a stranger may have made it up (F9).
    pub(crate) fn get<R>(&self, token: u64, view: impl FnOnce(&V) -> Option<R>) -> Option<R> {
        let (index, generation) = split(token);
        let (page, offset) = place(index);
        let slot = self.pages.get(page)?.get()?[offset].lock();
        if slot.generation == generation { slot.value.as_ref().and_then(view) } else { None }
    }

    /// The value counts no more, but is found until it is freed: a completion driver still has
    /// packets of it.
    pub(crate) fn retire(&self, token: u64) {
        let (index, generation) = split(token);
        let counted = {
            let mut slot = self.slot(index).lock();
            slot.generation == generation && std::mem::take(&mut slot.counted)
        };
        self.free.lock().count -= usize::from(counted);
    }

    pub(crate) fn free(&self, token: u64) {
        let (index, generation) = split(token);
        let (value, counted) = {
            let mut slot = self.slot(index).lock();
            if slot.generation != generation {
                return;
            }
            // The highest generations would collide with the driver's own tokens.
            slot.generation = (generation + 1) % (u32::MAX - 1);
            (slot.value.take(), std::mem::take(&mut slot.counted))
        };
        drop(value);
        let mut free = self.free.lock();
        free.slots.push(index);
        free.count -= usize::from(counted);
    }

    pub(crate) fn count(&self) -> usize {
        self.free.lock().count
    }

    /// All values there are at some moment during the call.
    pub(crate) fn values(&self) -> Vec<V> {
        let used = self.free.lock().used;
        (0..used).filter_map(|index| self.slot(index).lock().value.clone()).collect()
    }

    fn slot(&self, index: u32) -> &Mutex<Slot<V>> {
        let (page, offset) = place(index);
        let size = FIRST_PAGE << page;
        let page = self.pages[page].get_or_init(|| {
            (0..size)
                .map(|_| Mutex::new(Slot { generation: 0, counted: false, value: None }))
                .collect()
        });
        &page[offset]
    }
}

/// The page of a slot, and where in it the slot lies.
fn place(index: u32) -> (usize, usize) {
    let position = index as usize + FIRST_PAGE;
    let page = (position / FIRST_PAGE).ilog2() as usize;
    (page, position - (FIRST_PAGE << page))
}

fn split(token: u64) -> (u32, u32) {
    (token as u32, (token >> 32) as u32)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn l13_a_token_of_a_freed_slot_finds_nothing() {
        let registry = Registry::new();
        let tokens: Vec<u64> = (0..1_000).map(|_| registry.reserve()).collect();
        for (value, token) in tokens.iter().enumerate() {
            registry.set(*token, value);
        }
        assert_eq!(registry.count(), 1_000);
        assert!(
            tokens
                .iter()
                .enumerate()
                .all(|(value, token)| registry.get(*token, |value| Some(*value)) == Some(value))
        );

        registry.free(tokens[500]);
        assert_eq!(registry.get(tokens[500], |value| Some(*value)), None);
        let again = registry.reserve();
        registry.set(again, 7);
        assert_eq!(again as u32, tokens[500] as u32, "the slot is used again");
        assert_eq!(
            registry.get(tokens[500], |value| Some(*value)),
            None,
            "and the old token still finds nothing"
        );
        assert_eq!(registry.get(again, |value| Some(*value)), Some(7));
        registry.free(tokens[500]);
        assert_eq!(
            registry.get(again, |value| Some(*value)),
            Some(7),
            "freeing by an old token does nothing"
        );
    }

    #[test]
    fn f9_a_token_that_was_never_given_finds_nothing_and_makes_no_room() {
        let registry = Registry::new();
        let token = registry.reserve();
        registry.set(token, 7);
        for made_up in [1, 64, 0xDEAD_BEEF, u64::from(u32::MAX), u64::MAX, token | 1 << 32] {
            assert_eq!(registry.get(made_up, |value| Some(*value)), None, "{made_up:#x}");
        }
        let made = registry.pages.iter().filter(|page| page.get().is_some()).count();
        assert_eq!((made, registry.get(token, |value| Some(*value))), (1, Some(7)));
    }
}
