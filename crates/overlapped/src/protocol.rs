//! The user's types that travel through a port.

/// Names the three types of your own that a port carries: your key, the data of your operations,
/// and your messages.
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
    /// Per-handle data, the completion key. You give it at association, and the handle in each
    /// packet lends it to you.
    type Key: Send + Sync + 'static;
    /// Per-operation data. You give it at the start of an operation, and its packet gives it back.
    type Operation: Send + 'static;
    /// What is posted.
    type Message: Send + 'static;
}

/// For a port that carries nothing of yours: `Port::<()>::new()`.
impl Protocol for () {
    type Key = ();
    type Operation = ();
    type Message = ();
}
