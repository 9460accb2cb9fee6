//! A script of calls on one thread, run on the simulated network and on epoll, each beside a model of the port.
//!
//! - `script` is what the bytes say, `world` the two networks.
//! - `model` is what `docs/contract.md` says of the queue, of operations that are owed and of the bytes of a connection.
//!   It knows no code of the library.
//! - `stage` makes the calls, and gives the model what it sees.

mod ends;
mod model;
mod script;
mod stage;
mod starts;
mod world;

use script::Script;
use stage::Stage;
use world::World;

/// Runs the script that these bytes are, in both worlds.
pub fn run(data: &[u8]) {
    let script = Script::of(data);
    Stage::new(World::simulated(&script), &script).play();
    if cfg!(target_os = "linux") {
        Stage::new(World::System, &script).play();
    }
}
