//! How a program writes into a buffer. Nothing here makes a buffer larger.

use super::Buffer;
use std::io;

impl Buffer {
    /// How many bytes fit behind the filled part.
    pub fn spare_len(&self) -> usize {
        let inner = self.inner();
        inner.capacity - inner.filled
    }

    /// Appends `bytes`.
    ///
    /// # Panics
    /// When they do not fit; see [`spare_len`](Self::spare_len). [`try_extend`](Self::try_extend) is
    /// the same without a panic.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let (capacity, filled) = (self.capacity(), self.len());
        assert!(
            self.try_extend(bytes).is_ok(),
            "{} bytes do not fit into a buffer of {capacity} that holds {filled}",
            bytes.len(),
        );
    }

    /// Appends `bytes`, all of them or none.
    ///
    /// ```
    /// let mut buffer = overlapped::Buffer::with_capacity(6);
    /// buffer.try_extend(b"1234")?;
    /// assert!(buffer.try_extend(b"567").is_err());
    /// buffer.try_extend(b"56")?;
    /// assert_eq!(&buffer[..], b"123456");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`WriteZero`](io::ErrorKind::WriteZero) when they do not fit.
    pub fn try_extend(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > self.spare_len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if !bytes.is_empty() {
            self.spare_mut()[..bytes.len()].copy_from_slice(bytes);
            self.add_filled(bytes.len());
        }
        Ok(())
    }

    /// Appends what `fill` writes: it gets all the room behind the filled part, and says how many
    /// bytes it has written from the start of that. Returns that number.
    ///
    /// The room holds zeroes, or bytes of an earlier use of this buffer.
    ///
    /// ```
    /// let mut buffer = overlapped::Buffer::with_capacity(8);
    /// buffer.extend_from_slice(b"n=");
    /// buffer.fill_with(|room| {
    ///     room[..2].copy_from_slice(b"42");
    ///     2
    /// });
    /// assert_eq!(&buffer[..], b"n=42");
    /// ```
    ///
    /// # Panics
    /// When `fill` names more bytes than the room has.
    pub fn fill_with(&mut self, fill: impl FnOnce(&mut [u8]) -> usize) -> usize {
        let spare = self.spare_len();
        let count = if spare == 0 { fill(&mut []) } else { fill(self.spare_mut()) };
        assert!(count <= spare, "{count} bytes cannot be written where {spare} fit");
        self.add_filled(count);
        count
    }
}

/// Appends. A buffer that is full takes nothing: `write` returns 0, and `write_all` and `write!`
/// fail with [`WriteZero`](io::ErrorKind::WriteZero) behind what fitted.
///
/// ```
/// use std::io::Write;
///
/// let mut buffer = overlapped::Buffer::with_capacity(8);
/// write!(buffer, "n={}", 42)?;
/// assert_eq!(&buffer[..], b"n=42");
/// assert!(write!(buffer, "too long").is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.spare_len());
        self.try_extend(&bytes[..count])?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
