//! What is answered: sums, a fixed word, and files.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, SERVER};
use hyper::{Method, Request, Response, StatusCode};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::Path;

/// The most bytes of a body: a number and what is around it.
const BODY_MAX_BYTES: usize = 64;

const SERVER_NAME: HeaderValue = HeaderValue::from_static("overlapped");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain");

/// The static files, in memory, by name.
#[derive(Default)]
pub(crate) struct Files(HashMap<String, File>);

struct File {
    content: Bytes,
    content_type: HeaderValue,
}

impl Files {
    /// Reads all files of a folder. Those in folders within it are left out.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let mut files = HashMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if let Some(name) = path.file_name().and_then(|name| name.to_str())
                && path.is_file()
            {
                let file =
                    File { content: fs::read(&path)?.into(), content_type: content_type(name) };
                files.insert(name.to_owned(), file);
            }
        }
        Ok(Self(files))
    }
}

fn content_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css",
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("webp") => "image/webp",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    })
}

/// Answers a request.
pub(crate) async fn answer(
    files: &'static Files,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    Ok(match path {
        "/pipeline" => plain(StatusCode::OK, "ok"),
        "/baseline11" | "/baseline2" => sum(request).await,
        _ => match path.strip_prefix("/static/").and_then(|name| files.0.get(name)) {
            Some(file) => response(StatusCode::OK, file.content.clone(), file.content_type.clone()),
            None => plain(StatusCode::NOT_FOUND, "there is nothing at this path"),
        },
    })
}

/// The sum of the values in the query and, of a POST, the number in the body.
async fn sum(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let Some(mut sum) = sum_of_query(request.uri().query().unwrap_or_default()) else {
        return plain(StatusCode::BAD_REQUEST, "each value of the query is to be a number");
    };
    match *request.method() {
        Method::GET => {}
        Method::POST => {
            let Ok(body) = Limited::new(request.into_body(), BODY_MAX_BYTES).collect().await else {
                return plain(StatusCode::BAD_REQUEST, "the body is cut off, or above 64 bytes");
            };
            let Some(number) = number(&body.to_bytes()) else {
                return plain(StatusCode::BAD_REQUEST, "the body is to be a number");
            };
            sum = sum.saturating_add(number);
        }
        _ => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or POST");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
            return response;
        }
    }
    plain(StatusCode::OK, sum.to_string())
}

/// The sum of the values in a query such as `a=1&b=2`; nothing if one of them is no number.
fn sum_of_query(query: &str) -> Option<i64> {
    let values = query.split('&').filter(|pair| !pair.is_empty());
    values
        .map(|pair| pair.split_once('=')?.1.parse::<i64>().ok())
        .try_fold(0_i64, |sum, value| Some(sum.saturating_add(value?)))
}

fn number(body: &[u8]) -> Option<i64> {
    std::str::from_utf8(body).ok()?.trim().parse().ok()
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    response(status, text.into(), PLAIN)
}

fn response(
    status: StatusCode,
    content: Bytes,
    content_type: HeaderValue,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(SERVER, SERVER_NAME);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_summed_up() {
        assert_eq!(sum_of_query("a=13&b=42"), Some(55));
        assert_eq!(sum_of_query("a=-13&b=42&c=1"), Some(30));
        assert_eq!(sum_of_query(""), Some(0));
        assert_eq!(sum_of_query(&format!("a={}&b=1", i64::MAX)), Some(i64::MAX));
    }

    #[test]
    fn a_query_of_other_things_has_no_sum() {
        for query in ["a=x", "a", "a=1&b=", "a=1.5", "a=9223372036854775808"] {
            assert_eq!(sum_of_query(query), None, "{query}");
        }
    }

    #[test]
    fn a_body_is_a_number_with_or_without_space_around_it() {
        assert_eq!(number(b"20"), Some(20));
        assert_eq!(number(b" -7\r\n"), Some(-7));
        for body in [&b""[..], b"20 20", b"x", b"\xff"] {
            assert_eq!(number(body), None, "{body:?}");
        }
    }
}
