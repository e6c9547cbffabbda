//! The sums of a fit, in one sweep up the differences of a few pixels at once, and down again.
//!
//! The covariance C of the differences (`tables.rs`) is tridiagonal: with `alpha_i` on its diagonal and
//! `beta_i` beside it, and starting at any rate `a0` so that `r_i = D_i - a0 Delta_i` is small,
//!
//! ```text
//! l_i = beta_{i-1} / delta_{i-1}    delta_i = alpha_i - beta_{i-1} l_i
//! y_i = Delta_i - l_i y_{i-1}       z_i = r_i - l_i z_{i-1}
//! tt = sum y^2/delta,  tr = sum y z/delta,  rr = sum z^2/delta
//! a = a0 + tr/tt,  variance of a = 1/tt,  chi2 = rr - tr^2/tt
//! ```
//!
//! where a difference that is not used counts nothing, and has nothing in common with its neighbours. Down
//! again come `x = C^-1 (D - a Delta)`, `w = C^-1 Delta`, and the diagonal and its neighbour of `C^-1` with
//! the rate projected out, which tell what leaving out differences would change (`search.rs`).

use std::ops::{Deref, DerefMut};

use super::tables::Tables;

/// A number of each of a few pixels. Aligned like the largest vectors.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct Wide<const W: usize>(pub [f64; W]);

impl<const W: usize> Wide<W> {
    pub const ZERO: Self = Self([0.0; W]);

    #[inline(always)]
    pub fn of(number: impl Fn(usize) -> f64) -> Self {
        let mut wide = Self::ZERO;
        for k in 0..W {
            wide[k] = number(k);
        }
        wide
    }
}

impl<const W: usize> Deref for Wide<W> {
    type Target = [f64; W];

    #[inline(always)]
    fn deref(&self) -> &[f64; W] {
        &self.0
    }
}

impl<const W: usize> DerefMut for Wide<W> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f64; W] {
        &mut self.0
    }
}

/// What is known of a few pixels.
pub struct Pixels<const W: usize> {
    /// Finite, whether they are used or not [DN].
    pub differences: Vec<Wide<W>>,
    /// 1 for each difference that is used, else 0.
    pub used: Vec<Wide<W>>,
    /// [DN/e-].
    pub inverse_gain: Wide<W>,
    /// Of one read [DN^2].
    pub read_variance: Wide<W>,
}

impl<const W: usize> Pixels<W> {
    pub fn new(n_differences: usize) -> Self {
        Self {
            differences: vec![Wide::ZERO; n_differences],
            used: vec![Wide::ZERO; n_differences],
            inverse_gain: Wide::ZERO,
            read_variance: Wide::ZERO,
        }
    }

    /// The variance of the photons of a second at these rates.
    #[inline(always)]
    pub fn photons(&self, rate: &Wide<W>) -> Wide<W> {
        Wide::of(|k| {
            let rate = if rate[k] > 0.0 { rate[k] } else { 0.0 };
            rate * self.inverse_gain[k]
        })
    }

    /// All that the differences rise, over all their time.
    #[inline(always)]
    pub fn mean_rate(&self, tables: &Tables, used: &[Wide<W>]) -> Wide<W> {
        let (mut rise, mut time) = (Wide::<W>::ZERO, Wide::<W>::ZERO);
        let differences = self.differences.iter().zip(used).zip(&tables.intervals);
        for ((difference, used), interval) in differences {
            for k in 0..W {
                rise[k] += used[k] * difference[k];
                time[k] += used[k] * interval;
            }
        }
        Wide::of(|k| rise[k] / time[k])
    }
}

/// What a sweep leaves at each difference; see the module. `l` and `inverse` are 0 where it is not used.
#[derive(Debug, Clone, Copy)]
pub struct Step<const W: usize> {
    l: Wide<W>,
    /// `1 / delta`.
    inverse: Wide<W>,
    y: Wide<W>,
    z: Wide<W>,
}

impl<const W: usize> Step<W> {
    pub const ZERO: Self = Self {
        l: Wide::ZERO,
        inverse: Wide::ZERO,
        y: Wide::ZERO,
        z: Wide::ZERO,
    };
}

/// A fit with a given covariance.
#[derive(Debug, Clone, Copy)]
pub struct Sums<const W: usize> {
    start: Wide<W>,
    pub tt: Wide<W>,
    tr: Wide<W>,
    rr: Wide<W>,
}

impl<const W: usize> Sums<W> {
    pub const ZERO: Self = Self {
        start: Wide::ZERO,
        tt: Wide::ZERO,
        tr: Wide::ZERO,
        rr: Wide::ZERO,
    };

    #[inline(always)]
    pub fn rate(&self) -> Wide<W> {
        Wide::of(|k| self.start[k] + self.tr[k] / self.tt[k])
    }

    #[inline(always)]
    pub fn chi2(&self) -> Wide<W> {
        Wide::of(|k| self.rr[k] - self.tr[k] * (self.tr[k] / self.tt[k]))
    }
}

/// Sweeps up, with the covariance of photons of this variance in a second.
#[inline(always)]
pub fn up<const W: usize>(
    tables: &Tables,
    pixels: &Pixels<W>,
    used: &[Wide<W>],
    start: &Wide<W>,
    photons: &Wide<W>,
    steps: &mut [Step<W>],
) -> Sums<W> {
    // All that a loop reads is copied, for the compiler to see that it changes none of it.
    let (start, photons, reads) = (*start, *photons, pixels.read_variance);
    let mut before = Step::<W>::ZERO;
    let (mut tt, mut tr, mut rr) = (Wide::<W>::ZERO, Wide::<W>::ZERO, Wide::<W>::ZERO);
    // What a difference has in common with the one before it.
    let mut common = (0.0, 0.0);
    for (i, step) in steps.iter_mut().enumerate() {
        let (of_photons, of_reads) = (tables.variance_of_photons[i], tables.variance_of_reads[i]);
        let (interval, difference, used) = (tables.intervals[i], pixels.differences[i], used[i]);
        let mut new = Step::<W>::ZERO;
        for k in 0..W {
            let beta = photons[k] * common.0 + reads[k] * common.1;
            let l = used[k] * (beta * before.inverse[k]);
            let delta = photons[k] * of_photons + reads[k] * of_reads - beta * l;
            let inverse = used[k] / delta;
            let y = interval - l * before.y[k];
            let z = (difference[k] - start[k] * interval) - l * before.z[k];
            let weighted = y * inverse;
            tt[k] += weighted * y;
            tr[k] += weighted * z;
            rr[k] += z * z * inverse;
            new.l[k] = l;
            new.inverse[k] = inverse;
            new.y[k] = y;
            new.z[k] = z;
        }
        *step = new;
        before = new;
        if let Some(&of_photons) = tables.covariance_of_photons.get(i) {
            common = (of_photons, tables.covariance_of_reads[i]);
        }
    }
    Sums { start, tt, tr, rr }
}

/// What tells what leaving out a difference would change; 0 where it is not used.
#[derive(Debug, Clone, Copy)]
pub struct Lever<const W: usize> {
    /// `C^-1 (D - a Delta)`.
    pub x: Wide<W>,
    /// `C^-1 Delta`.
    pub w: Wide<W>,
    /// Of `C^-1 - w w' / tt`, the diagonal; 0 where it is no more than rounding.
    pub own: Wide<W>,
    /// Its neighbour: what this difference and the next have in common.
    pub common: Wide<W>,
}

impl<const W: usize> Lever<W> {
    pub const ZERO: Self = Self {
        x: Wide::ZERO,
        w: Wide::ZERO,
        own: Wide::ZERO,
        common: Wide::ZERO,
    };
}

/// What is left of a diagonal, a determinant or the like, if it is to be more than rounding.
pub const MORE_THAN_ROUNDING: f64 = 1e-6;

/// Sweeps down again.
#[inline(always)]
pub fn down<const W: usize>(steps: &[Step<W>], sums: &Sums<W>, levers: &mut [Lever<W>]) {
    let correction = Wide::<W>::of(|k| sums.tr[k] / sums.tt[k]);
    let variance = Wide::<W>::of(|k| 1.0 / sums.tt[k]);
    let (mut l, mut diagonal) = (Wide::<W>::ZERO, Wide::<W>::ZERO);
    let mut next = Lever::<W>::ZERO;
    for (i, lever) in levers.iter_mut().enumerate().rev() {
        let step = steps[i];
        let mut new = Lever::<W>::ZERO;
        for k in 0..W {
            let inverse = step.inverse[k];
            let residual = step.z[k] - correction[k] * step.y[k];
            let x = residual * inverse - l[k] * next.x[k];
            let w = step.y[k] * inverse - l[k] * next.w[k];
            let beside = -l[k] * diagonal[k];
            diagonal[k] = inverse - l[k] * beside;
            let own = diagonal[k] - w * w * variance[k];
            let is_more = own > MORE_THAN_ROUNDING * diagonal[k];
            new.common[k] = beside - w * next.w[k] * variance[k];
            new.x[k] = x;
            new.w[k] = w;
            new.own[k] = if is_more { own } else { 0.0 };
        }
        *lever = new;
        (l, next) = (step.l, new);
    }
}

/// What photons and reads each add to the variance of the rate.
#[inline(always)]
pub fn variances<const W: usize>(
    tables: &Tables,
    pixels: &Pixels<W>,
    photons: &Wide<W>,
    steps: &[Step<W>],
    sums: &Sums<W>,
) -> (Wide<W>, Wide<W>) {
    let (mut of_photons, mut of_reads) = (Wide::<W>::ZERO, Wide::<W>::ZERO);
    let (mut l, mut next) = (Wide::<W>::ZERO, Wide::<W>::ZERO);
    for (i, &step) in steps.iter().enumerate().rev() {
        let common = tables.covariance_of_photons.get(i).copied().unwrap_or(0.0);
        let own = tables.variance_of_photons[i];
        let n_reads = tables.n_reads[i + 1];
        let mut new = Wide::<W>::ZERO;
        for k in 0..W {
            let w = step.y[k] * step.inverse[k] - l[k] * next[k];
            let of_sample = w - next[k];
            of_photons[k] += w * (w * own + 2.0 * next[k] * common);
            of_reads[k] += of_sample * of_sample / n_reads;
            new[k] = w;
        }
        (l, next) = (step.l, new);
    }
    let first = tables.n_reads[0];
    let scaled = |variance: &Wide<W>, sum: Wide<W>| {
        Wide::of(|k| variance[k] * (sum[k] / sums.tt[k]) / sums.tt[k])
    };
    let of_reads = Wide::of(|k| of_reads[k] + next[k] * next[k] / first);
    (
        scaled(photons, of_photons),
        scaled(&pixels.read_variance, of_reads),
    )
}
