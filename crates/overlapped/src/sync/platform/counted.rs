//! The standard library's, noted in the ledger.

use super::imp;
use super::ledger::{self, note};
use crate::sync::counts::Writes;
use std::sync::Arc;

/// One more owner. It counts two, since each copy is dropped again.
#[track_caller]
pub(crate) fn shared<T: ?Sized>(owner: &Arc<T>) -> Arc<T> {
    // The counts lie before what is shared: two words.
    note(Arc::as_ptr(owner).addr() - 2 * size_of::<usize>(), 2, 0);
    Arc::clone(owner)
}

/// A line that another crate's code writes; it has a number of its own, above all addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line(usize);

impl Line {
    pub(crate) fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self(usize::MAX - number * 4096)
    }

    /// It is written by one read-modify-write.
    #[track_caller]
    pub(crate) fn written(self) {
        note(self.0, 1, 0);
    }
}

fn address<T: ?Sized>(of: &T) -> usize {
    std::ptr::from_ref(of).addr()
}

#[track_caller]
pub(in crate::sync) fn locks<T>(mutex: &imp::Mutex<T>) {
    note(address(mutex), 2, 0);
}

#[track_caller]
pub(in crate::sync) fn waits(condvar: &imp::Condvar) {
    note(address(condvar), 2, 0);
}

#[track_caller]
pub(in crate::sync) fn notifies(condvar: &imp::Condvar) {
    note(address(condvar), 1, 0);
}

pub(in crate::sync) fn writes() -> Option<Vec<Writes>> {
    Some(ledger::writes())
}

/// An atomic of the standard library whose writes are noted.
macro_rules! counted {
    ($name:ident, $value:ty, [$($method:ident($($argument:ident: $type:ty),*) -> $result:ty;)*]) => {
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub(crate) struct $name(std::sync::atomic::$name);

        #[allow(dead_code, reason = "each of these types has what one of them needs")]
        impl $name {
            pub(crate) const fn new(value: $value) -> Self {
                Self(std::sync::atomic::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                self.0.load(order)
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                note(address(self), 0, 1);
                self.0.store(value, order);
            }

            $(
                #[track_caller]
                pub(crate) fn $method(&self, $($argument: $type),*) -> $result {
                    note(address(self), 1, 0);
                    self.0.$method($($argument),*)
                }
            )*
        }
    };
}

/// Atomics that the models need not interleave.
pub(crate) mod unmodelled {
    use super::{address, note};
    use std::sync::atomic::Ordering;

    counted!(AtomicBool, bool, [
        swap(value: bool, order: Ordering) -> bool;
        compare_exchange(current: bool, new: bool, ok: Ordering, no: Ordering) -> Result<bool, bool>;
        fetch_or(value: bool, order: Ordering) -> bool;
        fetch_and(value: bool, order: Ordering) -> bool;
    ]);
    counted!(AtomicU32, u32, [
        swap(value: u32, order: Ordering) -> u32;
        compare_exchange(current: u32, new: u32, ok: Ordering, no: Ordering) -> Result<u32, u32>;
        compare_exchange_weak(current: u32, new: u32, ok: Ordering, no: Ordering) -> Result<u32, u32>;
        fetch_add(value: u32, order: Ordering) -> u32;
        fetch_sub(value: u32, order: Ordering) -> u32;
        fetch_or(value: u32, order: Ordering) -> u32;
        fetch_and(value: u32, order: Ordering) -> u32;
        fetch_max(value: u32, order: Ordering) -> u32;
    ]);
    counted!(AtomicU64, u64, [
        swap(value: u64, order: Ordering) -> u64;
        compare_exchange(current: u64, new: u64, ok: Ordering, no: Ordering) -> Result<u64, u64>;
        compare_exchange_weak(current: u64, new: u64, ok: Ordering, no: Ordering) -> Result<u64, u64>;
        fetch_add(value: u64, order: Ordering) -> u64;
        fetch_sub(value: u64, order: Ordering) -> u64;
        fetch_or(value: u64, order: Ordering) -> u64;
        fetch_and(value: u64, order: Ordering) -> u64;
        fetch_max(value: u64, order: Ordering) -> u64;
    ]);
    counted!(AtomicUsize, usize, [
        swap(value: usize, order: Ordering) -> usize;
        compare_exchange(current: usize, new: usize, ok: Ordering, no: Ordering) -> Result<usize, usize>;
        compare_exchange_weak(current: usize, new: usize, ok: Ordering, no: Ordering) -> Result<usize, usize>;
        fetch_add(value: usize, order: Ordering) -> usize;
        fetch_sub(value: usize, order: Ordering) -> usize;
        fetch_or(value: usize, order: Ordering) -> usize;
        fetch_and(value: usize, order: Ordering) -> usize;
        fetch_max(value: usize, order: Ordering) -> usize;
    ]);
}
