//! Whether two servers differ, from rounds in which both were measured.
//!
//! What disturbs a machine for a while disturbs both servers of a round, so only their ratio within it is
//! looked at. The logarithms of the ratios are taken for normally distributed: their mean gives the
//! geometric mean of the ratios, and Student's t the interval that holds it in 95 of 100 comparisons.
//!
//! A comparison looks again after every round, which finds a difference by chance more often than 5 times
//! in 100. So it takes [`LEAST_ROUNDS`] at least, and a ratio counts as other than 1 only when the interval
//! leaves 1 on the same side after three rounds in a row. Of equal servers 3 in 100 pairs are then called
//! different where the ratios of rounds differ by 2 %, 6 where they differ by 5 %, and 12 where they differ by
//! 10 %, with 30 rounds at most.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Rounds before anything is said.
pub const LEAST_ROUNDS: usize = 6;

/// Rounds in a row after which the interval has to leave 1.
const LOOKS: usize = 3;

/// An interval that reaches no further from its middle than this, as a part of 1, is narrow.
pub const NARROW: f64 = 0.03;

/// The part of all comparisons whose interval holds the true ratio.
const CONFIDENCE: f64 = 0.95;

/// A ratio and the interval around it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The geometric mean of the ratios.
    pub ratio: f64,
    /// The least and the greatest that the true ratio may be, with 95 % confidence.
    pub low: f64,
    pub high: f64,
}

/// What the rounds say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The figure is less than that of the other.
    Less,
    /// It is more.
    More,
    /// The interval is narrow and holds 1.
    Level,
    /// Neither is known.
    Undecided,
}

/// The interval of `ratios`; None for fewer than two, or for one that is no positive number.
pub fn interval(ratios: &[f64]) -> Option<Interval> {
    let count = ratios.len() as f64;
    if ratios.len() < 2 || !ratios.iter().all(|ratio| ratio.is_finite() && *ratio > 0.0) {
        return None;
    }
    let mean = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count;
    let squares: f64 = ratios.iter().map(|ratio| (ratio.ln() - mean).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    let students = StudentsT::new(0.0, 1.0, count - 1.0).ok()?;
    let reach = students.inverse_cdf(0.5 + CONFIDENCE / 2.0) * error;
    Some(Interval { ratio: mean.exp(), low: (mean - reach).exp(), high: (mean + reach).exp() })
}

/// What `ratios` say, in the order of their rounds.
pub fn verdict(ratios: &[f64]) -> Verdict {
    if ratios.len() < LEAST_ROUNDS {
        return Verdict::Undecided;
    }
    let counts = ratios.len() + 1 - LOOKS..=ratios.len();
    let looks: Option<Vec<Interval>> = counts.map(|count| interval(&ratios[..count])).collect();
    let Some((looks, now)) = looks.and_then(|looks| Some((looks.clone(), *looks.last()?))) else {
        return Verdict::Undecided;
    };
    if looks.iter().all(|look| look.high < 1.0) {
        Verdict::Less
    } else if looks.iter().all(|look| look.low > 1.0) {
        Verdict::More
    } else if now.low <= 1.0 && now.high >= 1.0 && is_narrow(&now) {
        Verdict::Level
    } else {
        Verdict::Undecided
    }
}

fn is_narrow(interval: &Interval) -> bool {
    interval.high / interval.ratio <= 1.0 + NARROW && interval.low / interval.ratio >= 1.0 - NARROW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found / expected - 1.0).abs() < 1e-3
    }

    #[test]
    fn the_interval_is_that_of_student() {
        // Logarithms -0.1, 0 and 0.1: mean 0, standard error 0.1 / sqrt(3), t of two degrees 4.3027.
        let ratios = [(-0.1_f64).exp(), 1.0, 0.1_f64.exp()];
        let interval = interval(&ratios).expect("an interval");
        assert!(near(interval.ratio, 1.0), "{interval:?}");
        assert!(near(interval.high, (4.3027_f64 * 0.1 / 3.0_f64.sqrt()).exp()), "{interval:?}");
        assert!(near(interval.low * interval.high, 1.0), "{interval:?}");
    }

    #[test]
    fn without_two_usable_ratios_there_is_no_interval() {
        for ratios in [&[][..], &[1.0], &[1.0, 0.0], &[1.0, f64::NAN], &[1.0, f64::INFINITY]] {
            assert_eq!(interval(ratios), None, "{ratios:?}");
        }
    }

    #[test]
    fn a_difference_counts_after_three_rounds_that_show_it() {
        assert_eq!(verdict(&[0.8, 0.81, 0.79, 0.8, 0.81]), Verdict::Undecided, "too few");
        assert_eq!(verdict(&[0.8, 0.81, 0.79, 0.8, 0.81, 0.8]), Verdict::Less);
        assert_eq!(verdict(&[1.2, 1.25, 1.21, 1.2, 1.22, 1.2]), Verdict::More);
        // The fifth is the first after which the interval leaves 1.
        let rounds = [0.85, 1.02, 0.85, 0.85, 0.85, 0.85, 0.85];
        assert!(interval(&rounds[..4]).is_some_and(|it| it.high > 1.0));
        assert!(interval(&rounds[..5]).is_some_and(|it| it.high < 1.0));
        assert_eq!(verdict(&rounds[..6]), Verdict::Undecided);
        assert_eq!(verdict(&rounds), Verdict::Less);
    }

    #[test]
    fn a_narrow_interval_around_one_is_level_and_a_wide_one_is_nothing() {
        assert_eq!(verdict(&[1.0, 1.01, 0.99, 1.01, 0.995, 1.0]), Verdict::Level);
        assert_eq!(verdict(&[1.0, 1.2, 0.8, 1.1, 0.9, 1.0]), Verdict::Undecided);
    }

    /// Numbers that are normally distributed, near enough, and the same in every run: the sum of twelve
    /// evenly distributed ones.
    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> f64 {
            let mut sum = 0.0;
            for _ in 0..12 {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                sum += (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
            }
            sum - 6.0
        }
    }

    /// How many of 400 comparisons of servers with the true `ratio` end with `verdict`, at most 30 rounds
    /// each with that much noise.
    fn ended_with(verdict_asked: Verdict, ratio: f64, noise: f64) -> usize {
        let mut source = Noise(1);
        let mut one = || {
            let mut ratios = Vec::new();
            while ratios.len() < 30 {
                ratios.push(ratio * (noise * source.next()).exp());
                let found = verdict(&ratios);
                if found != Verdict::Undecided {
                    return found;
                }
            }
            Verdict::Undecided
        };
        (0..400).filter(|_| one() == verdict_asked).count()
    }

    #[test]
    fn equal_servers_are_seldom_called_different_and_different_ones_are_found() {
        for (noise, at_most) in [(0.02, 20), (0.05, 32), (0.1, 64)] {
            let wrong =
                ended_with(Verdict::Less, 1.0, noise) + ended_with(Verdict::More, 1.0, noise);
            assert!(wrong <= at_most, "{wrong} of 400 at a noise of {noise}");
        }
        assert!(ended_with(Verdict::Less, 0.9, 0.05) >= 390);
    }
}
