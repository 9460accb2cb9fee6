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
    #[arg(long, value_name = "ADDRESS", value_parser = values::address_or_port)]
    metrics: Option<SocketAddr>,
    /// Tell on this address whether the server lives (/live) and takes clients (/ready). It may be the same
    /// one.
    #[arg(long, value_name = "ADDRESS", value_parser = values::address_or_port)]
    health: Option<SocketAddr>,
    /// Show a page on this address in which packets and threads are seen. It may be the same one.
    #[arg(long, value_name = "ADDRESS", value_parser = values::address_or_port)]
    live_page: Option<SocketAddr>,
}

/// Each address once, with all that is to be seen there, and the first option that names it. A port that is to be found is
/// another one each time.
fn gathered<'a>(
    asked: impl IntoIterator<Item = (&'a str, Option<SocketAddr>, Pages)>,
) -> Vec<(&'a str, SocketAddr, Pages)> {
    let mut places: Vec<(&str, SocketAddr, Pages)> = Vec::new();
    for (option, address, pages) in asked {
        let Some(address) = address else { continue };
        let mut same = places.iter_mut().filter(|(_, other, _)| *other == address);
        match same.next().filter(|_| address.port() != 0) {
            None => places.push((option, address, pages)),
            Some((_, _, there)) => {
                there.metrics |= pages.metrics;
                there.health |= pages.health;
                there.page |= pages.page;
            }
        }
    }
    places
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
        let places = gathered(asked).into_iter().map(|(option, address, pages)| {
            let listener = listen::listen(address, StackArguments::default(), BACKLOG);
            Ok((listener.with_context(|| option.to_owned())?, pages))
        });
        places.collect::<anyhow::Result<_>>().map(Places)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_machine_for_itself() {
        assert_eq!(values::address_or_port("9100"), Ok(SocketAddr::from(([127, 0, 0, 1], 9100))));
        assert_eq!(
            values::address_or_port("0.0.0.0:9100"),
            Ok(SocketAddr::from(([0, 0, 0, 0], 9100)))
        );
        assert!(values::address_or_port("99999").is_err());
    }

    #[test]
    fn an_address_that_is_named_twice_has_both() {
        let metrics = Pages { metrics: true, ..Pages::default() };
        let page = Pages { page: true, ..Pages::default() };
        let both = Pages { page: true, ..metrics };
        for (port, expected) in [(9100, vec![both]), (0, vec![metrics, page])] {
            let at = Some(SocketAddr::from(([127, 0, 0, 1], port)));
            let places = gathered([("a", at, metrics), ("b", None, page), ("c", at, page)]);
            let pages: Vec<_> = places.iter().map(|(_, _, pages)| *pages).collect();
            assert_eq!(pages, expected);
        }
    }
}
