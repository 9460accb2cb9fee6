//! Which parts of a file are copied: all of it, or what is not in a hole.

use std::collections::VecDeque;
use std::ops::Range;

/// To what multiple the ends of a run are moved apart, so that unbuffered access allows them. No
/// hole of any usual file system is smaller.
pub(crate) const GRAIN: u64 = 4096;

/// A part of a file: where it begins and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins.
    pub offset: u64,
    /// How many bytes it has.
    pub length: usize,
}

/// The parts of a file that nobody has claimed yet, in the order of their places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    left: VecDeque<Range<u64>>,
}

impl Runs {
    /// What of a file of `size` bytes is in `data`, whose ranges are in order.
    pub(crate) fn of(data: impl IntoIterator<Item = Range<u64>>, size: u64) -> Self {
        let mut left: VecDeque<Range<u64>> = VecDeque::new();
        for range in data {
            let start = range.start / GRAIN * GRAIN;
            let end = range.end.next_multiple_of(GRAIN).min(size);
            match left.back_mut() {
                Some(last) if start <= last.end => last.end = last.end.max(end),
                _ if start < end => left.push_back(start..end),
                _ => {}
            }
        }
        Self { left }
    }

    /// All of a file of `size` bytes.
    pub(crate) fn all(size: u64) -> Self {
        Self::of(std::iter::once(0..size), size)
    }

    /// The same without what `parts`, in any order, hold already.
    pub(crate) fn without(&self, parts: &[Part]) -> Self {
        let mut parts = parts.to_vec();
        parts.sort_unstable_by_key(|part| part.offset);
        let mut left = VecDeque::new();
        for run in &self.left {
            let mut start = run.start;
            for part in parts.iter().filter(|part| part.offset < run.end) {
                if part.offset > start {
                    left.push_back(start..part.offset);
                }
                start = start.max(part.offset + part.length as u64);
            }
            if start < run.end {
                left.push_back(start..run.end);
            }
        }
        Self { left }
    }

    /// Claims the next part, which crosses no multiple of `block`.
    pub(crate) fn claim(&mut self, block: usize) -> Option<Part> {
        let run = self.left.front_mut()?;
        let offset = run.start;
        let end = (offset / block as u64 + 1).saturating_mul(block as u64).min(run.end);
        run.start = end;
        if run.is_empty() {
            self.left.pop_front();
        }
        Some(Part { offset, length: (end - offset) as usize })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.left.iter().map(|run| run.end - run.start).sum()
    }

    /// Nothing more is to be claimed.
    pub(crate) fn clear(&mut self) {
        self.left.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(mut runs: Runs, block: usize) -> Vec<(u64, usize)> {
        std::iter::from_fn(|| runs.claim(block)).map(|it| (it.offset, it.length)).collect()
    }

    #[test]
    fn a_file_is_claimed_block_by_block_and_once() {
        for (size, expected) in [
            (0, vec![]),
            (1, vec![(0, 1)]),
            (8192, vec![(0, 8192)]),
            (8193, vec![(0, 8192), (8192, 1)]),
            (20_000, vec![(0, 8192), (8192, 8192), (16_384, 3616)]),
        ] {
            assert_eq!(Runs::all(size).bytes(), size);
            assert_eq!(claimed(Runs::all(size), 8192), expected);
        }
    }

    #[test]
    fn holes_are_left_out_and_the_ends_of_data_moved_apart() {
        let runs = Runs::of([100..200, 4096..5000, 40_000..40_960, 90_000..90_001], 90_001);
        assert_eq!(runs.bytes(), 8192 + 4096 + (90_001 - 86_016));
        assert_eq!(claimed(runs, 65_536), [(0, 8192), (36_864, 4096), (86_016, 3985)]);
    }

    #[test]
    fn what_is_there_is_left_out_in_any_order() {
        let part = |offset, length| Part { offset, length };
        let parts = [part(8192, 4096), part(0, 4096), part(8192, 4096), part(16_384, 100)];
        let runs = Runs::all(16_484).without(&parts);
        assert_eq!(claimed(runs, 65_536), [(4096, 4096), (12_288, 4096)]);
        assert!(Runs::all(5000).without(&[part(0, 5000)]).is_empty());
    }
}
