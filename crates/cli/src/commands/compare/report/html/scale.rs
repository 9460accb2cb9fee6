//! From figures to places on an axis.

/// The farthest that figures on a logarithmic axis may lie apart.
const MOST_DECADES: f64 = 12.0;

/// The least and the greatest figure that can be shown at all.
const TINY: f64 = 1e-6;
const HUGE: f64 = 1e15;

/// How figures are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// From zero, evenly.
    Even,
    /// By their logarithm.
    Logarithmic,
}

/// An axis: a range of figures and the places of its ends.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    spread: Spread,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// An axis that holds all of `figures`, from place `from` to place `to`. None when there is no figure
    /// that it could show.
    pub fn over(spread: Spread, figures: &[f64], from: f64, to: f64) -> Option<Self> {
        let shown = figures.iter().copied().filter(|figure| can_show(*figure));
        let (least, greatest) = shown.fold((HUGE, 0.0_f64), |(least, greatest), figure| {
            (least.min(figure), greatest.max(figure))
        });
        if greatest == 0.0 {
            return None;
        }
        let (low, high) = match spread {
            Spread::Even => (0.0, greatest * 1.05),
            Spread::Logarithmic => {
                let least = least.max(greatest / 10_f64.powf(MOST_DECADES));
                // Room at both ends, and more where all figures are alike.
                let room = if greatest / least < 1.5 { 1.5 } else { 1.12 };
                (least / room, greatest * room)
            }
        };
        Some(Self { spread, low, high, from, to })
    }

    /// The place of a figure; one beyond the axis is at its end.
    pub fn place(&self, figure: f64) -> f64 {
        let part = match self.spread {
            Spread::Even => (figure - self.low) / (self.high - self.low),
            Spread::Logarithmic => (figure.max(TINY) / self.low).ln() / (self.high / self.low).ln(),
        };
        let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
        self.from + (self.to - self.from) * part
    }

    /// A handful of round figures on the axis.
    pub fn ticks(&self) -> Vec<f64> {
        match self.spread {
            Spread::Even => {
                let rough = self.high / 6.0;
                let unit = 10_f64.powf(rough.log10().floor());
                let step = [1.0, 2.0, 2.5, 5.0, 10.0]
                    .map(|factor| factor * unit)
                    .into_iter()
                    .find(|step| *step >= rough)
                    .unwrap_or(rough);
                (0..=6).map(|index| f64::from(index) * step).filter(|it| *it <= self.high).collect()
            }
            Spread::Logarithmic => {
                let decades = (self.high / self.low).log10();
                let factors: &[f64] = match decades {
                    few if few < 1.2 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
                    few if few < 2.5 => &[1.0, 2.0, 5.0],
                    _ => &[1.0],
                };
                let first = self.low.log10().floor() as i32;
                let last = self.high.log10().ceil() as i32;
                let every = ((last - first) / 6).max(1) as usize;
                (first..=last)
                    .step_by(every)
                    .flat_map(|power| factors.iter().map(move |it| it * 10_f64.powi(power)))
                    .filter(|tick| (self.low..=self.high).contains(tick))
                    .collect()
            }
        }
    }
}

/// Whether a figure can be shown.
pub fn can_show(figure: f64) -> bool {
    (TINY..=HUGE).contains(&figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_axis_begins_at_zero() {
        let scale = Scale::over(Spread::Even, &[40.0, 100.0], 200.0, 0.0).expect("figures");
        assert!((scale.place(0.0) - 200.0).abs() < 1e-9);
        assert!(scale.place(100.0) > 0.0 && scale.place(100.0) < 20.0);
        assert_eq!(scale.ticks(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
    }

    #[test]
    fn equal_ratios_are_equally_far_on_a_logarithmic_axis() {
        let scale =
            Scale::over(Spread::Logarithmic, &[1.0, 10.0, 1_000.0], 0.0, 300.0).expect("figures");
        let step = scale.place(100.0) - scale.place(10.0);
        assert!((scale.place(10.0) - scale.place(1.0) - step).abs() < 1e-9);
        assert_eq!(scale.ticks(), [1.0, 10.0, 100.0, 1_000.0]);
    }

    #[test]
    fn figures_that_are_alike_absurd_or_missing_are_no_fault() {
        for spread in [Spread::Even, Spread::Logarithmic] {
            assert!(Scale::over(spread, &[], 0.0, 1.0).is_none());
            assert!(Scale::over(spread, &[0.0, -1.0, f64::NAN, f64::INFINITY], 0.0, 1.0).is_none());
            for figures in [[5.0, 5.0], [1e-5, 1e14], [1e14, 1e14]] {
                let scale = Scale::over(spread, &figures, 0.0, 100.0).expect("figures");
                let ticks = scale.ticks();
                assert!((1..=14).contains(&ticks.len()), "{figures:?}: {ticks:?}");
                for figure in [figures[0], figures[1], 0.0, f64::INFINITY, f64::NAN] {
                    assert!((0.0..=100.0).contains(&scale.place(figure)), "{figure}");
                }
            }
        }
    }
}
