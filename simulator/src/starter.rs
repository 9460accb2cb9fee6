//! The threads that start operations and take no packets.

use crate::ledger::{Kind, ledger};
use crate::plan::{Action, FAULTS};
use crate::protocol::Token;
use crate::trace::say;
use crate::world::World;
use overlapped::{Buffer, Refused, simulation};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

/// Some plans start hardly anything.
const ROUNDS_MAX: usize = 200;

/// Does what the plan says of the starter with this number.
pub fn act(world: &Arc<World>, number: usize) {
    let actions = &world.plan.starters[number];
    for (step, action) in actions.iter().cycle().enumerate() {
        let round = step / actions.len();
        let is_enough = round > 0 && ledger(|ledger| ledger.issued()) >= world.plan.operations;
        if is_enough || round > ROUNDS_MAX {
            break;
        }
        perform(world, *action, step as u64);
    }
}

/// Notes how a start went.
fn note<T, R>(
    id: u64,
    started: Result<T, Refused<R>>,
    token: impl FnOnce(R) -> Token,
) -> Option<T> {
    match started {
        Ok(started) => {
            ledger(|ledger| ledger.started(id));
            Some(started)
        }
        Err(refused) => {
            let token = token(refused.returned);
            ledger(|ledger| ledger.given_back(token.id()));
            None
        }
    }
}

fn perform(world: &Arc<World>, action: Action, step: u64) {
    let port = &world.port;
    say!("{action:?}");
    let us = Duration::from_micros;
    let stream = |which| world.any_stream(which);
    let handle = |which| world.any_stream(which).and_then(|stream| stream.handle());
    match action {
        Action::Post => world.post(),
        Action::Defer => {
            let token = Token::new(Kind::Defer);
            note(token.id(), port.defer(token), |token| token);
        }
        Action::StartTimer { after_us } => {
            let token = Token::new(Kind::Timer);
            let id = token.id();
            if let Some(timer) = note(id, port.timer(us(after_us), token), |token| token) {
                world.add_timer(timer);
            }
        }
        Action::StopTimer { which } => {
            if let Some(timer) = world.any_timer(which)
                && let Ok(token) = port.stop_timer(timer)
            {
                ledger(|ledger| ledger.given_back(token.id()));
            }
        }
        Action::CancelTimer { which } => {
            let _ = world.any_timer(which).map(|timer| port.cancel_timer(timer));
        }
        Action::ResetTimer { which, after_us } => {
            let _ = world.any_timer(which).map(|timer| port.reset_timer(timer, us(after_us)));
        }
        Action::Accept => {
            let token = Token::new(Kind::Accept);
            note(token.id(), world.listener.accept(token), |token| token);
        }
        Action::Connect { nobody_listens } => {
            let Ok(stream) = port.associate(world.network.stream(), world.new_number()) else {
                return;
            };
            let token = Token::new(Kind::Connect);
            let mut address = world.outside;
            if nobody_listens {
                address.set_port(1);
            }
            note(token.id(), stream.connect(address, (), token), |(_, token)| token);
        }
        Action::Receive { which } => {
            stream(which).inspect(|stream| stream.receive(step.is_multiple_of(2)));
        }
        Action::Send { which, bytes } => {
            stream(which).inspect(|stream| stream.send(&world.sends, bytes));
        }
        Action::Cancel { which } => {
            if let Some(stream) = stream(which) {
                stream.cancel_last();
            }
        }
        Action::CancelAll { which } => {
            handle(which).inspect(|handle| {
                handle.cancel_all();
            });
        }
        Action::Shutdown { which } => {
            let _ = handle(which).map(|handle| handle.shutdown(Shutdown::Write));
        }
        Action::Close { which } => {
            handle(which).inspect(|handle| handle.close());
        }
        Action::Abort { which } => {
            handle(which).inspect(|handle| handle.abort());
        }
        Action::Drop { which } => {
            stream(which).inspect(|stream| stream.let_go());
        }
        Action::Limit { which, after_us } => {
            let limit = Some(us(after_us + 1));
            handle(which).inspect(|handle| match step % 3 {
                0 => handle.set_receive_limit(limit),
                1 => handle.set_send_limit(limit),
                _ => handle.set_idle_limit(limit),
            });
        }
        Action::SendTo { bytes } => {
            let token = Token::new(Kind::Datagram);
            let to = world.datagrams.local_addr().unwrap_or(world.outside);
            let id = token.id();
            let sent = world.datagrams.send_to(Buffer::from(vec![7; bytes]), to, token);
            note(id, sent, |(_, token)| token);
        }
        Action::ReceiveFrom => {
            let token = Token::new(Kind::Datagram);
            note(token.id(), world.datagrams.receive_from_pooled(token), |token| token);
        }
        Action::LimitLast { which, after_us } => {
            stream(which).inspect(|stream| stream.limit_last(us(after_us)));
        }
        Action::SendQuietly { which, bytes } => {
            stream(which).inspect(|stream| stream.send_quietly(&world.sends, bytes));
        }
        Action::Disconnect { which } => {
            if let Some(handle) = handle(which) {
                let token = Token::new(Kind::Disconnect);
                note(token.id(), handle.disconnect(token), |token| token);
            }
        }
        Action::Read { offset, bytes } => {
            let token = Token::new(Kind::File);
            let id = token.id();
            let read = world.file.read_at(Buffer::with_capacity(bytes), offset, token);
            note(id, read, |(_, token)| token);
        }
        Action::Write { offset, bytes } => {
            let token = Token::new(Kind::File);
            let id = token.id();
            let written = world.file.write_at(Buffer::from(vec![9; bytes]), offset, token);
            note(id, written, |(_, token)| token);
        }
        Action::Flush => {
            let token = Token::new(Kind::File);
            note(token.id(), world.file.flush(token), |token| token);
        }
        Action::CancelFile => {
            world.file.cancel_all();
        }
        Action::FailFiles { times, errno } => simulation::fail_files(times, errno),
        Action::Fail { way, times } => {
            let (call, errno) = FAULTS[way % FAULTS.len()];
            world.network.faults().fail_next(call, times, errno);
        }
        Action::Pause => port.pause_accepts(),
        Action::Resume => port.resume_accepts(),
        Action::Jump { by_us } => simulation::jump(us(by_us)),
        Action::Sleep { for_us } => simulation::sleep(us(for_us)),
    }
}
