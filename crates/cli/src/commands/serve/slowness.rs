//! A handler that holds its thread on purpose, to see what that does to a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use overlapped_models::{Handler, Reply};
use serde::{Deserialize, Serialize};

use crate::exit::Usage;
use crate::values;

/// Options for a slow handler, also as they travel to worker processes.
#[derive(Args, Clone, Debug, Default, Serialize, Deserialize)]
pub struct SlownessArguments {
    /// Sleep for so long in the handler of a message, to see what that does (echo only).
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    handler_sleeps: Option<Duration>,
    /// Compute for so long in the handler of a message (echo only).
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    handler_computes: Option<Duration>,
    /// Do so in every so many messages [default: 1].
    #[arg(long, value_name = "N", value_parser = values::positive)]
    handler_one_in: Option<u32>,
}

impl SlownessArguments {
    /// That they fit together, and with the rest.
    pub fn check(&self, is_of_files: bool) -> anyhow::Result<()> {
        let is_slow = self.handler_sleeps.is_some() || self.handler_computes.is_some();
        let wrong = match (is_slow, self.handler_one_in.is_some(), is_of_files) {
            (false, false, _) | (true, _, false) => return Ok(()),
            (_, _, true) => {
                "--handler-sleeps, --handler-computes and --handler-one-in are for --app echo"
            }
            (false, true, false) => {
                "--handler-one-in needs --handler-sleeps or --handler-computes: it says how often they are"
            }
        };
        Err(Usage(wrong.to_owned()).into())
    }

    /// The handler, slow if that is asked for.
    pub fn handler(&self, handler: Arc<dyn Handler>) -> Arc<dyn Handler> {
        if self.handler_sleeps.is_none() && self.handler_computes.is_none() {
            return handler;
        }
        let one_in = u64::from(self.handler_one_in.unwrap_or(1));
        let (sleeps, computes) = (self.handler_sleeps, self.handler_computes);
        Arc::new(Slow { handler, sleeps, computes, one_in, messages: AtomicU64::new(0) })
    }
}

struct Slow {
    handler: Arc<dyn Handler>,
    sleeps: Option<Duration>,
    computes: Option<Duration>,
    one_in: u64,
    messages: AtomicU64,
}

impl Handler for Slow {
    fn handle(&self, input: &[u8]) -> Reply {
        if (self.messages.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(self.one_in) {
            if let Some(time) = self.sleeps {
                overlapped::doing("--handler-sleeps");
                std::thread::sleep(time);
            }
            if let Some(time) = self.computes {
                overlapped::doing("--handler-computes");
                let start = Instant::now();
                while start.elapsed() < time {
                    std::hint::spin_loop();
                }
            }
        }
        self.handler.handle(input)
    }
}
