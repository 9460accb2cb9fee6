//! Makes a life that fails smaller: leaves out what it fails without.

use crate::plan::Plan;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A smaller life need not fail under the same schedule, so some others are tried.
const SCHEDULES: u64 = 12;

/// Looks for smaller lives, each in a process of its own, since one that fails ends its process.
pub struct Shrink {
    /// Where the life that is tried is written, for its process.
    tried: PathBuf,
    end: Instant,
    best: Plan,
    said: String,
}

impl Shrink {
    /// Begins with `plan`, to look on for `limit`. Nothing when it does not fail.
    pub fn begin(plan: &Plan, file: &Path, limit: Duration) -> io::Result<Option<Self>> {
        let tried = file.with_extension("tried.json");
        let end = Instant::now() + limit;
        let mut shrink = Self { tried, end, best: plan.clone(), said: String::new() };
        let said = shrink.fails(plan)?;
        Ok(said.map(|said| {
            shrink.said = said;
            shrink
        }))
    }

    /// What is said of the failure, without the numbers in it.
    fn kind(said: &str) -> String {
        said.chars().filter(|c| !c.is_ascii_digit()).take(80).collect()
    }

    /// What is said of the life when it fails.
    fn fails(&self, plan: &Plan) -> io::Result<Option<String>> {
        std::fs::write(&self.tried, serde_json::to_vec(plan)?)?;
        let mut replay = Command::new(std::env::current_exe()?);
        replay.args(["replay", "--quiet", "--plan"]).arg(&self.tried).stderr(Stdio::null());
        let output = replay.output()?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok((!output.status.success()).then_some(said))
    }

    /// The smallest life that was found, and what is said of it.
    pub fn look(mut self) -> io::Result<(Plan, String)> {
        loop {
            let steps = self.best.steps();
            for change in settings() {
                let mut plan = self.best.clone();
                change(&mut plan);
                self.keep_if_it_fails(plan)?;
            }
            self.leave_out(|plan| plan.starters.iter_mut().map(Steps::Starter).collect())?;
            self.leave_out(|plan| plan.peers.iter_mut().map(Steps::Peer).collect())?;
            let mut plan = self.best.clone();
            plan.starters.retain(|actions| !actions.is_empty());
            plan.peers.retain(|actions| !actions.is_empty());
            self.keep_if_it_fails(plan)?;
            if self.best.steps() == steps || Instant::now() >= self.end {
                // It is not there any more when nothing was tried.
                let _ = std::fs::remove_file(&self.tried);
                return Ok((self.best, self.said));
            }
        }
    }

    fn keep_if_it_fails(&mut self, mut plan: Plan) -> io::Result<bool> {
        let schedule = plan.schedule;
        for other in 0..SCHEDULES {
            if Instant::now() >= self.end {
                break;
            }
            plan.schedule = schedule.wrapping_add(other * 1_000_003);
            if let Some(said) = self.fails(&plan)?
                && Self::kind(&said) == Self::kind(&self.said)
            {
                (self.best, self.said) = (plan, said);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Leaves out stretches of steps, long ones first.
    fn leave_out(&mut self, steps: impl Fn(&mut Plan) -> Vec<Steps<'_>>) -> io::Result<()> {
        for thread in 0..steps(&mut self.best).len() {
            let mut size = steps(&mut self.best)[thread].len();
            while size > 0 {
                let mut from = 0;
                while from < steps(&mut self.best)[thread].len() && Instant::now() < self.end {
                    let mut plan = self.best.clone();
                    steps(&mut plan)[thread].remove(from, size);
                    if !self.keep_if_it_fails(plan)? {
                        from += size;
                    }
                }
                size /= 2;
            }
        }
        Ok(())
    }
}

type Change = fn(&mut Plan);

fn settings() -> [Change; 10] {
    [
        |plan| plan.operations = 0,
        |plan| plan.takers = plan.takers.saturating_sub(1).max(1),
        |plan| plan.takers = 1,
        |plan| plan.concurrency = 1,
        |plan| plan.monitor = false,
        |plan| plan.blocks = false,
        |plan| plan.put_backs = false,
        |plan| (plan.window, plan.first_data) = (None, false),
        |plan| plan.network_seed = 0,
        |plan| plan.capacity = 65_536,
    ]
}

/// The steps of one thread, of whichever kind.
enum Steps<'a> {
    Starter(&'a mut Vec<crate::plan::Action>),
    Peer(&'a mut Vec<crate::plan::Outside>),
}

impl Steps<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Starter(list) => list.len(),
            Self::Peer(list) => list.len(),
        }
    }

    /// Removes up to `count` of them.
    fn remove(&mut self, from: usize, count: usize) {
        let to = self.len().min(from + count);
        match self {
            Self::Starter(list) => drop(list.drain(from..to)),
            Self::Peer(list) => drop(list.drain(from..to)),
        }
    }
}
