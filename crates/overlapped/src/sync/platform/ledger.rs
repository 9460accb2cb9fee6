//! The book of writes: one for each thread, which nobody else writes in.

use crate::sync::counts::Writes;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a cache line.
const LINE: usize = 64;

/// Read-modify-writes and stores, by line and place.
type Book = HashMap<(usize, &'static Location<'static>), (u64, u64)>;

/// The books of all threads, also of those that have ended.
static BOOKS: Mutex<Vec<Arc<Mutex<Book>>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: Arc<Mutex<Book>> = {
        let own = Arc::default();
        BOOKS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&own));
        own
    };
}

/// Notes writes at `address`.
#[track_caller]
pub(super) fn note(address: usize, read_modify_writes: u64, stores: u64) {
    let place = Location::caller();
    // A thread that is ending notes no more.
    let _ = OWN.try_with(|own| {
        let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = own.entry((address / LINE, place)).or_default();
        counts.0 += read_modify_writes;
        counts.1 += stores;
    });
}

pub(super) fn writes() -> Vec<Writes> {
    let books = BOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    let of_one = |(thread, book): (usize, &Arc<Mutex<Book>>)| {
        let book = book.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = |(&(line, place), &(read_modify_writes, stores)): (&_, &_)| Writes {
            line,
            place,
            thread,
            read_modify_writes,
            stores,
        };
        book.iter().map(entry).collect::<Vec<_>>()
    };
    books.iter().enumerate().flat_map(of_one).collect()
}
