//! The page that shows what is in a folder.

use crate::cache::{Answers, Files};
use crate::folder::status_of;
use crate::target::{Place, encoded, parse};
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::io;

/// More names than that are not shown.
const NAMES_MAX: usize = 10_000;

/// A name that a page shows.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// Folders come before files.
    kind: Answers,
    name: OsString,
}

/// The page, or the status that says why there is none. It shows what a request for it would get: a
/// link that leads nowhere or out, and what may not be read, is not there. An address is at most
/// `target_bytes` long.
pub(crate) fn page(files: &Files, place: &Place, target_bytes: usize) -> Result<String, u16> {
    // It takes several system calls for each name, and may wait for the disk.
    let found = overlapped::blocking(|| entries(files, place, target_bytes));
    let (mut entries, is_cut) = found.map_err(|error| status_of(&error))?;
    entries.sort_unstable();
    let title = escaped(&String::from_utf8_lossy(place.names()));
    let mut page = format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>/{title}</title></head>\n\
         <body><h1>/{title}</h1>\n<ul>\n"
    );
    if !place.names().is_empty() {
        page.push_str("<li><a href=\"../\">../</a></li>\n");
    }
    for entry in &entries {
        let slash = if entry.kind == Answers::File { "" } else { "/" };
        // The dot keeps a name with a colon from being taken for an address.
        let link = encoded(&bytes_of(&entry.name));
        let name = escaped(&entry.name.to_string_lossy());
        // Writing to a string cannot fail.
        let _ = writeln!(page, "<li><a href=\"./{link}{slash}\">{name}{slash}</a></li>");
    }
    page.push_str("</ul>\n");
    if is_cut {
        let _ = writeln!(page, "<p>Only {NAMES_MAX} names are shown.</p>");
    }
    page.push_str("</body></html>\n");
    Ok(page)
}

/// What is shown, and whether there is more.
fn entries(files: &Files, place: &Place, target_bytes: usize) -> io::Result<(Vec<Entry>, bool)> {
    let mut names = files.folder.list(place, NAMES_MAX + 1)?;
    let is_cut = names.len() > NAMES_MAX;
    names.truncate(NAMES_MAX);
    let mut entries = Vec::with_capacity(names.len());
    let folder = place.folder_link();
    for name in names {
        // As the client would ask for it, so that nothing is shown that it cannot have.
        let target = format!("{folder}{}", encoded(&bytes_of(&name)));
        let place = parse(&target).ok().map(|(place, _)| place);
        let Some(place) = place.filter(|_| target.len() < target_bytes) else { continue };
        if let Some(kind) = files.answers(&place)? {
            entries.push(Entry { kind, name });
        }
    }
    Ok((entries, is_cut))
}

#[cfg(unix)]
fn bytes_of(name: &OsStr) -> std::borrow::Cow<'_, [u8]> {
    std::os::unix::ffi::OsStrExt::as_bytes(name).into()
}

#[cfg(not(unix))]
fn bytes_of(name: &OsStr) -> std::borrow::Cow<'_, [u8]> {
    name.to_string_lossy().into_owned().into_bytes().into()
}

/// A text as it stands in a page.
pub(crate) fn escaped(text: &str) -> String {
    let mut page = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            letter if letter.is_control() => page.push('\u{fffd}'),
            letter => page.push(letter),
        }
    }
    page
}
