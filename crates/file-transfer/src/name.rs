//! Which names of a sender a fetcher takes: one plain name of a file, and none that says where, is hidden,
//! looks like an option or like another name, or means something to a terminal or a system.

use crate::wire::NAME_BYTES_MAX;
use overlapped_copy::reserved_on_windows;

/// Checks a name that came over the network, or that is to go there; the error says what is wrong
/// with it.
///
/// What Windows drops or reserves is refused on every system, since a folder may be shared with it or move
/// there. Characters that only it does not allow are refused there alone.
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
    if name.starts_with('-') {
        return Err("it begins with a hyphen, as an option does");
    }
    if name.trim() != name {
        return Err("it begins or ends with a space");
    }
    if !name.chars().all(shows_as_itself) {
        return Err("it has control characters, or others that do not show as themselves");
    }
    // Here a name may have characters that are of no use there: a time of day has a colon.
    let elsewhere = |letter| ['<', '>', ':', '"', '|', '?', '*'].contains(&letter);
    let reserved = match on_windows {
        true => reserved_on_windows(name),
        false => reserved_on_windows(&name.replace(elsewhere, "_")),
    };
    reserved.map_or(Ok(name), Err)
}

/// Whether a character of a name or of a peer's text shows as what it is, so that it may be printed to a
/// terminal: not one that controls the terminal, turns the direction of text, has no width, or is not
/// assigned or private.
pub fn shows_as_itself(letter: char) -> bool {
    match letter {
        ' '..='~' => true,
        // Letters and marks that are blank, and those that only choose a form of what is before them; but
        // for the two that many names with pictures have.
        '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0d}'
        | '\u{ffa0}'
        | '\u{e0100}'..='\u{e01ef}' => false,
        // Spaces of other widths than the usual one.
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => true,
        // The standard library knows which characters cannot be printed. It takes a mark for one only
        // when nothing is before it.
        letter => {
            let mut text = String::from("x");
            text.push(letter);
            text.escape_debug().count() == 2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_taken_and_nothing_else() {
        let longest = "x".repeat(255);
        for good in [
            "a",
            "a b.tar.gz",
            "ü",
            "u\u{308}",
            "a-f",
            "COM10",
            "console",
            "nul-1",
            "日本\u{3000}語",
            "❤\u{fe0f}.png",
            "it's",
            "\u{645}\u{644}\u{641}",
            &longest,
        ] {
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
            ".a.overlapped-fetch",
            "a/b",
            "/a",
            "../a",
            "a\\b",
            "-rf",
            "-",
            "--force",
            " ",
            "  ",
            " a",
            "a ",
            "a\u{a0}",
            "\u{3000}a",
            "\u{2003}",
            "a.",
            "...",
            "a. .",
            "CON",
            "nul",
            "Aux.txt",
            "com1",
            "LPT9.x",
            "COM¹",
            "conin$",
            "nul .txt",
            &long,
        ] {
            for on_windows in [false, true] {
                assert!(check_for(bad.as_bytes(), on_windows).is_err(), "{bad:?}");
            }
        }
        for bad in [b"\xff".as_slice(), b"a\xc0\xaf", b"\xed\xa0\x80"] {
            assert!(check_for(bad, false).is_err(), "{bad:?}");
        }
        for bad in ["a:b", "C:", "a?", "a*", "a|b", "\""] {
            assert!(check_for(bad.as_bytes(), true).is_err(), "{bad:?}");
            assert!(check_for(bad.as_bytes(), false).is_ok(), "{bad:?}");
        }
    }

    #[test]
    fn what_does_not_show_as_itself_is_in_no_name() {
        // Controls, directions, widths of zero, blank letters, line ends, tags, private and unassigned.
        let bad = "\0\t\n\r\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200c}\u{200d}\
                   \u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2063}\
                   \u{2066}\u{2067}\u{2068}\u{2069}\u{206f}\u{2800}\u{3164}\u{e000}\u{fe00}\u{feff}\u{ffa0}\
                   \u{fff9}\u{ffff}\u{1d173}\u{e0001}\u{e0041}\u{e0100}\u{10ffff}";
        for letter in bad.chars() {
            let name = format!("a{letter}b");
            assert!(check_for(name.as_bytes(), false).is_err(), "{name:?}");
        }
    }
}
