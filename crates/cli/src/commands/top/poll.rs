//! Asks a live address for views, by HTTP.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use anyhow::Context;
use overlapped_observe::View;
use overlapped_observe::view::FORMAT;
use serde::Deserialize;
use serde_json::Value;
use ureq::Agent;

use crate::live::Source;

/// The longest time that an answer may take, unless there is more between two looks.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest answer in bytes: thousands of lines of a log.
const LONGEST: u64 = 4 << 20;

/// A live address and the means to ask it.
pub struct Address {
    address: SocketAddr,
    agent: Agent,
}

impl Address {
    /// Asked every so often.
    pub fn new(address: SocketAddr, every: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(every.max(PATIENCE)))
            .http_status_as_error(false)
            .max_redirects(0)
            // The address is meant as it is written. And a connection that idles would be one of the
            // few that a live address has.
            .proxy(None)
            .max_idle_connections(0)
            .build();
        Self { address, agent: config.into() }
    }

    /// The view of now.
    pub fn ask(&self) -> anyhow::Result<View> {
        let address = self.address;
        let answer = self.agent.get(format!("http://{address}/view")).call();
        let mut answer = answer.map_err(|error| anyhow::anyhow!(explain(address, &error)))?;
        let status = answer.status();
        anyhow::ensure!(
            status.as_u16() == 200,
            "{address} is no live address of Overlapped: it answers {status}; {WHICH}"
        );
        let body = answer.body_mut().with_config().limit(LONGEST).read_to_vec();
        let body = body.map_err(|error| anyhow::anyhow!(explain(address, &error)))?;
        view(address, &body)
    }
}

/// Which address to give.
const WHICH: &str = "give the one that the server has as --metrics or --live-page";

/// Reads a view, or says what it is instead.
fn view(address: SocketAddr, body: &[u8]) -> anyhow::Result<View> {
    let document: Option<Value> = serde_json::from_slice(body).ok();
    let format = document.as_ref().and_then(|it| it.get("format")).and_then(Value::as_str);
    match (format, document.as_ref()) {
        (Some(FORMAT), Some(document)) => {
            // From the text would give a place in it, which nobody sees.
            View::deserialize(document).with_context(|| format!("{address} sends a broken view"))
        }
        (Some(other), _) if other.starts_with("overlapped-live-") => anyhow::bail!(
            "{address} speaks {other}, and this tool reads {FORMAT}: use the tool of the server's version"
        ),
        _ => anyhow::bail!(
            "{address} is no live address of Overlapped: it answers something else; {WHICH}"
        ),
    }
}

fn explain(address: SocketAddr, error: &ureq::Error) -> String {
    use std::io::ErrorKind;
    match error {
        ureq::Error::Timeout(_) => format!("{address} does not answer in time"),
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
            format!("nobody listens on {address}: {WHICH}")
        }
        ureq::Error::ConnectionFailed => format!("nobody answers on {address}: {WHICH}"),
        ureq::Error::Io(error) => format!("the connection to {address} failed: {error}"),
        ureq::Error::BodyExceedsLimit(_) => {
            format!("{address} is no live address of Overlapped: it sends too much; {WHICH}")
        }
        other => format!("{address} is no live address of Overlapped: {other}; {WHICH}"),
    }
}

/// Asks an address again and again, on a thread of its own, so that an answer that is late holds no key up.
pub struct Poll {
    answers: Receiver<anyhow::Result<View>>,
}

impl Poll {
    /// Begins with a view that is there already.
    pub fn start(address: Address, first: View, every: Duration) -> anyhow::Result<Self> {
        // One answer waits at most: the screen may be stuck in a terminal that takes nothing.
        let (sender, answers) = sync_channel(1);
        std::thread::Builder::new()
            .name("poll".to_owned())
            .spawn(move || {
                let mut answer = Ok(first);
                while sender.send(answer).is_ok() {
                    std::thread::sleep(every);
                    answer = address.ask();
                }
            })
            .context("cannot start a thread to ask the server")?;
        Ok(Self { answers })
    }
}

impl Source for Poll {
    fn view(&mut self) -> anyhow::Result<Option<View>> {
        match self.answers.try_recv() {
            Ok(answer) => answer.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => anyhow::bail!("nobody asks any more"),
        }
    }
}
