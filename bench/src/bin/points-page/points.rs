//! Measured points, and a table of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

/// One figure of one server at one place of a series.
#[derive(Clone, Debug)]
pub struct Point {
    series: String,
    figure: String,
    pub server: String,
    /// Where on the axis of the series.
    pub at: f64,
    /// The median over the rounds, with the least and the greatest.
    pub value: f64,
    pub least: f64,
    pub greatest: f64,
}

/// Points, in the order in which they were measured.
#[derive(Debug, Default)]
pub struct Points(Vec<Point>);

impl Points {
    /// Reads every file of points in a folder.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "points"))
            .collect();
        files.sort();
        let mut all = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file)?;
            for line in text.lines() {
                let value: Value = serde_json::from_str(line)?;
                all.push(Point::of(&value).with_context(|| format!("{}: {line}", file.display()))?);
            }
        }
        Ok(Self(all))
    }

    /// Those of one figure of a series.
    pub fn of(&self, series: &str, figure: &str) -> Self {
        let is_it = |point: &&Point| point.series == series && point.figure == figure;
        Self(self.0.iter().filter(is_it).cloned().collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Point> {
        self.0.iter()
    }

    /// The value of a figure that a series has once.
    pub fn single(&self, series: &str, figure: &str) -> Option<f64> {
        self.of(series, figure).0.first().map(|point| point.value)
    }

    /// The servers, in the order in which they were measured.
    pub fn servers(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        self.0.iter().map(|point| &*point.server).filter(|server| seen.insert(*server)).collect()
    }

    fn at(&self, server: &str, at: f64) -> Option<&Point> {
        self.0.iter().find(|point| point.server == server && point.at == at)
    }

    /// A row for each place, a column for each server.
    pub fn table(&self, axis: &str) -> String {
        let servers = self.servers();
        let mut places: Vec<f64> = self.0.iter().map(|point| point.at).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let mut text = format!("| {axis} | {} |\n|---:|", servers.join(" | "));
        text.push_str(&"---:|".repeat(servers.len()));
        text.push('\n');
        for place in places {
            let _ = write!(text, "| {} |", grouped(place));
            for server in &servers {
                let _ = match self.at(server, place) {
                    Some(point) => write!(
                        text,
                        " {} ({}-{}) |",
                        short(point.value),
                        short(point.least),
                        short(point.greatest)
                    ),
                    None => write!(text, " - |"),
                };
            }
            text.push('\n');
        }
        text
    }
}

impl Point {
    fn of(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let number = |name: &str| value[name].as_f64();
        Some(Self {
            series: text("series")?,
            figure: text("figure")?,
            server: text("server")?,
            at: number("at")?,
            value: number("value")?,
            least: number("least")?,
            greatest: number("greatest")?,
        })
    }
}

/// A figure with three digits that count.
pub fn short(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => grouped(figure),
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// A whole number with its thousands apart.
pub fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        let left = digits.len() - place;
        if place > 0 && left % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_a_server_lacks_is_a_dash() {
        let point = |server: &str, at, value| Point {
            series: "s".into(),
            figure: "f".into(),
            server: server.into(),
            at,
            value,
            least: value,
            greatest: value * 2.0,
        };
        let points = Points(vec![
            point("a", 16.0, 1.5),
            point("b", 16.0, 12_345.0),
            point("a", 4096.0, 20.0),
        ]);
        assert_eq!(
            points.table("connections"),
            "| connections | a | b |\n|---:|---:|---:|\n\
             | 16 | 1.50 (1.50-3.00) | 12,345 (12,345-24,690) |\n\
             | 4,096 | 20.0 (20.0-40.0) | - |\n"
        );
    }
}
