//! What is looked at on Windows.

use overlapped_load::{kernel_figures, limits};

use super::{CLASSIC_CONNECTIONS, Finding};
use crate::platform;
use crate::words::grouped;

/// Everything but what all systems have.
pub fn others() -> Vec<Finding> {
    vec![files(), handles(), ports()]
}

/// The system and its version.
pub fn kernel() -> Finding {
    let name = "kernel";
    let found = format!("{} on {}", platform::system(), std::env::consts::ARCH);
    if kernel_figures::is_wine() {
        return Finding::limited(
            name,
            found,
            "check here that things work; to measure, or to see how many threads run at a time, \
             use Windows itself",
        );
    }
    Finding::good(name, found)
}

/// Associates a file with a port and asks what carries it: this program, which surely is a file.
fn files() -> Finding {
    let backend = std::env::current_exe().and_then(|program| super::backend_of(&program));
    match backend {
        Ok(found) => Finding::good("files", found),
        Err(error) => Finding::problem("files", error.to_string(), "unset OVERLAPPED_FILES"),
    }
}

/// Under the name that it has on every system.
fn handles() -> Finding {
    let open = match limits::descriptors_open() {
        Ok(count) => format!("{} handles open now", grouped(count)),
        Err(_) => "how many handles are open is not available".to_owned(),
    };
    let most = limits::descriptors().hard.map_or("no limit".to_owned(), grouped);
    Finding::good("descriptors", format!("{open}, {most} at most for each process"))
}

fn ports() -> Finding {
    let name = "local ports";
    let range = match limits::port_range() {
        Ok(range) => range,
        Err(error) => {
            return Finding::limited(name, format!("not available: {error}"), "none is known");
        }
    };
    let ports = limits::ports_in(range);
    let found = format!(
        "{} to {} unless that was changed (netsh int ipv4 show dynamicport tcp): {} towards one \
         target",
        range.0,
        range.1,
        grouped(ports)
    );
    if ports >= CLASSIC_CONNECTIONS {
        return Finding::good(name, found);
    }
    Finding::limited(
        name,
        found,
        format!(
            "more connections to one loopback target take several source addresses, which stress \
             does by itself; to another machine {}",
            limits::WIDEN_PORT_RANGE
        ),
    )
}
