//! The closing words: which model is best at what, and what the completion port costs against it. All of
//! it is said from the figures.

use super::super::document::{Document, Limit, Measurement, PaceName, Row};
use super::listed;
use super::standing::{COST, Figure, MEMORY, Standing, TAIL, THROUGHPUT, comparable, more};
use crate::words::grouped;

/// The model that is held against the best, when it was measured.
const REFERENCE: &str = "completion-port";

/// A machine that is busier than this with other things gives figures that need a warning.
const QUIET_PERCENT: f64 = 10.0;

/// A paragraph with the case it is about.
pub struct Paragraph {
    pub lead: String,
    pub text: String,
}

/// The short words for the screen: two lines for each number of connections and pace.
pub fn short(document: &Document) -> String {
    let mut text = String::new();
    for pace in document.paces() {
        for connections in document.counts(pace) {
            let rows = comparable(document, pace, connections);
            let Some(bests) = bests(pace, &rows) else {
                continue;
            };
            let place = place(document, pace, connections);
            text.push_str(&format!("{}: {bests}.\n", super::capitalised(&place)));
            if let Some(costs) = costs(pace, &rows) {
                text.push_str(&format!("  {costs}\n"));
            }
        }
    }
    if let Some(warning) = warning(busiest(document)) {
        text.push_str(&format!("{warning}\n"));
    }
    text
}

/// The long words for a report: a paragraph for each case.
pub fn long(document: &Document) -> Vec<Paragraph> {
    let mut paragraphs = Vec::new();
    let closed = document.counts(PaceName::ClosedLoop);
    for (index, &connections) in closed.iter().enumerate() {
        let rows = comparable(document, PaceName::ClosedLoop, connections);
        let case = match index {
            0 if closed.len() > 1 => "The fewest connections, all busy",
            _ if index + 1 == closed.len() && index > 0 => "The most connections, all busy",
            _ if closed.len() == 1 => "All connections busy",
            _ => "In between, all busy",
        };
        if let Some(text) = flat_out(&rows) {
            let lead = format!("{case} ({}).", grouped(connections.into()));
            paragraphs.push(Paragraph { lead, text });
        }
    }
    let steady = document.counts(PaceName::FixedRate);
    if let Some(text) = steady_load(document, &steady) {
        let rate = grouped(document.rate_per_second.unwrap_or(0.0).max(0.0).round() as u64);
        let lead = format!("A steady load with room to spare ({rate} messages/s).");
        paragraphs.push(Paragraph { lead, text });
    }
    if let Some(text) = little_memory(document) {
        paragraphs.push(Paragraph { lead: "Little memory.".to_owned(), text });
    }
    if let Some(text) = out_of_reach(document) {
        paragraphs.push(Paragraph { lead: "Out of reach.".to_owned(), text });
    }
    if let Some(text) = reference_costs(document) {
        paragraphs.push(Paragraph { lead: "What the completion port costs.".to_owned(), text });
    }
    if let Some(text) = choice(document) {
        paragraphs.push(Paragraph { lead: "So, on this machine:".to_owned(), text });
    }
    paragraphs
}

/// The busiest that the machine was with other things, in percent.
pub fn busiest(document: &Document) -> f64 {
    let medians = document.rows.iter().filter_map(|row| row.median.as_ref());
    medians.filter_map(|median| median.machine_busy_elsewhere_percent).fold(0.0, f64::max)
}

/// Says when other programs took `busiest` percent of the machine: the scheduler shares it out by
/// threads, so that a model of many threads then gets more of it than one of few.
pub fn warning(busiest: f64) -> Option<String> {
    (busiest > QUIET_PERCENT).then(|| {
        format!(
            "Other programs used up to {busiest:.0} % of this machine meanwhile: messages/s and \
             latencies then favour models of many threads, since the system shares out by threads. \
             Measure again on a quiet machine."
        )
    })
}

fn place(document: &Document, pace: PaceName, connections: u32) -> String {
    let connections = format!("at {} connections", grouped(connections.into()));
    match (pace, document.rate_per_second) {
        (PaceName::FixedRate, Some(rate)) => {
            format!("{connections} and {} messages/s", grouped(rate.max(0.0).round() as u64))
        }
        _ => connections,
    }
}

/// What is worth comparing at a pace, with the name of being best at it.
fn figures(pace: PaceName) -> [(&'static str, &'static Figure); 3] {
    match pace {
        PaceName::ClosedLoop => {
            [("fastest", &THROUGHPUT), ("least processor time", &COST), ("smallest", &MEMORY)]
        }
        PaceName::FixedRate => {
            [("lowest p99", &TAIL), ("least processor time", &COST), ("smallest", &MEMORY)]
        }
    }
}

fn names<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<String> {
    rows.into_iter().map(|row| row.model.clone()).collect()
}

/// `completion-port (93,766 messages/s), level with it select`.
fn best_in_words(standing: &Standing<'_>, figure: &Figure) -> String {
    let (best, value) = standing.best();
    let level = names(standing.level());
    let level = match level.is_empty() {
        true => String::new(),
        false => format!(", level with it {}", listed(&level)),
    };
    format!("{} ({}){level}", best.model, (figure.say)(value))
}

fn bests(pace: PaceName, rows: &[&Row]) -> Option<String> {
    let words = figures(pace).into_iter().filter_map(|(name, figure)| {
        let standing = Standing::of(rows, figure)?;
        Some(format!("{name} {}", best_in_words(&standing, figure)))
    });
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// What the reference costs against the best of each figure.
fn costs(pace: PaceName, rows: &[&Row]) -> Option<String> {
    if rows.len() < 2 || !rows.iter().any(|row| row.model == REFERENCE) {
        return None;
    }
    let mut parts = Vec::new();
    for (_, figure) in figures(pace) {
        let Some(standing) = Standing::of(rows, figure) else {
            continue;
        };
        let Some(times) = standing.times_worse(REFERENCE) else {
            continue;
        };
        if !standing.is_at_the_top(REFERENCE) {
            parts.push(cost(figure, times, &standing.best().0.model));
        }
    }
    Some(match parts.is_empty() {
        true => format!("{REFERENCE} is the best at all of them, or level."),
        false => format!("Against the best, {REFERENCE} {}.", listed(&parts)),
    })
}

/// What it is to be `times` worse than `best` at a figure.
fn cost(figure: &Figure, times: f64, best: &str) -> String {
    if figure.higher_is_better {
        return format!("moves {:.0} % fewer messages than {best}", (1.0 - 1.0 / times) * 100.0);
    }
    let amount = more(times);
    let what = if std::ptr::eq(figure, &COST) {
        "processor time"
    } else if std::ptr::eq(figure, &MEMORY) {
        "memory"
    } else {
        let times = format!("{times:.1}");
        return format!("has {times} times the p99 of {best}");
    };
    match times < 2.0 {
        true => format!("takes {amount} {what} than {best}"),
        false => format!("takes {amount} {what} as {best}"),
    }
}

/// A closed loop in words: the fastest, and why the slowest is slow.
fn flat_out(rows: &[&Row]) -> Option<String> {
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

fn steady_load(document: &Document, counts: &[u32]) -> Option<String> {
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

fn little_memory(document: &Document) -> Option<String> {
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
fn out_of_reach(document: &Document) -> Option<String> {
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

fn reference_costs(document: &Document) -> Option<String> {
    let mut sentences = Vec::new();
    let mut best_at = Vec::new();
    for pace in document.paces() {
        for connections in document.counts(pace) {
            let rows = comparable(document, pace, connections);
            let place = place(document, pace, connections);
            if rows.len() < 2 {
                continue;
            }
            let Some(standing) = Standing::of(&rows, &COST) else {
                continue;
            };
            let Some(times) = standing.times_worse(REFERENCE) else {
                continue;
            };
            if standing.is_at_the_top(REFERENCE) {
                best_at.push(place);
            } else {
                sentences
                    .push(format!("{place} it {}", cost(&COST, times, &standing.best().0.model)));
            }
        }
    }
    let mut text = Vec::new();
    if !best_at.is_empty() {
        text.push(format!(
            "It takes the least processor time a message, or is level with the model that does, {}.",
            listed(&best_at)
        ));
    }
    if !sentences.is_empty() {
        text.push(format!("It is not the cheapest everywhere: {}.", sentences.join("; ")));
    }
    (!text.is_empty()).then(|| text.join(" "))
}

/// The best for each case in one sentence.
fn choice(document: &Document) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn a_busy_machine_is_warned_of() {
        assert_eq!(warning(9.0), None);
        assert!(warning(34.0).is_some_and(|text| text.contains("34 %")));
    }

    #[test]
    fn the_short_words_name_the_best_whoever_it_is() {
        let text = short(&examples::usual());
        assert!(
            text.contains("At 1,024 connections: fastest completion-port (70,000 messages/s)"),
            "{text}"
        );
        assert!(text.contains("lowest p99 blocking (700 us)"), "{text}");
        assert!(text.contains("completion-port has 1.3 times the p99 of blocking"), "{text}");
        assert!(text.contains("completion-port is the best at all of them"), "{text}");
    }

    #[test]
    fn what_the_reference_costs_is_said_with_its_rival() {
        let row = |model, rate, cost, resident| {
            examples::row(PaceName::ClosedLoop, 9, model, (rate, cost, 500.0, resident))
        };
        let rows = vec![
            row("select", 100_000.0, 10.0, 1_000),
            row(REFERENCE, 80_000.0, 12.0, 3_000),
            row("blocking", 40_000.0, 30.0, 9_000),
        ];
        let document = examples::document(rows);
        let text = short(&document);
        for part in [
            "moves 20 % fewer messages than select",
            "takes 20 % more processor time than select",
            "takes 3.0 times as much memory as select",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        let all: Vec<String> =
            long(&document).iter().map(|it| format!("{} {}", it.lead, it.text)).collect();
        let all = all.join("\n");
        for part in [
            "Slowest is blocking, which takes 2.5 times as long: it makes 1.20 context switches",
            "It is not the cheapest everywhere: at 9 connections it takes 20 % more processor time",
            "for the least memory select",
        ] {
            assert!(all.contains(part), "{part:?} is not in {all}");
        }
    }

    #[test]
    fn one_model_alone_and_no_figures_at_all_are_no_fault() {
        let alone = vec![examples::row(PaceName::ClosedLoop, 9, REFERENCE, (1.0, 1.0, 1.0, 1))];
        let mut document = examples::document(alone);
        assert!(short(&document).contains("fastest completion-port"));
        assert!(reference_costs(&document).is_none() && choice(&document).is_none());
        document.rows[0].median = None;
        document.rows[0].skipped.push("passed over".to_owned());
        assert_eq!(short(&document), "");
        let text = out_of_reach(&document).expect("a row that was not measured");
        assert!(text.contains("completion-port at 9 was passed over"), "{text}");
        document.rows.clear();
        assert_eq!(short(&document), "");
        assert!(long(&document).is_empty());
    }
}
