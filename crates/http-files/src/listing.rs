//! The page that shows what is in a folder.

use crate::folder::{Folder, status_of};
use crate::target::{Place, encoded};
use std::ffi::OsStr;
use std::fmt::Write;

/// More names than that are not shown.
const NAMES_MAX: usize = 10_000;

/// The page, or the status that says why there is none.
pub(crate) fn page(folder: &Folder, place: &Place) -> Result<String, u16> {
    // It takes a system call for every few hundred names, and may wait for the disk.
    let names = overlapped::blocking(|| folder.list(place, NAMES_MAX + 1));
    let mut entries = names.map_err(|error| status_of(&error))?;
    let is_cut = entries.len() > NAMES_MAX;
    entries.truncate(NAMES_MAX);
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
        let slash = if entry.is_file { "" } else { "/" };
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
