//! What a simulation does to calls on files: they take time, transfer less than they could, and fail.

use super::Request;
use crate::sync::simulation::disturb_call;
use std::io;

impl Request<'_> {
    /// What the call is to transfer, after the time that it takes.
    pub(super) fn disturbed(self) -> io::Result<Self> {
        let most = disturb_call()?;
        Ok(match self {
            Self::Read { room, offset } => {
                let length = room.len().min(most);
                Self::Read { room: &mut room[..length], offset }
            }
            Self::Write { bytes, offset } => {
                Self::Write { bytes: &bytes[..bytes.len().min(most)], offset }
            }
            Self::Flush => Self::Flush,
        })
    }
}
