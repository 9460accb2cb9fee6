//! One running server of this process.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context;
use overlapped_models::{Echo, Handler, ReceiveOnly, Server};

use super::files;
use super::settings::Settings;

/// Starts the server on `listener`.
pub fn start(settings: &Settings, listener: TcpListener) -> anyhow::Result<Box<dyn Server>> {
    if let Some(files) = &settings.files {
        return files::start(files, &settings.limits(), listener);
    }
    let model = overlapped_models::model(&settings.model)
        .with_context(|| format!("there is no model named {}", settings.model))?;
    let handler: Arc<dyn Handler> =
        if settings.receive_only { Arc::new(ReceiveOnly) } else { Arc::new(Echo) };
    model.start(listener, handler, &settings.limits()).context("cannot start the server")
}
