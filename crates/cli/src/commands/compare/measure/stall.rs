//! A program that runs beside the rounds and tells when the machine stood still.
//!
//! A virtual machine is at times not run by its host for some milliseconds, which the kernel need not
//! tell as stolen time. Latencies of such a round are not the server's.

use std::cell::RefCell;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::Context;

use crate::children::{Copy, Said};

/// How long the program may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running program.
pub struct StallProbe {
    process: RefCell<Copy>,
    said: Receiver<Said>,
}

impl StallProbe {
    /// Starts `words` and hears a first answer.
    pub fn start(words: &[String]) -> anyhow::Result<Self> {
        let (sender, said) = channel();
        let process = Copy::foreign(words, sender, |said| said)?;
        let probe = Self { process: RefCell::new(process), said };
        probe.longest_us()?;
        Ok(probe)
    }

    /// How late it woke, at the most, since this was asked last; in microseconds.
    pub fn longest_us(&self) -> anyhow::Result<f64> {
        self.process.borrow_mut().tell("?");
        match self.said.recv_timeout(PATIENCE) {
            Ok(Said::Line(line)) => {
                let late = line.trim().parse::<f64>().ok().filter(|late| *late >= 0.0);
                late.with_context(|| {
                    format!("the stall probe said '{line}', which is no number of microseconds")
                })
            }
            Ok(Said::End) => anyhow::bail!("the stall probe has ended"),
            Err(_) => anyhow::bail!("the stall probe said nothing for {} s", PATIENCE.as_secs()),
        }
    }
}
