//! Which sizes pooled buffers have, and which of them a stream gets.

/// The size of most buffers where nobody has set another.
pub(crate) const DEFAULT_BYTES: usize = 8 << 10;

/// What a stream gets that fills smaller ones: a few steps, so that no buffer is much larger than what
/// comes, and none larger than what a system mostly has ready at a time.
const LARGER_BYTES: [usize; SIZES - 1] = [32 << 10, 64 << 10];

/// How many receives in a row must have fitted into the next smaller size.
const SHRINK_AFTER: u8 = 4;

pub(super) const SIZES: usize = 3;

/// One of the sizes of a pool. Where the user has set one, all buffers are small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub(crate) enum Size {
    #[default]
    Small,
    Middle,
    Large,
}

impl Size {
    pub(super) const ALL: [Self; SIZES] = [Self::Small, Self::Middle, Self::Large];

    fn larger(self) -> Self {
        match self {
            Self::Small => Self::Middle,
            Self::Middle | Self::Large => Self::Large,
        }
    }

    fn smaller(self) -> Self {
        match self {
            Self::Small | Self::Middle => Self::Small,
            Self::Large => Self::Middle,
        }
    }
}

/// How many bytes each size has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    bytes: [usize; SIZES],
    /// The largest that is used.
    largest: Size,
}

impl Sizes {
    /// All buffers have this size.
    pub(crate) fn all_of(bytes: usize) -> Self {
        Self { bytes: [bytes; SIZES], largest: Size::Small }
    }

    /// They follow their streams.
    pub(crate) fn following() -> Self {
        let [middle, large] = LARGER_BYTES;
        Self { bytes: [DEFAULT_BYTES, middle, large], largest: Size::Large }
    }

    #[inline]
    pub(crate) fn bytes(&self, size: Size) -> usize {
        self.bytes[size as usize]
    }
}

/// What size of buffer the next pooled receive of a stream takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ReceiveSize {
    size: Size,
    /// How many receives in a row would have fitted into a smaller buffer.
    small: u8,
}

impl ReceiveSize {
    #[inline]
    pub(crate) fn size(self) -> Size {
        self.size
    }

    /// Whether a receive of `received` bytes into a buffer of so many may change it.
    #[inline]
    pub(crate) fn may_change(self, received: usize, room: usize) -> bool {
        self.size != Size::Small || received == room
    }

    /// What the one after a receive of `received` bytes takes: more, if that filled its buffer, and
    /// less, if a few did not need theirs.
    #[inline(never)]
    pub(crate) fn after(self, received: usize, sizes: &Sizes) -> Self {
        let Self { size, small } = self;
        if received >= sizes.bytes(size) {
            return Self { size: size.larger().min(sizes.largest), small: 0 };
        }
        if received > sizes.bytes(size.smaller()) {
            return Self { size, small: 0 };
        }
        match small + 1 {
            SHRINK_AFTER => Self { size: size.smaller(), small: 0 },
            small => Self { size, small },
        }
    }
}
