//! Addresses and the life of a connection: bind, listen, connect, accept, close.

use super::state::{
    Endpoint, FIRST_EPHEMERAL_PORT, Flags, Listening, Role, SocketId, State, Stream, Transport,
};
use crate::sys::code;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

impl State {
    /// Makes a socket that is bound to nothing.
    pub(super) fn open(&mut self) -> SocketId {
        self.open_as(Role::Fresh)
    }

    pub(super) fn open_as(&mut self, role: Role) -> SocketId {
        let id = self.new_id();
        let endpoint = Endpoint {
            local: None,
            remote: None,
            is_bound: false,
            resets_on_close: false,
            role,
            registration: None,
            watcher: None,
        };
        self.endpoints.insert(id, endpoint);
        id
    }

    pub(super) fn bind(&mut self, id: SocketId, address: SocketAddr) -> io::Result<()> {
        let endpoint = self.endpoint(id)?;
        if endpoint.is_bound || !matches!(endpoint.role, Role::Fresh | Role::Datagrams(_)) {
            return Err(code::error(code::INVALID));
        }
        let transport = endpoint.role.transport();
        let ip = address.ip();
        let port = match address.port() {
            0 => self.find_port(|state, port| state.is_free(transport, ip, port)),
            port => Some(port).filter(|port| self.is_free(transport, ip, *port)),
        };
        let Some(port) = port else {
            return Err(code::error(code::ADDRESS_IN_USE));
        };
        let endpoint = self.endpoint(id)?;
        endpoint.local = Some(SocketAddr::new(ip, port));
        endpoint.is_bound = true;
        self.bound.entry((transport, port)).or_default().push((ip, id));
        Ok(())
    }

    fn is_free(&self, transport: Transport, ip: IpAddr, port: u16) -> bool {
        let overlaps = |held: IpAddr| {
            held.is_ipv4() == ip.is_ipv4()
                && (held == ip || held.is_unspecified() || ip.is_unspecified())
        };
        !self
            .bound
            .get(&(transport, port))
            .is_some_and(|holders| holders.iter().any(|(held, _)| overlaps(*held)))
    }

    fn find_port(&mut self, is_free: impl Fn(&Self, u16) -> bool) -> Option<u16> {
        for _ in FIRST_EPHEMERAL_PORT..=u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_EPHEMERAL_PORT);
            if is_free(self, port) {
                return Some(port);
            }
        }
        None
    }

    pub(super) fn listen(&mut self, id: SocketId, backlog: usize) -> io::Result<()> {
        let endpoint = self.endpoint(id)?;
        if !matches!(endpoint.role, Role::Fresh) || !endpoint.is_bound {
            return Err(code::error(code::INVALID));
        }
        endpoint.role = Role::Listening(Listening {
            backlog: backlog.max(1),
            queue: VecDeque::new(),
            waiting: VecDeque::new(),
        });
        Ok(())
    }

    fn listening(&mut self, id: SocketId) -> Option<&mut Listening> {
        match self.endpoints.get_mut(&id)?.role {
            Role::Listening(ref mut listening) => Some(listening),
            _ => None,
        }
    }

    /// The socket that is bound to the address, or to all addresses and this port.
    pub(super) fn holder_of(&self, transport: Transport, address: SocketAddr) -> Option<SocketId> {
        let unspecified = any_of(address.ip());
        let holders = self.bound.get(&(transport, address.port()))?;
        let at = |ip: IpAddr| holders.iter().find(|(held, _)| *held == ip).map(|(_, id)| *id);
        at(address.ip()).or_else(|| at(unspecified))
    }

    fn listener_at(&mut self, address: SocketAddr) -> Option<SocketId> {
        let id = self.holder_of(Transport::Stream, address)?;
        self.listening(id).is_some().then_some(id)
    }

    /// Starts to connect. Never done at once: the edge says when, [`State::connected`] how.
    pub(super) fn connect(&mut self, id: SocketId, address: SocketAddr) -> io::Result<()> {
        let endpoint = self.endpoint(id)?;
        match &mut endpoint.role {
            Role::Fresh => {}
            Role::Connecting { .. } => return Err(code::error(code::ALREADY)),
            Role::Stream(_) | Role::Listening(_) => return Err(code::error(code::IS_CONNECTED)),
            Role::Datagrams(_) => return Err(code::error(code::INVALID)),
            Role::Failed { error } => {
                // The next attempt only learns of the last one's end; the one after it may go.
                let error = error.take().unwrap_or(code::ABORTED);
                endpoint.role = Role::Fresh;
                return Err(code::error(error));
            }
        }
        let remote = if address.ip().is_unspecified() {
            SocketAddr::new(loopback_of(address.ip()), address.port())
        } else {
            address
        };
        let local = self.choose_source(id, remote)?;
        let endpoint = self.endpoint(id)?;
        endpoint.local = Some(local);
        endpoint.remote = Some(remote);
        self.tuples.insert((local, remote));

        match self.listener_at(remote) {
            None => self.fail_connect(id, code::REFUSED),
            Some(listener) => {
                self.endpoint(id)?.role = Role::Connecting { listener };
                if let Some(listening) = self.listening(listener) {
                    listening.waiting.push_back(id);
                }
                self.fill_backlog(listener);
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn choose_source(&mut self, id: SocketId, remote: SocketAddr) -> io::Result<SocketAddr> {
        let endpoint = self.endpoint(id)?;
        let bound = endpoint.local.filter(|_| endpoint.is_bound);
        if bound.is_some_and(|bound| bound.is_ipv4() != remote.is_ipv4()) {
            return Err(code::error(code::FAMILY_NOT_SUPPORTED));
        }
        let default =
            if remote.ip().is_loopback() { loopback_of(remote.ip()) } else { remote.ip() };
        let ip = bound.map(|bound| bound.ip()).filter(|ip| !ip.is_unspecified()).unwrap_or(default);
        let is_new = |state: &Self, port: u16| {
            let local = SocketAddr::new(ip, port);
            !state.tuples.contains(&(local, remote)) && !state.tuples.contains(&(remote, local))
        };
        let port = match bound {
            Some(bound) => Some(bound.port()).filter(|port| is_new(self, *port)),
            None => self.find_port(|state, port| {
                !state.bound.contains_key(&(Transport::Stream, port)) && is_new(state, port)
            }),
        };
        port.map_or_else(
            || Err(code::error(code::ADDRESS_NOT_AVAILABLE)),
            |port| Ok(SocketAddr::new(ip, port)),
        )
    }

    /// Establishes connections that wait for the listener, as long as its backlog has room.
    fn fill_backlog(&mut self, listener: SocketId) {
        while let Some(listening) = self.listening(listener)
            && listening.queue.len() < listening.backlog
            && let Some(client) = listening.waiting.pop_front()
        {
            let server = self.open();
            let capacity = self.capacity;
            let Some(endpoint) = self.endpoints.get_mut(&client) else {
                continue;
            };
            let (local, remote) = (endpoint.local, endpoint.remote);
            let end = |other| Stream { other: Some(other), capacity, ..Stream::default() };
            endpoint.role = Role::Stream(end(server));
            if let Some(endpoint) = self.endpoints.get_mut(&server) {
                endpoint.local = remote;
                endpoint.remote = local;
                endpoint.role = Role::Stream(end(client));
            }
            self.tuples.extend(remote.zip(local));
            if let Some(listening) = self.listening(listener) {
                listening.queue.push_back(server);
            }
            self.signal(client, Flags::WRITABLE);
            self.signal(listener, Flags::READABLE);
        }
    }

    fn fail_connect(&mut self, id: SocketId, error: i32) {
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            endpoint.role = Role::Failed { error: Some(error) };
            if let Some(tuple) = endpoint.local.zip(endpoint.remote.take()) {
                self.tuples.remove(&tuple);
            }
            if !endpoint.is_bound {
                endpoint.local = None;
            }
            self.signal(id, Flags::ALL);
        }
    }

    pub(super) fn is_connected(&mut self, id: SocketId) -> bool {
        self.stream(id).is_some_and(|stream| !stream.is_over())
    }

    /// Whether a connection that was started is established: `Ok`, its error, or `WouldBlock`.
    pub(super) fn connected(&mut self, id: SocketId) -> io::Result<()> {
        let error = match &mut self.endpoint(id)?.role {
            Role::Failed { error } => error.take(),
            // It stood, and that it was lost since is for the calls that come.
            Role::Stream(stream) if stream.lost.is_some() => return Ok(()),
            _ => None,
        };
        match error {
            Some(error) => Err(code::error(error)),
            None if self.is_connected(id) => Ok(()),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(super) fn accept(&mut self, listener: SocketId) -> io::Result<(SocketId, SocketAddr)> {
        let Some(listening) = self.listening(listener) else {
            return Err(code::error(code::INVALID));
        };
        let Some(id) = listening.queue.pop_front() else {
            return Err(code::error(code::WOULD_BLOCK));
        };
        self.fill_backlog(listener);
        match self.endpoint(id)?.remote {
            Some(remote) => Ok((id, remote)),
            None => Err(code::error(code::ABORTED)),
        }
    }

    pub(super) fn local_addr(&mut self, id: SocketId) -> io::Result<SocketAddr> {
        self.endpoint(id)?.local.ok_or_else(|| code::error(code::INVALID))
    }

    pub(super) fn peer_addr(&mut self, id: SocketId) -> io::Result<SocketAddr> {
        let remote = if self.is_connected(id) { self.endpoint(id)?.remote } else { None };
        remote.map_or_else(|| Err(code::error(code::NOT_CONNECTED)), Ok)
    }

    pub(super) fn end_sending(&mut self, id: SocketId) -> io::Result<()> {
        match &self.endpoint(id)?.role {
            Role::Fresh | Role::Failed { .. } | Role::Datagrams(_) => {
                Err(code::error(code::NOT_CONNECTED))
            }
            Role::Stream(_) => self.end_sending_of_stream(id),
            Role::Listening(_) => Ok(()),
            Role::Connecting { listener } => {
                let role = Role::Connecting { listener: *listener };
                self.end_role(&role, id, false);
                self.fail_connect(id, code::RESET);
                Ok(())
            }
        }
    }

    /// Closes the socket: with a FIN, or with a reset if it lingers for zero or has unread data.
    pub(super) fn close(&mut self, id: SocketId) {
        let Some(endpoint) = self.endpoints.remove(&id) else {
            return;
        };
        if let Some(registration) = &endpoint.registration {
            self.forget_edge(registration);
        }
        if let Some(tuple) = endpoint.local.zip(endpoint.remote) {
            self.tuples.remove(&tuple);
        }
        if let Some(local) = endpoint.local.filter(|_| endpoint.is_bound)
            && let key = (endpoint.role.transport(), local.port())
            && let Some(holders) = self.bound.get_mut(&key)
        {
            holders.retain(|(_, holder)| *holder != id);
            if holders.is_empty() {
                self.bound.remove(&key);
            }
        }
        self.end_role(&endpoint.role, id, endpoint.resets_on_close);
    }

    /// Tells the others that the socket `id` no longer plays this role.
    fn end_role(&mut self, role: &Role, id: SocketId, with_reset: bool) {
        match role {
            Role::Fresh | Role::Failed { .. } | Role::Datagrams(_) => {}
            Role::Stream(stream) => self.hang_up(stream, with_reset),
            Role::Connecting { listener } => {
                if let Some(listening) = self.listening(*listener) {
                    listening.waiting.retain(|waiting| *waiting != id);
                }
            }
            Role::Listening(listening) => {
                for server in &listening.queue {
                    if let Some(endpoint) = self.endpoints.get_mut(server) {
                        endpoint.resets_on_close = true;
                    }
                    self.close(*server);
                }
                for client in &listening.waiting {
                    self.fail_connect(*client, code::REFUSED);
                }
            }
        }
    }
}

pub(super) fn loopback_of(ip: IpAddr) -> IpAddr {
    if ip.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

fn any_of(ip: IpAddr) -> IpAddr {
    if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}
