//! The target of a request, and what it names in the folder.
//!
//! A target is cut at its slashes first and decoded after that, so that an encoded slash is part of
//! a name, and no name has one. So nothing here can lead upwards; links are [`super::folder`]'s.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// What stands for itself in a path.
const IN_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

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
    let path_and_query = path_and_query.split('#').next().unwrap_or_default();
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
    let scheme = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let rest = scheme.and_then(|scheme| target.get(scheme.len()..)).ok_or(BadTarget::Malformed)?;
    let start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest.get(start..) {
        _ if start == 0 => Err(BadTarget::Malformed),
        Some(path) if path.starts_with('/') => Ok(path),
        _ => Ok("/"),
    }
}

/// A percent sign must be followed by two digits.
fn check_escapes(name: &str) -> Result<(), BadTarget> {
    let is_escape =
        |part: &str| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if name.split('%').skip(1).all(is_escape) { Ok(()) } else { Err(BadTarget::Malformed) }
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
            ("/a#b", "a"),
            ("http://host/a/b?c", "a/b"),
            ("HTTP://host", "/"),
            ("http://host?x", "/"),
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
        for target in
            ["", "*", "a", "host:80", "https://host/a", "http:///a", "/%", "/%2", "/%zz", "/%%41"]
        {
            assert_eq!(names(target), Err(BadTarget::Malformed), "{target}");
        }
    }

    #[test]
    fn a_link_to_a_folder_stays_on_this_server() {
        let (place, query) = parse("//evil.example/%27%26?x=1").expect("a place");
        assert_eq!(place.folder_link(), "/evil.example/%27%26/");
        assert_eq!(query, Some("x=1"));
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
