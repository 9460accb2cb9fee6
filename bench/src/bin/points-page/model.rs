//! How far one port goes: Amdahl's law with what its threads do one after the other for a message.

use std::fmt::Write as _;

use crate::points::{Points, short};

/// How many processors are asked about.
const PROCESSORS: [f64; 4] = [2.0, 8.0, 32.0, 64.0];

/// The messages at which connections' processor time is taken.
const CONNECTIONS: f64 = 512.0;

/// The table; None where the parts were not measured.
pub fn table(points: &Points) -> anyhow::Result<Option<String>> {
    let part = |name: &str| points.single("serial", name);
    let whole_us = points
        .of("connections", "processor_us")
        .iter()
        .find(|point| point.server == "overlapped" && point.at == CONNECTIONS)
        .map(|point| point.value);
    let (Some(whole_us), Some(contended), Some(writes), Some(put_in), Some(taken_out), Some(call)) = (
        whole_us,
        part("write_contended_ns"),
        part("shared_writes_of_port"),
        part("event_put_in_ns"),
        part("event_taken_out_ns"),
        part("call_with_one_event_ns"),
    ) else {
        return Ok(None);
    };
    let whole = whole_us * 1e3;
    let ours = writes * contended;
    // An event is put into the set, and taken out of it alone or with others.
    let least = ours + put_in + taken_out;
    let most = ours + put_in + call;
    let mut text =
        String::from("\n| of a message, one thread after the other | ns |\n|---|---:|\n");
    for (what, nanoseconds) in [
        (
            format!(
                "the library: {writes:.2} writes to lines that all threads share, {} ns each",
                short(contended)
            ),
            ours,
        ),
        ("the kernel: the event is put into the set".to_owned(), put_in),
        ("the kernel: it is taken out, with 63 others".to_owned(), taken_out),
        ("the kernel: it is taken out alone, with the whole call".to_owned(), call),
        (format!("all of a message, at {CONNECTIONS} connections"), whole),
    ] {
        writeln!(text, "| {what} | {} |", short(nanoseconds))?;
    }
    writeln!(
        text,
        "\n| processors | at the most (events taken out by the dozen) | at the least (each alone) |"
    )?;
    writeln!(text, "|---:|---:|---:|")?;
    for processors in PROCESSORS {
        let (best, worst) = (speedup(processors, least / whole), speedup(processors, most / whole));
        writeln!(text, "| {processors} | {best:.1} times one | {worst:.1} times one |")?;
    }
    writeln!(
        text,
        "| any number | {:.0} times one | {:.0} times one |\n",
        whole / least,
        whole / most
    )?;
    Ok(Some(text))
}

/// How many times the messages of one processor so many handle where this fraction is serial.
fn speedup(processors: f64, serial: f64) -> f64 {
    processors / (1.0 + serial.min(1.0) * (processors - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_serial_is_a_speedup_of_all_and_everything_serial_of_none() {
        assert_eq!(speedup(64.0, 0.0), 64.0);
        assert_eq!(speedup(64.0, 1.0), 1.0);
        assert_eq!(speedup(2.0, 0.5), 2.0 / 1.5);
    }
}
