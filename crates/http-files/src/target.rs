//! The target of a request, and what it names in the folder.
//!
//! A target is cut at its slashes first and decoded after that, so that an encoded slash is part of
//! a name, and no name has one. So nothing here can lead upwards; links are [`super::folder`]'s.

use crate::authority;
use percent_encoding::{
    AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode, percent_encode, utf8_percent_encode,
};

/// What stands for itself in a path.
const IN_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// What cannot stand in a query, beside what is not ASCII.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What a target names, decoded: names with slashes between them, none at the start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// Empty for the folder itself.
    names: Vec<u8>,
    /// Whether the target ended in a slash, and so must be a folder.
    pub(crate) is_folder: bool,
}

impl Place {
    pub(crate) fn names(&self) -> &[u8] {
        &self.names
    }

    /// The file of this name in it.
    pub(crate) fn child(&self, name: &str) -> Self {
        let mut names = self.names.clone();
        if !names.is_empty() {
            names.push(b'/');
        }
        names.extend_from_slice(name.as_bytes());
        Self { names, is_folder: false }
    }

    /// The address, on this server, of it as a folder, with the query of the request.
    pub(crate) fn redirect(&self, query: Option<&str>) -> String {
        let mut link = self.folder_link();
        if let Some(query) = query {
            link.push('?');
            for (at, part) in query.split('%').enumerate() {
                if at > 0 {
                    // A percent sign that begins no escape is itself.
                    link.push_str(if begins_with_digits(part) { "%" } else { "%25" });
                }
                link.extend(utf8_percent_encode(part, NOT_IN_QUERY));
            }
        }
        link
    }

    /// The path for a link to it as a folder.
    pub(crate) fn folder_link(&self) -> String {
        if self.names.is_empty() { "/".to_owned() } else { format!("/{}/", encoded(&self.names)) }
    }
}

/// A path or a name as it stands in a link.
pub(crate) fn encoded(path: &[u8]) -> String {
    percent_encode(path, IN_PATH).to_string()
}

/// Why a target names nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadTarget {
    /// It is meant for a connection that is secured, and none is.
    Misdirected,
    /// It is no target of a file.
    Malformed,
    /// It would lead out of the folder, or has a character that no name has.
    Forbidden,
    /// No file of this system may be called so.
    Impossible,
}

/// Takes a target apart into the place and the query, if there is one.
pub(crate) fn parse(target: &str) -> Result<(Place, Option<&str>), BadTarget> {
    let path_and_query = path_of(target)?;
    // A fragment is for the client alone.
    if path_and_query.contains('#') {
        return Err(BadTarget::Malformed);
    }
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    let mut names = Vec::with_capacity(path.len());
    let mut is_folder = true;
    for name in path.split('/') {
        is_folder = name.is_empty() || name == ".";
        if is_folder {
            continue;
        }
        check_escapes(name)?;
        if !names.is_empty() {
            names.push(b'/');
        }
        let start = names.len();
        names.extend(percent_decode(name.as_bytes()));
        match &names[start..] {
            b"." => {
                names.truncate(start.saturating_sub(1));
                is_folder = true;
            }
            name => check_name(name)?,
        }
    }
    Ok((Place { names, is_folder }, query))
}

/// The path and the query of a target, which may be a whole address (as to a proxy).
fn path_of(target: &str) -> Result<&str, BadTarget> {
    if target.starts_with('/') {
        return Ok(target);
    }
    let (scheme, rest) = target.split_once("://").ok_or(BadTarget::Malformed)?;
    let start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(start);
    if authority::host(authority.as_bytes()).is_none_or(<[u8]>::is_empty) {
        return Err(BadTarget::Malformed);
    }
    match scheme.to_ascii_lowercase().as_str() {
        "http" if path.is_empty() => Ok("/"),
        "http" => Ok(path),
        "https" => Err(BadTarget::Misdirected),
        _ => Err(BadTarget::Malformed),
    }
}

/// A percent sign must be followed by two digits.
fn check_escapes(name: &str) -> Result<(), BadTarget> {
    if name.split('%').skip(1).all(begins_with_digits) { Ok(()) } else { Err(BadTarget::Malformed) }
}

/// Whether two digits of an escape come first.
fn begins_with_digits(part: &str) -> bool {
    part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a decoded name is one, and only that.
fn check_name(name: &[u8]) -> Result<(), BadTarget> {
    if name == b".." || name.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0)) {
        return Err(BadTarget::Forbidden);
    }
    if cfg!(windows) && !is_plain_on_windows(name) { Err(BadTarget::Impossible) } else { Ok(()) }
}

/// Windows reads more into a name: a drive, a stream of a file, a device, an end that it cuts off.
fn is_plain_on_windows(name: &[u8]) -> bool {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    const NUMBERED: [&str; 2] = ["COM", "LPT"];
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let is_special = |letter: char| letter.is_control() || r#"<>:"|?*"#.contains(letter);
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let is_numbered =
        |device: &&str| stem.strip_prefix(*device).is_some_and(|rest| rest.chars().count() == 1);
    !name.contains(is_special)
        && !name.ends_with(['.', ' '])
        && !DEVICES.contains(&stem.as_str())
        && !NUMBERED.iter().any(is_numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(target: &str) -> Result<String, BadTarget> {
        let (place, _) = parse(target)?;
        let slash = if place.is_folder { "/" } else { "" };
        Ok(String::from_utf8_lossy(place.names()).into_owned() + slash)
    }

    #[test]
    fn a_target_is_a_path_of_decoded_names() {
        for (target, expected) in [
            ("/", "/"),
            ("/a", "a"),
            ("/a/", "a/"),
            ("//a///b", "a/b"),
            ("/a/./b/.", "a/b/"),
            ("/a/%2e/b", "a/b"),
            ("/a/%2e", "a/"),
            ("/a%20b%C3%A9", "a bé"),
            ("/a?b/../c", "a"),
            ("http://host/a/b?c", "a/b"),
            ("HTTP://host", "/"),
            ("http://host?x", "/"),
            ("http://[::1]:80/a", "a"),
            ("/.../a", if cfg!(windows) { "impossible" } else { ".../a" }),
            ("/..a", "..a"),
        ] {
            let expected = match expected {
                "impossible" => Err(BadTarget::Impossible),
                names => Ok(names.to_owned()),
            };
            assert_eq!(names(target), expected, "{target}");
        }
    }

    #[test]
    fn nothing_leads_out() {
        for target in [
            "/..",
            "/../",
            "/a/../b",
            "/%2e%2e/a",
            "/.%2E/a",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/a%00",
            "/..%2f..%2fetc",
            "/%2e%2e%5c",
            "/%2F",
        ] {
            assert_eq!(names(target), Err(BadTarget::Forbidden), "{target}");
        }
        for target in ["", "*", "a", "host:80", "http:///a", "/%", "/%2", "/%zz", "/%%41", "/a#b"] {
            assert_eq!(names(target), Err(BadTarget::Malformed), "{target}");
        }
    }

    #[test]
    fn a_whole_address_is_one_of_this_server() {
        for target in
            ["http://u:p@x/", "http://@x/", "http://a b/", "http://a:b/", "http://:80/", "ftp://x/"]
        {
            assert_eq!(names(target), Err(BadTarget::Malformed), "{target}");
        }
        assert_eq!(names("https://host/a"), Err(BadTarget::Misdirected));
    }

    #[test]
    fn a_link_to_a_folder_stays_on_this_server() {
        let (place, query) = parse("//evil.example/%27%26?x=1").expect("a place");
        assert_eq!(place.folder_link(), "/evil.example/%27%26/");
        assert_eq!(place.redirect(query), "/evil.example/%27%26/?x=1");
    }

    #[test]
    fn a_query_is_handed_on_as_one() {
        let redirect = |target| {
            let (place, query) = parse(target).expect("a place");
            place.redirect(query)
        };
        assert_eq!(redirect("/a?b=/c?&%41"), "/a/?b=/c?&%41");
        assert_eq!(redirect("/a?"), "/a/?");
        assert_eq!(redirect("/a?<\"|%zz%"), "/a/?%3C%22%7C%25zz%25");
        assert_eq!(redirect("/a?\u{fc}"), "/a/?%C3%BC");
    }

    #[test]
    fn windows_has_names_that_are_none() {
        for name in [
            "c:", "a:b", "nul", "NUL.txt", "com1", "Lpt9.x", "a.", "a ", "con .txt", "a\u{1}", "a?",
        ] {
            assert!(!is_plain_on_windows(name.as_bytes()), "{name}");
        }
        for name in ["common", "null", "a.b", ".a", "com10", "ü"] {
            assert!(is_plain_on_windows(name.as_bytes()), "{name}");
        }
    }
}
