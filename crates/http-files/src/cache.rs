//! Open files, kept for a moment.
//!
//! Opening costs several times what sending a small file does, so a file that was opened less than
//! a second ago is used again. What was changed in place is seen at once, since size and time are
//! asked for each request; what was replaced under its name is seen after a second.

use crate::conditional::Version;
use crate::folder::{Folder, Found, is_shortage, status_of};
use crate::target::Place;
use overlapped::OpenFile;
use overlapped_serving::lock;
use std::collections::HashMap;
use std::fs::Metadata;
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
    /// Content-Type, ETag, Last-Modified and Accept-Ranges, as they go out.
    pub(crate) headers: String,
    changed: (u64, Option<SystemTime>),
    content_type: String,
}

impl File {
    fn new(open: Arc<OpenFile>, metadata: &Metadata, content_type: String) -> Arc<Self> {
        let changed = (metadata.len(), metadata.modified().ok());
        let version = Version::new(changed.0, changed.1);
        let mut headers = format!(
            "Content-Type: {content_type}\r\nETag: {}\r\nAccept-Ranges: bytes\r\n",
            version.tag
        );
        if let Some(modified) = version.modified {
            headers.push_str(&format!("Last-Modified: {}\r\n", httpdate::fmt_http_date(modified)));
        }
        Arc::new(Self { open, version, headers, changed, content_type })
    }

    /// The same file as it is now.
    fn renewed(self: &Arc<Self>) -> io::Result<Arc<Self>> {
        let metadata = self.open.metadata()?;
        if (metadata.len(), metadata.modified().ok()) == self.changed {
            return Ok(Arc::clone(self));
        }
        Ok(Self::new(Arc::clone(&self.open), &metadata, self.content_type.clone()))
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
    pub(crate) fn find(&self, place: &Place) -> Result<Target, u16> {
        let shard = &self.shards[self.hasher.hash_one(place) as usize % SHARDS];
        let kept = lock(shard)
            .get(place)
            .filter(|kept| kept.found.elapsed() < TRUST)
            .map(|kept| Arc::clone(&kept.file));
        if let Some(file) = kept {
            return file.renewed().map(Target::File).map_err(|error| status_of(&error));
        }
        let found = match self.open(place) {
            Err(error) if is_shortage(&error) => {
                self.close_all();
                self.open(place)
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

    fn open(&self, place: &Place) -> io::Result<Target> {
        if !place.is_folder {
            return match self.folder.find(place)? {
                Found::File(file, metadata) => opened(file, &metadata, place.names()),
                Found::Folder => Ok(Target::FolderWithoutSlash),
            };
        }
        match self.folder.find(&place.child(INDEX)) {
            Ok(Found::File(file, metadata)) => return opened(file, &metadata, INDEX.as_bytes()),
            Ok(Found::Folder) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        match self.folder.find(place)? {
            Found::Folder => Ok(Target::Folder),
            Found::File(..) => Err(io::ErrorKind::NotADirectory.into()),
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

fn opened(file: std::fs::File, metadata: &Metadata, name: &[u8]) -> io::Result<Target> {
    let open = Arc::new(OpenFile::try_from(file)?);
    Ok(Target::File(File::new(open, metadata, content_type(name))))
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
