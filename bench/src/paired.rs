//! The ratio of two figures over rounds in which both were measured, as `overlapped compare` has it: the
//! geometric mean, and the interval that holds the true one in 95 of 100 comparisons, by Student's t for the
//! logarithms.

use std::fmt;

use statrs::distribution::{ContinuousCDF, StudentsT};

/// A ratio and the interval around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The geometric mean of the ratios.
    pub ratio: f64,
    /// The least that the true one may be.
    pub low: f64,
    /// The greatest.
    pub high: f64,
}

impl Interval {
    /// Of the ratios of two rounds at least, each a positive number; else none.
    pub fn of(ratios: &[f64]) -> Option<Self> {
        let count = ratios.len() as f64;
        if ratios.len() < 2 || !ratios.iter().all(|ratio| ratio.is_finite() && *ratio > 0.0) {
            return None;
        }
        let mean = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count;
        let squares: f64 = ratios.iter().map(|ratio| (ratio.ln() - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        let reach = StudentsT::new(0.0, 1.0, count - 1.0).ok()?.inverse_cdf(0.975) * error;
        Some(Self { ratio: mean.exp(), low: (mean - reach).exp(), high: (mean + reach).exp() })
    }
}

/// The interval of ratios as a table has it, or that there is none.
pub fn text_of(ratios: &[f64]) -> String {
    Interval::of(ratios).map_or_else(|| "-".to_owned(), |interval| interval.to_string())
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ({:.3} to {:.3})", self.ratio, self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_student() {
        // Logarithms -0.1, 0 and 0.1: mean 0, standard error 0.1 / sqrt(3), t of two degrees 4.3027.
        let ratios = [(-0.1_f64).exp(), 1.0, 0.1_f64.exp()];
        let interval = Interval::of(&ratios).expect("an interval");
        let high = (4.3027_f64 * 0.1 / 3.0_f64.sqrt()).exp();
        assert!((interval.ratio - 1.0).abs() < 1e-3 && (interval.high / high - 1.0).abs() < 1e-3);
        assert!((interval.low * interval.high - 1.0).abs() < 1e-3, "{interval:?}");
        for ratios in [&[][..], &[1.0], &[1.0, 0.0], &[1.0, f64::NAN]] {
            assert_eq!(Interval::of(ratios), None, "{ratios:?}");
        }
    }
}
