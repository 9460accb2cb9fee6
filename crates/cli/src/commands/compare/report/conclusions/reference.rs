//! What the completion port costs against the best of each case.

use super::super::super::document::{Document, PaceName, Row};
use super::super::listed;
use super::super::standing::{COST, Standing, comparable};
use super::{figures, place};

/// The model that is held against the best, when it was measured.
pub(super) const REFERENCE: &str = "completion-port";

/// What the reference costs against the best of each figure.
pub(super) fn costs(pace: PaceName, rows: &[&Row]) -> Option<String> {
    if rows.len() < 2 || !rows.iter().any(|row| row.model == REFERENCE) {
        return None;
    }
    let mut parts = Vec::new();
    for &(_, figure) in figures(pace) {
        let Some(standing) = Standing::of(rows, figure) else {
            continue;
        };
        let Some(times) = standing.times_worse(REFERENCE) else {
            continue;
        };
        if !standing.is_at_the_top(REFERENCE) {
            parts.push((figure.falls_short)(times, &standing.best().0.model));
        }
    }
    Some(match parts.is_empty() {
        true => format!("{REFERENCE} is the best at all of them, or level."),
        false => format!("Against the best, {REFERENCE} {}.", listed(&parts)),
    })
}

/// The same for all numbers of connections, by processor time.
pub(super) fn reference_costs(document: &Document) -> Option<String> {
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
                sentences.push(format!(
                    "{place} it {}",
                    (COST.falls_short)(times, &standing.best().0.model)
                ));
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
