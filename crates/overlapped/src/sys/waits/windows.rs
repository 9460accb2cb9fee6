//! Any handle that can be waited for: a thread of the system's pool waits, and queues the event.
#![allow(unsafe_code)]

use super::{Readiness, closed_by_others, not_simulated};
use crate::sys::Backend;
use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::process::Child;
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use windows_sys::Win32::Foundation::{
    ERROR_INVALID_HANDLE, GetHandleInformation, HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::System::IO::PostQueuedCompletionStatus;
use windows_sys::Win32::System::Threading::{
    INFINITE, RegisterWaitForSingleObject, UnregisterWaitEx, WT_EXECUTEINWAITTHREAD,
    WT_EXECUTEONLYONCE,
};

/// What users give and get back.
pub(crate) type Owned = OwnedHandle;

/// A handle that is closed with this.
#[derive(Debug)]
pub(crate) struct Source(OwnedHandle);

/// A wait of the system's pool. Dropped, it is over.
#[derive(Debug)]
pub(crate) struct Armed {
    /// None when it was ended before.
    wait: Option<HANDLE>,
    context: NonNull<Context>,
    /// Open for as long as it is waited for: the system asks that.
    source: Arc<Source>,
    /// The system did not end it.
    goes_on: bool,
}

/// What the thread of the pool is given.
#[derive(Debug)]
struct Context {
    port: Arc<OwnedHandle>,
    token: u64,
    fired: AtomicBool,
    /// Nobody cares any more.
    stopped: AtomicBool,
}

// SAFETY: the number of the wait is only passed on, and the context may be used on any thread: what is in it
// may be shared.
unsafe impl Send for Armed {}

impl Source {
    pub(crate) fn new(handle: OwnedHandle) -> Self {
        Self(handle)
    }

    pub(crate) fn into_owned(self) -> OwnedHandle {
        self.0
    }

    /// Refuses what is no handle of this process.
    fn check(&self) -> io::Result<()> {
        let mut flags = 0;
        // SAFETY: it may be asked of any number.
        if unsafe { GetHandleInformation(self.0.as_raw_handle(), &mut flags) } != 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(code) if code == ERROR_INVALID_HANDLE as i32 => Err(closed_by_others()),
            _ => Err(error),
        }
    }
}

impl AsHandle for Source {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

impl Armed {
    fn new(port: Arc<OwnedHandle>, source: &Arc<Source>, token: u64) -> io::Result<Self> {
        source.check()?;
        let (fired, stopped) = (AtomicBool::new(false), AtomicBool::new(false));
        let context = Box::new(Context { port, token, fired, stopped });
        let context = NonNull::from(Box::leak(context));
        let mut wait = null_mut();
        // SAFETY: the source is open, and stays so until the wait is ended, as does the context; the function is
        // of the type that is asked for.
        let started = unsafe {
            RegisterWaitForSingleObject(
                &mut wait,
                source.0.as_raw_handle(),
                Some(fire),
                context.as_ptr().cast_const().cast(),
                INFINITE,
                WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD,
            )
        };
        if started == 0 {
            let error = io::Error::last_os_error();
            // SAFETY: a wait that was not started leaves the context with nobody else.
            drop(unsafe { Box::from_raw(context.as_ptr()) });
            return Err(error);
        }
        Ok(Self { wait: Some(wait), context, source: Arc::clone(source), goes_on: false })
    }

    fn context(&self) -> &Context {
        // SAFETY: it is freed with this, or never.
        unsafe { self.context.as_ref() }
    }

    /// Whether it is over, though its event may not be taken yet.
    pub(crate) fn has_fired(&self) -> bool {
        self.context().fired.load(Ordering::SeqCst)
    }

    /// Ends the wait: afterwards no thread of the pool is in it.
    fn stop(&mut self) {
        self.context().stopped.store(true, Ordering::SeqCst);
        if let Some(wait) = self.wait.take() {
            // SAFETY: it is a wait that was started and not ended. Whoever is in its function is waited for; that
            // takes no lock.
            self.goes_on = unsafe { UnregisterWaitEx(wait, INVALID_HANDLE_VALUE) == 0 };
        }
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.stop();
        if self.goes_on {
            // What the system may still use is never freed.
            std::mem::forget(Arc::clone(&self.source));
        } else {
            // SAFETY: no thread of the pool has it any more.
            drop(unsafe { Box::from_raw(self.context.as_ptr()) });
        }
    }
}

/// The handle is signalled. While the system has no memory for a packet this tries again.
unsafe extern "system" fn fire(context: *mut c_void, _: bool) {
    const PAUSE: Duration = Duration::from_millis(10);
    // SAFETY: who ends the wait frees the context only after this has returned.
    let context = unsafe { &*context.cast::<Context>() };
    context.fired.store(true, Ordering::SeqCst);
    let port = context.port.as_raw_handle();
    // SAFETY: the context holds the port open; there is no block to look at (P22).
    while unsafe { PostQueuedCompletionStatus(port, 0, context.token as usize, null()) } == 0
        && !context.stopped.load(Ordering::SeqCst)
    {
        std::thread::sleep(PAUSE);
    }
}

impl Backend<'_> {
    /// Ties a source to the port. Whether the system can wait for it shows only when it does.
    pub(crate) fn admit(self, source: &Source) -> io::Result<()> {
        match self {
            Backend::Overlapped(_) => source.check(),
            Backend::Readiness(_) => Err(not_simulated()),
        }
    }

    /// Begins a wait whose event has this token.
    pub(crate) fn start_wait(
        self,
        source: &Arc<Source>,
        _: Readiness,
        token: u64,
    ) -> io::Result<Armed> {
        match self {
            Backend::Overlapped(iocp) => Armed::new(Arc::clone(iocp.handle()), source, token),
            Backend::Readiness(_) => Err(not_simulated()),
        }
    }

    /// Ends a wait; false if it is over, and its event queued.
    #[expect(clippy::unused_self, reason = "as on Linux")]
    pub(crate) fn stop_wait(self, _: &Source, armed: &mut Armed) -> bool {
        armed.stop();
        !armed.has_fired()
    }

    /// Unties a source, for which nobody waits, from the port: nothing is left of it.
    #[expect(clippy::unused_self, reason = "as on Linux")]
    pub(crate) fn dismiss(self, _: &Source) {}
}

/// What is signalled once the child has ended.
pub(crate) fn exit_source(child: &mut Child) -> io::Result<OwnedHandle> {
    child.as_handle().try_clone_to_owned()
}
