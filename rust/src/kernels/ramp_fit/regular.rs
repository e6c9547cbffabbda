//! The regular pixels of a block of columns, all at once.
//!
//! A pixel is regular if all of its samples are numbers without a flag that ends a segment, and its
//! gain and read noise are known: then all samples make one segment. The sums here are those of
//! [`super::RampFit::fit_segment`] and [`super::RampFit::combine`] in the same order, lane by lane,
//! so that both give the same bits; a test holds them together.

use std::ops::Range;

use super::weights::power_index;
use super::{FitRows, RampFit};
use crate::band::RampBand;
use crate::dq::group;
use crate::kernels::gain_is_known;
use crate::lanes::{LANES, Lanes, load, load_plane, rates, row, union_of_flags, vectorised};

/// A block of columns: what is fitted, and the fits.
pub struct Block {
    samples: Vec<Lanes>,
    /// Rates of the differences, sorted.
    rates: Vec<Lanes>,
    pub gain: Lanes,
    pub read_noise: Lanes,
    /// All flags of the pixel and its samples, but for samples that are not used.
    pub dq: [u32; LANES],
    irregular: [bool; LANES],
    pub fit: BlockFit,
    n_cols: usize,
}

/// The fits of the pixels of a block, see [`super::PixelFit`].
pub struct BlockFit {
    pub slope: Lanes,
    /// Slope with uniform weights minus slope.
    pub dumo: Lanes,
    pub var_poisson: Lanes,
    pub var_rnoise: Lanes,
    pub err: Lanes,
    pub chisq: Lanes,
}

impl Block {
    pub fn new(n_resultants: usize) -> Self {
        let zeros = [0.0; LANES];
        Self {
            samples: vec![zeros; n_resultants],
            rates: vec![zeros; n_resultants - 1],
            gain: zeros,
            read_noise: zeros,
            dq: [0; LANES],
            irregular: [false; LANES],
            fit: BlockFit {
                slope: zeros,
                dumo: zeros,
                var_poisson: zeros,
                var_rnoise: zeros,
                err: zeros,
                chisq: zeros,
            },
            n_cols: 0,
        }
    }

    /// The lanes that are not regular, or all of them.
    pub fn irregular_lanes(&self, all: bool) -> impl Iterator<Item = usize> {
        let irregular = self.irregular;
        (0..self.n_cols).filter(move |&lane| all || irregular[lane])
    }
}

vectorised! {
    /// Takes a block of columns of a row, fits its regular pixels, and keeps the fits.
    pub fn fit_block(
        kernel: &RampFit<'_>,
        band: &RampBand<'_>,
        r: usize,
        cols: &Range<usize>,
        block: &mut Block,
        out: &mut FitRows<'_>,
    ) {
        load_block(kernel, band, r, cols, block);
        if block.samples.len() > 1 {
            fit_regular(kernel, block);
        }
        out.put_block(r, cols, block);
    }
}

#[inline(always)]
fn load_block(
    kernel: &RampFit<'_>,
    band: &RampBand<'_>,
    r: usize,
    cols: &Range<usize>,
    block: &mut Block,
) {
    block.n_cols = cols.len();
    load(&band.data.view(), r, cols, &mut block.samples);
    block.gain = load_plane(kernel.gain, band.first_row + r, cols);
    block.read_noise = load_plane(kernel.read_noise, band.first_row + r, cols);
    let flags = union_of_flags(&band.groupdq.view(), r, cols);
    block.dq[..cols.len()].copy_from_slice(row(band.pixeldq.view(), r, cols));
    for (dq, flags) in block.dq.iter_mut().zip(flags) {
        *dq |= u32::from(flags & !group::DO_NOT_USE);
    }
    let sum = rates(&block.samples, &kernel.inverse_intervals, &mut block.rates);
    // A single resultant has no differences, and is always looked at more closely.
    let single = block.samples.len() < 2;
    for lane in 0..LANES {
        block.irregular[lane] = single
            | !sum[lane].is_finite()
            | (flags[lane] & (group::UNUSABLE | group::JUMP_DET) != 0)
            | !gain_is_known(block.gain[lane])
            | !block.read_noise[lane].is_finite();
    }
}

#[inline(always)]
fn fit_regular(kernel: &RampFit<'_>, block: &mut Block) {
    let last = kernel.intervals.len();
    let weights = kernel.weights.segment(0, last);
    let n_last = f64::from(kernel.read_pattern.n_reads()[last]);
    let Block {
        samples,
        rates,
        gain,
        read_noise,
        fit,
        ..
    } = block;
    kernel.network.sort(rates);
    // As f64, since lanes of one width vectorise best.
    let mut powers = [0.0; LANES];
    for lane in 0..LANES {
        let read_variance = read_noise[lane] * read_noise[lane];
        let signal = gain[lane] * (samples[last][lane] - samples[0][lane]);
        let power = power_index(signal, gain[lane] * gain[lane] * read_variance / n_last);
        powers[lane] = power as f64;
        let rate = (0.5 * (rates[(last - 1) / 2][lane] + rates[last / 2][lane])).max(0.0);
        fit.var_poisson[lane] = rate / (gain[lane] * weights.duration);
        fit.var_rnoise[lane] = read_variance * weights.var_rnoise;
        fit.err[lane] = (fit.var_poisson[lane] + fit.var_rnoise[lane]).sqrt();
    }
    let uniform_slope = weighted_sum(samples, weights.slope_factors(0));
    fit.slope = uniform_slope;
    for index in 1..weights.n_powers() {
        let power = index as f64;
        if powers
            .iter()
            .fold(false, |any, &lane| any | (lane == power))
        {
            let (slope, before) = (
                weighted_sum(samples, weights.slope_factors(index)),
                fit.slope,
            );
            for lane in 0..LANES {
                fit.slope[lane] = if powers[lane] == power {
                    slope[lane]
                } else {
                    before[lane]
                };
            }
        }
    }
    let mut photon_variance = [0.0; LANES];
    for lane in 0..LANES {
        fit.dumo[lane] = uniform_slope[lane] - fit.slope[lane];
        photon_variance[lane] = fit.slope[lane].abs() / gain[lane];
    }
    fit.chisq = [0.0; LANES];
    for (i, &interval) in kernel.intervals.iter().enumerate() {
        for lane in 0..LANES {
            let deviation = samples[i + 1][lane] - samples[i][lane] - fit.slope[lane] * interval;
            let variance = photon_variance[lane] * interval
                + read_noise[lane] * read_noise[lane] * kernel.read_variances[i];
            let term = deviation * deviation / variance;
            // Without noise there is nothing to measure a deviation by.
            fit.chisq[lane] += if variance > 0.0 { term } else { 0.0 };
        }
    }
}

/// The sum of the samples of each lane times the factors.
#[inline(always)]
fn weighted_sum(samples: &[Lanes], factors: &[f64]) -> Lanes {
    let mut sum = [0.0; LANES];
    for (sample, factor) in samples.iter().zip(factors) {
        for lane in 0..LANES {
            sum[lane] += factor * sample[lane];
        }
    }
    sum
}
