//! What is answered to whom.

use super::{Pages, Source};
use crate::prometheus;
use crate::view::{Phase, View};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::HeaderValue;
use hyper::{Method, Request, Response, StatusCode};
use overlapped_runtime::time::sleep;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A view is not made more often than this.
const VIEW_EVERY: Duration = Duration::from_millis(100);

/// Time between two views of a stream.
const STREAM_EVERY: Duration = Duration::from_secs(1);

/// Nobody may have the server recorded for longer; who waits for it is silent meanwhile, which has its own limit.
const RECORD_MS_MAX: u64 = 4_000;

/// The page has all that it needs, and speaks to nobody but to its own address.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                           connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                           frame-ancestors 'none'";

/// The server that is shown, with the view that was made last.
pub(super) struct Shown {
    source: Arc<dyn Source>,
    last: Mutex<Option<(Instant, Arc<View>)>>,
}

impl Shown {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self { source, last: Mutex::new(None) }
    }

    fn view(&self) -> Arc<View> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, view)) if at.elapsed() < VIEW_EVERY => Arc::clone(view),
            _ => {
                let view = Arc::new(self.source.view());
                *last = Some((Instant::now(), Arc::clone(&view)));
                view
            }
        }
    }
}

/// The answers of one address.
#[derive(Clone)]
pub(super) struct Answers {
    shown: Arc<Shown>,
    pages: Pages,
}

impl Answers {
    pub(super) fn new(shown: &Arc<Shown>, pages: Pages) -> Self {
        Self { shown: Arc::clone(shown), pages }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let (method, path) = (request.method(), request.uri().path());
        let Pages { metrics, health, page } = self.pages;
        let is_known = match path {
            "/metrics" => metrics,
            "/live" | "/ready" => health,
            "/" | "/views" | "/record" => page,
            "/view" => metrics || page,
            _ => false,
        };
        if !is_known {
            return text(StatusCode::NOT_FOUND, self.paths());
        }
        let (fits, allowed, words) = match path {
            "/record" => (method == Method::POST, "POST", "POST alone\n"),
            _ => {
                (matches!(*method, Method::GET | Method::HEAD), "GET, HEAD", "GET and HEAD alone\n")
            }
        };
        if !fits {
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, words);
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            return refusal;
        }
        match path {
            "/live" => text(StatusCode::OK, "alive\n"),
            "/ready" => match self.shown.view().phase {
                Phase::Serving => text(StatusCode::OK, "ready\n"),
                Phase::Paused => text(StatusCode::SERVICE_UNAVAILABLE, "paused\n"),
                Phase::Draining => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            },
            "/metrics" => {
                let figures = prometheus::text(&self.shown.view());
                full(StatusCode::OK, prometheus::MEDIA_TYPE, figures)
            }
            "/view" => full(StatusCode::OK, "application/json", json(&self.shown.view())),
            "/views" => stream(Arc::clone(&self.shown)),
            "/record" => record(&self.shown, request),
            _ => {
                let html = include_str!("../page.html");
                let mut page = full(StatusCode::OK, "text/html; charset=utf-8", html);
                let policy = HeaderValue::from_static(PAGE_POLICY);
                page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
                page
            }
        }
    }

    /// What there is here.
    fn paths(&self) -> String {
        let Pages { metrics, health, page } = self.pages;
        let mut text = "here is:\n".to_owned();
        for (is_here, paths) in [
            (page, "/  /views  /record\n"),
            (metrics || page, "/view\n"),
            (metrics, "/metrics\n"),
            (health, "/live  /ready\n"),
        ] {
            if is_here {
                text += paths;
            }
        }
        text
    }
}

impl tower_service::Service<Request<Incoming>> for Answers {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        // A recording holds its thread, and of HTTP/2 no other request of the connection.
        let answers = self.clone();
        Box::pin(async move { Ok(answers.answer(&request)) })
    }
}

fn json(view: &View) -> String {
    serde_json::to_string(view).expect("numbers and words are JSON")
}

fn full(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    of(status, media_type, Full::new(body.into()).boxed_unsync())
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    full(status, "text/plain; charset=utf-8", body)
}

fn of(status: StatusCode, media_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Records for the time that the request says, a second at first. The calling thread sleeps meanwhile.
fn record(shown: &Shown, request: &Request<Incoming>) -> Response<Body> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    // A page of others, open in the same browser, is not to slow the server.
    let is_of_another = header(ORIGIN)
        .is_some_and(|origin| origin.split_once("://").map(|(_, host)| host) != header(HOST));
    if is_of_another {
        return text(StatusCode::FORBIDDEN, "this page alone may record\n");
    }
    let asked = request.uri().query().and_then(|query| query.strip_prefix("ms="));
    let length_ms = match asked.unwrap_or("1000").parse() {
        Ok(length_ms @ 1..=RECORD_MS_MAX) => length_ms,
        _ => {
            let wrong = format!("ms= is to be a number from 1 to {RECORD_MS_MAX}\n");
            return text(StatusCode::BAD_REQUEST, wrong);
        }
    };
    let length = Duration::from_millis(length_ms);
    match overlapped::blocking(|| shown.source.record(length)) {
        None => text(StatusCode::NOT_FOUND, "this server has no port to record\n"),
        Some(Err(error)) => text(StatusCode::CONFLICT, format!("{error}\n")),
        Some(Ok(recording)) => {
            let json = serde_json::to_string(&recording).expect("numbers and words are JSON");
            full(StatusCode::OK, "application/json", json)
        }
    }
}

/// A view every second, as server-sent events, for as long as the client takes them.
fn stream(shown: Arc<Shown>) -> Response<Body> {
    let views = futures_util::stream::unfold((shown, false), |(shown, is_begun)| async move {
        if is_begun {
            sleep(STREAM_EVERY).await;
        }
        let event = format!("data: {}\n\n", json(&shown.view()));
        Some((Ok(Frame::data(Bytes::from(event))), (shown, true)))
    });
    of(StatusCode::OK, "text/event-stream", BodyExt::boxed_unsync(StreamBody::new(views)))
}
