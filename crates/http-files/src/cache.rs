//! Open files, kept for a moment.
//!
//! Opening costs several times what sending a small file does, so a file that was opened less than
//! a second ago is used again. Its state is asked for each request, so what was changed in it is
//! seen at once, and so is another file that was put into its place, where the old one has no other
//! name; else that is seen after a second.

use crate::date;
use crate::folder::{Folder, Found, is_shortage, status_of};
use crate::target::Place;
use crate::version::Version;
use overlapped::{FileState, OpenFile};
use overlapped_serving::lock;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// How long a name stands for the file that was found under it.
const TRUST: Duration = Duration::from_secs(1);

/// A file that nobody asks for is closed not long after this.
const KEEP: Duration = Duration::from_secs(5);

const SHARDS: usize = 16;

/// What is looked for in a folder that is asked for by name.
const INDEX: &str = "index.html";

/// One version of an open file, with the headers that describe it.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) open: Arc<OpenFile>,
    pub(crate) version: Version,
    /// All that describes it, but for its length, as it goes out.
    pub(crate) headers: String,
    /// The part of it that a client needs that has the rest.
    pub(crate) tag_header: String,
    state: FileState,
    content_type: String,
}

impl File {
    fn new(
        open: Arc<OpenFile>,
        state: FileState,
        content_type: String,
        now: SystemTime,
    ) -> Arc<Self> {
        let version = Version::of(&state, now);
        let tag_header =
            version.tag.as_ref().map(|tag| format!("ETag: {tag}\r\n")).unwrap_or_default();
        // A browser must not take for a page what is none.
        let mut headers = format!(
            "Content-Type: {content_type}\r\nX-Content-Type-Options: nosniff\r\n\
             Accept-Ranges: bytes\r\n{tag_header}"
        );
        if let Some(modified) = version.modified {
            let modified = date::written(date::second(modified));
            headers.push_str(&format!("Last-Modified: {modified}\r\n"));
        }
        Arc::new(Self { open, version, headers, tag_header, state, content_type })
    }

    /// The same file as it is now, or none when its name is another's.
    fn renewed(self: &Arc<Self>, now: SystemTime) -> io::Result<Option<Arc<Self>>> {
        let state = self.open.state()?;
        if state.names == 0 {
            return Ok(None);
        }
        if state == self.state && self.version.settles.is_none_or(|time| now < time) {
            return Ok(Some(Arc::clone(self)));
        }
        Ok(Some(Self::new(Arc::clone(&self.open), state, self.content_type.clone(), now)))
    }
}

/// What a place is to a client.
#[derive(Debug)]
pub(crate) enum Target {
    File(Arc<File>),
    /// A folder without an index.
    Folder,
    /// A folder that was asked for without its slash.
    FolderWithoutSlash,
}

/// What answers at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answers {
    Folder,
    File,
}

#[derive(Debug)]
struct Kept {
    file: Arc<File>,
    found: Instant,
}

/// The files of a folder, some of them open.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) folder: Folder,
    hasher: RandomState,
    shards: [Mutex<HashMap<Place, Kept>>; SHARDS],
    shard_capacity: usize,
    next_shard: AtomicUsize,
}

impl Files {
    /// At most about `capacity` files are kept open.
    pub(crate) fn new(folder: Folder, capacity: usize) -> Self {
        Self {
            folder,
            hasher: RandomState::new(),
            shards: Default::default(),
            shard_capacity: capacity.div_ceil(SHARDS),
            next_shard: AtomicUsize::new(0),
        }
    }

    /// What is at a place, or the status that says why nothing is.
    pub(crate) fn find(&self, place: &Place, now: SystemTime) -> Result<Target, u16> {
        let shard = &self.shards[self.hasher.hash_one(place) as usize % SHARDS];
        let kept = lock(shard)
            .get(place)
            .filter(|kept| kept.found.elapsed() < TRUST)
            .map(|kept| Arc::clone(&kept.file));
        if let Some(file) = kept
            && let Some(file) = file.renewed(now).map_err(|error| status_of(&error))?
        {
            return Ok(Target::File(file));
        }
        let found = match self.open(place, now) {
            Err(error) if is_shortage(&error) => {
                self.close_all();
                self.open(place, now)
            }
            found => found,
        };
        let file = match found {
            Ok(Target::File(file)) => file,
            other => {
                drop(lock(shard).remove(place));
                return other.map_err(|error| status_of(&error));
            }
        };
        self.keep(shard, place, &file);
        Ok(Target::File(file))
    }

    /// Whether a file or a folder answers at a place that a page would name; None when neither does.
    ///
    /// # Errors
    /// Descriptors or memory are short, so that nobody knows.
    pub(crate) fn answers(&self, place: &Place) -> io::Result<Option<Answers>> {
        let found = match self.folder.find(place) {
            Ok(Found::File(_)) => Ok(Answers::File),
            Ok(Found::Folder) => self.index(place).map(|_| Answers::Folder),
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_shortage(&error) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// The index of a folder, if there is one.
    fn index(&self, place: &Place) -> io::Result<Option<std::fs::File>> {
        match self.folder.find(&place.child(INDEX)) {
            Ok(Found::File(file)) => Ok(Some(file)),
            Ok(Found::Folder) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(&self, place: &Place, now: SystemTime) -> io::Result<Target> {
        if !place.is_folder {
            return match self.folder.find(place)? {
                Found::File(file) => opened(file, place.names(), now),
                Found::Folder => Ok(Target::FolderWithoutSlash),
            };
        }
        if let Some(file) = self.index(place)? {
            return opened(file, INDEX.as_bytes(), now);
        }
        match self.folder.find(place)? {
            Found::Folder => Ok(Target::Folder),
            Found::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn keep(&self, shard: &Mutex<HashMap<Place, Kept>>, place: &Place, file: &Arc<File>) {
        if self.shard_capacity == 0 {
            return;
        }
        let kept = Kept { file: Arc::clone(file), found: Instant::now() };
        let mut shard = lock(shard);
        let stale = if shard.len() >= self.shard_capacity && !shard.contains_key(place) {
            take_older(&mut shard, TRUST)
        } else {
            Vec::new()
        };
        let replaced = if shard.len() < self.shard_capacity || shard.contains_key(place) {
            shard.insert(place.clone(), kept)
        } else {
            None
        };
        // Files are closed where no lock is held.
        drop(shard);
        drop((stale, replaced));
    }

    /// Closes what nobody has asked for lately, one part at a time.
    pub(crate) fn trim(&self) {
        let shard = self.next_shard.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let old = take_older(&mut lock(&self.shards[shard]), KEEP);
        drop(old);
    }

    fn close_all(&self) {
        for shard in &self.shards {
            let all = std::mem::take(&mut *lock(shard));
            drop(all);
        }
    }
}

fn take_older(shard: &mut HashMap<Place, Kept>, age: Duration) -> Vec<Kept> {
    shard.extract_if(|_, kept| kept.found.elapsed() >= age).map(|(_, kept)| kept).collect()
}

fn opened(file: std::fs::File, name: &[u8], now: SystemTime) -> io::Result<Target> {
    let open = Arc::new(OpenFile::try_from(file)?);
    let state = open.state()?;
    Ok(Target::File(File::new(open, state, content_type(name), now)))
}

/// The type of a file by the end of its name.
fn content_type(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let guess = mime_guess::from_path(&*name).first_or_octet_stream();
    let is_text =
        guess.type_() == "text" || matches!(guess.subtype().as_str(), "javascript" | "json");
    if is_text && guess.get_param("charset").is_none() {
        return format!("{guess}; charset=utf-8");
    }
    guess.to_string()
}

#[cfg(test)]
mod tests {
    use super::content_type;

    #[test]
    fn types_follow_from_names() {
        for (name, expected) in [
            ("a/b.html", "text/html; charset=utf-8"),
            ("b.PNG", "image/png"),
            ("b.js", "text/javascript; charset=utf-8"),
            ("b", "application/octet-stream"),
            ("b.tar.gz", "application/gzip"),
            ("a.html/b", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name.as_bytes()), expected, "{name}");
        }
    }
}
