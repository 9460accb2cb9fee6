//! Answers for a server of another library: the folder and the rules, without a port.
//!
//! A request is brought into the form in which this crate reads its own, so that every answer is the
//! same one. Bodies are read from the file piece by piece, by whoever polls them.

use crate::access_log::{Entry, Logger};
use crate::answer::{Reply, Site, cut};
use crate::body::Body as Framed;
use crate::cache::{File, Files};
use crate::connection::{After, Answer, Part};
use crate::folder::{Folder, status_of};
use crate::request::understand;
use crate::response::DateText;
use crate::{Settings, Status};
use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue};
use http::uri::Scheme;
use http::{HeaderName, Request, Response, StatusCode, Version};
use http_body::{Frame, SizeHint};
use httparse::Header;
use overlapped_serving::lock;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::SystemTime;

/// How much of a file is in memory for one response.
const PIECE_BYTES: usize = 64 * 1024;

struct Shared {
    site: Site,
    is_secured: bool,
    log: Option<Logger>,
    date: Mutex<DateText>,
    responses: AtomicU64,
    refusals: AtomicU64,
    body_bytes: AtomicU64,
}

/// What answers requests for the files of a folder that another server has read, as [`Server`](crate::Server)
/// answers its own. Clones are the same one.
///
/// ```
/// use http::Request;
/// use overlapped_http_files::{Responder, Settings};
///
/// let folder = std::env::temp_dir().join("overlapped-http-files-responder");
/// std::fs::create_dir_all(&folder)?;
/// std::fs::write(folder.join("hello.txt"), "hello")?;
///
/// let responder = Responder::open(&folder, &Settings::default(), true)?;
/// let request = Request::get("https://localhost/hello.txt").header("range", "bytes=1-2").body(())?;
/// let response = responder.respond(None, &request);
/// assert_eq!(response.status(), 206);
/// assert_eq!(response.headers()["content-range"], "bytes 1-2/5");
/// # drop(response);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Responder(Arc<Shared>);

impl Responder {
    /// Opens the folder and the access log. Of the settings it takes those of heads, of the folder and of
    /// the log; what concerns connections is the server's. `is_secured` says whether these use TLS: a request
    /// for an address of the other scheme is refused.
    ///
    /// # Errors
    /// As for [`Server::start`](crate::Server::start).
    pub fn open(folder: &Path, settings: &Settings, is_secured: bool) -> io::Result<Self> {
        let folder = Folder::open(folder)?;
        let tell = settings.on_log_trouble;
        let log = settings.access_log.as_ref().map(|log| Logger::start(log, tell)).transpose()?;
        let files = Files::new(folder, settings.open_files);
        Ok(Self(Arc::new(Shared {
            site: Site { files, settings: settings.clone() },
            is_secured,
            log,
            date: Mutex::default(),
            responses: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
        })))
    }

    /// The answer to a request. It looks at the folder, and may wait for the disk. A line of the access log
    /// is written when the body is dropped, if `client` is known.
    ///
    /// The body of the request is not looked at. Who sends one that is longer than a head may be, is refused.
    pub fn respond<B>(&self, client: Option<SocketAddr>, request: &Request<B>) -> Response<Body> {
        let mut reply = self.reply(request);
        let file = reply.answer.file.take().and_then(|part| match readable(&part.file) {
            Ok(file) => Some((file, part)),
            Err(error) => {
                reply = self.refuse(status_of(&error), request);
                None
            }
        });
        let Reply { answer, head, text, .. } = reply;
        let mut response = Response::new(());
        *response.status_mut() =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        for (name, value) in head.pairs() {
            // All are of this crate, and files' names in them are encoded.
            if let (Ok(name), Ok(value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_str(value))
            {
                headers.insert(name, value);
            }
        }
        if request.version() < Version::HTTP_2 && matches!(answer.after, After::End) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let content = match file {
            Some((file, Part { offset, length, .. })) => {
                Content::File { file, offset, left: length }
            }
            None => Content::Text(text.into()),
        };
        let line = client.filter(|_| self.0.log.is_some()).map(|client| (client, line(request)));
        response.map(|()| Body { shared: Arc::clone(&self.0), content, answer, line })
    }

    fn refuse<B>(&self, status: u16, request: &Request<B>) -> Reply {
        let now = SystemTime::now();
        let mut date = lock(&self.0.date);
        self.0.site.refuse(status, (now, date.at(now)), line(request).as_bytes())
    }

    fn reply<B>(&self, request: &Request<B>) -> Reply {
        let Shared { site, is_secured, date, .. } = &*self.0;
        let refuse = |status| self.refuse(status, request);
        let uri = request.uri();
        let own = if *is_secured { Scheme::HTTPS } else { Scheme::HTTP };
        if uri.scheme().is_some_and(|scheme| *scheme != own) {
            return refuse(421);
        }
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let target = uri.path_and_query().map_or(authority, |path| Some(path.as_str()));
        let headers = request.headers();
        if headers.len() > site.settings.headers {
            return refuse(431);
        }
        // An address in the request says better whose it is than a field beside it.
        let named = authority.map(|host| Header { name: HOST.as_str(), value: host.as_bytes() });
        let fields = headers.iter().filter(|(name, _)| named.is_none() || **name != HOST);
        let mut headers: Vec<Header<'_>> = fields
            .map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() })
            .chain(named)
            .collect();
        let mut read = httparse::Request::new(&mut headers);
        read.method = Some(request.method().as_str());
        read.path = target;
        read.version = Some(u8::from(request.version() != Version::HTTP_10));
        match understand(&read, &site.settings) {
            Ok((_, Framed::Bytes(bytes))) if bytes > site.settings.head_bytes as u64 => refuse(413),
            Ok((request, _)) => {
                let now = SystemTime::now();
                // The lock is not held while the disk is waited for.
                let date = lock(date).at(now).to_owned();
                site.answer(&request, (now, &date), &[], true)
            }
            Err(status) => refuse(status),
        }
    }

    /// What was answered so far. What concerns connections is 0.
    pub fn status(&self) -> Status {
        let Shared { responses, refusals, body_bytes, log, .. } = &*self.0;
        Status {
            responses: responses.load(Ordering::Relaxed),
            refusals: refusals.load(Ordering::Relaxed),
            body_bytes: body_bytes.load(Ordering::Relaxed),
            log_lines_lost: log.as_ref().map_or(0, Logger::lost),
            ..Status::default()
        }
    }

    /// Closes some of the files that nobody has asked for lately. Call it a few times a second.
    pub fn close_unused(&self) {
        self.0.site.files.trim();
    }

    /// Writes what the access log still has, as far as that can be done soon. What is answered later is
    /// not logged.
    pub fn finish_log(&self) {
        if let Some(log) = &self.0.log {
            log.finish();
        }
    }

    /// How the folder is kept, in a few words.
    pub fn describe(&self) -> &'static str {
        self.0.site.files.folder.describe()
    }
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// The first line of a request, as the log has it.
fn line<B>(request: &Request<B>) -> String {
    let uri = request.uri();
    let target = uri.path_and_query().map_or_else(|| uri.to_string(), ToString::to_string);
    format!("{} {target} {:?}", request.method(), request.version())
}

/// A handle of its own to read by.
fn readable(file: &File) -> io::Result<std::fs::File> {
    #[cfg(unix)]
    let own = std::os::fd::AsFd::as_fd(&*file.open).try_clone_to_owned()?;
    #[cfg(windows)]
    let own = std::os::windows::io::AsHandle::as_handle(&*file.open).try_clone_to_owned()?;
    Ok(own.into())
}

fn read_at(file: &std::fs::File, piece: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, piece, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, piece, offset);
}

enum Content {
    Text(Bytes),
    File { file: std::fs::File, offset: u64, left: u64 },
}

/// The body of a response: nothing, a text, or a part of a file, which is read in pieces of at most 64 KiB
/// where it is polled.
///
/// # Errors
/// The file cannot be read, or has become shorter since the response was begun.
pub struct Body {
    shared: Arc<Shared>,
    content: Content,
    answer: Box<Answer>,
    line: Option<(SocketAddr, String)>,
}

impl Body {
    fn left(&self) -> u64 {
        match &self.content {
            Content::Text(text) => text.len() as u64,
            Content::File { left, .. } => *left,
        }
    }

    fn next(&mut self) -> io::Result<Bytes> {
        match &mut self.content {
            Content::Text(text) => Ok(std::mem::take(text)),
            Content::File { file, offset, left, .. } => {
                let length =
                    usize::try_from(*left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
                let mut piece = vec![0; length];
                let read = loop {
                    match read_at(file, &mut piece, *offset) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        read => break read?,
                    }
                };
                if read == 0 {
                    let text = "the file has become shorter";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
                piece.truncate(read);
                *offset += read as u64;
                *left -= read as u64;
                Ok(piece.into())
            }
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.left() == 0 {
            return Poll::Ready(None);
        }
        let next = this.next();
        if let Ok(piece) = &next {
            this.answer.body_sent += piece.len() as u64;
            this.shared.body_bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(Some(next.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl Drop for Body {
    /// The answer is over, whole or not.
    fn drop(&mut self) {
        let Answer { status, body_sent, .. } = *self.answer;
        if self.left() == 0 {
            self.shared.responses.fetch_add(1, Ordering::Relaxed);
            self.shared.refusals.fetch_add(u64::from(status >= 400), Ordering::Relaxed);
        }
        if let (Some(log), Some((client, line))) = (&self.shared.log, self.line.take()) {
            let request = cut(line.as_bytes());
            let time = SystemTime::now();
            log.add(Entry { client, time, request, status, body_bytes: body_sent });
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("left", &self.left()).finish_non_exhaustive()
    }
}
