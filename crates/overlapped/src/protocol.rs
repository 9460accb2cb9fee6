//! The user's types that travel through a port.

/// Names the three types of the user's that travel through a port.
///
/// ```
/// struct Echo;
/// impl overlapped::Protocol for Echo {
///     type Key = u64; // one per handle
///     type Operation = (); // one per operation
///     type Message = &'static str; // what is posted
/// }
/// ```
pub trait Protocol: Sized + 'static {
    /// Per-handle data, the completion key: given at association, lent by the handle of each packet.
    type Key: Send + Sync + 'static;
    /// Per-operation data: given at the start of an operation, given back by its packet.
    type Operation: Send + 'static;
    /// What is posted.
    type Message: Send + 'static;
}
