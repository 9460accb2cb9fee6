//! Addresses of IPv4 and IPv6: who reaches whom, and what is refused.

use crate::errno;
use crate::family::{any, has_ipv6, is_v6, loopback, other_loopback};
use crate::on_every_driver_and_family;
use crate::packets::{assert_nothing_comes, connected, next};
use crate::world::{Numbers, World};
use overlapped::{Buffer, DatagramSocket, ListenSocket, Packet, Port};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

/// Who speaks IPv4, as a socket of both families sees it.
fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => (ip.to_ipv6_mapped(), address.port()).into(),
        IpAddr::V6(_) => address,
    }
}

fn of_both(port: u16) -> [SocketAddr; 2] {
    [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
}

const ALL: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

#[test]
fn a_listener_on_all_addresses_of_ipv6_takes_ipv4_only_if_that_was_asked_for() {
    if !has_ipv6("a_listener_on_all_addresses_of_ipv6_takes_ipv4_only_if_that_was_asked_for") {
        return;
    }
    let port = World::System.exact_port(1);
    for (both, bind) in
        [(false, ListenSocket::bind as fn(_, _) -> _), (true, ListenSocket::bind_dual_stack)]
    {
        let listener = port.associate(bind(ALL, 16).expect("one can listen"), 1).expect("it is");
        let address = listener.local_addr().expect("it is bound");
        for to in of_both(address.port()) {
            let client = TcpStream::connect(to);
            assert_eq!(client.is_ok(), both || to.is_ipv6(), "{to} of {address}: {client:?}");
            let Ok(client) = client else { continue };
            listener.accept(2).expect("an accept can be posted");
            let Packet::Accepted { result, .. } = next(&port) else { panic!("an accept was") };
            let accepted = result.expect("a client has connected");
            let its_own = client.local_addr().expect("it is connected");
            assert_eq!((accepted.remote, accepted.local), (mapped(its_own), mapped(to)));
            assert_eq!(accepted.socket.peer_addr().expect("it is connected"), mapped(its_own));
        }
    }
}

#[test]
fn a_datagram_socket_on_all_addresses_of_ipv6_hears_ipv4_only_if_that_was_asked_for() {
    if !has_ipv6("a_datagram_socket_on_all_addresses_of_ipv6_hears_ipv4_only_if_that_was_asked_for")
    {
        return;
    }
    let port: Port<Numbers> = World::System.exact_port(1);
    for both in [false, true] {
        let bind = if both { DatagramSocket::bind_dual_stack } else { DatagramSocket::bind };
        let socket = port.associate(bind(ALL).expect("it can be bound"), 1).expect("it is");
        let number = socket.local_addr().expect("it is bound").port();
        for to in of_both(number) {
            let peer = UdpSocket::bind((to.ip(), 0)).expect("it can be bound");
            let its_own = peer.local_addr().expect("it is bound");
            peer.send_to(to.to_string().as_bytes(), to).expect("it goes out, whoever hears it");
            if !both && to.is_ipv4() {
                // What comes next is the datagram of IPv6.
                let refused = socket.send_to(b"x", mapped(its_own), 2).expect_err("it is IPv4");
                assert_eq!(refused.error.raw_os_error(), Some(errno::FAMILY_NOT_SUPPORTED));
                continue;
            }
            socket.receive_from(Buffer::with_capacity(64), 3).expect("it can be started");
            let Packet::ReceivedFrom { buffer, result, .. } = next(&port) else { panic!("it was") };
            assert_eq!(result.expect("it came"), mapped(its_own));
            assert_eq!(&buffer[..], to.to_string().as_bytes());
            socket.send_to(b"back", mapped(its_own), 4).expect("it can be started");
            let Packet::SentTo { result, .. } = next(&port) else { panic!("it was sent") };
            result.expect("it went out");
            let (length, from) = peer.recv_from(&mut [0; 8]).expect("it comes");
            assert_eq!((length, from), (4, to));
        }
    }
}

#[test]
fn of_several_addresses_the_first_that_can_be_bound_is() {
    let held = ListenSocket::bind("127.0.0.1:0", 1).expect("one can listen");
    let held = (held.local_addr().expect("it is bound"), held);
    let several = [held.0, (Ipv4Addr::LOCALHOST, 0).into()];
    let second = ListenSocket::bind(&several[..], 1).expect("the second one is free");
    let bound = second.local_addr().expect("it is bound");
    assert!(bound.ip() == Ipv4Addr::LOCALHOST && bound.port() != held.0.port(), "{bound}");
    let refused = ListenSocket::bind(&several[..1], 1).expect_err("it is in use");
    assert_eq!(refused.kind(), ErrorKind::AddrInUse);

    let held = DatagramSocket::bind("127.0.0.1:0").expect("it can be bound");
    let held = (held.local_addr().expect("it is bound"), held);
    let several = [held.0, (Ipv4Addr::LOCALHOST, 0).into()];
    let second = DatagramSocket::bind(&several[..]).expect("the second one is free");
    let bound = second.local_addr().expect("it is bound");
    assert!(bound.ip() == Ipv4Addr::LOCALHOST && bound.port() != held.0.port(), "{bound}");
    let refused = DatagramSocket::bind(&several[..1]).expect_err("it is in use");
    assert_eq!(refused.kind(), ErrorKind::AddrInUse);
}

#[test]
fn what_is_no_address_is_not_bound() {
    let none: &[SocketAddr] = &[];
    for error in [
        ListenSocket::bind(none, 1).expect_err("there is none"),
        ListenSocket::bind("127.0.0.1", 1).expect_err("it has no port"),
        DatagramSocket::bind(none).expect_err("there is none"),
        DatagramSocket::bind("127.0.0.1").expect_err("it has no port"),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

#[test]
fn both_families_are_not_asked_for_by_an_address_of_ipv4() {
    let of_ipv4 = (Ipv4Addr::LOCALHOST, 0);
    let refused = ListenSocket::bind_dual_stack(of_ipv4, 1).expect_err("it is IPv4");
    assert_eq!(refused.raw_os_error(), Some(errno::FAMILY_NOT_SUPPORTED));
    let refused = DatagramSocket::bind_dual_stack(of_ipv4).expect_err("it is IPv4");
    assert_eq!(refused.raw_os_error(), Some(errno::FAMILY_NOT_SUPPORTED));
}

fn an_address_of_the_other_family_is_refused_at_once_by_every_call(world: &World) {
    let port = world.exact_port(1);
    let outside = world.peer_listener();
    let number = outside.address().port();
    let (datagrams, _) = world.datagram(&port, 1);
    let mut strange: Vec<SocketAddr> = vec![(other_loopback(), number).into()];
    if is_v6() {
        strange.push((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), number).into());
    }
    for strange in strange {
        let unbound = world.socket();
        let error = unbound.bind(strange).expect_err("it is of the other family");
        assert_eq!(error.raw_os_error(), Some(errno::FAMILY_NOT_SUPPORTED), "{strange}");
        let bound = world.socket();
        bound.bind(any()).expect("it can be bound");
        for socket in [unbound, bound] {
            let stream = port.associate(socket, 1).expect("a fresh socket is associated");
            let refused = stream.connect(strange, b"mine", 2).expect_err("it cannot be reached");
            let code = refused.error.raw_os_error();
            assert_eq!(code, Some(errno::FAMILY_NOT_SUPPORTED), "{strange}");
            assert_eq!((refused.returned.0.byte_len(), refused.returned.1), (4, 2));
            // Nothing has happened to it.
            stream.connect((loopback(), number).into(), (), 3).expect("it can be started");
            connected(&port).result.expect("somebody listens");
        }
        let refused = datagrams.send_to(b"x", strange, 4).expect_err("it cannot be reached");
        assert_eq!(refused.error.raw_os_error(), Some(errno::FAMILY_NOT_SUPPORTED), "{strange}");
    }
    assert_nothing_comes(&port);
}

on_every_driver_and_family! {
    an_address_of_the_other_family_is_refused_at_once_by_every_call,
}
