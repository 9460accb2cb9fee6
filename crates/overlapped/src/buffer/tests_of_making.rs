//! Tests of what buffers are made from, and of how they are filled.

use super::pool::Pool;
use super::sizes::Sizes;
use super::{Buffer, Buffers};
use std::io::{IoSliceMut, Write};
use std::sync::Arc;

#[test]
fn what_is_shared_is_where_it_was_and_writing_into_it_copies_it_first() {
    static BYTES: [u8; 6] = *b"static";
    let shared: Arc<[u8]> = Arc::from(*b"shared");
    let text: Arc<str> = Arc::from("a text");
    let of_each = [
        (Buffer::from(&BYTES), BYTES.as_ptr()),
        (Buffer::from(Arc::clone(&shared)), shared.as_ptr()),
        (Buffer::from(Arc::clone(&text)), text.as_ptr()),
    ];
    for (mut buffer, address) in of_each {
        assert_eq!((buffer.as_ptr(), buffer.spare_len()), (address, 0));
        assert_eq!(buffer.capacity(), 6);
        let mut expected = buffer.to_vec();
        buffer[5] = b'!';
        expected[5] = b'!';
        assert_eq!(&buffer[..], expected);
        assert_ne!(buffer.as_ptr(), address);
        assert_eq!(buffer.into_vec().expect("it has memory of its own"), expected);
    }
    assert_eq!((&BYTES, &shared[..], &text[..]), (b"static", &b"shared"[..], "a text"));
    assert_eq!((Arc::strong_count(&shared), Arc::strong_count(&text)), (1, 1));

    let mut cut = Buffer::from("abcdef");
    cut.truncate(2);
    assert_eq!(cut.spare_len(), 4);
    cut.extend_from_slice(b"xyz");
    assert_eq!((&cut[..], cut.capacity()), (&b"abxyz"[..], 6));
}

#[test]
fn a_vector_keeps_its_memory_with_what_it_has_to_spare() {
    let mut bytes = Vec::with_capacity(100);
    bytes.extend_from_slice(b"abc");
    let (address, capacity) = (bytes.as_ptr(), bytes.capacity());
    let mut buffer = Buffer::from(bytes);
    assert_eq!((buffer.len(), buffer.capacity(), buffer.spare_len()), (3, capacity, capacity - 3));
    assert!(buffer.spare_mut().iter().all(|byte| *byte == 0));
    buffer.extend_from_slice(&vec![b'd'; capacity - 3]);
    assert!(buffer.try_extend(b"x").is_err());
    assert_eq!((buffer.len(), buffer.as_ptr()), (capacity, address));
    buffer.truncate(4);
    let bytes = buffer.into_vec().expect("it has memory of its own");
    assert_eq!((&bytes[..], bytes.as_ptr(), bytes.capacity()), (&b"abcd"[..], address, capacity));

    let mut aligned = Buffer::aligned(8, 4096);
    aligned.extend_from_slice(b"lie here");
    assert_eq!(aligned.into_vec().expect("it has memory of its own"), b"lie here");
    let pool = Pool::new(Sizes::all_of(32), 4);
    assert!(pool.get().into_vec().is_err(), "its memory is the pool's");
}

#[test]
fn what_fills_a_buffer_gets_the_room_that_is_left_and_no_more() {
    let mut buffer = Buffer::with_capacity(6);
    assert_eq!(buffer.fill_with(|room| room.len()), 6);
    buffer.clear();
    buffer.extend_from_slice(b"ab");
    let count = buffer.fill_with(|room| {
        assert_eq!(room.len(), 4);
        room[..2].copy_from_slice(b"cd");
        2
    });
    assert_eq!((count, &buffer[..]), (2, &b"abcd"[..]));
    assert_eq!(buffer.write(b"efgh").expect("a part fits"), 2);
    assert_eq!(buffer.write(b"x").expect("nothing fits"), 0);
    let error = buffer.write_all(b"x").expect_err("nothing fits");
    assert_eq!(error.kind(), std::io::ErrorKind::WriteZero);
    assert_eq!(buffer.try_extend(b"x").expect_err("nothing fits").kind(), error.kind());
    assert_eq!(buffer.fill_with(|room| room.len()), 0);
    assert_eq!(&buffer[..], b"abcdef");
    assert_eq!(Buffer::from("").fill_with(|room| room.len()), 0);
}

#[test]
#[should_panic(expected = "3 bytes cannot be written where 2 fit")]
fn who_fills_more_than_there_is_room_is_mistaken() {
    Buffer::with_capacity(2).fill_with(|_| 3);
}

#[test]
fn several_buffers_are_filled_in_order_and_only_where_there_is_room() {
    for count in 0..=7 {
        let mut parts: Vec<_> = [2, 0, 3, 4].map(Buffer::with_capacity).into();
        parts[2].extend_from_slice(b"x");
        let mut buffers = Buffers::from(parts);
        assert_eq!(buffers.spare_len(), 8);
        let mut rooms: [_; 4] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
        assert_eq!(buffers.rooms(&mut rooms), 3);
        assert_eq!(rooms.each_ref().map(|room| room.len()), [2, 2, 4, 0]);
        buffers.add_filled(count);
        let lengths: Vec<_> = buffers.iter().map(|buffer| buffer.len()).collect();
        let second = count.saturating_sub(2).min(2);
        assert_eq!(lengths, [count.min(2), 0, 1 + second, count.saturating_sub(4)]);
    }
}
