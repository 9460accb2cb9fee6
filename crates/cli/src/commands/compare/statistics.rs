//! Medians and ranges over the rounds of a row.

use overlapped_load::document::tenths;
use overlapped_load::failure::Failures;

use super::document::{Measurement, Range, Ranges};

/// The measurement with its figures rounded to what they can bear.
pub fn rounded(measurement: Measurement) -> Measurement {
    let hundredths = |value: f64| (value * 100.0).round() / 100.0;
    let fine = |value: f64| (value * 10_000.0).round() / 10_000.0;
    Measurement {
        messages_per_second: tenths(measurement.messages_per_second),
        bytes_per_second_each_way: tenths(measurement.bytes_per_second_each_way),
        p50_us: measurement.p50_us.map(tenths),
        p99_us: measurement.p99_us.map(tenths),
        p99_9_us: measurement.p99_9_us.map(tenths),
        hot_messages_per_second: measurement.hot_messages_per_second.map(tenths),
        user_us_per_message: measurement.user_us_per_message.map(hundredths),
        kernel_us_per_message: measurement.kernel_us_per_message.map(hundredths),
        resident_bytes_per_connection: measurement.resident_bytes_per_connection.map(tenths),
        stolen_percent: measurement.stolen_percent.map(tenths),
        processor_us_per_message: measurement.processor_us_per_message.map(fine),
        processor_percent: measurement.processor_percent.map(tenths),
        context_switches_per_message: measurement.context_switches_per_message.map(fine),
        load_processor_percent: measurement.load_processor_percent.map(tenths),
        load_lateness_p99_us: measurement.load_lateness_p99_us.map(tenths),
        machine_busy_elsewhere_percent: measurement.machine_busy_elsewhere_percent.map(tenths),
        ..measurement
    }
}

/// The median of every figure by itself; failures are summed, notes gathered, and of stalls the longest counts. None without a round.
pub fn median_of(rounds: &[Measurement]) -> Option<Measurement> {
    let figure = |of: fn(&Measurement) -> f64| median(rounds.iter().map(of));
    let known = |of: fn(&Measurement) -> Option<f64>| median(rounds.iter().filter_map(of));
    let whole = |of: fn(&Measurement) -> Option<u64>| {
        let value = median(rounds.iter().filter_map(of).map(|value| value as f64))?;
        Some(value.round() as u64)
    };
    let mut failures = Failures::default();
    let mut notes: Vec<String> = Vec::new();
    for round in rounds {
        failures.merge(&round.failures);
        notes.extend(
            round.notes.iter().filter(|note| !notes.contains(note)).cloned().collect::<Vec<_>>(),
        );
    }
    let mut limits: Vec<_> = rounds.iter().map(|round| round.limited_by).collect();
    limits.sort_unstable();
    Some(rounded(Measurement {
        attempted: whole(|round| Some(round.attempted))?,
        established: whole(|round| Some(round.established))?,
        messages_per_second: figure(|round| round.messages_per_second)?,
        bytes_per_second_each_way: figure(|round| round.bytes_per_second_each_way)?,
        p50_us: known(|round| round.p50_us),
        p99_us: known(|round| round.p99_us),
        p99_9_us: known(|round| round.p99_9_us),
        hot_messages_per_second: known(|round| round.hot_messages_per_second),
        hot_p50_us: known(|round| round.hot_p50_us),
        processor_us_per_message: known(|round| round.processor_us_per_message),
        user_us_per_message: known(|round| round.user_us_per_message),
        kernel_us_per_message: known(|round| round.kernel_us_per_message),
        resident_bytes_per_connection: known(|round| round.resident_bytes_per_connection),
        stolen_percent: known(|round| round.stolen_percent),
        longest_stall_us: rounds.iter().filter_map(|round| round.longest_stall_us).reduce(f64::max),
        unanswered: rounds.iter().map(|round| round.unanswered).sum(),
        processor_percent: known(|round| round.processor_percent),
        resident_kib: whole(|round| round.resident_kib),
        kernel_memory_kib: whole(|round| round.kernel_memory_kib),
        kernel_socket_kib: whole(|round| round.kernel_socket_kib),
        threads: whole(|round| round.threads),
        context_switches_per_message: known(|round| round.context_switches_per_message),
        server_processes: whole(|round| Some(round.server_processes))?,
        load_processor_percent: known(|round| round.load_processor_percent),
        load_lateness_p99_us: known(|round| round.load_lateness_p99_us),
        machine_busy_elsewhere_percent: known(|round| round.machine_busy_elsewhere_percent),
        // The one in the middle of their order, in which the load's own limit is the last: a row whose
        // rounds are divided is called limited by the load rather than not.
        limited_by: limits.get(limits.len() / 2).copied()?,
        errors: rounds.iter().map(|round| round.errors).sum(),
        failures,
        left_by_server: rounds.iter().map(|round| round.left_by_server).sum(),
        notes,
    }))
}

/// The ranges of the figures that vary. None without a round.
pub fn ranges_of(rounds: &[Measurement]) -> Option<Ranges> {
    if rounds.is_empty() {
        return None;
    }
    let range = |of: fn(&Measurement) -> Option<f64>| range(rounds.iter().filter_map(of));
    Some(Ranges {
        messages_per_second: range(|round| Some(round.messages_per_second)),
        p50_us: range(|round| round.p50_us),
        p99_us: range(|round| round.p99_us),
        processor_us_per_message: range(|round| round.processor_us_per_message),
        resident_kib: range(|round| round.resident_kib.map(|kib| kib as f64)),
    })
}

fn range(values: impl Iterator<Item = f64>) -> Option<Range> {
    values.fold(None, |range: Option<Range>, value| {
        Some(range.map_or(Range { least: value, greatest: value }, |range| Range {
            least: range.least.min(value),
            greatest: range.greatest.max(value),
        }))
    })
}

/// The middle value, or the mean of the two middle ones.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::compare::document::Limit;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
        assert!(median_of(&[]).is_none() && ranges_of(&[]).is_none());
    }

    #[test]
    fn medians_are_taken_figure_by_figure_and_errors_are_summed() {
        let round =
            |rate: f64, p99: Option<f64>, errors: u64, limited_by, note: &str| Measurement {
                messages_per_second: rate,
                p99_us: p99,
                errors,
                limited_by,
                notes: vec![note.to_owned()],
                ..Measurement::default()
            };
        let rounds = [
            round(10.0, Some(9.0), 1, Limit::Load, "late"),
            round(30.0, Some(7.0), 0, Limit::Server, "full"),
            round(20.0, None, 2, Limit::Load, "late"),
        ];
        let median = median_of(&rounds).expect("three rounds");
        assert!((median.messages_per_second - 20.0).abs() < 1e-9);
        assert_eq!(median.p99_us, Some(8.0));
        assert_eq!(median.errors, 3);
        assert_eq!(median.processor_us_per_message, None);
        assert_eq!(median.limited_by, Limit::Load);
        assert_eq!(median.notes, ["late", "full"]);
        let ranges = ranges_of(&rounds).expect("three rounds");
        assert_eq!(ranges.messages_per_second, Some(Range { least: 10.0, greatest: 30.0 }));
        assert_eq!(ranges.p99_us, Some(Range { least: 7.0, greatest: 9.0 }));
        assert_eq!(ranges.processor_us_per_message, None);
    }
}
