//! Files without the system's cache, and what they ask of buffers (L7).

use crate::files_world::{Backend, Scratch, read, read_write, written};
use crate::on_every_backend;
use crate::packets::assert_nothing_comes;
use crate::world::Numbers;
use overlapped::{Buffer, File, OpenFile, Port};
use std::io::ErrorKind;

/// An unbuffered file, or none where the file system of the target directory has none.
fn unbuffered(port: &Port<Numbers>, scratch: &Scratch, test: &str) -> Option<File<Numbers>> {
    match OpenFile::open(scratch.path(), &read_write().unbuffered(true)) {
        Ok(file) => Some(port.associate(file, 7).expect("a file is associated")),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("no unbuffered access"), "{error}");
            eprintln!("skipped: {test}: {error}");
            None
        }
    }
}

fn filled(capacity: usize, alignment: usize, byte: u8) -> Buffer {
    let mut buffer = Buffer::aligned(capacity, alignment);
    buffer.extend_from_slice(&vec![byte; capacity]);
    buffer
}

fn l7_aligned_transfers_go_past_the_cache(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(b"");
    let name = "l7_aligned_transfers_go_past_the_cache";
    let Some(file) = unbuffered(&port, &scratch, name) else { return };
    let block = file.alignment();
    assert!(block > 1 && block.is_power_of_two(), "{block}");
    file.write_at(filled(4 * block, block, 1), 0, 1).expect("a write can be started");
    assert!(written(&port).result.is_ok());
    file.write_at(filled(block, block, 2), block as u64, 2).expect("a write can be started");
    assert!(written(&port).result.is_ok());
    file.read_at(Buffer::aligned(2 * block, block), 0, 3).expect("a read can be started");
    let packet = read(&port);
    assert_eq!(packet.result.expect("it succeeds"), 2 * block);
    assert!(packet.buffer[..block].iter().all(|byte| *byte == 1));
    assert!(packet.buffer[block..].iter().all(|byte| *byte == 2));
}

fn l7_an_unbuffered_read_ends_with_the_file_wherever_that_is(backend: Backend) {
    let port = backend.port();
    let name = "l7_an_unbuffered_read_ends_with_the_file_wherever_that_is";
    let scratch = Scratch::holding(&[3; 10_001]);
    let Some(file) = unbuffered(&port, &scratch, name) else { return };
    let block = file.alignment();
    let capacity = 16_384_usize.next_multiple_of(block);
    file.read_at(Buffer::aligned(capacity, block), 0, 1).expect("a read can be started");
    let packet = read(&port);
    assert_eq!(packet.result.expect("it succeeds"), 10_001);
    assert_eq!(&packet.buffer[..], [3; 10_001]);
    let past = 16_384_u64.next_multiple_of(block as u64);
    file.read_at(packet.buffer, past, 2).expect("a read can be started");
    assert_eq!(read(&port).result.expect("it succeeds"), 0);
}

fn l7_what_is_not_aligned_is_refused_at_once_and_named(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(&[0; 8192]);
    let name = "l7_what_is_not_aligned_is_refused_at_once_and_named";
    let Some(file) = unbuffered(&port, &scratch, name) else { return };
    let block = file.alignment();
    let multiple = format!("needs a multiple of {block} ");
    let good = || filled(block, block, 9);
    let mut short = good();
    short.truncate(block - 1);
    let refusals = [
        (file.write_at(good(), 1, 1), "offset is 1,".to_owned()),
        (file.read_at(good(), block as u64 + 8, 1), format!("offset is {},", block + 8)),
        (file.write_at(short, 0, 1), format!("length is {},", block - 1)),
        (
            file.read_at(Buffer::aligned(block + 1, block), 0, 1),
            format!("length is {},", block + 1),
        ),
    ];
    for (refused, part) in refusals {
        let refused = refused.expect_err("it fails at once");
        let message = refused.error.to_string();
        assert_eq!(refused.error.kind(), ErrorKind::InvalidInput);
        assert!(message.contains(&part) && message.contains(&multiple), "{message}");
        assert_eq!(refused.returned.1, 1);
    }
    // All are kept until one is found, so that they lie at different addresses.
    let buffers: Vec<Buffer> = (0..100).map(|_| filled(block, 1, 9)).collect();
    let mut odd = buffers.into_iter().filter(|it| !it.as_ptr().addr().is_multiple_of(block));
    let buffer = odd.next().expect("one of a hundred is not aligned by chance");
    let address = buffer.as_ptr().addr();
    let refused = file.write_at(buffer, 0, 1).expect_err("it fails at once");
    let message = refused.error.to_string();
    assert!(message.contains(&format!("address of the buffer is {address},")), "{message}");
    assert_eq!(&refused.returned.0[..], vec![9; block]);
    assert_nothing_comes(&port);
    assert_eq!(scratch.contents(), [0; 8192]);
}

on_every_backend! {
    l7_aligned_transfers_go_past_the_cache,
    l7_an_unbuffered_read_ends_with_the_file_wherever_that_is,
    l7_what_is_not_aligned_is_refused_at_once_and_named,
}
