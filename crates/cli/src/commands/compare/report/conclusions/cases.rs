//! Who is best in each case, and why the others are not.

use super::super::super::document::{Document, Limit, Measurement, PaceName, Row};
use super::super::listed;
use super::super::standing::{COST, MEMORY, Standing, TAIL, THROUGHPUT, comparable};
use super::{best_in_words, names};
use crate::words::grouped;

/// A closed loop in words: the fastest, and why the slowest is slow.
pub(super) fn flat_out(rows: &[&Row]) -> Option<String> {
    let fastest = Standing::of(rows, &THROUGHPUT)?;
    let mut text = format!("Fastest is {}", best_in_words(&fastest, &THROUGHPUT));
    if let Some((next, value)) = fastest.next() {
        text.push_str(&format!("; then comes {} with {}", next.model, (THROUGHPUT.say)(value)));
    }
    text.push('.');
    let is_behind = |(row, _): &(&Row, f64)| !fastest.is_at_the_top(&row.model);
    if let Some((slowest, _)) = fastest.worst().filter(is_behind) {
        let times = fastest.times_worse(&slowest.model).unwrap_or(1.0);
        text.push_str(&format!(
            " Slowest is {}, which takes {times:.1} times as long{}.",
            slowest.model,
            reason(fastest.best().0, slowest)
        ));
    }
    if let Some(cheapest) = Standing::of(rows, &COST) {
        text.push_str(&format!(
            " The least processor time is taken by {}.",
            best_in_words(&cheapest, &COST)
        ));
    }
    let by_load: Vec<&Row> = rows
        .iter()
        .copied()
        .filter(|row| row.median.as_ref().is_some_and(|it| it.limited_by == Limit::Load))
        .collect();
    if !by_load.is_empty() {
        text.push_str(&format!(
            " The load generator was the limit of {}, so they could do more than is shown here.",
            listed(&names(by_load))
        ));
    }
    Some(text)
}

/// Why `slow` is slower than `fast`, as far as the figures tell: `: reason`, or nothing.
fn reason(fast: &Row, slow: &Row) -> String {
    let (Some(fast), Some(slow)) = (&fast.median, &slow.median) else {
        return String::new();
    };
    let mut reasons = Vec::new();
    let pair = |of: fn(&Measurement) -> Option<f64>| of(fast).zip(of(slow));
    if let Some((few, many)) = pair(|it| it.context_switches_per_message)
        && many > 0.2
        && many > few * 2.0
    {
        reasons.push(format!("it makes {many:.2} context switches a message against {few:.2}"));
    }
    if let Some((few, many)) = pair(|it| it.threads.map(|threads| threads as f64))
        && many > 32.0
        && many > few * 4.0
    {
        let [few, many] = [few, many].map(|count| grouped(count as u64));
        reasons.push(format!("it has {many} threads against {few}"));
    }
    if let Some((low, high)) = pair(|it| it.processor_us_per_message)
        && high > low * 1.2
    {
        reasons.push(format!("a message costs it {high:.1} us of processor time against {low:.1}"));
    }
    if let Some((most, least)) = pair(|it| it.processor_percent)
        && slow.threads == Some(1)
        && most > least * 1.2
    {
        reasons
            .push(format!("its one thread can use one processor, {least:.0} % against {most:.0}"));
    }
    if reasons.is_empty() { String::new() } else { format!(": {}", listed(&reasons)) }
}

pub(super) fn steady_load(document: &Document, counts: &[u32]) -> Option<String> {
    let mut sentences = Vec::new();
    for &connections in counts {
        let rows = comparable(document, PaceName::FixedRate, connections);
        let Some(tail) = Standing::of(&rows, &TAIL) else {
            continue;
        };
        let mut sentence = format!(
            "With {} connections the lowest p99 is that of {}",
            grouped(connections.into()),
            best_in_words(&tail, &TAIL)
        );
        if let Some((worst, value)) =
            tail.worst().filter(|(row, _)| !tail.is_at_the_top(&row.model))
        {
            sentence.push_str(&format!(
                ", the highest that of {} ({})",
                worst.model,
                (TAIL.say)(value)
            ));
        }
        if let Some(cheapest) = Standing::of(&rows, &COST) {
            sentence.push_str(&format!(
                "; the least processor time is that of {}",
                best_in_words(&cheapest, &COST)
            ));
        }
        sentences.push(sentence + ".");
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

pub(super) fn little_memory(document: &Document) -> Option<String> {
    let pace = document.paces().first().copied()?;
    let connections = document.counts(pace).last().copied()?;
    let rows = comparable(document, pace, connections);
    let standing = Standing::of(&rows, &MEMORY)?;
    let mut text = format!(
        "With {} connections the smallest is {}",
        grouped(connections.into()),
        best_in_words(&standing, &MEMORY)
    );
    if let Some((largest, value)) =
        standing.worst().filter(|(row, _)| !standing.is_at_the_top(&row.model))
    {
        text.push_str(&format!(
            ", the largest {} with {}{}",
            largest.model,
            (MEMORY.say)(value),
            match largest.median.as_ref().and_then(|median| median.threads) {
                Some(threads) if threads > 32 => format!(" and {} threads", grouped(threads)),
                _ => String::new(),
            }
        ));
    }
    Some(
        text + ". The memory of the kernel comes to that; it hardly differs by model, save for the \
                 stacks of threads.",
    )
}

/// The rows that did not reach their connections, or were passed over.
pub(super) fn out_of_reach(document: &Document) -> Option<String> {
    let mut sentences = Vec::new();
    for row in &document.rows {
        let place = format!("{} at {}", row.model, grouped(row.connections.into()));
        let short = row.median.as_ref().filter(|it| it.established < u64::from(row.connections));
        let sentence = if let Some(median) = short {
            format!("{place} held {}", grouped(median.established))
        } else if row.median.is_none() && !row.skipped.is_empty() {
            format!("{place} was passed over")
        } else if row.median.is_none() && !row.problems.is_empty() {
            format!("{place} failed")
        } else {
            continue;
        };
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    (!sentences.is_empty())
        .then(|| format!("{}. The remarks below the tables say why.", sentences.join("; ")))
}

/// The best for each case in one sentence.
pub(super) fn choice(document: &Document) -> Option<String> {
    let mut parts = Vec::new();
    let mut add = |case: String, rows: Vec<&Row>, figure| {
        let Some(standing) = Standing::of(&rows, figure) else {
            return;
        };
        if rows.len() < 2 {
            return;
        }
        let mut best = vec![standing.best().0.model.clone()];
        best.extend(names(standing.level()));
        // Where all are level there is nothing to choose by.
        if best.len() < rows.len() {
            parts.push(format!("{case} {}", best.join(" or ")));
        }
    };
    let closed = document.counts(PaceName::ClosedLoop);
    let ends = [closed.first(), closed.last().filter(|_| closed.len() > 1)];
    for &connections in ends.into_iter().flatten() {
        add(
            format!("for the most messages over {} connections", grouped(connections.into())),
            comparable(document, PaceName::ClosedLoop, connections),
            &THROUGHPUT,
        );
    }
    if let Some(&connections) = document.counts(PaceName::FixedRate).last() {
        let rows = || comparable(document, PaceName::FixedRate, connections);
        add("for the lowest p99 under a steady load".to_owned(), rows(), &TAIL);
        add("for the least processor time under it".to_owned(), rows(), &COST);
    }
    if let Some(&pace) = document.paces().first()
        && let Some(&connections) = document.counts(pace).last()
    {
        add("for the least memory".to_owned(), comparable(document, pace, connections), &MEMORY);
    }
    (!parts.is_empty()).then(|| format!("{}.", listed(&parts)))
}
