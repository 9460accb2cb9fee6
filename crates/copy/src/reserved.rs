//! Names that Windows does not give to files, whatever a program asks for: it opens a device, a stream of
//! another file, or a file that is called otherwise.

use std::path::{Component, Path, Prefix};

/// What Windows makes of a name, if it is no name of a file there.
pub fn reserved_on_windows(name: &str) -> Option<&'static str> {
    if name.contains(':') {
        return Some("Windows takes what stands behind a colon for a stream of another file");
    }
    if name.contains(|letter: char| "<>\"|?*/\\".contains(letter) || letter < ' ') {
        return Some("it has characters that Windows does not allow");
    }
    if name.ends_with(['.', ' ']) {
        return Some("it ends with a dot or a space, which Windows drops");
    }
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_uppercase();
    let is_device = match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$" => true,
        stem => ["COM", "LPT"].iter().any(|device| {
            let rest = stem.strip_prefix(device);
            let mut letters = rest.unwrap_or_default().chars();
            matches!(letters.next(), Some('0'..='9' | '¹' | '²' | '³')) && letters.next().is_none()
        }),
    };
    is_device.then_some("Windows reserves it for a device")
}

/// The same of a path that a user has given: each of its names, and where it begins.
pub(crate) fn reserved_in_path(path: &Path) -> Option<&'static str> {
    path.components().find_map(|component| match component {
        Component::Prefix(prefix) => match prefix.kind() {
            Prefix::DeviceNS(_) => Some("Windows takes it for a device"),
            Prefix::Disk(_) if !path.has_root() => {
                Some("it could be a drive or a stream: write a path behind the drive, as C:\\NAME")
            }
            _ => None,
        },
        Component::Normal(name) => reserved_on_windows(&name.to_string_lossy()),
        Component::RootDir | Component::CurDir | Component::ParentDir => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_windows_reserves_are_known_on_every_system() {
        for bad in [
            "CON",
            "nul",
            "Aux.txt",
            "com1",
            "LPT9.x",
            "COM¹",
            "com³.tar.gz",
            "conin$",
            "CONOUT$",
            "a:b",
            "a:",
            "a::$DATA",
            "a?",
            "a*",
            "x.",
            "x ",
            "...",
            "nul .txt",
            "nul:",
            "a|b",
            "\"",
            "a\nb",
        ] {
            assert!(reserved_on_windows(bad).is_some(), "{bad:?}");
        }
        for good in
            ["a", "console", "com10", "comx", "nul-1", ".x", "a.b", " x", "lpt", "ü", "x. y"]
        {
            assert_eq!(reserved_on_windows(good), None, "{good:?}");
        }
    }

    #[cfg(windows)]
    #[test]
    fn paths_that_lead_to_no_file_are_known() {
        for bad in
            ["nul", r"a\con\b", r"..\x.", r"\\.\nul", r"\\.\C:", "a:b", "c:", r"c:\a:b", "x.txt:y"]
        {
            assert!(reserved_in_path(Path::new(bad)).is_some(), "{bad}");
        }
        for good in ["a", r"..\a", r".\a", r"c:\a", r"c:\", r"\\server\share\a", r"\\?\C:\a", "."] {
            assert_eq!(reserved_in_path(Path::new(good)), None, "{good}");
        }
    }
}
