//! A future that says at each poll what it is called.

use pin_project_lite::pin_project;
use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Gives a future a name, by which it is told of when it holds its thread for long ([`Builder::on_stall`](crate::Builder::on_stall),
/// [`Handle::stalls`](crate::Handle::stalls)). Without one, that is told as where its task was spawned, which is the same for all requests of
/// a server.
///
/// ```
/// # overlapped_runtime::run(async {
/// use overlapped_runtime::named;
///
/// let sum = named("the report", async { 1 + 2 }).await;
/// # assert_eq!(sum, 3);
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A layer of axum's that does so for each route:
///
/// ```
/// use axum::extract::{MatchedPath, Request};
/// use axum::middleware::{Next, from_fn};
/// use axum::{Router, response::Response, routing::get};
///
/// async fn by_route(request: Request, next: Next) -> Response {
///     let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
///     overlapped_runtime::named(route.unwrap_or_else(|| "no route".to_owned()), next.run(request)).await
/// }
///
/// let app = Router::<()>::new().route("/report", get(|| async { "done" })).layer(from_fn(by_route));
/// # let _ = app;
/// ```
///
/// A name that belongs to the program costs a lock that nobody else wants at each poll; one that was made costs a copy of it besides.
pub fn named<F: Future>(name: impl Into<Cow<'static, str>>, future: F) -> Named<F> {
    Named { name: name.into(), future }
}

pin_project! {
    /// The future of [`named`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Named<F> {
        name: Cow<'static, str>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        overlapped::doing(this.name.clone());
        this.future.poll(context)
    }
}
