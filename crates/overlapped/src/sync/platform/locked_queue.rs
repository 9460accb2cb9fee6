//! The robbable queue behind a lock, whose interleavings loom and the simulation explore.

use super::imp::Arc;
use crate::sync::Mutex;
use std::collections::VecDeque;

pub(crate) struct Worker<T>(Arc<Mutex<VecDeque<T>>>, usize);

pub(crate) struct Stealer<T>(Arc<Mutex<VecDeque<T>>>);

impl<T> Worker<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(VecDeque::new())), capacity)
    }

    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut items = self.0.lock();
        if items.len() == self.1 {
            return Err(item);
        }
        items.push_back(item);
        Ok(())
    }

    pub(crate) fn extend(&self, new: impl Iterator<Item = T>) {
        self.0.lock().extend(new);
    }

    pub(crate) fn spare_capacity(&self) -> usize {
        self.1 - self.0.lock().len()
    }

    pub(crate) fn pop(&self) -> Option<T> {
        self.0.lock().pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    pub(crate) fn stealer(&self) -> Stealer<T> {
        Stealer(self.0.clone())
    }
}

impl<T> Stealer<T> {
    pub(crate) fn steal(
        &self,
        into: &Worker<T>,
        mut count: impl FnMut(usize) -> usize,
    ) -> Result<usize, ()> {
        let mut items = self.0.lock();
        let length = items.len();
        let moved = if length == 0 { 0 } else { count(length).min(length) };
        into.0.lock().extend(items.drain(..moved));
        if moved == 0 { Err(()) } else { Ok(moved) }
    }
}
