//! Copies with looks from outside at moments that no other process can hit.

use crate::runs::Part;
use crate::transfer::{Phase, Transfer};

/// What a test does at a moment of a copy.
#[derive(Default)]
pub(crate) struct Hooks {
    opened: Option<Box<dyn Fn(&Transfer) + Sync>>,
    claimed: Option<Box<dyn Fn(&Transfer, Part) + Sync>>,
    phase: Option<Box<dyn Fn(&Transfer, Phase) + Sync>>,
}

impl Hooks {
    pub(crate) fn opened(&self, transfer: &Transfer) {
        if let Some(hook) = &self.opened {
            hook(transfer);
        }
    }

    pub(crate) fn claimed(&self, transfer: &Transfer, part: Part) {
        if let Some(hook) = &self.claimed {
            hook(transfer, part);
        }
    }

    pub(crate) fn phase(&self, transfer: &Transfer, phase: Phase) {
        if let Some(hook) = &self.phase {
            hook(transfer, phase);
        }
    }
}
