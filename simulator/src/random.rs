//! Numbers by seed: a sequence, and choices by name that do not depend on the order in which they are made.

use rand_core::{RngCore, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// A sequence of numbers.
#[derive(Debug)]
pub struct Random(Pcg64Mcg);

impl Random {
    /// The sequence of `seed`, of which there is one for each `use_of_it`.
    pub fn new(seed: u64, use_of_it: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(mixed(seed, use_of_it)))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// True once in `one_in` times.
    pub fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    /// One of them.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// A number that is the same for the same two.
pub fn mixed(one: u64, other: u64) -> u64 {
    let mut mixed = one ^ other.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
