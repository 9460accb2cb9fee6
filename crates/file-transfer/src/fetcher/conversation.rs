//! From the connect to the body: the request goes out, and the answer is read, no byte more.

use super::failure::{Failure, Kind};
use super::settings::Stage;
use super::{Fetch, Stream, Work};
use crate::wire::{
    ANSWER_MAGIC, Answer, FileHead, HEAD_BYTES, Identity, Reason, Request, Unreadable, VERSION,
};
use overlapped::{Buffer, Packet, Received, TcpSocket};
use std::io;
use std::time::Instant;

/// What a sender says of its file.
pub(crate) struct Head {
    /// As it came: nothing is known of it.
    pub(crate) name: Vec<u8>,
    pub(crate) identity: Identity,
    pub(crate) offset: u64,
    pub(crate) checksum: Option<[u8; 32]>,
}

/// The most words to wait that are taken; a sender says one a second.
const WAITS_MAX: u32 = 100_000;

/// The words to wait that have come.
struct Waits {
    since: Instant,
    count: u32,
}

impl Fetch<'_> {
    /// Asks the sender, on a connection of its own, of which the body is what is left to read.
    pub(super) fn ask(&self, request: Request) -> Result<(Stream, Head), Failure> {
        let stream = self.connect(request)?;
        let mut waits = Waits { since: Instant::now(), count: 0 };
        loop {
            let bytes = self.receive_exactly::<HEAD_BYTES>(&stream)?;
            let answer = Answer::decode(&bytes).map_err(|unreadable| self.foreign(unreadable))?;
            let FileHead { name_bytes, identity, offset, checksum } = match answer {
                Answer::File(head) => head,
                Answer::Wait => {
                    self.goes_on_waiting(&mut waits)?;
                    self.watch.stage(Stage::Waiting, 0, 0);
                    continue;
                }
                Answer::Refusal(reason) => return Err(self.refusal(reason)),
            };
            if offset != 0 && offset != request.offset {
                let text = format!("{}: it sends another part than it was asked for", self.address);
                return Err(Failure::new(Kind::NotASender, text));
            }
            if let Some(max) = self.settings.max_bytes.filter(|max| identity.bytes > *max) {
                let text = format!(
                    "{}: its file has {} bytes, and {max} are allowed: give a larger --max-bytes",
                    self.address, identity.bytes
                );
                return Err(Failure::new(Kind::TooLarge, text));
            }
            let mut name = vec![0; name_bytes];
            self.receive_into(&stream, &mut name)?;
            return Ok((stream, Head { name, identity, offset, checksum }));
        }
    }

    /// Takes note of one more word to wait. They are bounded in time and, so that they cost no processor
    /// either, in number.
    fn goes_on_waiting(&self, waits: &mut Waits) -> Result<(), Failure> {
        waits.count += 1;
        if waits.count > WAITS_MAX {
            let text = format!("{}: it only ever says to wait: it is no sender", self.address);
            return Err(Failure::new(Kind::NotASender, text));
        }
        let limit = self.settings.patience;
        if waits.since.elapsed() > limit {
            let text = format!(
                "{} has made no checksum within {limit:?}: fetch without verifying, or with more \
                 --patience",
                self.address
            );
            return Err(Failure::new(Kind::Slow, text));
        }
        Ok(())
    }

    fn connect(&self, request: Request) -> Result<Stream, Failure> {
        let system = |error: io::Error| Failure::system(&error);
        let address = self.address;
        let socket = TcpSocket::for_address(address);
        let socket = socket.map_err(system)?;
        let stream = self.port.associate(socket, ()).map_err(|refused| system(refused.error))?;
        let nobody = |error: &io::Error| {
            Failure::new(
                Kind::Nobody,
                format!(
                    "nobody sends at {address} ({error}): start `overlapped send FILE {address}` \
                     there, or look at the address"
                ),
            )
        };
        let first = request.encode();
        stream
            .connect(address, first.to_vec(), Work::Talk)
            .map_err(|refused| nobody(&refused.error))?;
        match self.next(self.silence_from_now())? {
            Some(Packet::Connected { result: Ok(()), .. }) => Ok(stream),
            Some(Packet::Connected { result: Err(error), .. }) => Err(nobody(&error)),
            Some(_) => Err(unexpected()),
            None => {
                let limit = self.settings.silence_time;
                let text = format!(
                    "{address} does not answer within {limit:?}: look at the address and at what \
                     lies between"
                );
                Err(Failure::new(Kind::Nobody, text))
            }
        }
    }

    fn receive_exactly<const N: usize>(&self, stream: &Stream) -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        self.receive_into(stream, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `bytes` with what comes.
    fn receive_into(&self, stream: &Stream, bytes: &mut [u8]) -> Result<(), Failure> {
        let address = self.address;
        // For all of it, so that a byte now and then does not go on for ever.
        let until = self.silence_from_now();
        let mut filled = 0;
        while filled < bytes.len() {
            let room = Buffer::with_capacity(bytes.len() - filled);
            stream
                .receive(room, Work::Talk)
                .map_err(|refused| self.cut_early(&refused.error.to_string()))?;
            match self.next(until)? {
                Some(Packet::Received { buffer, result: Ok(Received::Data(_)), .. }) => {
                    bytes[filled..filled + buffer.len()].copy_from_slice(&buffer);
                    filled += buffer.len();
                    // What is no answer of ours is known by its first bytes.
                    let start = &bytes[..filled.min(ANSWER_MAGIC.len())];
                    if bytes.len() == HEAD_BYTES && !ANSWER_MAGIC.starts_with(start) {
                        return Err(self.foreign(Unreadable::Foreign));
                    }
                }
                Some(Packet::Received { result: Ok(_), .. }) => {
                    return Err(self.cut_early("it ended the connection"));
                }
                Some(Packet::Received { result: Err(error), .. }) => {
                    return Err(self.cut_early(&error.to_string()));
                }
                Some(_) => return Err(unexpected()),
                None => {
                    let limit = self.settings.silence_time;
                    let text = format!(
                        "{address} takes the connection and says nothing, or no whole answer, for \
                         {limit:?}: it is no sender, or it has as many fetchers as it allows"
                    );
                    return Err(Failure::new(Kind::Silent, text));
                }
            }
        }
        Ok(())
    }

    fn cut_early(&self, why: &str) -> Failure {
        let text = format!(
            "{} has answered nothing that can be used ({why}): it ends just now, or it is no sender",
            self.address
        );
        Failure::new(Kind::Cut, text)
    }

    fn foreign(&self, unreadable: Unreadable) -> Failure {
        let what = match unreadable {
            Unreadable::Foreign => "what answers there is not `overlapped send`".to_owned(),
            Unreadable::Version(other) => format!(
                "the sender speaks version {other} and this is version {VERSION}: use the same \
                 version of the tool on both sides"
            ),
            Unreadable::Contradiction => {
                "what answers there says what cannot be: it is no `overlapped send`".to_owned()
            }
        };
        Failure::new(Kind::NotASender, format!("{}: {what}", self.address))
    }

    fn refusal(&self, reason: Reason) -> Failure {
        let why = match reason {
            Reason::NotUnderstood => {
                "it does not understand the request: use the same version of the tool on both sides"
            }
            Reason::Unreadable => "it cannot read its file just now: look there, and fetch again",
            Reason::Restless => {
                "its file is being written, and there is no checksum of it: fetch again when it is \
                 complete, or without verifying"
            }
            Reason::Other => "it does not say why",
        };
        Failure::new(Kind::Refused, format!("{} sends no file: {why}", self.address))
    }
}

pub(super) fn unexpected() -> Failure {
    Failure::new(Kind::System, "the port gave a packet of an operation that was not started")
}
