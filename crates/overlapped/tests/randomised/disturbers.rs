//! The threads that start operations, cancel them, and close and drop what they are on.

use crate::ledger::Ticket;
use crate::random::Random;
use crate::stage::{OPERATIONS, SLOTS, Slot, Stage, Stream, lock};
use crate::streams::{End, Log, bytes_of, length_of};
use overlapped::{Buffer, OperationId, Refused};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// With so many operations in flight, disturbers cancel before they start more.
const OWED_AT_MOST: u64 = 2_000;
/// With so many packets in the queue, disturbers wait.
const QUEUED_AT_MOST: usize = 200;

type Started = Result<OperationId, Ticket>;

impl Stage {
    pub fn disturb(&self, mut random: Random) {
        while self.ledger.started() < *OPERATIONS {
            if self.port.snapshot().queued > QUEUED_AT_MOST {
                // The takers are behind.
                std::thread::yield_now();
                continue;
            }
            match random.below(100) {
                0 if random.one_in(4) => {
                    let after = Duration::from_micros(random.below(3_000) as u64);
                    match self.port.timer(after, self.ledger.ticket(false)) {
                        Ok(id) => lock(&self.timers).push(id),
                        Err(refused) => refused.returned.refused(),
                    }
                }
                1 if random.one_in(8) => {
                    let id = lock(&self.timers).pop();
                    // It may have run out.
                    let _ = id.map(|id| self.port.cancel_timer(id));
                }
                2 if random.one_in(4) => {
                    if let Err(refused) = self.port.post(self.ledger.ticket(false)) {
                        refused.returned.refused();
                    }
                }
                3..=12 if self.plain.posted() < 8 => {
                    match self.plain.accept(self.ledger.ticket(false)) {
                        Ok(id) if random.one_in(8) => drop(self.plain.cancel(id)),
                        Ok(_) => {}
                        Err(refused) => refused.returned.refused(),
                    }
                }
                _ => {
                    let slot = &self.slots[random.below(SLOTS)];
                    if let Ok(mut slot) = slot.try_lock() {
                        self.disturb_slot(&mut slot, &mut random);
                    }
                }
            }
        }
    }

    fn disturb_slot(&self, slot: &mut Slot, random: &mut Random) {
        let of_client = match (&slot.client, &slot.server) {
            (None, None) => return self.connect(slot, random),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(_), Some(_)) => random.one_in(2),
        };
        let has_both = slot.client.is_some() && slot.server.is_some();
        let side = if of_client { &mut slot.client } else { &mut slot.server };
        let Some(stream) = side else { return };
        if stream.connected_for().is_none() && !random.one_in(1_000) {
            // What is started before the connect is done is refused; that is tested now and then.
            std::thread::yield_now();
            return;
        }
        if self.ledger.owed() > OWED_AT_MOST {
            stream.cancel_all();
        }
        match random.below(200) {
            0..=11 => {
                let id = lock(&stream.key().log).ids.pop();
                // It may have completed.
                let _ = id.map(|id| stream.cancel(id));
            }
            12..=13 => drop(stream.cancel_all()),
            14..=15 => {
                stream.close();
                *side = None;
            }
            16 => {
                stream.abort();
                *side = None;
            }
            17 => {
                lock(&stream.key().log).given_up = true;
                stream.cancel_all();
                *side = None;
            }
            18 if has_both && !slot.has_dropped_end => {
                lock(&stream.key().log).given_up = true;
                *side = None;
                slot.has_dropped_end = true;
            }
            20 if has_both && !slot.has_dropped_end => {
                let ticket = self.ledger.ticket(false);
                match stream.disconnect(ticket) {
                    Ok(id) if random.one_in(4) => drop(stream.cancel(id)),
                    Ok(_) => {}
                    // The connection is over.
                    Err(refused) => refused.returned.refused(),
                }
                lock(&stream.key().log).given_up = true;
                *side = None;
                slot.has_dropped_end = true;
            }
            // It fails on a connection that is over.
            19 => drop(stream.shutdown(Shutdown::Write)),
            _ => {
                if !self.start_one(stream, random) {
                    stream.close();
                    *side = None;
                }
            }
        }
    }

    /// Connects from an address of its own, by which the other end is recognised.
    fn connect(&self, slot: &mut Slot, random: &mut Random) {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let [_, high, middle, low] = (connection as u32).to_be_bytes();
        let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, high + 1, middle, low)), 0);
        let socket = self.world.socket();
        socket.bind(own).expect("every loopback address is ours");
        let end = Arc::new(End::new(Vec::new()));
        lock(&self.ends).insert((connection, false), Arc::clone(&end));
        let stream = self.port.associate(socket, end).expect("a fresh socket is associated");
        let listener = if random.one_in(3) { &self.windowed } else { &self.plain };
        let Ok(address) = listener.local_addr() else { return };
        *slot = Slot { connection, client: None, server: None, has_dropped_end: false };

        let mut log = lock(&stream.key().log);
        let ticket = self.ledger.ticket(false);
        let number = ticket.number();
        let first_data =
            if random.one_in(8) { Vec::new() } else { bytes_of(number, length_of(&ticket)) };
        log.sends.push(number);
        match stream.connect(address, first_data, ticket) {
            Ok(id) => log.ids.push(id),
            Err(refused) => return refused.returned.1.refused(),
        }
        drop(log);
        slot.client = Some(stream);
    }

    /// Starts a receive or a send; false when the connection is over.
    pub fn start_one(&self, stream: &Stream, random: &mut Random) -> bool {
        let mut log = lock(&stream.key().log);
        if log.given_up {
            return false;
        }
        let ticket = self.ledger.ticket(false);
        let started = match random.below(20) {
            0 => {
                log.receives.push(ticket.number());
                ticket_back(stream.receive(Buffer::empty(), ticket))
            }
            1..=5 => {
                log.receives.push(ticket.number());
                let buffer = Buffer::with_capacity(1 + random.below(3_000));
                ticket_back(stream.receive(buffer, ticket))
            }
            6..=11 => {
                log.receives.push(ticket.number());
                stream.receive_pooled(ticket).map_err(|refused| refused.returned)
            }
            _ => {
                log.sends.push(ticket.number());
                let bytes = bytes_of(ticket.number(), length_of(&ticket));
                if random.one_in(2) {
                    ticket_back(stream.send(bytes, ticket))
                } else {
                    let part = 1 + bytes.len() / (1 + random.below(80));
                    let parts: Vec<Buffer> = bytes.chunks(part).map(Buffer::copy_of).collect();
                    ticket_back(stream.send(parts, ticket))
                }
            }
        };
        let is_over = started.is_err() && stream.connected_for().is_some();
        match started {
            Ok(id) => remember(&mut log, id, random),
            Err(ticket) => ticket.refused(),
        }
        !is_over
    }
}

fn ticket_back<T>(started: Result<OperationId, Refused<(T, Ticket)>>) -> Started {
    started.map_err(|refused| refused.returned.1)
}

fn remember(log: &mut Log, id: OperationId, random: &mut Random) {
    if log.ids.len() < 16 {
        log.ids.push(id);
    } else {
        let place = random.below(16);
        log.ids[place] = id;
    }
}
