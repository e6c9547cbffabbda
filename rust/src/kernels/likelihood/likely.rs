//! The likelihood fit as stcal 1.20.0 has it ([`super::Rule::Likely`]).
//!
//! 1. The first guess is the median of all differences over their times, flagged or not, if it is above 0.
//! 2. With its covariance, and `x, w, P, Q` as in `search.rs`, leaving out a difference takes
//!    `X1 = x_i^2 / P_i` off chi2, and leaving out two around a resultant of several reads
//!    `X2 = (x_i b + x_{i+1} d) / (P_i P_{i+1} - Q_i^2)`, upwards or downwards.
//! 3. With the threshold T and `t1 = T^2, t2 = -2 ln erfc(T / sqrt 2)`: if `max X1 - t1 > max X2 - t2`,
//!    the one is left out where `max X1 > t1`, else the two where `max X2 > t2`.
//! 4. This is repeated, with the covariance of step 2, while more than 3 differences are left.
//! 5. The covariance of the rate that is left, if that is above 0, makes the final fit.
//!
//! Where an omission leaves a single difference all of its kind take the same off chi2, and rounding
//! decides there; here the lowest rate stays. Samples that are no numbers count as flagged.
//!
//! Source: Brandt 2024, PASP 136, 045005.

use super::LikelihoodFit;
use super::suspects::{PixelFit, Suspect};
use super::sweep::{Lever, MORE_THAN_ROUNDING, Pixels, Step, Sums, Wide, down, up, variances};
use super::tables::Tables;
use crate::dq::group;
use crate::kernels::rate_rows::RateRows;

/// Differences that have to be left for another search.
const MIN_DIFFERENCES: usize = 4;

/// What an omission has to take off chi2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    of_one: f64,
    of_two: f64,
}

impl Thresholds {
    /// Those of a number of standard deviations.
    pub fn of_sigma(sigma: f64) -> Self {
        let of_one = sigma * sigma;
        let probability = ln_erfc(sigma / std::f64::consts::SQRT_2);
        // Where the probability itself is 0 in double precision.
        let is_zero = probability < -745.13;
        Self {
            of_one,
            of_two: if is_zero {
                of_one + 10.0
            } else {
                -2.0 * probability
            },
        }
    }
}

/// The logarithm of the complementary error function, for x from 0 on.
fn ln_erfc(x: f64) -> f64 {
    use std::f64::consts::FRAC_2_SQRT_PI;
    if x < 2.0 {
        // 2 / sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!! is the error function.
        let (mut term, mut sum) = (x, 0.0);
        for n in 1..60 {
            sum += term;
            term *= 2.0 * x * x / f64::from(2 * n + 1);
        }
        return (1.0 - FRAC_2_SQRT_PI * (-x * x).exp() * sum).ln();
    }
    // exp(-x^2) / sqrt(pi) / (x + (1/2) / (x + (2/2) / (x + (3/2) / ...)))
    let fraction = (1..=200)
        .rev()
        .fold(x, |below, n| x + f64::from(n) / 2.0 / below);
    -x * x + (FRAC_2_SQRT_PI / 2.0 / fraction).ln()
}

/// A pixel, with memory for its fit.
pub struct Pixel {
    pixels: Pixels<1>,
    steps: Vec<Step<1>>,
    levers: Vec<Lever<1>>,
    rates: Vec<f64>,
}

/// The best omission of its kind.
#[derive(Debug, Clone, Copy)]
struct Omission {
    /// What it takes off chi2; 0 if there is none.
    ratio: f64,
    first: usize,
    /// The rate that it leaves.
    rate: f64,
}

impl Omission {
    const NONE: Self = Self {
        ratio: 0.0,
        first: 0,
        rate: f64::INFINITY,
    };

    /// Replaces it by a better one; by one of a lower rate where all are as good.
    fn improve(&mut self, other: Self, are_as_good: bool) {
        let is_better = if are_as_good {
            other.rate < self.rate
        } else {
            other.ratio > self.ratio
        };
        if is_better {
            *self = other;
        }
    }
}

impl Pixel {
    pub fn new(n_resultants: usize) -> Self {
        let n = n_resultants - 1;
        Self {
            pixels: Pixels::new(n),
            steps: vec![Step::ZERO; n],
            levers: vec![Lever::ZERO; n],
            rates: Vec::with_capacity(n),
        }
    }

    /// Takes a pixel of a row. The first guess of its rate.
    fn take(
        &mut self,
        tables: &Tables,
        data: &[&[f32]],
        groupdq: &[&mut [u8]],
        suspect: &Suspect,
    ) -> f64 {
        let (c, detector) = (suspect.col, suspect.detector);
        self.pixels.inverse_gain = Wide([1.0 / detector.gain]);
        self.pixels.read_variance = Wide([detector.read_noise * detector.read_noise]);
        self.rates.clear();
        for (i, interval) in tables.intervals.iter().enumerate() {
            // In single precision, as there.
            let difference = data[i + 1][c] - data[i][c];
            let is_finite = difference.is_finite();
            let is_used = is_finite && groupdq[i][c] == 0 && groupdq[i + 1][c] == 0;
            let difference = if is_finite {
                f64::from(difference)
            } else {
                0.0
            };
            self.pixels.differences[i] = Wide([difference]);
            self.pixels.used[i] = Wide([if is_used { 1.0 } else { 0.0 }]);
            if is_finite {
                self.rates.push(difference / interval);
            }
        }
        self.rates.sort_unstable_by(f64::total_cmp);
        let n = self.rates.len();
        match n {
            0 => 0.0,
            _ => 0.5 * (self.rates[(n - 1) / 2] + self.rates[n / 2]),
        }
    }

    fn n_used(&self) -> usize {
        self.pixels
            .used
            .iter()
            .filter(|used| used[0] != 0.0)
            .count()
    }

    /// Fits with the covariance of a rate.
    fn fit(&mut self, tables: &Tables, rate: f64) -> (Wide<1>, Sums<1>) {
        let Self { pixels, steps, .. } = self;
        let start = pixels.mean_rate(tables, &pixels.used);
        let photons = pixels.photons(&Wide([rate]));
        let sums = up(tables, pixels, &pixels.used, &start, &photons, steps);
        (photons, sums)
    }

    /// The best omissions of one difference and of two.
    fn omissions(&mut self, tables: &Tables, sums: &Sums<1>) -> [Omission; 2] {
        down(&self.steps, sums, &mut self.levers);
        let n_used = self.n_used();
        let (rate, tt) = (sums.rate()[0], sums.tt[0]);
        let [mut one, mut two] = [Omission::NONE; 2];
        for (first, lever) in self.levers.iter().enumerate() {
            let (x, w, own) = (lever.x[0], lever.w[0], lever.own[0]);
            if own > 0.0 {
                let height = x / own;
                let omission = Omission {
                    ratio: x * height,
                    first,
                    rate: rate - w * height / tt,
                };
                one.improve(omission, n_used == 2);
            }
            let Some(next) = self.levers.get(first + 1) else {
                break;
            };
            let both = own * next.own[0];
            let common = lever.common[0];
            let determinant = both - common * common;
            let is_shared = tables.n_reads[first + 1] > 1.0 && n_used > 2;
            if is_shared && determinant > MORE_THAN_ROUNDING * both {
                let height = (x * next.own[0] - next.x[0] * common) / determinant;
                let next_height = (next.x[0] * own - x * common) / determinant;
                let omission = Omission {
                    ratio: x * height + next.x[0] * next_height,
                    first,
                    rate: rate - (w * height + next.w[0] * next_height) / tt,
                };
                two.improve(omission, n_used == 3);
            }
        }
        [one, two]
    }

    /// Leaves out what has to be. Which differences, if any.
    fn leave_out(
        &mut self,
        tables: &Tables,
        thresholds: &Thresholds,
        sums: &Sums<1>,
    ) -> Option<std::ops::RangeInclusive<usize>> {
        let [one, two] = self.omissions(tables, sums);
        let is_one = one.ratio - thresholds.of_one > two.ratio - thresholds.of_two;
        let dropped = match is_one {
            true if one.ratio > thresholds.of_one => one.first..=one.first,
            false if two.ratio > thresholds.of_two => two.first..=two.first + 1,
            _ => return None,
        };
        for used in &mut self.pixels.used[dropped.clone()] {
            used[0] = 0.0;
        }
        Some(dropped)
    }
}

impl LikelihoodFit<'_> {
    /// Fits all pixels of a row, and flags the samples after hits.
    pub(super) fn fit_as_likely(
        &self,
        data: &[&[f32]],
        groupdq: &mut [&mut [u8]],
        suspects: &mut Vec<Suspect>,
        pixel: &mut Pixel,
        fits: &mut RateRows,
    ) {
        let thresholds = Thresholds::of_sigma(self.search.rejection_threshold);
        let thresholds = self.search.find_jumps.then_some(thresholds);
        for mut suspect in suspects.drain(..) {
            let fit = self.fit_one_as_likely(data, groupdq, &mut suspect, pixel, thresholds);
            let rate = fit.rate(self.uniform_slope(data, suspect.col));
            suspect.put(rate, fits);
        }
    }

    fn fit_one_as_likely(
        &self,
        data: &[&[f32]],
        groupdq: &mut [&mut [u8]],
        suspect: &mut Suspect,
        pixel: &mut Pixel,
        thresholds: Option<Thresholds>,
    ) -> PixelFit {
        let tables = &self.tables;
        let guess = pixel.take(tables, data, groupdq, suspect);
        let (_, mut sums) = pixel.fit(tables, guess);
        if let Some(thresholds) = thresholds {
            while let Some(dropped) = pixel.leave_out(tables, &thresholds, &sums) {
                suspect.has_hit = true;
                for i in dropped {
                    groupdq[i + 1][suspect.col] |= group::JUMP_DET;
                }
                (_, sums) = pixel.fit(tables, guess);
                if pixel.n_used() < MIN_DIFFERENCES {
                    break;
                }
            }
        }
        let (photons, sums) = pixel.fit(tables, sums.rate()[0]);
        let (var_poisson, var_rnoise) =
            variances(tables, &pixel.pixels, &photons, &pixel.steps, &sums);
        PixelFit {
            slope: sums.rate()[0],
            var_poisson: var_poisson[0],
            var_rnoise: var_rnoise[0],
            variance: 1.0 / sums.tt[0],
            chi2: sums.chi2()[0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_of_two_differences_has_the_probability_of_that_of_one() {
        // Probabilities of the normal distribution to be so many sigma off, as tables have them.
        for (sigma, probability) in [
            (0.0, 1.0),
            (1.0, 0.317_310_507_862_914),
            (2.0, 0.045_500_263_896_358_4),
            (3.0, 0.002_699_796_063_260_19),
            (5.0, 5.733_031_437_583_9e-7),
        ] {
            let of_two = Thresholds::of_sigma(sigma).of_two;
            let expected = -2.0 * f64::ln(probability);
            assert!(
                (of_two - expected).abs() < 1e-11,
                "{sigma}: {of_two} {expected}"
            );
        }
        assert_eq!(Thresholds::of_sigma(1e6).of_two, 1e12 + 10.0);
    }
}
