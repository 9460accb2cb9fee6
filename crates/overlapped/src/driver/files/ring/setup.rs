//! Makes a ring and sees that it works, since a sandbox may refuse any of its calls.
#![allow(unsafe_code)]

use super::NO_JOB;
use super::flight::IN_KERNEL_MAX;
use io_uring::{IoUring, Probe, opcode};
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// Room for the requests of one submission; more of them take another call.
const SUBMISSIONS: u32 = 256;

/// The ring and the eventfd that it signals, or why there is none.
pub(super) fn make() -> Result<(IoUring, OwnedFd), String> {
    let refused = |call: &'static str| {
        move |error: io::Error| format!("{call} was refused ({})", plain(&error))
    };
    let completions = u32::try_from(2 * IN_KERNEL_MAX).expect("a constant far below that");
    let mut uring = IoUring::builder()
        .setup_cqsize(completions)
        .build(SUBMISSIONS)
        .map_err(refused("io_uring_setup"))?;
    let mut probe = Probe::new();
    uring.submitter().register_probe(&mut probe).map_err(refused("io_uring_register"))?;
    let needed =
        [opcode::Read::CODE, opcode::Write::CODE, opcode::Fsync::CODE, opcode::AsyncCancel::CODE];
    if !needed.into_iter().all(|code| probe.is_supported(code)) {
        return Err("the io_uring of this kernel is too old for files (5.6 is needed)".to_owned());
    }
    try_out(&mut uring).map_err(refused("io_uring_enter"))?;
    let signal = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|error| refused("eventfd")(error.into()))?;
    uring.submitter().register_eventfd(signal.as_raw_fd()).map_err(refused("io_uring_register"))?;
    Ok((uring, signal))
}

/// Sends a request that does nothing there and back.
fn try_out(uring: &mut IoUring) -> io::Result<()> {
    let nothing = opcode::Nop::new().build().user_data(NO_JOB);
    // SAFETY: the entry names no memory.
    let pushed = unsafe { uring.submission().push(&nothing) };
    pushed.map_err(|_| io::Error::other("its queue has no room"))?;
    loop {
        match uring.submit_and_wait(1) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) => break,
        }
    }
    match uring.completion().next() {
        Some(completion) if completion.result() == 0 => Ok(()),
        _ => Err(io::Error::other("a request that does nothing did not succeed")),
    }
}

/// The error in words alone.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
