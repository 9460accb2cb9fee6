//! An event object of Windows.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null;
use std::sync::OnceLock;
use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
use windows_sys::Win32::System::Threading::{CreateEventW, ResetEvent, SetEvent};

#[derive(Debug)]
pub(crate) struct Event {
    handle: OwnedHandle,
    manual: bool,
}

impl Event {
    pub(crate) fn new(manual: bool) -> io::Result<Self> {
        // SAFETY: no attributes and no name are given.
        let handle = unsafe { CreateEventW(null(), manual.into(), 0, null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, and nobody else's.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(Self { handle, manual })
    }

    /// The handle, which is open as long as this event lives.
    pub(super) fn handle(&self) -> HANDLE {
        self.handle.as_raw_handle()
    }

    /// Whether it stays set for every thread that waits.
    pub(crate) fn is_manual(&self) -> bool {
        self.manual
    }

    pub(crate) fn set(&self) {
        // SAFETY: the handle is an open event, with all rights; so this cannot fail.
        unsafe { SetEvent(self.handle()) };
    }

    pub(crate) fn reset(&self) {
        // SAFETY: as above.
        unsafe { ResetEvent(self.handle()) };
    }

    pub(crate) fn is_set(&self) -> bool {
        let Some(query) = query() else { return false };
        let mut basic = Basic { kind: 0, state: 0 };
        let size = size_of::<Basic>() as u32;
        let room = (&raw mut basic).cast();
        // SAFETY: the handle is an open event, the room is as large as the size says, and no length
        // is asked for.
        let status = unsafe { query(self.handle(), BASIC, room, size, std::ptr::null_mut()) };
        status >= 0 && basic.state != 0
    }
}

/// What is asked of an event: its kind and its state.
const BASIC: i32 = 0;

#[repr(C)]
struct Basic {
    kind: i32,
    state: i32,
}

type Query = unsafe extern "system" fn(HANDLE, i32, *mut c_void, u32, *mut u32) -> NTSTATUS;

/// The system's call that looks at an event and leaves an auto-reset one as it is: any wait, also
/// one of no time, would reset it.
fn query() -> Option<Query> {
    static QUERY: OnceLock<Option<Query>> = OnceLock::new();
    *QUERY.get_or_init(|| {
        // SAFETY: the name is a string that ends in a zero; every process has this library, always.
        let library = unsafe { GetModuleHandleA(c"ntdll.dll".as_ptr().cast()) };
        // SAFETY: as above.
        let function = unsafe { GetProcAddress(library, c"NtQueryEvent".as_ptr().cast()) }?;
        // SAFETY: the function of this name has this type on every version of the system.
        Some(unsafe {
            std::mem::transmute::<unsafe extern "system" fn() -> isize, Query>(function)
        })
    })
}
