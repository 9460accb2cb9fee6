//! What was measured and how, in sentences and facts.

use super::super::document::{Document, PaceName};
use crate::words::{grouped, seconds, size};
use std::time::Duration;

pub const TITLE: &str = "The server models side by side";

/// Below the tables on the screen.
pub const FIGURES: &str = "CPU, resident memory, threads and context switches are the server's own; \
     100 % is one processor. Kernel memory is that of both ends. Spread is that of messages/s over the \
     rounds. Limit says what kept more messages from coming: the server, the machine as a whole, or \
     the load generator.";

/// What was measured, in a sentence.
pub fn lead(document: &Document) -> String {
    let counts: Vec<String> = document
        .paces()
        .first()
        .map_or_else(Vec::new, |pace| document.counts(*pace))
        .into_iter()
        .map(|count| grouped(count.into()))
        .collect();
    let mut text = format!(
        "{} echo server{} on one machine, each with {} connections: messages of {} bytes, whole \
         echoes, every byte compared.",
        document.models.len(),
        if document.models.len() == 1 { "" } else { "s, the same work done in different ways" },
        super::listed(&counts),
        grouped(document.message_bytes)
    );
    if !document.complete {
        text.push_str(&format!(" {}.", super::capitalised(&super::partial(document))));
    }
    if let Some(warning) = super::conclusions::warning(super::conclusions::busiest(document)) {
        text.push_str(&format!(" {warning}"));
    }
    text
}

/// The facts of the head: name and value.
pub fn facts(document: &Document) -> Vec<(&'static str, String)> {
    let machine = &document.machine;
    let processor = match &machine.processor {
        Some(name) => format!("{} processors, {name}", machine.processors),
        None => format!("{} processors", machine.processors),
    };
    let mut facts = vec![("Date", document.date.clone()), ("System", machine.kernel.clone())];
    facts.push(("Processors", processor));
    if let Some(kib) = machine.memory_kib {
        facts.push(("Memory", size(kib as f64 * 1_024.0)));
    }
    if let Some(name) = &machine.congestion_control {
        facts.push(("Congestion control", name.clone()));
    }
    facts.push(("Descriptors a process", grouped(machine.descriptors_per_process)));
    facts.push((
        "Measurements",
        format!(
            "{} of {}, {} of {} s{}, in {}",
            document.measurements_made,
            document.measurements_planned,
            if document.rounds == 1 {
                "1 round".to_owned()
            } else {
                format!("{} rounds", document.rounds)
            },
            document.seconds,
            if document.rounds == 1 { "" } else { " each" },
            seconds(Duration::from_secs_f64(document.elapsed_seconds.clamp(0.0, 1e9)))
        ),
    ));
    facts.push(("Tool", format!("overlapped {}", document.version)));
    facts
}

/// The name of a pace.
pub fn pace_name(pace: PaceName) -> &'static str {
    match pace {
        PaceName::ClosedLoop => "Closed loop",
        PaceName::FixedRate => "Fixed rate",
        PaceName::Churn => "Churn",
        PaceName::Skew => "Skew",
        PaceName::Idle => "Idle",
    }
}

/// A pace in a sentence.
pub fn pace_line(document: &Document, pace: PaceName) -> String {
    match (pace, document.rate_per_second) {
        (PaceName::ClosedLoop, _) => match document.depth {
            1 => "Closed loop: each connection sends its next message when the last came back."
                .to_owned(),
            depth => format!(
                "Closed loop: each connection has {depth} messages under way and sends the next when \
                 one came back."
            ),
        },
        (PaceName::Churn, _) => {
            "Churn: each message has a connection of its own; latency from the \
                                 beginning of the connect to the echo."
                .to_owned()
        }
        (PaceName::Skew, rate) => format!(
            "Skew: {} of the connections send their next message when the last came back, the others \
             {} messages/s together; the latencies are those of the others.",
            document.hot_connections,
            grouped(rate.unwrap_or(0.0).max(0.0).round() as u64)
        ),
        (PaceName::Idle, _) => {
            "Idle: each connection sends one message and is silent from then on.".to_owned()
        }
        (PaceName::FixedRate, Some(rate)) => format!(
            "Fixed rate: {} messages/s over all connections, latency from the intended time of \
             sending.",
            grouped(rate.max(0.0).round() as u64)
        ),
        (PaceName::FixedRate, None) => "Fixed rate: nothing was measured.".to_owned(),
    }
}

/// How it was measured, and what the figures are worth.
pub fn method(document: &Document) -> Vec<String> {
    let rate_chosen = "half of what the slowest model did in a closed loop unless another was asked \
                       for, so that every model has room";
    let mut method = vec![
        format!(
            "Every measurement has a server in a process of its own and a load generator of {} \
             threads in another, on the same machine over loopback. The models take turns within a \
             round, every other round in the opposite order; shown are the medians of up to {} rounds.",
            document.load_threads, document.rounds
        ),
        format!(
            "Messages flow for {} s before anything is recorded, and go on while memory and threads \
             are read, so that reading disturbs nothing that is recorded.",
            document.warm_up_seconds
        ),
        "In the closed loop the load is as fast as the server lets it be: look at throughput and \
         processor time there. Its latency is mostly the time in the queue."
            .to_owned(),
    ];
    if document.paces().contains(&PaceName::FixedRate) {
        method.push(format!(
            "At the fixed rate ({rate_chosen}) all models do the same work: look at latency and at \
             processor time for a message there. A message that could not be sent at its time because \
             the echo before it was late counts from its intended time."
        ));
    }
    method.push(
        "The load generator shares the processors with the server. A row of the closed loop is \
         limited by the load when all processors were busy, with the load more than with the server: \
         the server could have done more. A row of the fixed rate is limited by the load when the \
         generator was itself late by half of the p99: its latencies are then the generator's."
            .to_owned(),
    );
    method.push(
        "Established is what the server held at once. Kernel memory is what the kernel's unreclaimable \
         objects, thread stacks and page tables grew by since before the server started, with both ends \
         of every connection in it, and the TCP buffers; it is rough, since the kernel gives back late, and it is left out when other \
         programs were busy. Messages begin when the server has accepted all connections, or accepts no \
         more."
            .to_owned(),
    );
    method.push(
        "Loopback has no network in it, and one machine is one machine: ratios within this report mean \
         something, absolute figures elsewhere do not. Differences of less than a twentieth, or within \
         the spread of the rounds, are called level."
            .to_owned(),
    );
    method
}
