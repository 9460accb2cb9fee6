//! The bytes that travel: a request of 48, and an answer of 80 and a name, with the file behind it.
//!
//! `docs/send-and-fetch.md` has the same byte by byte. Numbers are big-endian. Nothing here allocates
//! by what the peer says, and nothing that it says is believed beyond its own field.

use overlapped_copy::unfinished::ns_since_1970;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The version of the protocol that both sides must speak.
pub(crate) const VERSION: u16 = 1;

/// How long a request is.
pub(crate) const REQUEST_BYTES: usize = 48;

/// How long an answer is, without its name.
pub(crate) const HEAD_BYTES: usize = 80;

/// The longest name, in bytes of UTF-8: what file systems allow.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// What a request begins with.
pub(crate) const REQUEST_MAGIC: &[u8; 8] = b"OVLFETCH";
/// What an answer begins with.
pub(crate) const ANSWER_MAGIC: &[u8; 8] = b"OVLSENDS";

const HEAD_ONLY: u16 = 1;
const WITH_CHECKSUM: u16 = 2;

/// A time as it travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Time {
    seconds: i64,
    nanoseconds: u32,
}

impl Time {
    pub(crate) fn of(time: SystemTime) -> Self {
        let ns = ns_since_1970(time);
        let seconds = i64::try_from(ns.div_euclid(1_000_000_000)).unwrap_or_default();
        Self { seconds, nanoseconds: ns.rem_euclid(1_000_000_000) as u32 }
    }

    /// In nanoseconds since 1970.
    pub(crate) fn ns(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }

    /// The time, if this system has such times.
    pub(crate) fn to_system(self) -> Option<SystemTime> {
        let whole = Duration::from_secs(self.seconds.unsigned_abs());
        let second = match self.seconds < 0 {
            true => UNIX_EPOCH.checked_sub(whole),
            false => UNIX_EPOCH.checked_add(whole),
        };
        second?.checked_add(Duration::from_nanos(self.nanoseconds.into()))
    }
}

/// What tells one state of the sender's file from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) bytes: u64,
    pub(crate) time: Time,
}

/// What a fetcher asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// No body: only what there is to know of the file.
    pub(crate) head_only: bool,
    /// The checksum of the whole file shall be in the head.
    pub(crate) with_checksum: bool,
    /// Where the body shall begin, if the file is this one still.
    pub(crate) offset: u64,
    pub(crate) identity: Identity,
}

/// Why what came is no message of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Something else altogether.
    Foreign,
    /// Another version.
    Version(u16),
    /// What cannot be.
    Contradiction,
}

impl Request {
    pub(crate) fn encode(&self) -> [u8; REQUEST_BYTES] {
        let mut bytes = [0; REQUEST_BYTES];
        let flags = if self.head_only { HEAD_ONLY } else { 0 }
            | if self.with_checksum { WITH_CHECKSUM } else { 0 };
        let mut out = Out::new(&mut bytes);
        out.put(REQUEST_MAGIC);
        out.put(&VERSION.to_be_bytes());
        out.put(&flags.to_be_bytes());
        out.put(&[0; 4]);
        out.put(&self.offset.to_be_bytes());
        out.identity(self.identity);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; REQUEST_BYTES]) -> Result<Self, Unreadable> {
        let mut of = In(bytes);
        check(&mut of, REQUEST_MAGIC)?;
        let flags = u16::from_be_bytes(of.take());
        let _ = of.take::<4>();
        let offset = u64::from_be_bytes(of.take());
        let identity = of.identity();
        if flags & !(HEAD_ONLY | WITH_CHECKSUM) != 0 || offset > identity.bytes {
            return Err(Unreadable::Contradiction);
        }
        Ok(Self {
            head_only: flags & HEAD_ONLY != 0,
            with_checksum: flags & WITH_CHECKSUM != 0,
            offset,
            identity,
        })
    }
}

/// Why a sender sends no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The request was none of this protocol, or of another version.
    NotUnderstood,
    /// The file cannot be opened or read just now.
    Unreadable,
    /// The file changes too often for a checksum of it.
    Restless,
    /// One that this version does not know.
    Other,
}

impl Reason {
    fn code(self) -> u16 {
        match self {
            Self::Other => 0,
            Self::NotUnderstood => 1,
            Self::Unreadable => 2,
            Self::Restless => 3,
        }
    }

    fn of(code: u16) -> Self {
        match code {
            1 => Self::NotUnderstood,
            2 => Self::Unreadable,
            3 => Self::Restless,
            _ => Self::Other,
        }
    }
}

/// What a sender answers. A name follows a file's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The file, from `offset` on.
    File(FileHead),
    /// The checksum takes a while: another answer follows.
    Wait,
    /// No file.
    Refusal(Reason),
}

/// What comes before the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHead {
    pub(crate) name_bytes: usize,
    pub(crate) identity: Identity,
    pub(crate) offset: u64,
    pub(crate) checksum: Option<[u8; 32]>,
}

impl Answer {
    pub(crate) fn encode(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        let mut out = Out::new(&mut bytes);
        out.put(ANSWER_MAGIC);
        out.put(&VERSION.to_be_bytes());
        match self {
            Self::Wait => out.put(&1u16.to_be_bytes()),
            Self::Refusal(reason) => {
                out.put(&2u16.to_be_bytes());
                out.put(&reason.code().to_be_bytes());
            }
            Self::File(head) => {
                out.put(&0u16.to_be_bytes());
                out.put(&(head.name_bytes as u16).to_be_bytes());
                out.put(&u16::from(head.checksum.is_some()).to_be_bytes());
                out.put(&head.offset.to_be_bytes());
                out.identity(head.identity);
                out.put(&head.checksum.unwrap_or_default());
            }
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; HEAD_BYTES]) -> Result<Self, Unreadable> {
        let mut of = In(bytes);
        check(&mut of, ANSWER_MAGIC)?;
        let kind = u16::from_be_bytes(of.take());
        let number = u16::from_be_bytes(of.take());
        match kind {
            0 => {}
            1 => return Ok(Self::Wait),
            2 => return Ok(Self::Refusal(Reason::of(number))),
            _ => return Err(Unreadable::Contradiction),
        }
        let has_checksum = u16::from_be_bytes(of.take());
        let offset = u64::from_be_bytes(of.take());
        let identity = of.identity();
        let checksum = (has_checksum == 1).then(|| of.take());
        let name_bytes = usize::from(number);
        // No file system has longer ones.
        let can_be = identity.bytes <= i64::MAX.cast_unsigned();
        if !can_be || offset > identity.bytes || name_bytes > NAME_BYTES_MAX || has_checksum > 1 {
            return Err(Unreadable::Contradiction);
        }
        Ok(Self::File(FileHead { name_bytes, identity, offset, checksum }))
    }
}

fn check(of: &mut In<'_>, magic: &[u8; 8]) -> Result<(), Unreadable> {
    if of.take() != *magic {
        return Err(Unreadable::Foreign);
    }
    match u16::from_be_bytes(of.take()) {
        VERSION => Ok(()),
        other => Err(Unreadable::Version(other)),
    }
}

/// Fields that are written one after the other into room that is long enough.
struct Out<'a> {
    room: &'a mut [u8],
    at: usize,
}

impl<'a> Out<'a> {
    fn new(room: &'a mut [u8]) -> Self {
        Self { room, at: 0 }
    }

    fn put(&mut self, field: &[u8]) {
        self.room[self.at..self.at + field.len()].copy_from_slice(field);
        self.at += field.len();
    }

    /// 24 bytes: length, seconds, nanoseconds, and four that are zero.
    fn identity(&mut self, identity: Identity) {
        self.put(&identity.bytes.to_be_bytes());
        self.put(&identity.time.seconds.to_be_bytes());
        self.put(&identity.time.nanoseconds.to_be_bytes());
        self.put(&[0; 4]);
    }
}

/// Fields that are read one after the other from bytes that are enough.
struct In<'a>(&'a [u8]);

impl In<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (mut field, (now, rest)) = ([0; N], self.0.split_at(N));
        field.copy_from_slice(now);
        self.0 = rest;
        field
    }

    fn identity(&mut self) -> Identity {
        let bytes = u64::from_be_bytes(self.take());
        let seconds = i64::from_be_bytes(self.take());
        let nanoseconds = u32::from_be_bytes(self.take()).min(999_999_999);
        let _ = self.take::<4>();
        Identity { bytes, time: Time { seconds, nanoseconds } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_700);
        Identity { bytes: 0x0102_0304_0506, time: Time::of(time) }
    }

    #[test]
    fn what_is_encoded_is_decoded_and_lies_where_the_documentation_says() {
        let request =
            Request { head_only: true, with_checksum: true, offset: 7, identity: identity() };
        let bytes = request.encode();
        assert_eq!(Request::decode(&bytes), Ok(request));
        assert_eq!(&bytes[..16], b"OVLFETCH\0\x01\0\x03\0\0\0\0");
        assert_eq!(&bytes[16..32], &[0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(&bytes[32..40], &1_700_000_000u64.to_be_bytes());
        assert_eq!(&bytes[40..48], &[0x07, 0x5b, 0xcc, 0xbc, 0, 0, 0, 0]);

        let head =
            FileHead { name_bytes: 9, identity: identity(), offset: 7, checksum: Some([0xab; 32]) };
        for answer in [
            Answer::File(head),
            Answer::File(FileHead { checksum: None, ..head }),
            Answer::Wait,
            Answer::Refusal(Reason::Unreadable),
            Answer::Refusal(Reason::NotUnderstood),
            Answer::Refusal(Reason::Restless),
        ] {
            assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }
        let bytes = Answer::File(head).encode();
        assert_eq!(&bytes[..16], b"OVLSENDS\0\x01\0\0\0\x09\0\x01");
        assert_eq!(&bytes[16..24], &[0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(&bytes[24..32], &[0, 0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(&bytes[48..], &[0xab; 32]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let good = Request { offset: 7, identity: identity(), ..Request::default() }.encode();
        let with = |place: usize, byte: u8| {
            let mut bytes = good;
            bytes[place] = byte;
            Request::decode(&bytes)
        };
        assert_eq!(with(0, b'X'), Err(Unreadable::Foreign));
        assert_eq!(with(9, 2), Err(Unreadable::Version(2)));
        assert_eq!(with(11, 4), Err(Unreadable::Contradiction));
        assert_eq!(with(16, 1), Err(Unreadable::Contradiction), "beyond the end");

        let head = FileHead { name_bytes: 3, identity: identity(), offset: 0, checksum: None };
        let good = Answer::File(head).encode();
        let with = |place: usize, byte: u8| {
            let mut bytes = good;
            bytes[place] = byte;
            Answer::decode(&bytes)
        };
        assert_eq!(with(3, b'x'), Err(Unreadable::Foreign));
        assert_eq!(with(8, 1), Err(Unreadable::Version(257)));
        assert_eq!(with(11, 9), Err(Unreadable::Contradiction), "a kind that there is not");
        assert_eq!(with(12, 1), Err(Unreadable::Contradiction), "a name too long");
        assert_eq!(with(15, 2), Err(Unreadable::Contradiction), "flags that there are not");
        assert_eq!(with(16, 1), Err(Unreadable::Contradiction), "an offset beyond the end");
        assert_eq!(with(24, 0x80), Err(Unreadable::Contradiction), "longer than any file");
    }

    #[test]
    fn times_before_1970_and_beyond_all_calendars_are_no_trouble() {
        for time in [
            UNIX_EPOCH - Duration::from_nanos(1),
            UNIX_EPOCH - Duration::new(5, 500_000_000),
            UNIX_EPOCH,
            UNIX_EPOCH + Duration::new(1 << 33, 999_999_999),
        ] {
            // Windows counts in steps of 100 ns.
            let there = Time::of(time).to_system().expect("a time");
            let (early, late) = if there < time { (there, time) } else { (time, there) };
            assert!(late.duration_since(early).is_ok_and(|by| by.as_nanos() < 100));
        }
        let extreme = Time { seconds: i64::MIN, nanoseconds: 999_999_999 };
        let _ = extreme.to_system();
        assert!(extreme.ns() < 0);
        let _ = Time { seconds: i64::MAX, nanoseconds: 999_999_999 }.to_system();
    }
}
