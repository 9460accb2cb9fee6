//! Which names of a sender a fetcher takes: one plain name of a file, and none that says where, is hidden,
//! or means something to a terminal or a system.

use crate::wire::NAME_BYTES_MAX;

/// Checks a name that came over the network, or that is to go there; the error says what is wrong
/// with it.
///
/// Where the rules of systems differ, this one's hold: a name that Windows reserves is refused there
/// alone.
pub(crate) fn check(bytes: &[u8]) -> Result<&str, &'static str> {
    check_for(bytes, cfg!(windows))
}

fn check_for(bytes: &[u8], on_windows: bool) -> Result<&str, &'static str> {
    let name = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > NAME_BYTES_MAX {
        return Err("it is longer than 255 bytes");
    }
    if name.contains(['/', '\\']) {
        return Err("it has parts of a path");
    }
    if name.starts_with('.') {
        return Err("it begins with a dot");
    }
    if name.chars().any(|letter| letter.is_control() || turns_text(letter)) {
        return Err("it has control characters");
    }
    if on_windows { check_on_windows(name) } else { Ok(name) }
}

/// Marks that make a terminal show the letters of a name in another order.
fn turns_text(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn check_on_windows(name: &str) -> Result<&str, &'static str> {
    if name.contains(['<', '>', ':', '"', '|', '?', '*']) {
        return Err("it has characters that Windows does not allow");
    }
    if name.ends_with(['.', ' ']) {
        return Err("it ends with a dot or a space, which Windows drops");
    }
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    let is_device = match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$" => true,
        stem => ["COM", "LPT"].iter().any(|device| {
            stem.strip_prefix(device).is_some_and(|number| {
                let mut digits = number.chars();
                matches!(digits.next(), Some('0'..='9' | '¹' | '²' | '³'))
                    && digits.next().is_none()
            })
        }),
    };
    if is_device { Err("Windows reserves it for a device") } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_taken_and_nothing_else() {
        let longest = "x".repeat(255);
        for good in ["a", "a b.tar.gz", "ü", "-f", "COM10", "console", "nul-1", &longest] {
            for on_windows in [false, true] {
                assert_eq!(check_for(good.as_bytes(), on_windows), Ok(good));
            }
        }
        let long = "x".repeat(256);
        for bad in [
            "",
            ".",
            "..",
            ".profile",
            "a/b",
            "/a",
            "../a",
            "a\\b",
            "a\0",
            "a\n",
            "\u{1b}[2J",
            "a\u{202e}gpj.exe",
            "a\u{85}",
            &long,
        ] {
            for on_windows in [false, true] {
                assert!(check_for(bad.as_bytes(), on_windows).is_err(), "{bad:?}");
            }
        }
        assert!(check_for(b"\xff", false).is_err());
    }

    #[test]
    fn names_that_windows_reserves_are_refused_there() {
        for bad in [
            "CON", "nul", "Aux.txt", "com1", "LPT9.x", "COM¹", "conin$", "a:b", "C:", "a?", "a*",
            "a.", "a ", "nul .txt", "a|b", "\"",
        ] {
            assert!(check_for(bad.as_bytes(), true).is_err(), "{bad:?}");
            assert!(check_for(bad.as_bytes(), false).is_ok(), "{bad:?}");
        }
    }
}
