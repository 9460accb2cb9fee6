//! Makes a ring and sees that it works, since a sandbox may refuse any of its calls.
#![allow(unsafe_code)]

use super::{COMPLETIONS_MAX, CompletionQueue, NOTHING, Signal, SubmissionQueue};
use io_uring::{IoUring, Probe, opcode};
use rustix::event::{EventfdFlags, eventfd};
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// Room for the requests of one submission; more of them take another call.
const SUBMISSIONS: u32 = 256;

/// A ring that was seen to work, or why there is none.
pub(crate) fn make() -> Result<(SubmissionQueue, CompletionQueue, Signal), String> {
    let refused = |call: &'static str| {
        move |error: io::Error| format!("{call} was refused ({})", plain(&error))
    };
    let mut uring = IoUring::builder()
        .setup_cqsize(COMPLETIONS_MAX)
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
    let uring = Arc::new(uring);
    let submissions =
        SubmissionQueue { uring: Arc::clone(&uring), unsubmitted: VecDeque::new(), refusal: None };
    Ok((submissions, CompletionQueue { uring }, Signal(signal)))
}

/// Sends a request that does nothing there and back.
fn try_out(uring: &mut IoUring) -> io::Result<()> {
    let nothing = opcode::Nop::new().build().user_data(NOTHING);
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
