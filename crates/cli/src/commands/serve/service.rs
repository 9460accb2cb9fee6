//! One running server of this process.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context;
use overlapped_models::{Echo, Handler, ReceiveOnly, Server};

use super::files;
use super::settings::Settings;

/// The model that `serve` runs.
const MODEL: &str = "completion-port";

/// Starts the server on `listener`.
pub fn start(settings: &Settings, listener: TcpListener) -> anyhow::Result<Box<dyn Server>> {
    if let Some(files) = &settings.files {
        return files::start(files, &settings.limits(), listener);
    }
    let model = overlapped_models::model(MODEL).context("the completion port is not built in")?;
    let handler: Arc<dyn Handler> =
        if settings.receive_only { Arc::new(ReceiveOnly) } else { Arc::new(Echo) };
    model.start(listener, handler, &settings.limits()).context("cannot start the server")
}
