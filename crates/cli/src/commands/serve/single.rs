//! The server in this process.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Context;
use overlapped_observe::{Source, View};

use super::figures::Figures;
use super::observing::Places;
use super::reporter::Reporter;
use super::service;
use super::settings::Settings;
use super::showing::Showing;
use crate::interrupt::{self, EndArguments};
use crate::live::server::ServerScreen;
use crate::{live, output};

/// How often the screen looks at the server.
const LOOK: Duration = Duration::from_secs(1);

/// The server of this process, for the screen.
struct Own {
    showing: Arc<Showing>,
    can_pause: bool,
}

impl live::Source for Own {
    fn view(&mut self) -> anyhow::Result<Option<View>> {
        Ok(Some(self.showing.view()))
    }

    fn can_pause(&self) -> bool {
        self.can_pause
    }

    fn pause(&mut self, pause: bool) -> anyhow::Result<()> {
        self.showing.pause(pause);
        Ok(())
    }
}

/// Serves until Ctrl-C, or what `end` names.
pub fn run(
    settings: &Settings,
    listener: TcpListener,
    places: Places,
    end: EndArguments,
) -> anyhow::Result<()> {
    let (interrupted, interrupts) = channel();
    interrupt::on_first_or(end, settings.drain, move || {
        let _ = interrupted.send(());
    })?;
    let address = listener.local_addr()?;
    let server = service::start(settings, listener)?;
    if !settings.live {
        output::listening(address, settings.json)?;
    }
    if !settings.quiet && !settings.json && !settings.live {
        output::status(&server.describe());
    }
    let showing = Showing::new(settings.shown_as(address), server);
    let _observer = places.show(&showing, settings.json)?;
    let mut reporter = Reporter::new(settings.quiet, settings.json, 1);
    if settings.live {
        // It is not paused, so that this asks and changes nothing.
        let can_pause = showing.pause(false);
        let own = Own { showing: Arc::clone(&showing), can_pause };
        let mut screen = ServerScreen::new(own, LOOK);
        live::show(&mut screen, || interrupts.try_recv().is_ok())?;
        output::status("stopped; clients are served to their end");
        return summary(&showing, settings, &reporter);
    }
    while interrupts.recv_timeout(reporter.wait()) == Err(RecvTimeoutError::Timeout) {
        reporter.status(&showing.figures());
    }
    summary(&showing, settings, &reporter)
}

/// Ends the server, and says what it did.
fn summary(showing: &Showing, settings: &Settings, reporter: &Reporter) -> anyhow::Result<()> {
    let stopped = showing.stop(settings);
    let stopped = stopped.context("the server has ended already")?;
    reporter.summary(&Figures::of(&stopped.status), stopped.left)
}
