//! How files are copied.

use crate::Plan;

/// The block of the default.
const BLOCK_BYTES: usize = 64 << 10;

/// Operations in flight of the default.
const IN_FLIGHT: usize = 4;

/// From what size on a file is large.
const LARGE_BYTES: u64 = 64 << 20;

/// When a copied file must have reached its device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// The system brings it there when it likes.
    #[default]
    None,
    /// Before the file gets its name.
    File,
    /// The same, and the folders with the new names before the copy ends.
    All,
}

/// When the system's cache is passed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unbuffered {
    /// For files that are so large that they would drive everything else out of the cache.
    #[default]
    Auto,
    /// For every file whose file system allows it.
    Always,
    /// For none.
    Never,
}

/// How files are copied. The default is a block of 64 KiB and 4 operations in flight.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of a block: a multiple of 4,096.
    pub block_bytes: usize,
    /// Operations in flight at most, over all files.
    pub in_flight: usize,
    /// Whether the cache is passed by.
    pub unbuffered: Unbuffered,
    /// The memory of the machine, if it is known: what [`Unbuffered::Auto`] measures files by.
    pub memory_bytes: Option<u64>,
    /// What must have reached the device.
    pub sync: Sync,
    /// Whether an interrupted copy leaves what a later one can go on from, and this one goes on from
    /// what a former one has left.
    pub resume: bool,
    /// Whether what was written is read back and compared.
    pub verify: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            block_bytes: BLOCK_BYTES,
            in_flight: IN_FLIGHT,
            unbuffered: Unbuffered::default(),
            memory_bytes: None,
            sync: Sync::default(),
            resume: false,
            verify: false,
        }
    }
}

impl Settings {
    /// Chooses block and number in flight by what is to be copied: 1 MiB and 8 where a file has
    /// 64 MiB or more, 64 KiB and 16 where there are only smaller ones.
    #[must_use]
    pub fn suited_to(mut self, plan: &Plan) -> Self {
        (self.block_bytes, self.in_flight) =
            if plan.largest_bytes() >= LARGE_BYTES { (1 << 20, 8) } else { (BLOCK_BYTES, 16) };
        self
    }

    /// Whether a file of `bytes` shall be copied past the cache.
    pub(crate) fn wants_unbuffered(&self, bytes: u64) -> bool {
        match self.unbuffered {
            Unbuffered::Always => true,
            Unbuffered::Never => false,
            Unbuffered::Auto => self.memory_bytes.is_some_and(|memory| bytes > memory / 2),
        }
    }
}
