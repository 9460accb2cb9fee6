//! The seeded generator behind every disturbance (SplitMix64).

/// Gives the same numbers for the same seed; a seed of zero disturbs nothing.
#[derive(Debug)]
pub(super) struct Random {
    state: u64,
    disturbs: bool,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed, disturbs: seed != 0 }
    }

    /// True once in `one_in` times on average; never with a seed of zero.
    pub(super) fn chance(&mut self, one_in: u64) -> bool {
        self.disturbs && self.next().is_multiple_of(one_in)
    }

    /// A number below `bound`; always zero with a seed of zero.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        if self.disturbs && bound > 0 { self.next() % bound } else { 0 }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
