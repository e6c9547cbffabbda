//! Jumps: cosmic-ray hits, found by the two-point difference method.
//!
//! For each pixel, with `d_i` the difference of resultants i+1 and i, `T_i` the time between them,
//! `n_i` reads in a resultant, `s` the noise of one read (all in DN) and `g` the gain (e-/DN):
//!
//! 1. A difference is usable if neither resultant is SATURATED or DO_NOT_USE, nor NaN or infinite.
//! 2. `rate` is the median of the usable `d_i / T_i`: without the one of largest size if there are
//!    4 or more, of all 3, or the smaller in size of 2. With fewer, stop.
//! 3. `noise_i^2 = |rate| T_i / g + s^2 (1/n_i + 1/n_{i+1})`, the first term being photon noise.
//! 4. `ratio_i = |d_i - rate T_i| / noise_i`. If the largest exceeds the threshold, resultant i+1
//!    is flagged JUMP_DET and `d_i` is dropped; go on from 2.
//!
//! When all pixels are done, a jump whose ratio in the first pass lies strictly between two limits
//! also flags the resultant in the four neighbours of its pixel (charge couples into them).
//!
//! The noise is in DN rather than electrons, which leaves the ratio as it is. For evenly spaced
//! resultants this is Anderson & Gordon 2011, PASP 123, 1237, and the manual's section 8.1.6.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut3};

use super::gain_is_known;
use crate::band::{BandKernel, RampBand};
use crate::cadence::ReadPattern;
use crate::dq::{group, pixel};
use crate::error::{KernelError, check_array};
use crate::lanes::{
    LANES, Lanes, SortingNetwork, blocks, load, load_plane, median_of_sorted, rates, row, row_mut,
    union_of_flags, vectorised,
};

/// Parameters of the jump detection, with the manual's names.
#[derive(Debug, Clone)]
pub struct JumpParameters {
    /// Ratio above which a difference is a jump, for pixels with 4 or more usable differences.
    pub rejection_threshold: f64,
    /// The same for 2 usable differences, as of three resultants.
    pub three_group_rejection_threshold: f64,
    /// The same for 3 usable differences, as of four resultants.
    pub four_group_rejection_threshold: f64,
    /// Whether the four neighbours of a jump are flagged too.
    pub flag_4_neighbors: bool,
    /// Only jumps of a ratio below this have their neighbours flagged.
    pub max_jump_to_flag_neighbors: f64,
    /// Only jumps of a ratio above this have their neighbours flagged.
    pub min_jump_to_flag_neighbors: f64,
}

impl Default for JumpParameters {
    fn default() -> Self {
        Self {
            rejection_threshold: 4.0,
            three_group_rejection_threshold: 6.0,
            four_group_rejection_threshold: 5.0,
            flag_4_neighbors: true,
            max_jump_to_flag_neighbors: 1000.0,
            min_jump_to_flag_neighbors: 10.0,
        }
    }
}

impl JumpParameters {
    fn check(&self) -> Result<(), KernelError> {
        let numbers = [
            ("rejection_threshold", self.rejection_threshold),
            (
                "three_group_rejection_threshold",
                self.three_group_rejection_threshold,
            ),
            (
                "four_group_rejection_threshold",
                self.four_group_rejection_threshold,
            ),
            (
                "max_jump_to_flag_neighbors",
                self.max_jump_to_flag_neighbors,
            ),
            (
                "min_jump_to_flag_neighbors",
                self.min_jump_to_flag_neighbors,
            ),
        ];
        match numbers
            .iter()
            .find(|(_, value)| value.is_nan() || *value < 0.0)
        {
            Some((argument, value)) => {
                Err(KernelError::value(argument, "a number, at least 0", value))
            }
            None => Ok(()),
        }
    }

    fn threshold(&self, usable_differences: usize) -> f64 {
        match usable_differences {
            2 => self.three_group_rejection_threshold,
            3 => self.four_group_rejection_threshold,
            _ => self.rejection_threshold,
        }
    }
}

/// Flags jumps, and pixels without a gain.
///
/// With fewer than three resultants no jump can be told from light, and none is flagged.
///
/// # Shapes
/// `gain` [e-/DN], `read_noise` [DN, of one read]: (n_rows, n_cols) of the image.
pub struct Jump<'a> {
    gain: ArrayView2<'a, f32>,
    read_noise: ArrayView2<'a, f32>,
    read_pattern: &'a ReadPattern,
    parameters: JumpParameters,
    /// Time of each difference in units of the first, which leaves the ratios as they are and keeps
    /// even patterns free of rounding; its inverse; its read noise variance for reads of variance 1.
    intervals: Vec<f64>,
    inverse_intervals: Vec<f64>,
    read_variances: Vec<f64>,
    network: SortingNetwork,
}

impl<'a> Jump<'a> {
    pub fn new(
        gain: ArrayView2<'a, f32>,
        read_noise: ArrayView2<'a, f32>,
        read_pattern: &'a ReadPattern,
        parameters: JumpParameters,
    ) -> Self {
        let intervals = read_pattern.relative_intervals();
        Self {
            gain,
            read_noise,
            read_pattern,
            parameters,
            inverse_intervals: intervals.iter().map(|interval| 1.0 / interval).collect(),
            read_variances: read_pattern.difference_variances(),
            network: SortingNetwork::new(intervals.len()),
            intervals,
        }
    }

    /// Looks for jumps in one pixel. Leaves in `ratios` those of the first pass, NaN where a
    /// difference is not usable, and in `jumps` which differences are jumps.
    fn examine(&self, differences: &mut [f64], noise: PixelNoise, scratch: &mut Scratch) {
        let Scratch {
            rates,
            ratios,
            jumps,
        } = scratch;
        ratios.fill(f64::NAN);
        jumps.fill(false);
        for pass in 0.. {
            rates.clear();
            let usable = differences.iter().zip(&self.inverse_intervals);
            rates.extend(
                usable
                    .filter(|(difference, _)| !difference.is_nan())
                    .map(|(difference, inverse)| difference * inverse),
            );
            let Some(rate) = clipped_median(rates) else {
                return;
            };
            let threshold = self.parameters.threshold(rates.len());
            let mut largest = None;
            for (i, difference) in differences.iter().enumerate() {
                let variance = rate.abs() * self.intervals[i] * noise.inverse_gain
                    + noise.read_variance * self.read_variances[i];
                // Without noise nothing can be told from it.
                let ratio = if variance > 0.0 {
                    (difference - rate * self.intervals[i]).abs() / variance.sqrt()
                } else {
                    f64::NAN
                };
                if pass == 0 {
                    ratios[i] = ratio;
                }
                if ratio > largest.map_or(threshold, |(_, ratio)| ratio) {
                    largest = Some((i, ratio));
                }
            }
            let Some((jump, _)) = largest else {
                return;
            };
            jumps[jump] = true;
            differences[jump] = f64::NAN;
        }
    }
}

vectorised! {
    fn flag_unknown_gain(gain: &[f32], pixeldq: &mut [u32]) {
        for (gain, flags) in gain.iter().zip(pixeldq) {
            let unknown = pixel::NO_GAIN_VALUE | pixel::DO_NOT_USE;
            *flags |= if gain_is_known(f64::from(*gain)) { 0 } else { unknown };
        }
    }
}

vectorised! {
    /// Takes a block of columns of a row, and tells which of its pixels may have a jump, or have
    /// flags or samples that need a closer look.
    ///
    /// A pixel that is not among them has none: all of its differences are usable and well within
    /// the threshold, by a margin that is wide compared with the rounding of the numbers.
    fn screen(
        kernel: &Jump<'_>,
        data: &ArrayView3<'_, f32>,
        groupdq: &ArrayView3<'_, u8>,
        first_row: usize,
        r: usize,
        cols: &Range<usize>,
        block: &mut Block,
    ) {
        let flags = union_of_flags(groupdq, r, cols);
        load(data, r, cols, &mut block.samples);
        let gain = load_plane(kernel.gain, first_row + r, cols);
        let read_noise = load_plane(kernel.read_noise, first_row + r, cols);
        for lane in 0..LANES {
            block.inverse_gain[lane] = inverse_size(gain[lane]);
            block.read_variance[lane] = read_noise[lane] * read_noise[lane];
        }
        let n = kernel.intervals.len();
        if n < 4 {
            block.suspects = [true; LANES];
            return;
        }
        let sum = rates(&block.samples, &kernel.inverse_intervals, &mut block.rates);
        kernel.network.sort(&mut block.rates);
        let mut median = [0.0; LANES];
        let mut suspects = [false; LANES];
        // Of the n - 1 rates that are left, in places 1.. or 0.. of the sorted ones.
        let (low, high) = ((n - 2) / 2, (n - 1) / 2);
        for lane in 0..LANES {
            let (first, last) = (block.rates[0][lane], block.rates[n - 1][lane]);
            let without_last = 0.5 * (block.rates[low][lane] + block.rates[high][lane]);
            let without_first = 0.5 * (block.rates[low + 1][lane] + block.rates[high + 1][lane]);
            median[lane] = if -first > last { without_first } else { without_last };
            // Equal in size: the earlier one in time is dropped, which sorting does not know.
            suspects[lane] = !sum[lane].is_finite()
                | (-first == last)
                | (flags[lane] & (group::UNUSABLE | group::JUMP_DET) != 0);
        }
        let limit = kernel.parameters.rejection_threshold * (1.0 - 1e-6);
        let limit = limit * limit;
        for i in 0..n {
            let (before, after) = (&block.samples[i], &block.samples[i + 1]);
            for lane in 0..LANES {
                let deviation = after[lane] - before[lane] - median[lane] * kernel.intervals[i];
                let variance = median[lane].abs() * kernel.intervals[i] * block.inverse_gain[lane]
                    + block.read_variance[lane] * kernel.read_variances[i];
                suspects[lane] |= deviation * deviation > limit * variance;
            }
        }
        block.suspects = suspects;
    }
}

impl BandKernel for Jump<'_> {
    fn halo(&self) -> usize {
        usize::from(self.parameters.flag_4_neighbors)
    }

    fn check(
        &self,
        (n_resultants, n_rows, n_cols): (usize, usize, usize),
    ) -> Result<(), KernelError> {
        check_array("gain", &[n_rows, n_cols], &self.gain)?;
        check_array("read_noise", &[n_rows, n_cols], &self.read_noise)?;
        self.read_pattern.check(n_resultants)?;
        self.parameters.check()
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        let (n_resultants, n_rows, n_cols) = band.shape();
        let first_row = band.first_row;
        let data = band.data.view();
        let mut groupdq = band.groupdq.view_mut();
        let mut pixeldq = band.pixeldq.view_mut();
        for r in 0..n_rows {
            let cols = 0..n_cols;
            let gain = row(self.gain, first_row + r, &cols);
            flag_unknown_gain(gain, row_mut(pixeldq.view_mut(), r, &cols));
        }
        if n_resultants < 3 {
            return;
        }
        let mut block = Block::new(n_resultants);
        let mut scratch = Scratch::new(n_resultants - 1);
        let mut differences = vec![0.0; n_resultants - 1];
        let mut spreading = Vec::new();
        for r in 0..n_rows {
            for cols in blocks(n_cols) {
                let flags = groupdq.view();
                screen(self, &data, &flags, first_row, r, &cols, &mut block);
                let suspects = block.suspects;
                for (lane, c) in cols.enumerate().filter(|(lane, _)| suspects[*lane]) {
                    usable_differences(&data, &groupdq, (r, c), &mut differences);
                    let noise = PixelNoise {
                        inverse_gain: block.inverse_gain[lane],
                        read_variance: block.read_variance[lane],
                    };
                    self.examine(&mut differences, noise, &mut scratch);
                    for (i, (&jump, &ratio)) in
                        scratch.jumps.iter().zip(&scratch.ratios).enumerate()
                    {
                        let flags = &mut groupdq[[i + 1, r, c]];
                        *flags |= if jump { group::JUMP_DET } else { 0 };
                        if *flags & group::JUMP_DET != 0
                            && ratio > self.parameters.min_jump_to_flag_neighbors
                            && ratio < self.parameters.max_jump_to_flag_neighbors
                        {
                            spreading.push((i + 1, r, c));
                        }
                    }
                }
            }
        }
        if self.parameters.flag_4_neighbors {
            for jump in spreading {
                flag_neighbors(&mut groupdq, jump);
            }
        }
    }
}

/// Flags a jump in the four neighbours of its pixel, but not in samples that are not used.
fn flag_neighbors(groupdq: &mut ArrayViewMut3<'_, u8>, (g, r, c): (usize, usize, usize)) {
    let neighbors = [
        (r.wrapping_sub(1), c),
        (r + 1, c),
        (r, c.wrapping_sub(1)),
        (r, c + 1),
    ];
    for (row, col) in neighbors {
        // None beyond the edge of the image, or of the band, where nobody keeps it.
        if let Some(flags) = groupdq.get_mut((g, row, col))
            && *flags & group::UNUSABLE == 0
        {
            *flags |= group::JUMP_DET;
        }
    }
}

/// The differences of one pixel [DN], NaN where one of the two samples cannot be used.
fn usable_differences(
    data: &ArrayView3<'_, f32>,
    groupdq: &ArrayViewMut3<'_, u8>,
    (r, c): (usize, usize),
    differences: &mut [f64],
) {
    let sample = |g: usize| {
        let sample = f64::from(data[[g, r, c]]);
        if groupdq[[g, r, c]] & group::UNUSABLE == 0 && sample.is_finite() {
            sample
        } else {
            f64::NAN
        }
    };
    let mut before = sample(0);
    for (i, difference) in differences.iter_mut().enumerate() {
        let after = sample(i + 1);
        *difference = after - before;
        before = after;
    }
}

/// The median that jumps do not spoil; see step 2. None for fewer than two rates.
/// Drops one of four or more: the rates come back in another order, but all of them.
fn clipped_median(rates: &mut [f64]) -> Option<f64> {
    let smaller = |a: f64, b: f64| if b.abs() < a.abs() { b } else { a };
    match rates {
        [] | [_] => None,
        [a, b] => Some(smaller(*a, *b)),
        [_, _, _] => {
            rates.sort_unstable_by(f64::total_cmp);
            Some(rates[1])
        }
        _ => {
            let mut largest = 0;
            for i in 1..rates.len() {
                if rates[i].abs() > rates[largest].abs() {
                    largest = i;
                }
            }
            rates.swap(0, largest);
            rates[1..].sort_unstable_by(f64::total_cmp);
            Some(median_of_sorted(&rates[1..]))
        }
    }
}

/// DN per electron, without its sign. An infinite gain is as unknown as one that is NaN: with a noise
/// of NaN nothing is found.
#[inline(always)]
fn inverse_size(gain: f64) -> f64 {
    let inverse = 1.0 / gain.abs();
    if inverse > 0.0 { inverse } else { f64::NAN }
}

/// What the noise of a pixel's differences is made of.
#[derive(Clone, Copy)]
struct PixelNoise {
    /// DN per electron, without its sign.
    inverse_gain: f64,
    /// Variance of one read [DN^2].
    read_variance: f64,
}

/// A block of columns.
struct Block {
    samples: Vec<Lanes>,
    rates: Vec<Lanes>,
    inverse_gain: Lanes,
    read_variance: Lanes,
    suspects: [bool; LANES],
}

impl Block {
    fn new(n_resultants: usize) -> Self {
        Self {
            samples: vec![[0.0; LANES]; n_resultants],
            rates: vec![[0.0; LANES]; n_resultants - 1],
            inverse_gain: [0.0; LANES],
            read_variance: [0.0; LANES],
            suspects: [false; LANES],
        }
    }
}

/// Memory for one pixel, used again for the next.
struct Scratch {
    rates: Vec<f64>,
    ratios: Vec<f64>,
    jumps: Vec<bool>,
}

impl Scratch {
    fn new(n_differences: usize) -> Self {
        Self {
            rates: Vec::with_capacity(n_differences),
            ratios: vec![f64::NAN; n_differences],
            jumps: vec![false; n_differences],
        }
    }
}

#[cfg(test)]
mod tests;
