//! The unused buffers that a thread keeps for itself, so that taking one and dropping it again needs
//! no lock and writes nothing that other threads use.
//!
//! A thread keeps buffers of each port whose buffers it has asked for, few and not many bytes; what
//! is more goes to the port's pool, and what it lacks comes from there, in halves. A thread that only
//! drops buffers keeps none: they would lie idle with it.
//!
//! When a thread ends, its buffers go to their pools. When a port is closed, they are of no use: they
//! are freed by the thread that closes it, by each thread whose wait ends for that reason, and by any
//! other when it next has too few or too many buffers of any port. A thread that never asks again
//! for a buffer keeps them until it ends.

use super::Inner;
use super::pool::Pool;
use super::sizes::{SIZES, Size};
use crate::sync::{THREADS_HAVE_THEIR_OWN, shared};
use std::cell::{Cell, RefCell};
use std::mem::{ManuallyDrop, forget, replace};
use std::ptr;
use std::sync::Arc;

/// Of how many ports a thread keeps buffers, besides the one that it uses now.
const OTHER_PORTS: usize = 3;

thread_local! {
    /// What there is of the port that the thread uses now. It has no destructor, or each use of it
    /// would ask whether it still is there: [`CACHE`] empties it.
    static NOW: ManuallyDrop<Now> = const {
        ManuallyDrop::new(Now {
            pool: Cell::new(ptr::null()),
            kept: [const { Kept { first: Cell::new(None), room: Cell::new(0) } }; SIZES],
        })
    };

    static CACHE: RefCell<Cache> = const { RefCell::new(Cache { now: None, others: Vec::new() }) };
}

struct Now {
    /// Compared, and never followed: that of [`Cache::now`], or none.
    pool: Cell<*const Pool>,
    kept: [Kept; SIZES],
}

/// The buffers of one size. They keep their home, so none is counted in or out.
#[derive(Default)]
struct Kept {
    /// The buffer that was used last; each has the next one.
    first: Cell<Option<Box<Inner>>>,
    /// How many more may be kept.
    room: Cell<usize>,
}

/// The rest, which is rarely needed.
struct Cache {
    now: Option<Arc<Pool>>,
    /// What there is of other ports, the latest last.
    others: Vec<Shelf>,
}

/// What one thread keeps of one port's.
struct Shelf {
    pool: Arc<Pool>,
    kept: [Kept; SIZES],
}

/// A buffer that the calling thread keeps, or gets from the pool for that; `None` when there is none.
#[inline]
pub(super) fn get(pool: &Arc<Pool>, size: Size) -> Option<Box<Inner>> {
    NOW.with(|now| if now.pool.get() == Arc::as_ptr(pool) { now.of(size).pop() } else { None })
        .or_else(|| get_slowly(pool, size))
}

/// Keeps a buffer that was dropped, or gives it back to its pool. On a thread that ends it is freed.
#[inline]
pub(super) fn put(inner: Box<Inner>) {
    let pool = inner.home.as_ref().map_or(ptr::null(), Arc::as_ptr);
    NOW.with(|now| {
        let kept = now.of(inner.size);
        if now.pool.get() == pool && kept.room.get() > 0 {
            kept.push(inner);
        } else {
            put_slowly(inner);
        }
    });
}

/// Frees what the calling thread keeps of closed ports.
pub(crate) fn forget_closed() {
    with_cache(Cache::forget_closed);
}

/// Gives what the calling thread keeps of this pool's back to it.
pub(crate) fn leave(pool: &Arc<Pool>) {
    with_cache(|cache| cache.keep_those_whose(|of| !Arc::ptr_eq(of, pool)));
}

#[cold]
#[inline(never)]
fn get_slowly(pool: &Arc<Pool>, size: Size) -> Option<Box<Inner>> {
    with_cache(|cache| cache.refill(pool, size)).flatten()
}

#[cold]
#[inline(never)]
fn put_slowly(inner: Box<Inner>) {
    if THREADS_HAVE_THEIR_OWN {
        with_cache(|cache| cache.put(inner));
    } else {
        give_back(inner);
    }
}

/// A thread that ends has no cache any more. What is done with it calls nothing of the user's, so it is
/// never borrowed twice.
fn with_cache<R>(call: impl FnOnce(&mut Cache) -> R) -> Option<R> {
    if !THREADS_HAVE_THEIR_OWN {
        return None;
    }
    CACHE.try_with(|cache| call(&mut cache.borrow_mut())).ok()
}

/// To the pool itself.
fn give_back(mut inner: Box<Inner>) {
    if let Some(pool) = inner.home.take() {
        pool.put(std::iter::once(inner));
    }
}

impl Now {
    #[inline]
    fn of(&self, size: Size) -> &Kept {
        &self.kept[size as usize]
    }
}

impl Kept {
    #[inline]
    fn push(&self, mut inner: Box<Inner>) {
        // What is not kept has no next one: there is nothing to drop.
        forget(replace(&mut inner.next, self.first.take()));
        self.first.set(Some(inner));
        self.room.set(self.room.get() - 1);
    }

    #[inline]
    fn pop(&self) -> Option<Box<Inner>> {
        let mut inner = self.first.take()?;
        self.first.set(inner.next.take());
        self.room.set(self.room.get() + 1);
        Some(inner)
    }

    fn swap(&self, other: &Self) {
        self.first.swap(&other.first);
        self.room.swap(&other.room);
    }

    /// The older half goes to the pool: what was used last is in the processor's cache.
    fn give_back_half(&self, pool: &Pool, most: usize) {
        let mut first = self.first.take();
        let mut last_kept = &mut first;
        for _ in 0..most / 2 {
            let Some(inner) = last_kept else { break };
            last_kept = &mut inner.next;
        }
        let given = last_kept.take();
        self.first.set(first);
        self.room.set(most.div_ceil(2));
        pool.put(each(given));
    }
}

impl Cache {
    /// Half of what a thread may keep, from the pool; one of them is for use.
    fn refill(&mut self, pool: &Arc<Pool>, size: Size) -> Option<Box<Inner>> {
        self.forget_closed();
        if !self.use_now(pool) {
            if pool.of_a_thread(Size::Small) == 0 || pool.is_closed() {
                return None;
            }
            if self.others.len() == OTHER_PORTS && self.now.is_some() {
                drop(self.others.remove(0));
            }
            let kept = Size::ALL.map(|size| Kept {
                first: Cell::new(None),
                room: Cell::new(pool.of_a_thread(size)),
            });
            self.exchange(&Shelf { pool: shared(pool), kept });
        }
        NOW.with(|now| {
            let kept = now.of(size);
            kept.pop().or_else(|| {
                let half = kept.room.get().div_ceil(2);
                pool.give(size, half).for_each(|inner| kept.push(inner));
                kept.pop()
            })
        })
    }

    /// Has room made for this buffer, if its port is one of those whose buffers are kept.
    fn put(&mut self, inner: Box<Inner>) {
        self.forget_closed();
        match inner.home.as_ref().map(shared) {
            Some(pool) if pool.of_a_thread(inner.size) > 0 && self.use_now(&pool) => {
                NOW.with(|now| {
                    let kept = now.of(inner.size);
                    if kept.room.get() == 0 {
                        kept.give_back_half(&pool, pool.of_a_thread(inner.size));
                    }
                    kept.push(inner);
                });
            }
            _ => give_back(inner),
        }
    }

    /// Makes this pool the one that is used now, if buffers of it are kept at all.
    fn use_now(&mut self, pool: &Arc<Pool>) -> bool {
        if self.now.as_ref().is_some_and(|now| Arc::ptr_eq(now, pool)) {
            return true;
        }
        let Some(at) = self.others.iter().position(|shelf| Arc::ptr_eq(&shelf.pool, pool)) else {
            return false;
        };
        let found = self.others.remove(at);
        self.exchange(&found);
        true
    }

    /// The other ports have what there was until now.
    fn exchange(&mut self, new: &Shelf) {
        let before = self.take_now();
        self.others.extend(before);
        NOW.with(|now| {
            now.pool.set(Arc::as_ptr(&new.pool));
            for (now, new) in now.kept.iter().zip(&new.kept) {
                now.swap(new);
            }
        });
        self.now = Some(shared(&new.pool));
    }

    fn take_now(&mut self) -> Option<Shelf> {
        let pool = self.now.take()?;
        Some(NOW.with(|now| {
            now.pool.set(ptr::null());
            let shelf = Shelf { pool, kept: Default::default() };
            for (now, taken) in now.kept.iter().zip(&shelf.kept) {
                now.swap(taken);
            }
            shelf
        }))
    }

    fn forget_closed(&mut self) {
        self.keep_those_whose(|pool| !pool.is_closed());
    }

    fn keep_those_whose(&mut self, is_kept: impl Fn(&Arc<Pool>) -> bool) {
        if self.now.as_ref().is_some_and(|pool| !is_kept(pool)) {
            drop(self.take_now());
        }
        self.others.retain(|shelf| is_kept(&shelf.pool));
    }
}

/// The thread ends.
impl Drop for Cache {
    fn drop(&mut self) {
        drop(self.take_now());
    }
}

/// The thread works for other ports now, or it ends. What a closed port had is freed.
impl Drop for Shelf {
    fn drop(&mut self) {
        for kept in &self.kept {
            if let Some(first) = kept.first.take() {
                self.pool.put(each(Some(first)));
            }
        }
    }
}

/// The buffers of a list, one by one.
pub(super) fn each(mut first: Option<Box<Inner>>) -> impl Iterator<Item = Box<Inner>> {
    std::iter::from_fn(move || {
        let mut inner = first.take()?;
        first = inner.next.take();
        Some(inner)
    })
}
