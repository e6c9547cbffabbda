//! The regular pixels of a block of columns, all at once.
//!
//! A pixel is regular if all of its samples are numbers without a flag that ends a segment, and its
//! gain and read noise are known: then all samples make one segment. The sums here are those of
//! [`super::RampFit::fit_segment`] and [`super::RampFit::combine`] in the same order, lane by lane,
//! so that both give the same bits; a test holds them together.

use std::ops::Range;

use super::weights::{POWERS, power_index};
use super::{Detector, RampFit, photon_variance};
use crate::dq::group;
use crate::kernels::gain_is_known;
use crate::kernels::rate_rows::{RateBlock, RateRows};
use crate::lanes::{LANES, Lanes, VECTOR, differences, load, select, vectorised};
use crate::reference::Row;

/// One row of a band with its references.
pub struct FitRow<'a> {
    pub data: &'a [&'a [f32]],
    pub groupdq: &'a [&'a [u8]],
    pub pixeldq: &'a [u32],
    pub gain: Row<'a, f32>,
    pub read_noise: Row<'a, f32>,
}

/// A block of columns: what is fitted, and the fits.
pub struct Block {
    /// The samples; then, of regular pixels, what they are above the first.
    samples: Vec<Lanes>,
    differences: Vec<Lanes>,
    /// Rates of the differences, sorted.
    rates: Vec<Lanes>,
    pub gain: Lanes,
    pub read_noise: Lanes,
    /// All flags of the pixel and its samples, but for samples that are not used.
    pub dq: Lanes<u32>,
    pub irregular: Lanes<u8>,
    pub fit: RateBlock,
}

impl Block {
    pub fn new(n_resultants: usize) -> Self {
        let zeros = Lanes::all(0.0);
        Self {
            samples: vec![zeros; n_resultants],
            differences: vec![zeros; n_resultants - 1],
            rates: vec![zeros; n_resultants - 1],
            gain: zeros,
            read_noise: zeros,
            dq: Lanes::all(0),
            irregular: Lanes::all(0),
            fit: RateBlock::zeros(),
        }
    }
}

vectorised! {
    /// Takes a block of columns of a row, fits its regular pixels, and keeps the fits.
    pub fn fit_block(
        kernel: &RampFit<'_>,
        row: &FitRow<'_>,
        cols: &Range<usize>,
        block: &mut Block,
        fits: &mut RateRows,
    ) {
        load_block(kernel, row, cols, block);
        if block.samples.len() > 1 {
            fit_regular(kernel, block);
        }
        fits.put_block(cols, &block.dq, &block.fit);
    }
}

#[inline(always)]
fn load_block(kernel: &RampFit<'_>, row: &FitRow<'_>, cols: &Range<usize>, block: &mut Block) {
    for (samples, row) in block.samples.iter_mut().zip(row.data) {
        *samples = load(row, cols);
    }
    block.gain = row.gain.block(cols);
    block.read_noise = row.read_noise.block(cols);
    let mut flags = Lanes::all(0);
    for row in row.groupdq {
        let samples = load(row, cols);
        for lane in 0..LANES {
            flags[lane] |= samples[lane];
        }
    }
    block.dq = load(row.pixeldq, cols);
    differences(&block.samples, &mut block.differences);
    // Finite if all samples are.
    let mut sum = Lanes::all(0.0);
    let all = block
        .rates
        .iter_mut()
        .zip(&block.differences)
        .zip(&kernel.inverse_intervals);
    for ((rates, differences), inverse) in all {
        for lane in 0..LANES {
            rates[lane] = differences[lane] * inverse;
            sum[lane] += rates[lane];
        }
    }
    // A single resultant has no differences, and is always looked at more closely.
    let single = block.samples.len() < 2;
    for lane in 0..LANES {
        block.dq[lane] |= u32::from(flags[lane] & group::OF_PIXELS);
        block.irregular[lane] = u8::from(single)
            | u8::from(!sum[lane].is_finite())
            | u8::from(flags[lane] & (group::UNUSABLE | group::JUMP_DET) != 0)
            | u8::from(!gain_is_known(block.gain[lane]))
            | u8::from(!block.read_noise[lane].is_finite());
    }
}

#[inline(always)]
fn fit_regular(kernel: &RampFit<'_>, block: &mut Block) {
    let last = block.differences.len();
    let weights = kernel.weights.segment(0, last);
    let n_last = kernel.read_pattern.n_reads()[last] as f32;
    // Copies, and results kept apart until the end: loops over values that might lie in the same
    // place do not vectorise.
    let (gain, read_noise) = (block.gain, block.read_noise);
    kernel.network.sort(&mut block.rates);
    let (low, high) = (block.rates[(last - 1) / 2], block.rates[last / 2]);
    let (first, above_first) = block
        .samples
        .split_first_mut()
        .expect("two samples or more");
    let first = *first;
    for samples in &mut *above_first {
        for lane in 0..LANES {
            samples[lane] -= first[lane];
        }
    }
    let total = above_first[last - 1];
    // As f32, since lanes of one width vectorise best.
    let mut powers = Lanes::all(0.0);
    let (mut var_poisson, mut var_rnoise, mut err) =
        (Lanes::all(0.0), Lanes::all(0.0), Lanes::all(0.0));
    for lane in 0..LANES {
        let read_variance = read_noise[lane] * read_noise[lane];
        let signal = gain[lane] * total[lane];
        powers[lane] = power_index(signal, gain[lane] * gain[lane] * read_variance / n_last);
        let rate = 0.5 * (low[lane] + high[lane]);
        var_poisson[lane] = photon_variance(rate, gain[lane], weights.duration);
        var_rnoise[lane] = read_variance * weights.var_rnoise;
        err[lane] = (var_poisson[lane] + var_rnoise[lane]).sqrt();
    }
    let uniform_slope = weighted_sum(above_first, weights.slope_factors(0));
    let mut slope = uniform_slope;
    for index in 1..POWERS.len() {
        let power = index as f32;
        let chosen = powers.map(|lane| u32::from(lane == power));
        if chosen.iter().fold(0, |any, lane| any | lane) != 0 {
            let weighted = weighted_sum(above_first, weights.slope_factors(index));
            slope = select(&chosen, &weighted, &slope);
        }
    }
    let (mut dumo, mut chisq) = (Lanes::all(0.0), Lanes::all(0.0));
    for lane in 0..LANES {
        dumo[lane] = uniform_slope[lane] - slope[lane];
    }
    for kind in &kernel.kinds {
        let mut sum = Lanes::all(0.0);
        for (v, sum) in sum.vectors_mut().iter_mut().enumerate() {
            let slope = slope.vectors()[v];
            let mut squares = [0.0; VECTOR];
            for &i in &kind.members {
                let differences = &block.differences[i].vectors()[v];
                for lane in 0..VECTOR {
                    let deviation = differences[lane] - slope[lane] * kind.interval;
                    squares[lane] += deviation * deviation;
                }
            }
            *sum = squares;
        }
        for lane in 0..LANES {
            let detector = Detector {
                gain: gain[lane],
                read_noise: read_noise[lane],
            };
            chisq[lane] += kind.chisq(sum[lane], slope[lane], detector);
        }
    }
    block.fit = RateBlock {
        slope,
        dumo,
        var_poisson,
        var_rnoise,
        err,
        chisq,
    };
}

/// The sum of the samples of each lane, above the first, times the factors.
#[inline(always)]
fn weighted_sum(above_first: &[Lanes], factors: &[f32]) -> Lanes {
    let mut sums = Lanes::all(0.0);
    for (v, sums) in sums.vectors_mut().iter_mut().enumerate() {
        let mut sum = [0.0; VECTOR];
        for (samples, factor) in above_first.iter().zip(&factors[1..]) {
            let samples = &samples.vectors()[v];
            for lane in 0..VECTOR {
                sum[lane] += factor * samples[lane];
            }
        }
        *sums = sum;
    }
    sums
}
