//! How many connections each client has, so that none has all of them.
//!
//! A client is an address of IPv4, or a network of 64 bits of IPv6: who has one of its addresses has
//! all of them.

use crate::lock;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

const SHARDS: usize = 16;

/// A client, as far as its address tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    V4(u32),
    V6(u64),
}

impl Client {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// The count of connections by the address of the client.
///
/// It is touched when a connection comes and when it goes, under the lock of one of its shards, and
/// holds only those that have a connection now.
pub struct Addresses {
    most: usize,
    hasher: RandomState,
    shards: [Mutex<HashMap<Client, usize>>; SHARDS],
}

impl Addresses {
    /// Each client may have `most` connections at a time; 0 is any number.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, hasher: RandomState::new(), shards: Default::default() })
    }

    /// A place for one more connection from `address`; None when it has as many as it may.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        if self.most == 0 {
            return Some(Place(None));
        }
        let client = Client::of(address);
        let mut shard = lock(self.shard(client));
        let count = shard.entry(client).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place(Some((Arc::clone(self), client))))
    }

    fn shard(&self, client: Client) -> &Mutex<HashMap<Client, usize>> {
        &self.shards[self.hasher.hash_one(client) as usize % SHARDS]
    }

    fn give_back(&self, client: Client) {
        let mut shard = lock(self.shard(client));
        if let Entry::Occupied(mut entry) = shard.entry(client) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses").field("most", &self.most).finish_non_exhaustive()
    }
}

/// The place of one connection. Dropping it gives it back to its client.
#[derive(Debug)]
#[must_use = "dropping it gives the place back"]
pub struct Place(Option<(Arc<Addresses>, Client)>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((addresses, client)) = self.0.take() {
            addresses.give_back(client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(addresses: &Arc<Addresses>, address: &str) -> Option<Place> {
        addresses.admit(address.parse().expect("an address"))
    }

    #[test]
    fn each_client_has_its_own_places_and_gets_them_back() {
        let addresses = Addresses::new(2);
        let (first, _second) = (admit(&addresses, "192.0.2.1"), admit(&addresses, "192.0.2.1"));
        assert!(first.is_some());
        assert!(admit(&addresses, "192.0.2.1").is_none());
        assert!(admit(&addresses, "::ffff:192.0.2.1").is_none(), "the same one");
        assert!(admit(&addresses, "192.0.2.2").is_some());
        drop(first);
        assert!(admit(&addresses, "192.0.2.1").is_some());
    }

    #[test]
    fn a_network_of_64_bits_is_one_client() {
        let addresses = Addresses::new(1);
        let _held = admit(&addresses, "2001:db8:0:1::1").expect("a place");
        assert!(admit(&addresses, "2001:db8:0:1:ffff:ffff:ffff:ffff").is_none());
        assert!(admit(&addresses, "2001:db8:0:2::1").is_some());
    }

    #[test]
    fn nothing_is_kept_of_who_has_gone_and_nothing_where_there_is_no_limit() {
        let addresses = Addresses::new(3);
        for number in 0..1_000_u32 {
            let _place = addresses.admit(IpAddr::V4(number.into())).expect("a place");
        }
        assert!(addresses.shards.iter().all(|shard| lock(shard).is_empty()));
        let unlimited = Addresses::new(0);
        let places: Vec<_> = (0..1_000).map(|_| admit(&unlimited, "192.0.2.1")).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(unlimited.shards.iter().all(|shard| lock(shard).is_empty()));
    }
}
