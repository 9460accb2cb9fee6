//! The cases as `overlapped compare` has written them.

use std::path::Path;

use anyhow::Context;
use overlapped_bench::paired::Interval;
use overlapped_bench::statistics::Summary;
use serde_json::Value;

/// A figure of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Microseconds of the server's processor time for a message.
    Processor,
    /// Microseconds.
    P99,
    /// Bytes for a connection.
    Memory,
}

impl Figure {
    fn key(self) -> &'static str {
        match self {
            Self::Processor => "processor_us_per_message",
            Self::P99 => "p99_us",
            Self::Memory => "resident_bytes_per_connection",
        }
    }
}

/// One case: the servers in its rounds.
pub struct Case {
    /// The name of its document.
    pub name: String,
    document: Value,
}

/// All that are in the folder.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    let entries = std::fs::read_dir(folder);
    for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let document = serde_json::from_str(&text)
            .with_context(|| format!("{} is no document", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        cases.push(Case { name, document });
    }
    cases.sort_by(|one: &Case, other| one.name.cmp(&other.name));
    Ok(cases)
}

impl Case {
    #[cfg(test)]
    pub fn example(name: &str, document: Value) -> Self {
        Self { name: name.to_owned(), document }
    }

    fn row(&self, server: &str) -> Option<&Value> {
        self.document["rows"].as_array()?.iter().find(|row| row["model"] == server)
    }

    /// A figure of a server in each round; empty when it was not measured.
    pub fn rounds(&self, server: &str, figure: Figure) -> Vec<f64> {
        let rounds = self.row(server).and_then(|row| row["rounds"].as_array());
        rounds.into_iter().flatten().filter_map(|round| round[figure.key()].as_f64()).collect()
    }

    /// Its median over the rounds.
    pub fn median(&self, server: &str, figure: Figure) -> Option<f64> {
        Some(Summary::of(self.rounds(server, figure))?.median)
    }

    /// How many times the figure of another it is, by the ratios within the rounds.
    pub fn ratio(&self, server: &str, against: &str, figure: Figure) -> Option<Interval> {
        let (own, others) = (self.rounds(server, figure), self.rounds(against, figure));
        if own.len() != others.len() {
            return None;
        }
        let ratios: Vec<f64> = own.iter().zip(&others).map(|(own, other)| own / other).collect();
        Interval::of(&ratios)
    }

    /// What a reader has to know of it beside the figures.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let name = &self.name;
        if let Some(repeated) = self.document["rounds_repeated"].as_u64().filter(|it| *it > 0) {
            let stalled = self.document["rounds_stalled"].as_u64().unwrap_or(0);
            remarks.push(format!(
                "{name}: {repeated} rounds were disturbed and made again, {stalled} of them since the \
                 machine stood still."
            ));
        }
        for row in self.document["rows"].as_array().into_iter().flatten() {
            let model = row["model"].as_str().unwrap_or("-");
            for problem in row["problems"].as_array().into_iter().flatten() {
                remarks.push(format!("{name}, {model}: {}", problem.as_str().unwrap_or("-")));
            }
        }
        if self.document["interrupted"] == true {
            remarks.push(format!("{name}: ended early."));
        }
        remarks
    }
}

/// Documents for the tests of this program.
#[cfg(test)]
pub mod examples {
    use super::*;
    use serde_json::json;

    /// A case in which each server has these processor times and p99, one a round.
    pub fn case(name: &str, servers: &[(&str, &[f64], &[f64])]) -> Case {
        let rows: Vec<Value> = servers
            .iter()
            .map(|(model, times, latencies)| {
                let rounds = times.iter().zip(*latencies);
                let rounds: Vec<Value> = rounds
                    .map(|(time, p99)| json!({"processor_us_per_message": time, "p99_us": p99}))
                    .collect();
                json!({"model": model, "rounds": rounds, "problems": []})
            })
            .collect();
        Case::example(name, json!({"rows": rows, "rounds_repeated": 3, "rounds_stalled": 2}))
    }

    #[test]
    fn ratios_are_those_within_the_rounds() {
        let case = case("c", &[("a", &[2.0, 4.0], &[1.0, 1.0]), ("b", &[1.0, 2.0], &[1.0, 1.0])]);
        let ratio = case.ratio("a", "b", Figure::Processor).expect("two rounds");
        assert!((ratio.low - 2.0).abs() < 1e-9 && (ratio.high - 2.0).abs() < 1e-9, "{ratio}");
        assert_eq!(case.median("a", Figure::Processor), Some(3.0));
        assert_eq!(case.ratio("a", "nobody", Figure::P99), None);
        assert!(case.remarks()[0].contains("3 rounds") && case.remarks()[0].contains("2 of them"));
    }
}
