//! Which pixels may have a hit: a proof that most have none, in single precision.
//!
//! Leaving out differences takes off at most chi2. Hence there is no hit above the threshold T if chi2 is
//! below it, which the fit has told. Where it is not, the weighted residuals `x = C^-1 (D - a Delta)` bound
//! what each difference, and each pair that shares a sample of several reads, can take off. With P and Q,
//! the diagonal of `C^-1 - w w' / (Delta' C^-1 Delta)` and what is next to it, where `w = C^-1 Delta`:
//!
//! ```text
//! one:  x_i^2 / P_i
//! two:  (x_i^2 P_{i+1} + x_{i+1}^2 P_i - 2 x_i x_{i+1} Q_i) / (P_i P_{i+1} - Q_i^2)
//! ```
//!
//! Neither is above T where the matrix of P and Q less x x' / T has no negative determinant.
//!
//! Single precision moves chi2 in two ways. Rounding the factors of C is a change of C by so many times as
//! much as its condition allows. Rounding differences and rates is an error e of each residual below
//! [`ROUNDING`] `a Delta_i`, which moves the root of chi2, as of all that is taken off it, by the root of
//! `e' C^-1 e` at most. C is the sum of the parts of reads and photons and thus larger than either, which
//! bounds this by a number of the read pattern times a^2, over the variance of a read or of the photons.
//! A comparison passes only if it would with both.

use super::Search;
use super::block::{Fitted, Step, Swept, Vector, WIDTH};
use super::tables::Tables;

/// Error of a residual, in units of the signal between its two samples: eight roundings of 2^-24.
const ROUNDING: f64 = 8.0 / (1 << 24) as f64;

/// A threshold on chi2 is lowered by this at least.
const MARGIN: f64 = 1e-4;

/// A change of C by the rounding of its factors, for a condition of 1.
const ROUNDING_OF_FACTORS: f64 = 1e-6;

/// Beyond this margin single precision proves nothing.
const MAX_MARGIN: f64 = 0.1;

/// The second look is for pixels of chi2 up to so many times the threshold, of which a hit is not certain.
const UNCERTAIN: f32 = 4.0;

/// It lowers the threshold to this share of it.
const LOWERED: f32 = 0.98;

/// The error of the root of chi2, in units of the root of the threshold, that this allows for.
const MAX_ERROR: f32 = 2e-3;

/// Where less than this is left of the diagonal of `C^-1`, or of a product of two, it may be rounding.
const LEFT: f32 = 3e-3;

/// The second look is at so many columns at a time: most of them need none.
const FEW_LANES: usize = 8;

/// It is for read patterns of a condition up to this, with which rounding is below what it allows for.
const MAX_CONDITION: f64 = 1000.0;

/// Up to so many differences chi2 alone tells of so many pixels that a second look costs more than it saves.
const FEW: usize = 4;

/// What the comparisons have to know of a read pattern and a threshold.
#[derive(Clone, Copy)]
pub struct Screen {
    find_jumps: bool,
    /// Also whether there is a second look.
    looks_twice: bool,
    threshold: f32,
    /// Of chi2, in units of the threshold.
    limit: f32,
    inverse_threshold: f32,
    /// In the bound of the error of chi2; see `look`.
    rounding: f32,
    reads: f32,
    photons: f32,
}

impl Screen {
    /// None if single precision is not enough for the covariances of the read pattern.
    pub fn new(tables: &Tables, search: &Search) -> Option<Self> {
        let (condition, of_reads) = inverse_of_reads(tables)?;
        let of_photons = inverse_of_photons(tables)?;
        let margin = MARGIN.max(ROUNDING_OF_FACTORS * condition);
        if margin > MAX_MARGIN {
            return None;
        }
        let threshold = search.rejection_threshold * search.rejection_threshold;
        // (2.5 ROUNDING)^2 / T: with an error of the root of chi2 by r, chi2 is larger by less than
        // 2.5 r sqrt(T) as long as that is less than T.
        let rounding = (2.5 * ROUNDING).powi(2) / threshold;
        Some(Self {
            find_jumps: search.find_jumps,
            looks_twice: tables.n_differences() > FEW
                && threshold < 1e10
                && condition < MAX_CONDITION,
            threshold: threshold as f32,
            limit: (1.0 - margin) as f32,
            inverse_threshold: (1.0 / threshold) as f32,
            rounding: rounding as f32,
            reads: (1.0 / of_reads) as f32,
            photons: (1.0 / of_photons) as f32,
        })
    }

    /// Makes suspects of the pixels that may have a hit.
    #[inline(always)]
    pub fn look(
        &self,
        fitted: &Fitted,
        steps: &[Step],
        swept: &[Swept],
        suspect: &mut Vector<u32>,
    ) {
        if !self.find_jumps {
            return;
        }
        let mut uncertain = [0; WIDTH];
        let mut any = 0;
        for lane in 0..WIDTH {
            let (mean, slope) = (fitted.mean[lane], fitted.slope[lane]);
            let chisq = fitted.chisq[lane] * self.inverse_threshold;
            let left = self.limit - chisq;
            // 2.5 r sqrt(T) < T left, squared and times what bounds e' C^-1 e.
            let photons = self.photons * fitted.photons[lane];
            let noise = if photons > self.reads {
                photons
            } else {
                self.reads
            };
            let noise = noise * fitted.variance[lane];
            let error = self.rounding * (mean * mean + slope * slope);
            let clean = (left > 0.0) & (left * left * noise > error);
            let can_be = (chisq < UNCERTAIN)
                & (6.25 * MAX_ERROR * MAX_ERROR * noise > error)
                & (suspect[lane] == 0);
            suspect[lane] |= u32::from(!clean);
            uncertain[lane] = u32::from(!clean & can_be);
            any |= uncertain[lane];
        }
        if self.looks_twice && any != 0 {
            for start in (0..WIDTH).step_by(FEW_LANES) {
                let part = start..start + FEW_LANES;
                if uncertain[part.clone()]
                    .iter()
                    .any(|uncertain| *uncertain != 0)
                {
                    let hits = self.look_twice(fitted, steps, swept, start);
                    for lane in part {
                        let cleared = uncertain[lane] != 0 && hits[lane - start] == 0;
                        suspect[lane] = if cleared { 0 } else { suspect[lane] };
                    }
                }
            }
        }
    }

    /// Which pixels, of a few from `start` on, may have differences, or pairs of them, that take more than
    /// the threshold off chi2.
    #[inline(always)]
    fn look_twice(
        &self,
        fitted: &Fitted,
        steps: &[Step],
        swept: &[Swept],
        start: usize,
    ) -> [u32; FEW_LANES] {
        let zeros = [0.0; FEW_LANES];
        let (mut factor, mut x, mut weight) = (zeros, zeros, zeros);
        let (mut inverse, mut left) = (zeros, zeros);
        let mut hits = [0; FEW_LANES];
        // x is taken in units of the root of the threshold: none may take off more than 1.
        let (mut scale, mut above, mut relative) = (zeros, zeros, zeros);
        for lane in 0..FEW_LANES {
            let limit = LOWERED * self.threshold * fitted.variance[start + lane];
            scale[lane] = 1.0 / limit.sqrt();
            above[lane] = fitted.above[start + lane] * scale[lane];
            relative[lane] = fitted.inverse[start + lane];
        }
        for (step, swept) in steps.iter().zip(swept).rev() {
            for lane in 0..FEW_LANES {
                let (l, at) = (factor[lane], start + lane);
                let residual = swept.residual[at] * scale[lane] - above[lane] * swept.interval[at];
                let new_x = residual - l * x[lane];
                let new_weight = swept.interval[at] - l * weight[lane];
                let beside = -l * inverse[lane];
                let new_inverse = swept.inverse[at] - l * beside;
                let share = new_weight * relative[lane];
                // P - x x', its determinant, and how far they may be from 0 by rounding. All of it is 0,
                // and passes, where a difference is not used.
                let new_left = new_inverse - share * new_weight - new_x * new_x;
                let left_beside = beside - share * weight[lane] - new_x * x[lane];
                let determinant = new_left * left[lane] - left_beside * left_beside;
                let rounding = LEFT * new_inverse;
                let one = new_left >= rounding;
                let two = determinant >= rounding * inverse[lane];
                hits[lane] |= u32::from(!(one & (two | !step.is_averaged)));
                factor[lane] = swept.factor[at];
                x[lane] = new_x;
                weight[lane] = new_weight;
                inverse[lane] = new_inverse;
                left[lane] = new_left;
            }
        }
        hits
    }
}

/// With K, the covariance for reads of variance 1: a bound of its condition, scaled by its diagonal, and
/// `Delta' K^-1 Delta`.
fn inverse_of_reads(tables: &Tables) -> Option<(f64, f64)> {
    let n = tables.n_differences();
    let (reads, shared) = (&tables.variance_of_reads, &tables.covariance_of_reads);
    let (mut forward, mut backward) = (reads.clone(), reads.clone());
    let mut y = tables.intervals.clone();
    for i in 1..n {
        let factor = shared[i - 1] / forward[i - 1];
        forward[i] -= shared[i - 1] * factor;
        y[i] -= factor * y[i - 1];
        let j = n - 1 - i;
        backward[j] -= shared[j] * shared[j] / backward[j + 1];
    }
    let inverse = forward.iter().zip(&backward).zip(reads);
    let condition: f64 = inverse
        .map(|((forward, backward), reads)| reads / (forward + backward - reads))
        .sum();
    let squares: f64 = y.iter().zip(&forward).map(|(y, delta)| y * y / delta).sum();
    (n > 0 && condition.is_finite() && squares.is_finite()).then_some((condition, squares))
}

/// A bound of `Delta' M^-1 Delta`, with M the covariance for photons of variance 1: its diagonal is larger
/// than what is beside it. None if it is not, for reads that do not follow each other.
fn inverse_of_photons(tables: &Tables) -> Option<f64> {
    let (photons, shared) = (&tables.variance_of_photons, &tables.covariance_of_photons);
    let mut sum = 0.0;
    for (i, interval) in tables.intervals.iter().enumerate() {
        let before = if i > 0 { shared[i - 1] } else { 0.0 };
        let after = shared.get(i).copied().unwrap_or(0.0);
        let least = photons[i] - before - after;
        if least <= 0.0 {
            return None;
        }
        sum += interval * interval / least;
    }
    Some(sum)
}
