//! Who a request is for: a host, and perhaps a port, as the field Host and a whole address have it.

use std::net::Ipv6Addr;

/// The host of an authority without its port, which may be empty; None when it is no authority of
/// an http address. One with a name of a user is none.
pub(crate) fn host(authority: &[u8]) -> Option<&[u8]> {
    let is_literal = authority.first() == Some(&b'[');
    let end = if is_literal {
        authority.iter().position(|byte| *byte == b']')? + 1
    } else {
        authority.iter().position(|byte| *byte == b':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(end);
    let is_host = if is_literal { is_address(&host[1..end - 1]) } else { is_name(host) };
    (is_host && is_port(port)).then_some(host)
}

/// Whether a port is named in an authority, which must be valid.
pub(crate) fn has_port(authority: &[u8]) -> bool {
    authority.last().is_some_and(u8::is_ascii_digit)
        && host(authority).is_some_and(|host| !host.is_empty() && host.len() < authority.len())
}

/// Nothing, or a colon and digits, of which there may be none.
fn is_port(port: &[u8]) -> bool {
    let Some((colon, digits)) = port.split_first() else { return true };
    let number = digits.iter().try_fold(0_u32, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        Some(number * 10 + digit).filter(|number| *number <= u32::from(u16::MAX))
    });
    *colon == b':' && number.is_some()
}

fn is_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let Some((byte, after)) = rest.split_first() {
        rest = match byte {
            b'%' => match after {
                [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    after
                }
                _ => return false,
            },
            byte if is_plain(*byte) => after,
            _ => return false,
        };
    }
    true
}

/// What stands between the brackets of an IP literal: IPv6, or a version to come.
fn is_address(address: &[u8]) -> bool {
    if let [b'v' | b'V', rest @ ..] = address {
        let Some(dot) = rest.iter().position(|byte| *byte == b'.') else { return false };
        let (version, letters) = (&rest[..dot], &rest[dot + 1..]);
        return !version.is_empty()
            && version.iter().all(u8::is_ascii_hexdigit)
            && !letters.is_empty()
            && letters.iter().all(|byte| *byte == b':' || is_plain(*byte));
    }
    std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// What stands for itself in the name of a host.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for (text, expected) in [
            ("a", "a"),
            ("a.example:80", "a.example"),
            ("a_b:", "a_b"),
            ("127.0.0.1:65535", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[2001:db8::1]:8080", "[2001:db8::1]"),
            ("[v1.a:b]", "[v1.a:b]"),
            ("%C3%BC", "%C3%BC"),
            ("", ""),
            (":80", ""),
        ] {
            assert_eq!(host(text.as_bytes()), Some(expected.as_bytes()), "{text}");
        }
        for text in [
            "a b",
            "a/b",
            "a@b",
            "u:p@b",
            "a:b",
            "a:65536",
            "a:-1",
            "a:80:80",
            "a:+8",
            "::1",
            "[::1",
            "[::1]x",
            "[::g]",
            "[]",
            "[v.a]",
            "[v1.]",
            "[127.0.0.1]",
            "a\\b",
            "a\"",
            "ü",
            "%",
            "%g0",
            "a?b",
            "a#b",
            "[fe80::1%25eth0]",
            "<",
            "a\tb",
        ] {
            assert_eq!(host(text.as_bytes()), None, "{text}");
        }
        assert!(has_port(b"a:1") && has_port(b"[::1]:1"));
        assert!(!has_port(b"a") && !has_port(b"a:") && !has_port(b":1") && !has_port(b"[::1]"));
    }
}
