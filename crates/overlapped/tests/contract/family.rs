//! The family of the addresses in a test's world: a parameter that the runner of the test sets for
//! its thread, so that one test says what holds over IPv4 and over IPv6.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

thread_local! {
    static OVER_IPV6: Cell<bool> = const { Cell::new(false) };
}

/// Whether the addresses of this thread's world are of IPv6.
pub fn is_v6() -> bool {
    OVER_IPV6.get()
}

/// Makes this the family of this thread's world, as a test does for the threads that it starts.
pub fn adopt(is_v6: bool) {
    OVER_IPV6.set(is_v6);
}

/// The loopback address of this thread's world.
pub fn loopback() -> IpAddr {
    if is_v6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }
}

/// The same, with a port that the system chooses.
pub fn any() -> SocketAddr {
    (loopback(), 0).into()
}

/// The loopback address of the other family.
pub fn other_loopback() -> IpAddr {
    if is_v6() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

/// Runs `test` over IPv4 and then over IPv6. Where this machine has no IPv6 that is passed over, with
/// a word, unless the addresses are made up.
pub fn over_both(name: &str, are_made_up: bool, test: impl Fn()) {
    test();
    if !are_made_up && !has_ipv6(name) {
        return;
    }
    println!("over IPv6:");
    OVER_IPV6.set(true);
    test();
    OVER_IPV6.set(false);
}

/// Whether this machine has IPv6; it says that `test` is passed over, and why, if it has none.
pub fn has_ipv6(test: &str) -> bool {
    let there = TcpListener::bind((Ipv6Addr::LOCALHOST, 0));
    if let Err(error) = &there {
        println!("skipped: {test} over IPv6: this machine has none: {error}");
    }
    there.is_ok()
}
