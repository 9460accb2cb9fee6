//! The threads that take packets, write down what they say, and sometimes go on from them.

use crate::ledger::Tickets;
use crate::random::Random;
use crate::stage::{Slot, Stage, Stream, lock};
use crate::streams::{End, Outcome, bytes_of, length_of};
use overlapped::{Accepted, Packet, Received, TakeError, blocking};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

impl Stage {
    pub fn take(&self, mut random: Random) -> (Vec<(u64, Outcome)>, [u64; 7]) {
        let (mut results, mut kinds) = (Vec::new(), [0; 7]);
        loop {
            let timeout = Duration::from_micros(random.below(2_000) as u64);
            let mut packets = Vec::new();
            let error = match random.below(4) {
                0 => self.port.try_take().map(|taken| packets.extend(taken)),
                1 => self.port.take_timeout(timeout).map(|packet| packets.push(packet)),
                2 => self.port.take_many(1 + random.below(8), Some(timeout)).map(|mut batch| {
                    // What is left in the batch goes back to the head of the queue.
                    let wanted = 1 + random.below(8);
                    packets.extend(batch.by_ref().take(wanted));
                }),
                _ => self.port.take().map(|packet| packets.push(packet)),
            };
            if matches!(error, Err(closed) if closed != TakeError::TimedOut) {
                return (results, kinds);
            }
            for packet in packets {
                self.handle(packet, &mut random, &mut results, &mut kinds);
            }
        }
    }

    fn handle(
        &self,
        packet: Packet<Tickets>,
        random: &mut Random,
        results: &mut Vec<(u64, Outcome)>,
        kinds: &mut [u64; 7],
    ) {
        match packet {
            Packet::Accepted { operation, result, .. } => {
                kinds[0] += 1;
                assert_expected(&result);
                if let Ok(accepted) = result {
                    self.accepted(*accepted, random);
                }
                operation.taken();
            }
            Packet::Connected { stream, operation, transferred, result, .. } => {
                kinds[1] += 1;
                assert_expected(&result);
                if result.is_err() {
                    stream.close();
                }
                self.go_on(&stream, random);
                results.push((operation.taken(), Outcome::Sent(transferred)));
            }
            Packet::Received { stream, buffer, operation, result } => {
                kinds[2] += 1;
                assert_expected(&result);
                let result = result.ok();
                let length = if let Some(Received::Data(length)) = result { length } else { 0 };
                assert_eq!(buffer.len(), length);
                self.go_on(&stream, random);
                results.push((operation.taken(), Outcome::Received(result, buffer.to_vec())));
            }
            Packet::Sent { stream, buffers, operation, transferred, result } => {
                kinds[3] += 1;
                assert_expected(&result);
                assert!(result.is_err() || transferred == buffers.byte_len());
                let bytes: Vec<u8> = buffers.iter().flat_map(|part| part.to_vec()).collect();
                assert_eq!(bytes, bytes_of(operation.number(), length_of(&operation)));
                self.go_on(&stream, random);
                results.push((operation.taken(), Outcome::Sent(transferred)));
            }
            Packet::Timer { operation, result } => {
                kinds[4] += 1;
                assert_expected(&result);
                operation.taken();
            }
            Packet::Disconnected { operation, result, .. } => {
                kinds[6] += 1;
                // The connection may have broken without anybody having noticed.
                let broken = if cfg!(windows) { 10057 } else { 107 };
                if !result.as_ref().is_err_and(|error| error.raw_os_error() == Some(broken)) {
                    assert_expected(&result);
                }
                operation.taken();
            }
            Packet::Posted(ticket) => {
                kinds[5] += 1;
                ticket.taken();
            }
            other => panic!("nobody started what yields {other:?}"),
        }
        if random.one_in(50) {
            blocking(std::thread::yield_now);
        }
    }

    /// Starts the next operation from a packet, as a server does.
    fn go_on(&self, stream: &Stream, random: &mut Random) {
        if random.one_in(3) && !self.stopping.load(Ordering::SeqCst) {
            self.start_one(stream, random);
        }
    }

    fn accepted(&self, accepted: Accepted, random: &mut Random) {
        let IpAddr::V4(address) = accepted.remote.ip() else { panic!("all clients are IPv4") };
        let [_, high, middle, low] = address.octets();
        let connection = u32::from_be_bytes([0, high - 1, middle, low]) as usize;
        if random.one_in(20) {
            return;
        }
        let first_data = accepted.first_data.map_or(Vec::new(), |data| data.to_vec());
        let end = Arc::new(End::new(first_data));
        let old = lock(&self.ends).insert((connection, true), Arc::clone(&end));
        assert!(old.is_none(), "{connection} was accepted twice");
        let stream = self.port.associate(accepted.socket, end).expect("it is associated");
        let of_client = |slot: &MutexGuard<'_, Slot>| slot.connection == connection;
        // If its client is gone it is closed here.
        if let Some(mut slot) = self.slots.iter().map(lock).find(of_client)
            && !self.stopping.load(Ordering::SeqCst)
        {
            slot.server = Some(stream);
        }
    }
}

/// Nothing else may go wrong than what this test does.
fn assert_expected<T>(result: &io::Result<T>) {
    let Err(error) = result else { return };
    let code = error.raw_os_error();
    // Cancelled, reset, broken pipe, refused. On Windows a connection that was reset is also called
    // aborted or, for an operation that had waited for another one, not connected.
    let expected: &[i32] =
        if cfg!(windows) { &[995, 10054, 232, 10061, 10053, 10057] } else { &[125, 104, 32, 111] };
    assert!(expected.iter().any(|one| Some(*one) == code), "{error}");
}
