//! The looks that `doctor` takes, one function each: here those that every system allows, and one
//! file per system for the others. Nothing is changed by a look.

#[cfg(target_os = "linux")]
mod io_uring;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

use std::io;
use std::num::NonZero;
use std::path::Path;
use std::time::Duration;

use overlapped::{FileOptions, OpenFile, Port, Protocol};

use super::Finding;
use crate::platform;

#[cfg(target_os = "linux")]
use linux::{kernel, others};
#[cfg(windows)]
use windows::{kernel, others};

/// Connections that the classic load holds; limits below it are worth a remark.
const CLASSIC_CONNECTIONS: u64 = 30_000;

/// Looks at everything.
pub fn all() -> Vec<Finding> {
    let mut findings = vec![kernel(), processors()];
    findings.extend(driver());
    findings.extend(others());
    findings.push(models());
    findings
}

fn models() -> Finding {
    let names: Vec<_> = overlapped_models::models().iter().map(|model| model.name()).collect();
    Finding::good("models", format!("{} (serve --model)", names.join(", ")))
}

fn processors() -> Finding {
    let count = std::thread::available_parallelism().map_or(1, NonZero::get);
    let found = format!("{count} that this process may use; a port's default concurrency");
    if count > 1 {
        return Finding::good("processors", found);
    }
    Finding::limited(
        "processors",
        found,
        "measure on a machine with more; client and server share it",
    )
}

struct Trial;

impl Protocol for Trial {
    type Key = ();
    type Operation = ();
    type Message = ();
}

/// Makes a port, sends a packet through it and asks which driver it chose and why.
fn driver() -> Vec<Finding> {
    let port = match Port::<Trial>::new() {
        Ok(port) => port,
        Err(error) => {
            return vec![Finding::problem(
                "driver",
                format!("no port can be made: {error}"),
                platform::REMEDY_FOR_NO_PORT,
            )];
        }
    };
    let passed = port.post(()).is_ok() && port.take_timeout(Duration::from_secs(1)).is_ok();
    let report = port.driver();
    let found = format!("{} ({})", report.name, report.reason);
    let driver = if passed {
        Finding::good("driver", found)
    } else {
        Finding::problem("driver", format!("{found}, but no packet came through"), "report this")
    };
    vec![driver, Finding::good("blocked-thread monitor", report.blocked_thread_monitor)]
}

/// What carries overlapped operations on files, after one was associated.
fn backend_of(file: &Path) -> io::Result<String> {
    let port = Port::<Trial>::new()?;
    let file = OpenFile::open(file, &FileOptions::new().read(true))?;
    let _file = port.associate(file, ())?;
    Ok(port.driver().files)
}
