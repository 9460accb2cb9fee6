//! What happens in a life, told as it happens.

use std::cell::Cell;
use std::fmt;

thread_local! {
    static IS_TOLD: Cell<bool> = const { Cell::new(false) };
}

/// From now on, what happens is told or not.
pub fn tell(is_told: bool) {
    IS_TOLD.set(is_told);
}

/// Tells it, with the time and the thread.
pub fn tell_of(what: fmt::Arguments<'_>) {
    if IS_TOLD.get() {
        let name = shuttle::current::get_name_for_task(shuttle::current::me());
        let name = name.map_or_else(|| "?".to_owned(), String::from);
        println!("{:>12} ns  {name:<16} {what}", overlapped::simulation::now_ns());
    }
}

/// Tells something of the life that runs, if that is wanted.
macro_rules! say {
    ($($what:tt)*) => { $crate::trace::tell_of(format_args!($($what)*)) };
}
pub(crate) use say;
