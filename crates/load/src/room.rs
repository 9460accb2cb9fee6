//! How many connections this machine has room for, by each of its limits.
//!
//! A process has limits of its own, which [`plan`](crate::plan) meets by more processes. These here are of the
//! whole machine, and nothing but another setting or another machine helps.

use std::fmt;

use crate::kernel_figures::MemoryFigures;
use crate::platform::limits as system;

/// What the kernel and both programs take for one end of an idle connection; measured, and rounded up.
const BYTES_OF_AN_END: u64 = 5_600;

/// Memory that is left alone.
const SPARE_KIB: u64 = 1_536 * 1_024;

/// What the machine still has of something, and how much of it one end of a connection takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What it is, as the system calls it.
    pub name: &'static str,
    /// How much there is, in words.
    pub amount: String,
    /// How many ends of connections fit.
    pub ends: u64,
    /// What a user can do about too little.
    pub remedy: &'static str,
}

/// Too little of something for so many connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Connections asked for.
    connections: u64,
    ends_each: u64,
    /// What there is too little of, the scarcest first.
    scarce: Vec<Resource>,
}

impl Shortage {
    /// How many connections fit.
    pub fn fits(&self) -> u64 {
        self.scarce.first().map_or(u64::MAX, |first| first.ends / self.ends_each)
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "this machine has no room for {} connections: ", self.connections)?;
        for resource in &self.scarce {
            let Resource { name, amount, ends, remedy } = resource;
            let fits = ends / self.ends_each;
            write!(formatter, "{name} ({amount}) is enough for {fits}, so {remedy}; ")?;
        }
        write!(formatter, "or take {} connections", self.fits())
    }
}

impl std::error::Error for Shortage {}

/// Whether `connections` fit on this machine, which has `ends_each` ends of each of them: two where it has both
/// the server and the load. What the system does not tell is not looked at.
///
/// # Errors
/// What there is too little of, and how many fit.
pub fn check(connections: u64, ends_each: u64) -> Result<(), Shortage> {
    let mut resources = system::resources_of_sockets();
    if let Ok(memory) = MemoryFigures::read() {
        resources.push(memory_for_sockets(memory.available_kib));
    }
    check_against(connections, ends_each, resources)
}

fn memory_for_sockets(available_kib: u64) -> Resource {
    Resource {
        name: "memory",
        amount: format!("{} MiB available", available_kib >> 10),
        ends: available_kib.saturating_sub(SPARE_KIB) * 1_024 / BYTES_OF_AN_END,
        remedy: "end what else takes memory",
    }
}

fn check_against(
    connections: u64,
    ends_each: u64,
    mut resources: Vec<Resource>,
) -> Result<(), Shortage> {
    let needed = connections.saturating_mul(ends_each);
    resources.retain(|resource| resource.ends < needed);
    resources.sort_by_key(|resource| resource.ends);
    if resources.is_empty() {
        return Ok(());
    }
    Err(Shortage { connections, ends_each, scarce: resources })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(name: &'static str, ends: u64) -> Resource {
        Resource { name, amount: format!("{ends} left"), ends, remedy: "raise it" }
    }

    #[test]
    fn every_shortage_is_named_the_scarcest_first() {
        let resources = vec![resource("a", 500), resource("b", 10_000), resource("c", 300)];
        let shortage = check_against(400, 2, resources.clone()).expect_err("too many");
        assert_eq!(
            shortage.to_string(),
            "this machine has no room for 400 connections: c (300 left) is enough for 150, so raise it; \
             a (500 left) is enough for 250, so raise it; or take 150 connections"
        );
        assert_eq!(shortage.fits(), 150);
        assert_eq!(check_against(150, 2, resources.clone()), Ok(()));
        assert_eq!(check_against(300, 1, resources), Ok(()));
    }

    #[test]
    fn memory_leaves_some_to_others() {
        assert_eq!(memory_for_sockets(SPARE_KIB).ends, 0);
        assert_eq!(memory_for_sockets(SPARE_KIB + BYTES_OF_AN_END).ends, 1_024);
    }

    #[test]
    fn a_few_fit_and_a_trillion_do_not() {
        assert_eq!(check(10, 2), Ok(()));
        let shortage = check(1_000_000_000_000, 2).expect_err("too many for any machine");
        assert!(shortage.to_string().contains("memory ("), "{shortage}");
        assert!(shortage.fits() > 10, "{shortage}");
    }
}
