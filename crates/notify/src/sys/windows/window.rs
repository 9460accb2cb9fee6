//! A message-only window of Windows, and the queue that its procedure fills.
//!
//! The procedure runs on the window's thread whenever that thread takes messages from the system, by
//! our [`Window::pump`] or by anybody's; it does nothing but queue.
#![allow(unsafe_code)]

use super::Deadline;
use crate::lock::Mutex;
use std::collections::VecDeque;
use std::io;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;
use windows_sys::Win32::Foundation::{HWND, LPARAM, LRESULT, WAIT_FAILED, WPARAM};
use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DefWindowProcW, DestroyWindow, DispatchMessageW, GWLP_USERDATA,
    GetWindowLongPtrW, HWND_MESSAGE, MSG, MWMO_INPUTAVAILABLE, MsgWaitForMultipleObjectsEx,
    PM_REMOVE, PeekMessageW, PostMessageW, QS_ALLINPUT, RegisterClassW, SetWindowLongPtrW, WM_USER,
    WNDCLASSW,
};

/// The message of a post.
const POSTED: u32 = WM_USER;
/// The messages that are free for sockets: all that the system leaves to a program.
pub(crate) const NUMBERS: std::ops::RangeInclusive<u32> = WM_USER + 1..=0xBFFF;

/// What came to the window.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrived {
    Network { number: u32, socket: usize, event: i32, code: i32 },
    Posted { message: u32, parameter: u64 },
}

#[derive(Debug)]
pub(crate) struct Window {
    /// Kept as a number, since it is only passed on; 0 once it is destroyed.
    handle: Mutex<usize>,
    /// At an address of its own, which the procedure knows.
    queues: Box<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    /// What the procedure has queued.
    arrived: Mutex<VecDeque<Arrived>>,
    /// What was posted, in the order of the system's messages that tell of it.
    posted: Mutex<VecDeque<(u32, u64)>>,
}

impl Window {
    /// A window of the calling thread.
    pub(crate) fn new() -> io::Result<Self> {
        let queues = Box::<Queues>::default();
        let class = class()? as *const u16;
        // SAFETY: no name means this program.
        let program = unsafe { GetModuleHandleW(null()) };
        // SAFETY: the class is registered, its number stands for its name, and nothing else that is
        // passed points anywhere.
        let handle = unsafe {
            CreateWindowExW(
                0,
                class,
                null(),
                0,
                0,
                0,
                0,
                0,
                HWND_MESSAGE,
                null_mut(),
                program,
                null(),
            )
        };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        let address = std::ptr::from_ref(&*queues) as isize;
        // SAFETY: the window is ours. The queues stay at their address until it is destroyed: see
        // `close`.
        unsafe { SetWindowLongPtrW(handle, GWLP_USERDATA, address) };
        Ok(Self { handle: Mutex::new(handle as usize), queues })
    }

    pub(super) fn handle(&self) -> HWND {
        *self.handle.lock() as HWND
    }

    /// Queues a message, from any thread; `None` when the window is gone.
    pub(crate) fn post(&self, message: u32, parameter: u64) -> Option<io::Result<()>> {
        // Held meanwhile, so that values and messages have one order and the window stays.
        let handle = self.handle.lock();
        if *handle == 0 {
            return None;
        }
        self.queues.posted.lock().push_back((message, parameter));
        // SAFETY: the window is there while its lock is held.
        if unsafe { PostMessageW(*handle as HWND, POSTED, 0, 0) } != 0 {
            return Some(Ok(()));
        }
        let error = io::Error::last_os_error();
        self.queues.posted.lock().pop_back();
        Some(Err(error))
    }

    /// What came first of what has come.
    pub(crate) fn pop(&self) -> Option<Arrived> {
        self.queues.arrived.lock().pop_front()
    }

    /// Takes one message of this thread from the system and lets its window have it. Without one it
    /// waits, at most so long; gives whether the time was over.
    pub(crate) fn pump(&self, deadline: Deadline) -> io::Result<bool> {
        let mut message = MSG::default();
        loop {
            // SAFETY: the message lives through the call; no window means all of this thread.
            if unsafe { PeekMessageW(&mut message, null_mut(), 0, 0, PM_REMOVE) } != 0 {
                // SAFETY: the message is one that the system has just given.
                unsafe { DispatchMessageW(&message) };
                return Ok(false);
            }
            if deadline.is_over() {
                return Ok(true);
            }
            let time_ms = deadline.left_ms();
            // SAFETY: there are no handles to read.
            let ended = unsafe {
                MsgWaitForMultipleObjectsEx(0, null(), time_ms, QS_ALLINPUT, MWMO_INPUTAVAILABLE)
            };
            if ended == WAIT_FAILED {
                return Err(io::Error::last_os_error());
            }
        }
    }

    /// Destroys the window; only its own thread can. Afterwards its procedure is not called.
    pub(crate) fn close(&self) {
        let handle = std::mem::take(&mut *self.handle.lock());
        if handle != 0 {
            // SAFETY: the window is ours and there; the queues, which its procedure may still use
            // during the call, live as long as `self`.
            unsafe { DestroyWindow(handle as HWND) };
        }
    }
}

/// The class of all our windows, registered once.
fn class() -> io::Result<u16> {
    static CLASS: OnceLock<Result<u16, i32>> = OnceLock::new();
    let class = CLASS.get_or_init(|| {
        let name: Vec<u16> = "OverlappedMessageWindow\0".encode_utf16().collect();
        let class = WNDCLASSW {
            lpfnWndProc: Some(procedure),
            // SAFETY: no name means this program.
            hInstance: unsafe { GetModuleHandleW(null()) },
            lpszClassName: name.as_ptr(),
            ..WNDCLASSW::default()
        };
        // SAFETY: the name lives through the call, and the procedure for ever.
        match unsafe { RegisterClassW(&class) } {
            0 => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
            class => Ok(class),
        }
    });
    class.map_err(io::Error::from_raw_os_error)
}

unsafe extern "system" fn procedure(
    window: HWND,
    number: u32,
    first: WPARAM,
    second: LPARAM,
) -> LRESULT {
    // SAFETY: the system calls with a window of our class.
    let queues = unsafe { GetWindowLongPtrW(window, GWLP_USERDATA) } as *const Queues;
    // SAFETY: it is null, until it is set to queues that live as long as the window.
    if let Some(queues) = unsafe { queues.as_ref() } {
        let arrived = if number == POSTED {
            let posted = queues.posted.lock().pop_front();
            posted.map(|(message, parameter)| Arrived::Posted { message, parameter })
        } else if NUMBERS.contains(&number) {
            let (event, code) = (second & 0xFFFF, second >> 16 & 0xFFFF);
            Some(Arrived::Network { number, socket: first, event: event as i32, code: code as i32 })
        } else {
            // SAFETY: all arguments are the system's own.
            return unsafe { DefWindowProcW(window, number, first, second) };
        };
        queues.arrived.lock().extend(arrived);
        return 0;
    }
    // SAFETY: as above.
    unsafe { DefWindowProcW(window, number, first, second) }
}
