//! Whether this is Wine, which does some things otherwise.
#![allow(unsafe_code)]

use std::sync::OnceLock;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};

pub(crate) fn is_wine() -> bool {
    static IS_WINE: OnceLock<bool> = OnceLock::new();
    *IS_WINE.get_or_init(|| {
        // SAFETY: the name is a string that ends in a zero; every process has this library, always.
        let library = unsafe { GetModuleHandleA(c"ntdll.dll".as_ptr().cast()) };
        // SAFETY: as above.
        unsafe { GetProcAddress(library, c"wine_get_version".as_ptr().cast()) }.is_some()
    })
}
