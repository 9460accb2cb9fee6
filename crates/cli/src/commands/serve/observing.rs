//! Addresses on which a server shows itself: figures, health, and a page.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use overlapped_observe::{Observer, Pages};
use serde::Serialize;

use super::showing::Showing;
use crate::listen::{self, StackArguments};
use crate::{output, values};

/// Clients that wait to be shown something.
const BACKLOG: u32 = 64;

/// Options of what is shown. Without one of them nothing listens but the server.
#[derive(Args, Clone, Debug, Default)]
pub struct ObservingArguments {
    /// Show figures for Prometheus on this address: /metrics, and /view as JSON. A port alone is one of
    /// 127.0.0.1.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    metrics: Option<SocketAddr>,
    /// Tell on this address whether the server lives (/live) and takes clients (/ready). It may be the same
    /// one.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    health: Option<SocketAddr>,
    /// Show a page on this address in which packets and threads are seen. It may be the same one.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    live_page: Option<SocketAddr>,
}

/// Reads an address; a port alone is one of this machine for itself.
fn address(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<u16>() {
        Ok(port) => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
        Err(_) => values::address(text),
    }
}

/// What listens for those who look.
#[derive(Debug, Default)]
pub struct Places(Vec<(TcpListener, Pages)>);

/// Where something is shown; its schema is `schema/observing.schema.json`.
#[derive(Serialize)]
struct Shown {
    format: &'static str,
    address: String,
    metrics: bool,
    health: bool,
    page: bool,
}

impl ObservingArguments {
    /// Opens the addresses, before anything is served.
    pub fn listen(&self) -> anyhow::Result<Places> {
        let asked = [
            ("--metrics", self.metrics, Pages { metrics: true, ..Pages::default() }),
            ("--health", self.health, Pages { health: true, ..Pages::default() }),
            ("--live-page", self.live_page, Pages { page: true, ..Pages::default() }),
        ];
        let mut places: Vec<(SocketAddr, TcpListener, Pages)> = Vec::new();
        for (option, address, pages) in asked {
            let Some(address) = address else { continue };
            let same = |(other, _, _): &&mut (SocketAddr, TcpListener, Pages)| {
                *other == address && address.port() != 0
            };
            if let Some((_, _, there)) = places.iter_mut().find(same) {
                there.metrics |= pages.metrics;
                there.health |= pages.health;
                there.page |= pages.page;
                continue;
            }
            let listener = listen::listen(address, StackArguments::default(), BACKLOG)
                .with_context(|| option.to_owned())?;
            places.push((address, listener, pages));
        }
        Ok(Places(places.into_iter().map(|(_, listener, pages)| (listener, pages)).collect()))
    }
}

impl Places {
    /// Shows a server, and says where. Nothing is shown any more when the result is dropped.
    pub fn show(self, showing: &Arc<Showing>, json: bool) -> anyhow::Result<Option<Observer>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        for (listener, pages) in &self.0 {
            let address = listener.local_addr()?.to_string();
            if json {
                let Pages { metrics, health, page } = *pages;
                let format = "overlapped-observing-1";
                output::json_line(&Shown { format, address, metrics, health, page })?;
                continue;
            }
            for (is_there, what, path) in [
                (pages.metrics, "figures", "/metrics"),
                (pages.health, "health", "/ready"),
                (pages.page, "page", "/"),
            ] {
                if is_there {
                    output::status(&format!("{what} on http://{address}{path}"));
                }
            }
        }
        let observer = Observer::start(self.0, Arc::clone(showing) as _);
        observer.context("cannot show the server").map(Some)
    }
}
