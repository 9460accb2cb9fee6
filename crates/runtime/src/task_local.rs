//! Values that belong to a task, and not to the thread that happens to run it.

use pin_project_lite::pin_project;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

/// Declares values that belong to a task. Each is there within [`LocalKey::scope`].
///
/// A `thread_local!` is no such thing: a task goes on at each await on whatever thread takes it.
///
/// ```
/// overlapped_runtime::task_local! {
///     /// Which request the task answers.
///     static REQUEST: u32;
/// }
///
/// fn log(text: &str) -> String {
///     REQUEST.try_with(|number| format!("{number}: {text}")).unwrap_or_else(|_| text.to_owned())
/// }
///
/// # let runtime = overlapped_runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// let answer = REQUEST.scope(7, async {
///     overlapped_runtime::yield_now().await;
///     log("answered")
/// });
/// assert_eq!(overlapped_runtime::spawn(answer).await?, "7: answered");
/// assert_eq!(log("none is asked"), "none is asked");
/// # Ok::<(), overlapped_runtime::JoinError>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[macro_export]
macro_rules! task_local {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty; $($rest:tt)*) => {
        $(#[$attribute])*
        $visibility static $name: $crate::LocalKey<$type> = {
            ::std::thread_local! {
                static PLACE: ::std::cell::RefCell<::std::option::Option<$type>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }
            $crate::LocalKey::of(PLACE)
        };
        $crate::task_local! { $($rest)* }
    };
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty) => {
        $crate::task_local! { $(#[$attribute])* $visibility static $name: $type; }
    };
}

/// A value that belongs to a task; see [`task_local!`](crate::task_local).
pub struct LocalKey<T: 'static> {
    /// Where the value is while its task is polled.
    place: thread::LocalKey<RefCell<Option<T>>>,
}

impl<T: 'static> LocalKey<T> {
    /// For [`task_local!`](crate::task_local) alone.
    #[doc(hidden)]
    pub const fn of(place: thread::LocalKey<RefCell<Option<T>>>) -> Self {
        Self { place }
    }

    /// Runs a future in which the value is there. What it spawns does not have it.
    ///
    /// Scopes may be nested: the inner value hides the outer one. Dropping the future drops the value,
    /// which is there while the future is dropped.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> TaskLocalFuture<T, F> {
        TaskLocalFuture { key: self, value: Some(value), future: Some(future) }
    }

    /// Calls `run` while the value is there.
    ///
    /// # Panics
    /// When `run` does; or when it is called while the value is read, or in a destructor of a thread that ends.
    pub fn sync_scope<R>(&'static self, value: T, run: impl FnOnce() -> R) -> R {
        let mut value = Some(value);
        let _inside = Inside::enter(self, &mut value).expect(CANNOT_ENTER);
        run()
    }

    /// Calls `read` with the value.
    ///
    /// # Panics
    /// Outside a [`scope`](Self::scope) of it, or when `read` does.
    #[track_caller]
    pub fn with<R>(&'static self, read: impl FnOnce(&T) -> R) -> R {
        self.try_with(read).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Calls `read` with the value, if it is there.
    ///
    /// # Errors
    /// It is called outside a [`scope`](Self::scope) of the value.
    ///
    /// # Panics
    /// When `read` does.
    pub fn try_with<R>(&'static self, read: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let read = |place: &RefCell<Option<T>>| place.borrow().as_ref().map(read);
        self.place.try_with(read).ok().flatten().ok_or(AccessError(()))
    }

    /// A clone of the value.
    ///
    /// # Panics
    /// Outside a [`scope`](Self::scope) of it.
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// Puts the value to its place, and takes what was there; or does nothing and says so.
    fn swap(&'static self, value: &mut Option<T>) -> bool {
        let swap = |place: &RefCell<Option<T>>| {
            place.try_borrow_mut().map(|mut place| mem::swap(&mut *place, value)).is_ok()
        };
        self.place.try_with(swap).unwrap_or(false)
    }
}

impl<T> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

const CANNOT_ENTER: &str =
    "the value of a task cannot change while it is read, or in a destructor of a thread that ends";

/// The value is at its place until this is dropped.
struct Inside<'a, T: 'static> {
    key: &'static LocalKey<T>,
    /// The value, and while it is at its place what was there before.
    value: &'a mut Option<T>,
}

impl<'a, T> Inside<'a, T> {
    /// Nothing while the value is read, or when the thread ends and has no place any more.
    fn enter(key: &'static LocalKey<T>, value: &'a mut Option<T>) -> Option<Self> {
        key.swap(value).then(|| Self { key, value })
    }
}

impl<T> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        self.key.swap(self.value);
    }
}

pin_project! {
    /// The future of [`LocalKey::scope`].
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct TaskLocalFuture<T: 'static, F> {
        key: &'static LocalKey<T>,
        value: Option<T>,
        #[pin]
        future: Option<F>,
    }

    impl<T, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // A future that has not ended may look at the value in its destructors.
            if this.future.is_some() {
                let _inside = Inside::enter(this.key, this.value);
                this.future.set(None);
            }
        }
    }
}

impl<T, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    /// # Panics
    /// When it has given its result before; or when it is polled while the value is read.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let _inside = Inside::enter(this.key, this.value).expect(CANNOT_ENTER);
        let future = this.future.as_mut().as_pin_mut().expect("the result was given already");
        let poll = future.poll(context);
        if poll.is_ready() {
            this.future.set(None);
        }
        poll
    }
}

impl<T, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocalFuture").finish_non_exhaustive()
    }
}

/// A value of a task was wanted outside its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessError(());

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this task has no such value: call it within `scope` of the key")
    }
}

impl std::error::Error for AccessError {}
