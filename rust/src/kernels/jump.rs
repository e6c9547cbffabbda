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

use ndarray::ArrayViewMut3;

use super::gain_is_known;
use crate::band::{BandKernel, Changes, Place, RampBand};
use crate::cadence::ReadPattern;
use crate::dq::{group, pixel};
use crate::error::KernelError;
use crate::lanes::{
    LANES, Lanes, SortingNetwork, add_flags, blocks, chosen, differences, load, row_mut, rows,
    rows_mut, vectorised,
};
use crate::reference::{Plane, Row};

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
/// Nearly all pixels have no jump. A screen in single precision passes them by, block by block
/// (`screen`), and whoever it stops is examined one by one in double precision (`examine`), which
/// decides.
///
/// # Shapes
/// `gain` [e-/DN], `read_noise` [DN, of one read]: (n_rows, n_cols) of the image.
pub struct Jump<'a> {
    gain: Plane<'a, f32>,
    read_noise: Plane<'a, f32>,
    read_pattern: &'a ReadPattern,
    parameters: JumpParameters,
    /// Of each difference in turn.
    differences: Vec<Difference>,
    network: SortingNetwork,
}

/// What is known of the difference of two resultants, whatever the pixel.
struct Difference {
    /// Its time in units of that of the first, which leaves the ratios as they are and keeps even
    /// patterns free of rounding, and the inverse.
    interval: f64,
    inverse_interval: f64,
    /// Its read noise variance, for reads of variance 1.
    read_variance: f64,
}

impl<'a> Jump<'a> {
    /// Makes the kernel of the reference planes, the times and the parameters.
    pub fn new(
        gain: Plane<'a, f32>,
        read_noise: Plane<'a, f32>,
        read_pattern: &'a ReadPattern,
        parameters: JumpParameters,
    ) -> Self {
        let intervals = read_pattern.relative_intervals().into_iter();
        let differences: Vec<_> = intervals
            .zip(read_pattern.difference_variances())
            .map(|(interval, read_variance)| Difference {
                interval,
                inverse_interval: 1.0 / interval,
                read_variance,
            })
            .collect();
        Self {
            gain,
            read_noise,
            read_pattern,
            parameters,
            network: SortingNetwork::new(differences.len()),
            differences,
        }
    }

    /// Looks for jumps in one pixel, whose differences are NaN where they are not usable. Leaves in
    /// `first` what was compared in the first pass, and in `jumps` which differences are jumps.
    fn examine(&self, pixel: &mut Pixel, noise: PixelNoise) {
        let Pixel {
            differences,
            rates,
            first,
            jumps,
        } = pixel;
        first.clear();
        jumps.fill(false);
        loop {
            rates.clear();
            for (difference, of) in differences.iter().zip(&self.differences) {
                if !difference.is_nan() {
                    rates.push(difference * of.inverse_interval);
                }
            }
            let Some(rate) = clipped_median(rates) else {
                return;
            };
            let threshold = self.parameters.threshold(rates.len());
            let is_first = first.is_empty();
            let photon_variance = rate.abs() * noise.inverse_gain;
            let mut largest = None;
            for (i, (difference, of)) in differences.iter().zip(&self.differences).enumerate() {
                let deviation = difference - rate * of.interval;
                let compared = Compared {
                    squared_deviation: deviation * deviation,
                    variance: photon_variance * of.interval
                        + noise.read_variance * of.read_variance,
                };
                if is_first {
                    first.push(compared);
                }
                if compared.is_above(threshold) {
                    let squared_ratio = compared.squared_deviation / compared.variance;
                    if largest.is_none_or(|(_, other)| squared_ratio > other) {
                        largest = Some((i, squared_ratio));
                    }
                }
            }
            let Some((jump, _)) = largest else {
                return;
            };
            jumps[jump] = true;
            differences[jump] = f64::NAN;
        }
    }

    /// Examines the pixels of a row that the screen stops. Adds to `spreading` the jumps, as (resultant,
    /// row, column), that flag their neighbours too.
    fn find_in_row(
        &self,
        data: &[&[f32]],
        groupdq: &mut [&mut [u8]],
        (place, r): (&Place, usize),
        memory: &mut Memory,
        spreading: &mut Vec<(usize, usize, usize)>,
    ) {
        let (gain, read_noise) = (self.gain.row(place, r), self.read_noise.row(place, r));
        let min = self.parameters.min_jump_to_flag_neighbors;
        let max = self.parameters.max_jump_to_flag_neighbors;
        let Memory { block, pixel } = memory;
        for cols in blocks(data[0].len()) {
            screen(self, data, groupdq, &gain, &read_noise, &cols, block);
            let suspects = block.suspects;
            for lane in chosen(&suspects) {
                let c = cols.start + lane;
                if c >= cols.end {
                    break;
                }
                pixel.take(data, groupdq, c);
                let read_noise = f64::from(block.read_noise[lane]);
                let noise = PixelNoise {
                    inverse_gain: inverse_size(f64::from(block.gain[lane])),
                    read_variance: read_noise * read_noise,
                };
                self.examine(pixel, noise);
                for (i, &jump) in pixel.jumps.iter().enumerate() {
                    let flags = &mut groupdq[i + 1][c];
                    *flags |= if jump { group::JUMP_DET } else { 0 };
                    if *flags & group::JUMP_DET != 0
                        && let Some(compared) = pixel.first.get(i)
                        && compared.is_above(min)
                        && compared.is_below(max)
                    {
                        spreading.push((i + 1, r, c));
                    }
                }
            }
        }
    }
}

impl BandKernel for Jump<'_> {
    fn name(&self) -> &'static str {
        "jump"
    }

    fn changes(&self) -> Changes {
        Changes::FLAGS
    }

    fn halo(&self) -> usize {
        usize::from(self.parameters.flag_4_neighbors)
    }

    fn check(
        &self,
        (n_resultants, n_rows, n_cols): (usize, usize, usize),
    ) -> Result<(), KernelError> {
        self.gain.check("gain", (n_rows, n_cols))?;
        self.read_noise.check("read_noise", (n_rows, n_cols))?;
        self.read_pattern.check(n_resultants)?;
        self.parameters.check()
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        let n_resultants = band.shape().0;
        let place = &band.place;
        let data = band.data.view();
        let mut groupdq = band.groupdq.view_mut();
        let mut pixeldq = band.pixeldq.view_mut();
        let mut memory = Memory::new(n_resultants);
        let mut spreading = Vec::new();
        for r in 0..pixeldq.nrows() {
            let pixels = row_mut(pixeldq.view_mut(), r);
            flag_unknown_gain(self.gain.row(place, r), pixels);
            if n_resultants >= 3 {
                self.find_in_row(
                    &rows(data, r),
                    &mut rows_mut(&mut groupdq, r),
                    (place, r),
                    &mut memory,
                    &mut spreading,
                );
            }
        }
        // When all pixels are done: a flag from a neighbour must not look like one of the pixel's own.
        if self.parameters.flag_4_neighbors {
            for jump in spreading {
                flag_neighbors(&mut groupdq, jump);
            }
        }
    }
}

vectorised! {
    fn flag_unknown_gain(gain: Row<'_, f32>, pixeldq: &mut [u32]) {
        let unknown = pixel::NO_GAIN_VALUE | pixel::DO_NOT_USE;
        for cols in blocks(pixeldq.len()) {
            let flags = gain.block(&cols).map(|gain| if gain_is_known(gain) { 0 } else { unknown });
            add_flags(&flags, pixeldq, &cols);
        }
    }
}

/// How far a rate or a difference may be off for being computed in single precision, in units of the
/// largest rate (or difference) of the pixel. Ten roundings of 2^-24 are 6e-7.
const ROUNDING: f32 = 1e-6;

/// Below this a square may have lost its precision, or be 0 for being too small.
const SMALLEST: f32 = 1e-30;

vectorised! {
    /// Takes a block of columns of a row, and tells which of its pixels may have a jump, or have
    /// flags or samples that need a closer look.
    ///
    /// A pixel that is not among them has none: all of its differences are usable and deviate by
    /// less than the threshold, even if each was off by as much as single precision can make it.
    fn screen(
        kernel: &Jump<'_>,
        data: &[&[f32]],
        groupdq: &[&mut [u8]],
        gain: &Row<'_, f32>,
        read_noise: &Row<'_, f32>,
        cols: &Range<usize>,
        block: &mut Block,
    ) {
        block.gain = gain.block(cols);
        block.read_noise = read_noise.block(cols);
        let n = kernel.differences.len();
        // Short ramps have other medians and thresholds.
        if n < 4 {
            block.suspects = Lanes::all(1);
            return;
        }
        let mut flags = Lanes::all(0);
        for row in groupdq {
            let samples = load(row, cols);
            for lane in 0..LANES {
                flags[lane] |= samples[lane];
            }
        }
        for (samples, row) in block.samples.iter_mut().zip(data) {
            *samples = load(row, cols);
        }
        differences(&block.samples, &mut block.differences);
        let all = block.rates.iter_mut().zip(&block.differences).zip(&kernel.differences);
        for ((rates, differences), of) in all {
            let inverse = of.inverse_interval as f32;
            for lane in 0..LANES {
                rates[lane] = differences[lane] * inverse;
            }
        }
        kernel.network.sort(&mut block.rates);
        // Of the n - 1 rates that are left, in places 1.. or 0.. of the sorted ones.
        let (low, high) = ((n - 2) / 2, (n - 1) / 2);
        let (mut median, mut size, mut error) = (Lanes::all(0.0), Lanes::all(0.0), Lanes::all(0.0));
        let (mut inverse_gain, mut read_variance) = (Lanes::all(0.0), Lanes::all(0.0));
        let mut suspects = Lanes::all(0_u32);
        let rates = &block.rates;
        for lane in 0..LANES {
            let (first, last) = (rates[0][lane], rates[n - 1][lane]);
            let without_last = 0.5 * (rates[low][lane] + rates[high][lane]);
            let without_first = 0.5 * (rates[low + 1][lane] + rates[high + 1][lane]);
            median[lane] = if -first > last { without_first } else { without_last };
            let largest = if first.abs() > last.abs() { first.abs() } else { last.abs() };
            error[lane] = ROUNDING * largest;
            // Equal in size, or nearly: which of the two is dropped is not known here.
            suspects[lane] = u32::from((first + last).abs() <= 4.0 * error[lane])
                | u32::from(!largest.is_finite());
            // The least noise that there may be.
            let photons = median[lane].abs() - error[lane];
            size[lane] = if photons > 0.0 { photons } else { 0.0 };
            inverse_gain[lane] = 1.0 / block.gain[lane].abs();
            read_variance[lane] = block.read_noise[lane] * block.read_noise[lane];
        }
        let limit = kernel.parameters.rejection_threshold as f32 * (1.0 - 1e-5);
        let limit = limit * limit;
        for (differences, of) in block.differences.iter().zip(&kernel.differences) {
            let (interval, reads) = (of.interval as f32, of.read_variance as f32);
            for lane in 0..LANES {
                let deviation = (differences[lane] - median[lane] * interval).abs()
                    + error[lane] * interval;
                let variance =
                    size[lane] * interval * inverse_gain[lane] + read_variance[lane] * reads;
                // Not a number is a suspect, and so is who comes near the ends of the range.
                let (squared, bound) = (deviation * deviation, limit * variance);
                let within = (squared <= bound) & (bound > SMALLEST) & (bound < f32::INFINITY);
                suspects[lane] |= u32::from(!within);
            }
        }
        for lane in 0..LANES {
            let flagged = flags[lane] & (group::UNUSABLE | group::JUMP_DET) != 0;
            block.suspects[lane] = suspects[lane] as u8 | u8::from(flagged);
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
            let rest = &mut rates[1..];
            rest.sort_unstable_by(f64::total_cmp);
            Some(0.5 * (rest[(rest.len() - 1) / 2] + rest[rest.len() / 2]))
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

/// Memory for a block of columns and for one pixel, used again for the next.
struct Memory {
    block: Block,
    pixel: Pixel,
}

impl Memory {
    fn new(n_resultants: usize) -> Self {
        let n_differences = n_resultants - 1;
        let zeros = Lanes::all(0.0);
        Self {
            block: Block {
                samples: vec![zeros; n_resultants],
                differences: vec![zeros; n_differences],
                rates: vec![zeros; n_differences],
                gain: zeros,
                read_noise: zeros,
                suspects: Lanes::all(0),
            },
            pixel: Pixel {
                differences: vec![0.0; n_differences],
                rates: Vec::with_capacity(n_differences),
                first: Vec::with_capacity(n_differences),
                jumps: vec![false; n_differences],
            },
        }
    }
}

/// A block of columns.
struct Block {
    samples: Vec<Lanes>,
    differences: Vec<Lanes>,
    rates: Vec<Lanes>,
    gain: Lanes,
    read_noise: Lanes,
    suspects: Lanes<u8>,
}

/// One pixel that is examined.
struct Pixel {
    differences: Vec<f64>,
    rates: Vec<f64>,
    /// What was compared in the first pass; empty if there was none.
    first: Vec<Compared>,
    jumps: Vec<bool>,
}

/// A deviation and its noise, squared; NaN where the difference is not usable. Their ratio is compared
/// without a division. Without noise nothing can be told: it is neither above nor below anything.
#[derive(Clone, Copy)]
struct Compared {
    squared_deviation: f64,
    variance: f64,
}

impl Compared {
    fn is_above(self, ratio: f64) -> bool {
        self.variance > 0.0 && self.squared_deviation > ratio * ratio * self.variance
    }

    fn is_below(self, ratio: f64) -> bool {
        self.variance > 0.0 && self.squared_deviation < ratio * ratio * self.variance
    }
}

impl Pixel {
    /// Takes the differences of the pixel in column `c` of a row [DN], NaN where one of the two
    /// samples cannot be used.
    fn take(&mut self, data: &[&[f32]], groupdq: &[&mut [u8]], c: usize) {
        let mut before = f64::NAN;
        for (g, (samples, flags)) in data.iter().zip(groupdq).enumerate() {
            let usable = flags[c] & group::UNUSABLE == 0 && samples[c].is_finite();
            let sample = if usable {
                f64::from(samples[c])
            } else {
                f64::NAN
            };
            if g > 0 {
                self.differences[g - 1] = sample - before;
            }
            before = sample;
        }
    }
}

#[cfg(test)]
mod tests;
