//! What a file asks for, as the kernel is asked.

use super::block::Overlapped;
use super::request::Request;
use crate::sys::files::{self, Transfer};
use std::os::windows::io::AsRawHandle;

impl<T: Transfer> Overlapped for Box<T> {
    fn request(&mut self) -> Request<'_> {
        let (file, request) = (**self).request();
        let file = file.as_raw_handle();
        match request {
            files::Request::Read { room, offset } => Request::ReadAt(file, room, offset),
            files::Request::Write { bytes, offset } => Request::WriteAt(file, bytes, offset),
            // It is not asked for, since such transfers are not given to the kernel.
            files::Request::Flush => Request::WriteAt(file, &[], 0),
        }
    }
}
