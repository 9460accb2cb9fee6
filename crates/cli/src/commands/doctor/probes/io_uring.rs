//! Whether io_uring works here: a ring is really set up, with the flags a driver would use, and
//! the kernel is asked which operations it knows.

use std::fs;
use std::io;

use io_uring::{IoUring, Probe, cqueue, opcode, squeue};

use super::Finding;

const NAME: &str = "io_uring";

/// Entries of the ring that is set up to try.
const ENTRIES: u32 = 8;

/// Sets up a ring and tells what it can do. Nothing is submitted.
pub fn finding() -> Finding {
    match probe() {
        Ok(found) => Finding::good(NAME, format!("a ring was set up: {found}")),
        Err(error) => {
            let disabled = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
            Finding::limited(
                NAME,
                format!("no ring can be set up: {error}"),
                remedy(&error, disabled),
            )
        }
    }
}

fn probe() -> io::Result<String> {
    let plain = IoUring::new(ENTRIES)?;
    let parameters = plain.params();
    let mut known = Probe::new();
    plain.submitter().register_probe(&mut known)?;
    let operations = [
        ("accept", known.is_supported(opcode::Accept::CODE)),
        ("receive", known.is_supported(opcode::Recv::CODE)),
        ("multishot read", known.is_supported(opcode::ReadMulti::CODE)),
        ("send without copy", known.is_supported(opcode::SendZc::CODE)),
        ("bind and listen", known.is_supported(opcode::Listen::CODE)),
    ];
    let features = [
        ("fast poll", parameters.is_feature_fast_poll()),
        ("no dropped completions", parameters.is_feature_nodrop()),
        ("extended wait", parameters.is_feature_ext_arg()),
    ];
    let deferred = IoUring::<squeue::Entry, cqueue::Entry>::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .build(ENTRIES)
        .map(drop);
    let setups = [("single issuer with deferred task work", deferred.is_ok())];
    let all = || operations.iter().chain(&features).chain(&setups);
    let list = |wanted: bool| -> Vec<&str> {
        all().filter(|(_, there)| *there == wanted).map(|(name, _)| *name).collect()
    };
    let mut text = format!("it knows {}", list(true).join(", "));
    if !list(false).is_empty() {
        text.push_str(&format!("; it lacks {}", list(false).join(", ")));
    }
    Ok(text)
}

/// `disabled` is the kernel's own switch: 0 on, 1 for privileged processes only, 2 off.
fn remedy(error: &io::Error, disabled: Option<String>) -> String {
    let switch = disabled.as_deref().map(str::trim);
    let cause = match (switch, error.raw_os_error()) {
        (Some("1" | "2"), _) => "set kernel.io_uring_disabled to 0",
        // ENOSYS
        (_, Some(38)) => "use a kernel with io_uring, from 5.1 on",
        // ENOMEM
        (_, Some(12)) => "raise the limit of locked memory (ulimit -l)",
        // EPERM or EACCES, while the kernel's switch is on
        (_, Some(1 | 13)) => "allow io_uring_setup in the container's seccomp profile",
        _ => "see the system's words",
    };
    format!("{cause}; sockets do not need it, since the default driver is epoll")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_ring_finds_its_cause() {
        let refused = io::Error::from_raw_os_error(1);
        assert!(remedy(&refused, Some("2\n".to_owned())).contains("io_uring_disabled"));
        assert!(remedy(&refused, Some("0\n".to_owned())).contains("seccomp"));
        assert!(remedy(&io::Error::from_raw_os_error(38), None).contains("kernel"));
    }
}
