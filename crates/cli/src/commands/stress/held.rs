//! The memory that a load at a rate takes while all its connections are open.

use anyhow::Context;
use overlapped_load::document::Outcome;
use overlapped_load::held::{Before, Held};

use super::StressArguments;
use super::team::{Moment, Progress, Then};

/// What there was before the first connection, and with all of them.
pub struct HeldMemory {
    before: Option<Before>,
    held: Option<Held>,
}

impl HeldMemory {
    /// Looks before there is a connection, if it is to be looked at all.
    pub fn before(arguments: &StressArguments) -> anyhow::Result<Self> {
        Self::looker(arguments)()
    }

    /// What does so each time that it is called.
    pub fn looker(arguments: &StressArguments) -> impl Fn() -> anyhow::Result<Self> + use<> {
        let (looks, server) = (arguments.rate.is_some(), arguments.server_process);
        move || {
            let before =
                looks.then(|| Before::read(server)).transpose().with_context(|| match server {
                    Some(id) => {
                        format!("the memory of process {id} (--server-process) cannot be read")
                    }
                    None => "the memory of this machine cannot be read".to_owned(),
                })?;
            Ok(Self { before, held: None })
        }
    }

    /// Looks with all connections open, when nothing is recorded any more. Then the load is over.
    pub fn look(
        &mut self,
        moment: Moment,
        sum: &Progress,
        workers: &[u32],
    ) -> anyhow::Result<Then> {
        let Some(before) = self.before.filter(|_| moment == Moment::CoolDown) else {
            return Ok(Then::GoOn);
        };
        let load: Vec<u32> = workers.iter().copied().chain([std::process::id()]).collect();
        let held = before.held(sum.connected, &load);
        self.held =
            Some(held.context("the memory of the server or of the load cannot be read any more")?);
        Ok(Then::Close)
    }

    /// Adds what was seen to what came of the load.
    pub fn add_to(self, outcome: Outcome) -> Outcome {
        Outcome { held: self.held, ..outcome }
    }
}
