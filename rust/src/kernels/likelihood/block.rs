//! The pixels of a block of columns, all at once, in single precision.
//!
//! With the factors `C = L diag(delta) L'` of the covariance, where L has ones on its diagonal and l below
//! it, one sweep over the differences makes `y = L^-1 Delta` and `z = L^-1 r` and all sums of the fit:
//!
//! ```text
//! l_i = cov(D_{i-1}, D_i) / delta_{i-1},  delta_i = var D_i - cov(D_{i-1}, D_i) l_i
//! y_i = Delta_i - l_i y_{i-1},            z_i = r_i - l_i z_{i-1}
//! ```
//!
//! All is in units of the variance of a read. r is what a difference is above the mean rate: small numbers,
//! which single precision keeps. A difference that is not used has `1 / delta_i = 0`, which leaves it out of
//! the sums and separates what is on its two sides.
//!
//! A pixel is a suspect, which means that it is fitted in double precision, if there may be a hit in it
//! (`screen.rs`), or one is known, if it cannot be fitted, or if its numbers are beyond single precision.

use std::ops::Range;

use super::screen::Screen;
use super::tables::Tables;
use super::{LikelihoodFit, Rule};
use crate::dq::group;
use crate::kernels::gain_is_known;
use crate::kernels::rate_rows::{RateBlock, RateRows};
use crate::lanes::{LANES, Lanes, load, vectorised};
use crate::reference::Row;

const JUMP_DET: u32 = group::JUMP_DET as u32;

/// Numbers between this and its inverse can be multiplied by each other without leaving single precision.
const SMALL: f32 = 1e-10;

/// Columns that go through the recursions together: while one waits for a division, others go on.
pub const WIDTH: usize = 32;

/// A value of each of them.
pub type Vector<T = f32> = [T; WIDTH];

/// One row of a band with its references.
pub struct FitRow<'a, 'b> {
    pub data: &'a [&'a [f32]],
    pub groupdq: &'a [&'b mut [u8]],
    pub pixeldq: &'a [u32],
    pub gain: Row<'a, f32>,
    pub read_noise: Row<'a, f32>,
}

/// What a sweep has to know of a difference; variances in units of that of a read.
#[derive(Clone, Copy)]
pub struct Step {
    /// [s]
    pub interval: f32,
    /// Variance: for photons of variance 1 in a second, and of the reads.
    photons: f32,
    reads: f32,
    /// The same of the covariance with the difference before; 0 for the first one.
    shared_photons: f32,
    shared_reads: f32,
    /// Variance of the later sample.
    later_reads: f32,
    /// Whether that has several reads.
    pub is_averaged: bool,
    /// The weight of the difference in the uniform slope [1/s].
    uniform: f32,
}

/// What a sweep leaves of a difference.
#[derive(Clone, Copy)]
pub struct Swept {
    /// All bits if the difference is used, or none.
    pub used: Vector<u32>,
    /// The difference; then what it is above the mean rate.
    difference: Vector,
    /// `l_i`.
    pub factor: Vector,
    /// `1 / delta_i`, `y_i / delta_i` and `z_i / delta_i`.
    pub inverse: Vector,
    pub interval: Vector,
    pub residual: Vector,
}

/// What a fit leaves of a pixel, in units of the variance of a read.
pub struct Fitted {
    /// The mean rate, the fitted one, and the difference [DN/s].
    pub mean: Vector,
    pub slope: Vector,
    pub above: Vector,
    /// `1 / (Delta' C^-1 Delta)`.
    pub inverse: Vector,
    /// Of a read [DN^2].
    pub variance: Vector,
    /// Variance of photons in a second.
    pub photons: Vector,
    pub chisq: Vector,
}

/// A block of columns: what is fitted, and the fits.
pub struct Block {
    steps: Vec<Step>,
    /// Variance of the first sample, in units of that of a read.
    first_reads: f32,
    /// None: single precision is not enough for this read pattern.
    screen: Option<Screen>,
    samples: Vec<Lanes>,
    flags: Vec<Lanes<u8>>,
    swept: Vec<Swept>,
    pub gain: Lanes,
    pub read_noise: Lanes,
    /// All flags of the pixel and its samples, but for samples that are not used.
    pub dq: Lanes<u32>,
    /// Which pixels have to be looked at closely.
    pub suspect: Lanes<u8>,
    pub fit: RateBlock,
}

impl Block {
    pub fn new(kernel: &LikelihoodFit<'_>) -> Self {
        let tables = &kernel.tables;
        let steps = steps(tables);
        let n = steps.len();
        let swept = Swept {
            used: [u32::MAX; WIDTH],
            difference: [0.0; WIDTH],
            factor: [0.0; WIDTH],
            inverse: [0.0; WIDTH],
            interval: [0.0; WIDTH],
            residual: [0.0; WIDTH],
        };
        let in_lanes = kernel.search.rule == Rule::Gls && steps.iter().all(Step::is_in_range);
        Self {
            first_reads: 1.0 / tables.n_reads[0] as f32,
            screen: if in_lanes {
                Screen::new(tables, &kernel.search)
            } else {
                None
            },
            samples: vec![Lanes::all(0.0); n + 1],
            flags: vec![Lanes::all(0); n + 1],
            swept: vec![swept; n],
            steps,
            gain: Lanes::all(0.0),
            read_noise: Lanes::all(0.0),
            dq: Lanes::all(0),
            suspect: Lanes::all(1),
            fit: RateBlock::zeros(),
        }
    }
}

fn steps(tables: &Tables) -> Vec<Step> {
    let mut uniform = 0.0;
    let one = |i: usize| {
        uniform -= tables.uniform[i];
        let before = i.checked_sub(1);
        let shared = |values: &[f64]| before.map_or(0.0, |before| values[before] as f32);
        Step {
            interval: tables.intervals[i] as f32,
            photons: tables.variance_of_photons[i] as f32,
            reads: tables.variance_of_reads[i] as f32,
            shared_photons: shared(&tables.covariance_of_photons),
            shared_reads: shared(&tables.covariance_of_reads),
            later_reads: (1.0 / tables.n_reads[i + 1]) as f32,
            is_averaged: tables.n_reads[i + 1] > 1.0,
            uniform: uniform as f32,
        }
    };
    (0..tables.n_differences()).map(one).collect()
}

impl Step {
    fn is_in_range(&self) -> bool {
        let range = SMALL..1.0 / SMALL;
        range.contains(&self.interval)
            && range.contains(&self.photons)
            && range.contains(&self.reads)
            && self.uniform.is_finite()
    }
}

vectorised! {
    /// Takes a block of columns of a row, fits its pixels, and keeps the fits.
    pub fn fit_block(
        row: &FitRow<'_, '_>,
        cols: &Range<usize>,
        block: &mut Block,
        fits: &mut RateRows,
    ) {
        fit_columns(row, cols, block);
        fits.put_block(cols, &block.dq, &block.fit);
    }
}

#[inline(always)]
fn fit_columns(row: &FitRow<'_, '_>, cols: &Range<usize>, block: &mut Block) {
    load_block(row, cols, block);
    if let Some(screen) = block.screen {
        for v in 0..LANES / WIDTH {
            fit_vector(&screen, block, v);
        }
    }
}

#[inline(always)]
fn load_block(row: &FitRow<'_, '_>, cols: &Range<usize>, block: &mut Block) {
    for (samples, row) in block.samples.iter_mut().zip(row.data) {
        *samples = load(row, cols);
    }
    let mut all = Lanes::all(0);
    for (flags, row) in block.flags.iter_mut().zip(row.groupdq) {
        let samples = load(row, cols);
        for lane in 0..LANES {
            all[lane] |= samples[lane];
        }
        *flags = samples;
    }
    block.gain = row.gain.block(cols);
    block.read_noise = row.read_noise.block(cols);
    block.dq = load(row.pixeldq, cols);
    for lane in 0..LANES {
        block.dq[lane] |= u32::from(all[lane] & group::OF_PIXELS);
    }
}

/// The sums of a sweep: of `Delta' C^-1 Delta`, `Delta' C^-1 r` and `r' C^-1 r`.
struct Sums {
    intervals: Vector,
    mixed: Vector,
    residuals: Vector,
}

/// Fits the pixels of a vector of columns.
#[inline(always)]
fn fit_vector(screen: &Screen, block: &mut Block, v: usize) {
    let (steps, swept) = (&block.steps[..], &mut block.swept[..]);
    let (total, uniform) = take_differences(steps, &block.samples, swept, v);
    let all_used = is_all_used(&total, &block.flags, v);
    let mean = if all_used {
        let mut duration = 0.0;
        for step in steps {
            duration += step.interval;
        }
        let mut mean = total;
        for mean in &mut mean {
            *mean /= duration;
        }
        mean
    } else {
        mask(steps, &block.samples, &block.flags, swept, v)
    };
    let (gain, read_noise) = (part(&block.gain, v), part(&block.read_noise, v));
    let dq = part(&block.dq, v);
    let (mut variance, mut per_rate) = ([0.0; WIDTH], [0.0; WIDTH]);
    for lane in 0..WIDTH {
        variance[lane] = read_noise[lane] * read_noise[lane];
        per_rate[lane] = 1.0 / (gain[lane] * variance[lane]);
    }
    let first = if all_used {
        sweep::<true, false>(steps, &mean, &photons(&mean, &per_rate), swept)
    } else {
        sweep::<true, true>(steps, &mean, &photons(&mean, &per_rate), swept)
    };
    let mut slope = [0.0; WIDTH];
    for lane in 0..WIDTH {
        slope[lane] = mean[lane] + first.mixed[lane] / first.intervals[lane];
    }
    let photons = photons(&slope, &per_rate);
    let sums = if all_used {
        sweep::<false, false>(steps, &mean, &photons, swept)
    } else {
        sweep::<false, true>(steps, &mean, &photons, swept)
    };
    let reads = reads_of_weights(steps, block.first_reads, swept);

    let mut fitted = Fitted {
        mean,
        slope,
        above: [0.0; WIDTH],
        inverse: [0.0; WIDTH],
        variance,
        photons,
        chisq: [0.0; WIDTH],
    };
    let (mut var_rnoise, mut var_poisson) = ([0.0; WIDTH], [0.0; WIDTH]);
    let (mut err, mut dumo) = ([0.0; WIDTH], [0.0; WIDTH]);
    let mut suspect = [0; WIDTH];
    for lane in 0..WIDTH {
        let inverse = 1.0 / sums.intervals[lane];
        let above = sums.mixed[lane] * inverse;
        let slope = mean[lane] + above;
        let squares = sums.residuals[lane] - sums.mixed[lane] * above;
        let squares = if squares < 0.0 { 0.0 } else { squares };
        // Gain times the other is 1 / s^2.
        let chisq = squares * (per_rate[lane] * gain[lane]);
        let all = variance[lane] * inverse;
        let of_reads = all * (reads[lane] * inverse);
        let only_reads = (photons[lane] <= 0.0) | (of_reads > all);
        let of_reads = if only_reads { all } else { of_reads };
        let difference = uniform[lane] - slope;
        let in_range = |value: f32| (value > SMALL) & (value < 1.0 / SMALL);
        let fits = (slope + all + chisq + of_reads).is_finite()
            & gain_is_known(gain[lane])
            & in_range(gain[lane])
            & (read_noise[lane] >= 0.0)
            & (dq[lane] & JUMP_DET == 0)
            & in_range(variance[lane])
            & (photons[lane] < 1.0 / SMALL);
        suspect[lane] = u32::from(!fits);
        err[lane] = all.sqrt();
        var_rnoise[lane] = of_reads;
        var_poisson[lane] = all - of_reads;
        dumo[lane] = if difference.is_finite() {
            difference
        } else {
            0.0
        };
        fitted.inverse[lane] = inverse;
        fitted.above[lane] = above;
        fitted.slope[lane] = slope;
        fitted.chisq[lane] = chisq;
    }
    screen.look(&fitted, steps, swept, &mut suspect);

    *part_mut(&mut block.fit.slope, v) = fitted.slope;
    *part_mut(&mut block.fit.var_poisson, v) = var_poisson;
    *part_mut(&mut block.fit.var_rnoise, v) = var_rnoise;
    *part_mut(&mut block.fit.err, v) = err;
    *part_mut(&mut block.fit.chisq, v) = fitted.chisq;
    *part_mut(&mut block.fit.dumo, v) = dumo;
    for (byte, suspect) in part_mut(&mut block.suspect, v).iter_mut().zip(suspect) {
        *byte = suspect as u8;
    }
}

/// Takes all differences. Their sum, and the uniform slope.
#[inline(always)]
fn take_differences(
    steps: &[Step],
    samples: &[Lanes],
    swept: &mut [Swept],
    v: usize,
) -> (Vector, Vector) {
    let (mut total, mut uniform) = ([0.0; WIDTH], [0.0; WIDTH]);
    for ((step, pair), swept) in steps.iter().zip(samples.windows(2)).zip(swept) {
        let (earlier, later) = (part(&pair[0], v), part(&pair[1], v));
        let mut difference = [0.0; WIDTH];
        for lane in 0..WIDTH {
            difference[lane] = later[lane] - earlier[lane];
            total[lane] += difference[lane];
            uniform[lane] += step.uniform * difference[lane];
        }
        swept.difference = difference;
    }
    (total, uniform)
}

/// Whether all samples of all pixels are finite, and without a flag that matters.
#[inline(always)]
fn is_all_used(total: &Vector, flags: &[Lanes<u8>], v: usize) -> bool {
    let mut all = [0; WIDTH];
    for flags in flags {
        let flags = part(flags, v);
        for lane in 0..WIDTH {
            all[lane] |= flags[lane];
        }
    }
    let mut not_used = 0;
    for lane in 0..WIDTH {
        let flagged = u32::from(all[lane] & (group::UNUSABLE | group::JUMP_DET));
        not_used |= flagged | u32::from(!total[lane].is_finite());
    }
    not_used == 0
}

/// Finds out which differences are used, and makes the others 0. The mean rate of those that are used.
#[inline(always)]
fn mask(
    steps: &[Step],
    samples: &[Lanes],
    flags: &[Lanes<u8>],
    swept: &mut [Swept],
    v: usize,
) -> Vector {
    let (mut total, mut duration) = ([0.0; WIDTH], [0.0; WIDTH]);
    let pairs = samples.windows(2).zip(flags.windows(2));
    for ((step, (samples, flags)), swept) in steps.iter().zip(pairs).zip(swept) {
        let (earlier, later) = (part(&samples[0], v), part(&samples[1], v));
        let (flags_before, flags) = (part(&flags[0], v), part(&flags[1], v));
        let mut used = [0; WIDTH];
        let mut difference = swept.difference;
        for lane in 0..WIDTH {
            let ends = (flags_before[lane] | flags[lane]) & group::UNUSABLE;
            let flagged = u32::from(ends | (flags[lane] & group::JUMP_DET)) != 0;
            let finite = earlier[lane].is_finite() & later[lane].is_finite();
            used[lane] = if finite & !flagged { u32::MAX } else { 0 };
            difference[lane] = masked(difference[lane], used[lane]);
            total[lane] += difference[lane];
            duration[lane] += masked(step.interval, used[lane]);
        }
        swept.used = used;
        swept.difference = difference;
    }
    for lane in 0..WIDTH {
        total[lane] /= duration[lane];
    }
    total
}

#[inline(always)]
fn part<T>(lanes: &Lanes<T>, index: usize) -> &Vector<T> {
    &lanes.as_chunks().0[index]
}

#[inline(always)]
fn part_mut<T>(lanes: &mut Lanes<T>, index: usize) -> &mut Vector<T> {
    &mut lanes.as_chunks_mut().0[index]
}

/// The value, or 0.
#[inline(always)]
pub fn masked(value: f32, mask: u32) -> f32 {
    f32::from_bits(value.to_bits() & mask)
}

/// The variance that the photons of a rate add in a second, in units of that of a read.
#[inline(always)]
fn photons(rate: &Vector, per_rate: &Vector) -> Vector {
    let mut photons = [0.0; WIDTH];
    for lane in 0..WIDTH {
        let rate = if rate[lane] > 0.0 { rate[lane] } else { 0.0 };
        photons[lane] = rate * per_rate[lane];
    }
    photons
}

/// One sweep with the covariance for so many photons. The first one takes the mean rate off.
#[inline(always)]
fn sweep<const FIRST: bool, const MASKED: bool>(
    steps: &[Step],
    mean: &Vector,
    photons: &Vector,
    swept: &mut [Swept],
) -> Sums {
    let (mut inverse, mut y, mut z) = ([0.0; WIDTH], [0.0; WIDTH], [0.0; WIDTH]);
    let mut sums = Sums {
        intervals: [0.0; WIDTH],
        mixed: [0.0; WIDTH],
        residuals: [0.0; WIDTH],
    };
    for (step, swept) in steps.iter().zip(swept) {
        let (mut factor, mut difference) = ([0.0; WIDTH], swept.difference);
        let (mut interval, mut residual) = ([0.0; WIDTH], [0.0; WIDTH]);
        let used = swept.used;
        for lane in 0..WIDTH {
            if FIRST {
                difference[lane] -= mean[lane] * step.interval;
            }
            let shared = photons[lane] * step.shared_photons + step.shared_reads;
            let l = shared * inverse[lane];
            let delta = photons[lane] * step.photons + step.reads - shared * l;
            y[lane] = step.interval - l * y[lane];
            z[lane] = difference[lane] - l * z[lane];
            inverse[lane] = 1.0 / delta;
            if MASKED {
                inverse[lane] = masked(inverse[lane], used[lane]);
            }
            factor[lane] = l;
            interval[lane] = y[lane] * inverse[lane];
            sums.intervals[lane] += interval[lane] * y[lane];
            sums.mixed[lane] += interval[lane] * z[lane];
            if !FIRST {
                residual[lane] = z[lane] * inverse[lane];
                sums.residuals[lane] += residual[lane] * z[lane];
            }
        }
        if FIRST {
            swept.difference = difference;
        } else {
            swept.factor = factor;
            swept.inverse = inverse;
            swept.interval = interval;
            swept.residual = residual;
        }
    }
    sums
}

/// The variance of reads in the slope, over that of one read, times the square of `Delta' C^-1 Delta`.
///
/// On the way back the weights of the differences come out, `w = C^-1 Delta`; those of the samples are the
/// steps between them.
#[inline(always)]
fn reads_of_weights(steps: &[Step], first_reads: f32, swept: &[Swept]) -> Vector {
    let (mut weight, mut factor) = ([0.0; WIDTH], [0.0; WIDTH]);
    let mut reads = [0.0; WIDTH];
    for (step, swept) in steps.iter().zip(swept).rev() {
        for lane in 0..WIDTH {
            let new = swept.interval[lane] - factor[lane] * weight[lane];
            let of_sample = new - weight[lane];
            reads[lane] += of_sample * of_sample * step.later_reads;
            weight[lane] = new;
            factor[lane] = swept.factor[lane];
        }
    }
    for lane in 0..WIDTH {
        reads[lane] += weight[lane] * weight[lane] * first_reads;
    }
    reads
}

#[cfg(test)]
mod tests;
