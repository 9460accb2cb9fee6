//! Tests of the buffers and of their pool.

use super::pool::Pool;
use super::{Buffer, Buffers};
use std::io::IoSlice;

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
    let pool = Pool::new(32, 2);
    let (mut first, second, third) = (pool.get(), pool.get(), pool.get());
    first.extend_from_slice(b"mark");
    let room = first.room_mut().as_ptr();
    drop((second, third));
    drop(first);
    assert_eq!(pool.unused.lock().len(), 2, "the limit is kept");
    drop(pool.get());
    let again = pool.get();
    assert!(again.is_empty());
    assert_ne!(again.inner().memory.as_ptr(), room, "the third was dropped over the limit");
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
