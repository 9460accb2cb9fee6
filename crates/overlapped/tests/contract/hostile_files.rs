//! Values whose destructors call the library or panic, in operations on files and as keys of files.

use crate::files_world::Backend;
use crate::hostile_world::{Destructor, Place, Scene, in_every_place};
use crate::on_every_backend;
use crate::world::World;
use overlapped::Buffer;

/// Each place several times over, so that one destructor's panic meets another's.
const TIMES: usize = 3;

/// Reads, writes and flushes, more than there are helper threads.
fn start_on_file(scene: &Scene) {
    let file = scene.file.file(&scene.port, scene.harmless());
    for _ in 0..4 * TIMES {
        file.read_at(Buffer::with_capacity(100_000), 0, scene.value()).expect("it starts");
        file.write_at(Buffer::from(vec![1; 100_000]), 0, scene.value()).expect("it starts");
        file.flush(scene.value()).expect("it starts");
    }
}

const PLACES_OF_FILES: &[Place] = &[
    ("operations on a file when the port closes", |scene| {
        start_on_file(scene);
        scene.drops(|| scene.port.close());
    }),
    ("operations on a file that was closed, and the port after it", |scene| {
        let file = scene.file.file(&scene.port, scene.harmless());
        for _ in 0..TIMES {
            file.read_at(Buffer::with_capacity(100_000), 0, scene.value()).expect("it starts");
        }
        file.close();
        scene.drops(|| scene.port.close());
    }),
    ("an operation on a file that a closed port refuses", |scene| {
        let file = scene.file.file(&scene.port, scene.harmless());
        scene.port.close();
        scene.drops(|| drop(file.flush(scene.value())));
    }),
    ("the key that goes with the last handle of a file", |scene| {
        scene.drops(|| drop(scene.file.file(&scene.port, scene.value())));
        scene.still_works();
    }),
    ("the keys of files that only operations held when the port closes", |scene| {
        for _ in 0..TIMES {
            let file = scene.file.file(&scene.port, scene.value());
            file.read_at(Buffer::with_capacity(100_000), 0, scene.harmless()).expect("it starts");
        }
        scene.drops(|| scene.port.close());
    }),
    #[cfg(target_os = "linux")]
    ("reads of pipes when the port closes", |scene| {
        // Only the ring carries pipes.
        if scene.port.driver().files.starts_with("io_uring") {
            for _ in 0..TIMES {
                let (file, writer) = crate::files_world::pipe(&scene.port, scene.harmless());
                file.read_at(Buffer::with_capacity(8), 0, scene.value()).expect("it starts");
                // Its other end stays, so that it has nothing to read and does not end.
                std::mem::forget(writer);
            }
        }
        scene.drops(|| scene.port.close());
    }),
];

fn destructors_of_file_operations_that_call_the_library_hang_nowhere(backend: Backend) {
    in_every_place(PLACES_OF_FILES, || {
        Scene::new(&World::System, Destructor::Calls, |builder| builder.files(backend.choice()))
    });
}

fn destructors_of_file_operations_that_panic_take_nothing_along(backend: Backend) {
    in_every_place(PLACES_OF_FILES, || {
        Scene::new(&World::System, Destructor::Panics, |builder| builder.files(backend.choice()))
    });
}

on_every_backend! {
    destructors_of_file_operations_that_call_the_library_hang_nowhere,
    destructors_of_file_operations_that_panic_take_nothing_along,
}
