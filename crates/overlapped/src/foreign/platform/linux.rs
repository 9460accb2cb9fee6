//! On Linux what is not ours is a descriptor.

use crate::foreign::WaitDescriptor;
use std::os::fd::{AsFd, BorrowedFd};

impl AsFd for WaitDescriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (*self.0).as_fd()
    }
}
