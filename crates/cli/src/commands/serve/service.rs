//! One running server of this process.

use std::net::TcpListener;
use std::time::Instant;

use anyhow::Context;
use overlapped_models::{Echo, Limits, ReceiveOnly, Server, Stopped};

use super::files;
use super::settings::Settings;
use super::telling::Told;

/// Starts the server on `listener`.
pub fn start(settings: &Settings, listener: TcpListener) -> anyhow::Result<Box<dyn Server>> {
    if let Some(files) = &settings.files {
        return files::start(files, &settings.limits(), listener);
    }
    let model = overlapped_models::model(&settings.model)
        .with_context(|| format!("there is no model named {}", settings.model))?;
    let telling = &settings.telling;
    let journal = telling.journal(settings.json)?;
    let handler = match settings.receive_only {
        true => telling.handler(journal.as_ref(), ReceiveOnly),
        false => telling.handler(journal.as_ref(), Echo),
    };
    let handler = settings.slowness.handler(handler);
    let limits = Limits { observer: telling.observer(journal.as_ref()), ..settings.limits() };
    let server = model.start(listener, handler, &limits).context("cannot start the server")?;
    Ok(match journal {
        Some(journal) => Box::new(Told { server, journal }),
        None => server,
    })
}

/// Ends a server: it serves on for the grace that the settings give, and then ends in phases.
pub fn end(mut server: Box<dyn Server>, settings: &Settings) -> Stopped {
    let begun = Instant::now();
    if !settings.grace.is_zero() {
        server.retire(settings.grace);
    }
    server.stop(settings.drain.saturating_sub(begun.elapsed()))
}
