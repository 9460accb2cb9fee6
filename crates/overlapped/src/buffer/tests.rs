//! Tests of the buffers and of their pool.

use super::pool::Pool;
use super::sizes::{ReceiveSize, Size, Sizes};
use super::{Buffer, Buffers, cache};
use std::cell::RefCell;
use std::io::IoSlice;
use std::sync::mpsc::channel;
use std::sync::{Arc, Weak};
use std::thread;

#[test]
fn an_aligned_buffer_lies_where_it_should_wherever_it_is_moved() {
    for alignment in [1, 2, 512, 4096, 65_536] {
        for capacity in [0, 1, 512, 4097] {
            let mut buffer = Buffer::aligned(capacity, alignment);
            assert_eq!(buffer.capacity(), capacity);
            buffer.extend_from_slice(&vec![7; capacity]);
            let moved = vec![buffer].pop().expect("one was put in");
            assert_eq!(moved.address() % alignment, 0, "of {capacity} at {alignment}");
            assert_eq!(&moved[..], vec![7; capacity]);
        }
    }
    assert_eq!(size_of::<Buffer>(), size_of::<usize>());
}

#[test]
#[should_panic(expected = "an alignment is a power of two, 12 is not")]
fn an_alignment_that_is_no_power_of_two_is_a_mistake() {
    let _ = Buffer::aligned(1, 12);
}

#[test]
fn a_dropped_buffer_returns_and_the_last_one_back_goes_out_first() {
    let pool = Pool::new(Sizes::all_of(32), 2);
    let (mut first, second, third) = (pool.get(), pool.get(), pool.get());
    first.extend_from_slice(b"mark");
    let room = first.room_mut().as_ptr();
    drop((second, third));
    drop(first);
    assert_eq!(in_pool(&pool), 2, "the limit is kept");
    drop(pool.get());
    let again = pool.get();
    assert!(again.is_empty());
    assert_ne!(again.inner().memory.bytes().as_ptr(), room, "the third was dropped over the limit");
}

#[test]
fn the_rest_after_any_number_of_bytes_is_what_was_not_sent() {
    let parts: [&[u8]; 4] = [b"abc", b"", b"defg", b"h"];
    let buffers = Buffers::from(parts.map(Buffer::from).into_iter().collect::<Vec<_>>());
    for skip in 0..=8 {
        let mut slices = [IoSlice::new(&[]); 4];
        let count = buffers.rest(skip, &mut slices);
        let rest: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(rest, b"abcdefgh"[skip..]);
    }
    let mut one = [IoSlice::new(&[]); 1];
    assert_eq!(buffers.rest(1, &mut one), 1, "as many as there is room for");
    assert_eq!(&*one[0], b"bc");
}

/// What a thread of its own does, since the calling one may keep buffers of other tests.
fn on_a_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(work).join().expect("it does not panic"))
}

fn in_pool(pool: &Pool) -> usize {
    pool.unused.lock().of_size.iter().map(Vec::len).sum()
}

fn several(pool: &Arc<Pool>, count: usize) -> Vec<Buffer> {
    (0..count).map(|_| pool.get()).collect()
}

#[test]
fn a_thread_keeps_the_buffers_that_it_drops_and_uses_the_last_one_first() {
    let pool = Pool::new(Sizes::all_of(32), 1024);
    on_a_thread(|| {
        let (first, mut second) = (pool.get(), pool.get());
        let room = second.room_mut().as_ptr();
        second.extend_from_slice(b"old");
        drop(first);
        drop(second);
        assert_eq!(in_pool(&pool), 0, "the thread has them");
        let mut again = pool.get();
        assert_eq!((again.len(), again.room_mut().as_ptr()), (0, room));
    });
    assert_eq!(in_pool(&pool), 2, "the thread has ended");
}

#[test]
fn what_a_thread_has_too_many_of_goes_to_the_pool_in_halves_and_comes_from_there_so() {
    let pool = Pool::new(Sizes::all_of(32), 1024);
    on_a_thread(|| {
        let buffers = several(&pool, 65);
        drop(buffers);
        assert_eq!(in_pool(&pool), 32, "64 were kept, and half of them made room");
        on_a_thread(|| {
            let _one = pool.get();
            assert_eq!(in_pool(&pool), 0, "half of what a thread keeps has come");
        });
        assert_eq!(in_pool(&pool), 32);
    });
    assert_eq!(in_pool(&pool), 65);
}

#[test]
fn what_a_thread_keeps_has_a_limit_in_bytes_and_is_a_part_of_the_limit_on_the_pool() {
    for (buffer_size, limit, kept) in
        [(1 << 20, 1024, 0), (64 << 10, 1024, 8), (32, 24, 3), (32, 7, 0), (32, 0, 0)]
    {
        let pool = Pool::new(Sizes::all_of(buffer_size), limit);
        on_a_thread(|| {
            let buffers = several(&pool, kept);
            drop(buffers);
            assert_eq!(in_pool(&pool), 0, "{kept} of {buffer_size} are kept");
            let buffers = several(&pool, kept + 1);
            drop(buffers);
            let given = kept.div_ceil(2).max(1).min(limit);
            assert_eq!(in_pool(&pool), given, "no more than {kept} of {buffer_size} are kept");
        });
        assert_eq!(in_pool(&pool), (kept + 1).min(limit));
    }
}

#[test]
fn a_thread_that_only_drops_buffers_keeps_none() {
    let pool = Pool::new(Sizes::all_of(32), 1024);
    on_a_thread(|| {
        let buffers = several(&pool, 3);
        on_a_thread(|| {
            drop(buffers);
            assert_eq!(in_pool(&pool), 3);
        });
    });
}

#[test]
fn buffers_are_taken_and_dropped_while_their_thread_ends_and_nothing_is_left() {
    struct Late(RefCell<Vec<Buffer>>, Arc<Pool>);

    impl Drop for Late {
        fn drop(&mut self) {
            self.0.get_mut().push(self.1.get());
        }
    }

    thread_local! {
        static BEFORE: RefCell<Option<Late>> = const { RefCell::new(None) };
        static AFTER: RefCell<Option<Late>> = const { RefCell::new(None) };
    }

    let pool = Pool::new(Sizes::all_of(32), 1024);
    on_a_thread(|| {
        let late = || Late(RefCell::default(), Arc::clone(&pool));
        // One of them ends after what the thread keeps, whatever the order is.
        BEFORE.with_borrow_mut(|before| *before = Some(late()));
        let buffers = several(&pool, 3);
        AFTER.with_borrow_mut(|after| *after = Some(late()));
        BEFORE.with_borrow_mut(|late| late.as_mut().map(|late| late.0.get_mut().extend(buffers)));
    });
    assert!(in_pool(&pool) <= 5, "what could not be kept was freed");
    assert_eq!(Arc::strong_count(&pool), 1, "nobody holds one");
}

#[test]
fn a_thread_keeps_buffers_of_a_few_ports_and_the_others_get_theirs_back() {
    let pools: Vec<_> = (0..6).map(|_| Pool::new(Sizes::all_of(32), 1024)).collect();
    on_a_thread(|| {
        pools.iter().for_each(|pool| drop(pool.get()));
        let kept: Vec<_> = pools.iter().map(|pool| in_pool(pool) == 0).collect();
        assert_eq!(kept, [false, false, true, true, true, true]);
        cache::leave(&pools[3]);
        assert_eq!(in_pool(&pools[3]), 1, "given back");
        assert_eq!(in_pool(&pools[4]), 0);
    });
    assert!(pools.iter().all(|pool| in_pool(pool) == 1));
}

#[test]
fn a_closed_pool_keeps_nothing_and_frees_what_the_closing_thread_keeps() {
    let pool = Pool::new(Sizes::all_of(32), 1024);
    on_a_thread(|| {
        let in_use = pool.get();
        drop(several(&pool, 20));
        pool.close();
        assert_eq!((in_pool(&pool), Arc::strong_count(&pool)), (0, 2), "but for the one in use");
        drop(in_use);
        assert_eq!((in_pool(&pool), Arc::strong_count(&pool)), (0, 1));
        drop(pool.get());
        assert_eq!((in_pool(&pool), Arc::strong_count(&pool)), (0, 1), "it still makes some");
    });
}

#[test]
fn what_another_thread_keeps_of_a_closed_pool_is_freed_when_it_looks() {
    let looks: [fn(&Arc<Pool>); 2] = [
        |_| cache::forget_closed(),
        // It has no buffer for it, and looks for one.
        |other| drop(other.get()),
    ];
    let other = Pool::new(Sizes::all_of(32), 1024);
    for look in looks {
        let pool = Pool::new(Sizes::all_of(32), 1024);
        let weak: Weak<Pool> = Arc::downgrade(&pool);
        let ((kept, wait_kept), (close, wait_close)) = (channel(), channel());
        thread::scope(|scope| {
            let (weak, other) = (&weak, &other);
            scope.spawn(move || {
                drop(weak.upgrade().expect("it is open").get());
                kept.send(()).expect("the other waits");
                wait_close.recv().expect("the other lives");
                assert!(weak.upgrade().is_some(), "what is kept holds it");
                look(other);
                assert!(weak.upgrade().is_none(), "nothing of it is left");
            });
            wait_kept.recv().expect("the other lives");
            pool.close();
            drop(pool);
            close.send(()).expect("the other waits");
        });
    }
}

#[test]
fn each_size_is_kept_apart_and_all_of_them_within_one_limit_in_bytes() {
    // Room for 16 of 8 KiB, or two of 64 KiB; a thread may keep two of 8 KiB and none of 64.
    let pool = Pool::new(Sizes::following(), 16);
    let of_sizes = |pool: &Pool| pool.unused.lock().of_size.each_ref().map(Vec::len);
    on_a_thread(|| {
        let large: Vec<_> = (0..3).map(|_| pool.get_of(Size::Large)).collect();
        assert!(large.iter().all(|buffer| buffer.capacity() == 64 << 10));
        drop(large);
        assert_eq!(of_sizes(&pool), [0, 0, 2], "no third one");
        let small = several(&pool, 4);
        assert!(small.iter().all(|buffer| buffer.capacity() == 8 << 10));
        drop(small);
        assert_eq!(of_sizes(&pool), [2, 0, 1], "a large one made room; the thread has two small");
        let large = [pool.get_of(Size::Large), pool.get_of(Size::Middle)];
        assert_eq!(large.each_ref().map(Buffer::capacity), [64 << 10, 32 << 10]);
        assert_eq!(of_sizes(&pool), [2, 0, 0]);
    });
}

#[test]
fn a_thread_keeps_buffers_of_each_size() {
    let pool = Pool::new(Sizes::following(), 1024);
    on_a_thread(|| {
        for (size, kept) in [(Size::Small, 16), (Size::Middle, 4), (Size::Large, 2)] {
            let buffers: Vec<_> = (0..kept).map(|_| pool.get_of(size)).collect();
            let mut last = buffers;
            let room = last[kept - 1].room_mut().as_ptr();
            drop(last);
            assert_eq!(in_pool(&pool), 0, "{kept} of {size:?}");
            assert_eq!(pool.get_of(size).room_mut().as_ptr(), room);
        }
    });
    assert_eq!(in_pool(&pool), 16 + 4 + 2);
}

/// The sizes that a stream gets when its receives take so many bytes.
fn sizes_after(sizes: &Sizes, received: &[usize]) -> Vec<usize> {
    let mut next = ReceiveSize::default();
    let mut step = |received: &usize| {
        let room = sizes.bytes(next.size());
        if next.may_change(*received, room) {
            next = next.after(*received, sizes);
        }
        sizes.bytes(next.size()) >> 10
    };
    received.iter().map(&mut step).collect()
}

#[test]
fn a_filled_buffer_makes_the_next_one_larger_and_four_that_were_too_large_make_it_smaller() {
    const K: usize = 1 << 10;
    let sizes = Sizes::following();
    assert_eq!(sizes_after(&sizes, &[1, 8 * K - 1, 8 * K, 8 * K]), [8, 8, 32, 32]);
    assert_eq!(sizes_after(&sizes, &[8 * K, 32 * K, 64 * K, 33 * K]), [32, 64, 64, 64]);
    let shrinks = [8 * K, 32 * K, 1, 1, 1, 1, 8 * K, 1, 1, 1, 1];
    assert_eq!(sizes_after(&sizes, &shrinks), [32, 64, 64, 64, 64, 32, 32, 32, 32, 8, 8]);
    let in_a_row = [8 * K, 1, 1, 1, 9 * K, 1, 1, 1, 1];
    assert_eq!(sizes_after(&sizes, &in_a_row), [32, 32, 32, 32, 32, 32, 32, 32, 8]);
    let of_one_size = ReceiveSize::default().after(2 * K, &Sizes::all_of(2 * K));
    assert_eq!(of_one_size.size(), Size::Small, "all buffers are of one kind");
}
