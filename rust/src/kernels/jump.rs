//! Jumps: cosmic-ray hits, found by the two-point difference method.
//!
//! For each pixel, with `d_i` the difference of resultants i+1 and i, `T_i` the time between them,
//! `n_i` reads in a resultant, `s` the noise of one read (all in DN) and `g` the gain (e-/DN):
//!
//! 1. A difference is usable if neither resultant is SATURATED or DO_NOT_USE (or NaN).
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

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut3};

use super::gain_is_known;
use crate::band::{BandKernel, RampBand};
use crate::cadence::ReadPattern;
use crate::dq::{group, pixel};
use crate::error::{KernelError, check_array};
use crate::lanes::{
    LANES, Lanes, SortingNetwork, blocks, load, load_plane, median_of_sorted, union_of_flags,
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
        match numbers.iter().find(|(_, value)| !(*value >= 0.0)) {
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
    /// Time of each difference, its inverse, and its read noise variance for reads of variance 1.
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
        let intervals = read_pattern.intervals();
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

    /// Which pixels of a block may have a jump, or have flags or samples that need a closer look.
    ///
    /// A pixel that is not among them has none: all of its differences are usable and well within
    /// the threshold, by a margin that is wide compared with the rounding of the numbers.
    fn suspects(&self, block: &mut Block, flags: &[u8; LANES]) -> [bool; LANES] {
        let n = self.intervals.len();
        let mut suspects = [false; LANES];
        if n < 4 {
            return [true; LANES];
        }
        let mut sum = [0.0; LANES];
        for i in 0..n {
            let (before, after) = (&block.samples[i], &block.samples[i + 1]);
            for lane in 0..LANES {
                let rate = (after[lane] - before[lane]) * self.inverse_intervals[i];
                block.rates[i][lane] = rate;
                sum[lane] += rate;
            }
        }
        self.network.sort(&mut block.rates);
        let mut median = [0.0; LANES];
        for lane in 0..LANES {
            let (first, last) = (block.rates[0][lane], block.rates[n - 1][lane]);
            // Of the n - 1 that are left, in places 1.. or 0.. of the sorted rates.
            let middle = |start: usize| {
                let (low, high) = (start + (n - 2) / 2, start + (n - 1) / 2);
                0.5 * (block.rates[low][lane] + block.rates[high][lane])
            };
            let (without_first, without_last) = (middle(1), middle(0));
            median[lane] = if -first > last {
                without_first
            } else {
                without_last
            };
            // Equal in size: the earlier one in time is dropped, which sorting does not know.
            suspects[lane] = !sum[lane].is_finite() || -first == last;
        }
        let limit = self.parameters.rejection_threshold * (1.0 - 1e-6);
        let limit = limit * limit;
        for i in 0..n {
            let (before, after) = (&block.samples[i], &block.samples[i + 1]);
            for lane in 0..LANES {
                let deviation = after[lane] - before[lane] - median[lane] * self.intervals[i];
                let variance = median[lane].abs() * self.intervals[i] * block.inverse_gain[lane]
                    + block.read_variance[lane] * self.read_variances[i];
                suspects[lane] |= deviation * deviation > limit * variance;
            }
        }
        for lane in 0..LANES {
            let unusual = group::UNUSABLE | group::JUMP_DET;
            suspects[lane] |= flags[lane] & unusual != 0;
        }
        suspects
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
        for ((r, c), flags) in pixeldq.indexed_iter_mut() {
            if !gain_is_known(f64::from(self.gain[[first_row + r, c]])) {
                *flags |= pixel::NO_GAIN_VALUE | pixel::DO_NOT_USE;
            }
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
                let flags = union_of_flags(&groupdq.view(), r, &cols);
                load(&data, r, &cols, &mut block.samples);
                let gain = load_plane(self.gain, first_row + r, &cols);
                let read_noise = load_plane(self.read_noise, first_row + r, &cols);
                for lane in 0..LANES {
                    block.inverse_gain[lane] = 1.0 / gain[lane].abs();
                    block.read_variance[lane] = read_noise[lane] * read_noise[lane];
                }
                let suspects = self.suspects(&mut block, &flags);
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
        if groupdq[[g, r, c]] & group::UNUSABLE == 0 {
            f64::from(data[[g, r, c]])
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
}

impl Block {
    fn new(n_resultants: usize) -> Self {
        Self {
            samples: vec![[0.0; LANES]; n_resultants],
            rates: vec![[0.0; LANES]; n_resultants - 1],
            inverse_gain: [0.0; LANES],
            read_variance: [0.0; LANES],
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
mod tests {
    use super::*;
    use crate::kernels::testing::Ramp;
    use ndarray::{Array2, Array3};

    const JUMP: u8 = group::JUMP_DET;

    /// Jumps of ramps with gain 1 and a single-read noise of 2 DN: for evenly spaced single
    /// reads and a rate of 8 DN per resultant the noise of a difference is sqrt(8 + 8) = 4.
    fn find(ramp: &mut Ramp, parameters: JumpParameters) {
        let (n_resultants, n_rows, n_cols) = ramp.data.dim();
        let gain = Array2::from_elem((n_rows, n_cols), 1.0);
        let read_noise = Array2::from_elem((n_rows, n_cols), 2.0);
        let pattern = ReadPattern::evenly_spaced(n_resultants, 2.0, 1, None).unwrap();
        ramp.run(&Jump::new(
            gain.view(),
            read_noise.view(),
            &pattern,
            parameters,
        ));
    }

    /// A ramp from the differences between its resultants.
    fn ramp_of<const N: usize>(differences: [f32; N]) -> Ramp {
        let mut data = Array3::from_elem((N + 1, 1, 1), 100.0);
        for (i, difference) in differences.iter().enumerate() {
            data[[i + 1, 0, 0]] = data[[i, 0, 0]] + difference;
        }
        Ramp {
            groupdq: Array3::zeros(data.dim()),
            pixeldq: Array2::zeros((1, 1)),
            data,
        }
    }

    #[test]
    fn a_jump_is_more_than_four_sigma_above_the_median() {
        // 4 sigma are 16 DN: 24 is not above, 25 is.
        let mut at_threshold = ramp_of([8.0, 8.0, 24.0, 8.0, 8.0, 8.0]);
        find(&mut at_threshold, JumpParameters::default());
        assert_eq!(at_threshold.flags(0), [0; 7]);
        let mut above = ramp_of([8.0, 8.0, 25.0, 8.0, 8.0, 8.0]);
        find(&mut above, JumpParameters::default());
        assert_eq!(above.flags(0), [0, 0, 0, JUMP, 0, 0, 0]);
    }

    #[test]
    fn jumps_are_found_one_after_the_other() {
        // In the first pass 500 is dropped and the median is 9: both 500 and 200 stand out.
        let mut ramp = ramp_of([500.0, 9.0, 9.0, 200.0, 9.0, 9.0]);
        find(&mut ramp, JumpParameters::default());
        assert_eq!(ramp.flags(0), [0, JUMP, 0, 0, JUMP, 0, 0]);
    }

    #[test]
    fn short_ramps_have_their_own_medians_and_thresholds() {
        // Three differences: the median is 8, the threshold 5 sigma, 20 DN above it.
        let mut below = ramp_of([8.0, 28.0, 8.0]);
        find(&mut below, JumpParameters::default());
        assert_eq!(below.flags(0), [0; 4]);
        let mut above = ramp_of([8.0, 29.0, 8.0]);
        find(&mut above, JumpParameters::default());
        assert_eq!(above.flags(0), [0, 0, JUMP, 0]);
        // Two: the smaller in size, 6 sigma, 24 DN.
        let mut below = ramp_of([32.0, 8.0]);
        find(&mut below, JumpParameters::default());
        assert_eq!(below.flags(0), [0; 3]);
        let mut above = ramp_of([33.0, 8.0]);
        find(&mut above, JumpParameters::default());
        assert_eq!(above.flags(0), [0, JUMP, 0]);
        // One cannot be compared with anything.
        let mut pair = ramp_of([4000.0]);
        find(&mut pair, JumpParameters::default());
        assert_eq!(pair.flags(0), [0; 2]);
    }

    #[test]
    fn differences_across_unusable_samples_do_not_count() {
        let mut ramp = ramp_of([9.0, 9.0, 900.0, 9.0, 9.0, 9.0, 9.0]);
        ramp.groupdq[[3, 0, 0]] = group::DO_NOT_USE;
        ramp.groupdq[[7, 0, 0]] = group::SATURATED;
        find(&mut ramp, JumpParameters::default());
        assert_eq!(
            ramp.flags(0),
            [0, 0, 0, group::DO_NOT_USE, 0, 0, 0, group::SATURATED]
        );
    }

    #[test]
    fn neighbours_follow_a_jump_between_the_limits() {
        // 8 + 4 x ratio: ratios of 10 (not above the lower limit), 11, and 1000.
        for (difference, flagged) in [(48.0, 0), (52.0, JUMP), (4008.0, 0)] {
            let mut ramp = Ramp {
                data: Array3::from_shape_fn((7, 3, 3), |(g, _, _)| 8.0 * g as f32),
                groupdq: Array3::zeros((7, 3, 3)),
                pixeldq: Array2::zeros((3, 3)),
            };
            for g in 4..7 {
                ramp.data[[g, 1, 1]] += difference - 8.0;
            }
            ramp.groupdq[[4, 2, 1]] = group::SATURATED;
            find(&mut ramp, JumpParameters::default());
            let at_jump = ramp.groupdq.index_axis(ndarray::Axis(0), 4);
            assert_eq!(at_jump[[1, 1]], JUMP);
            assert_eq!(at_jump[[0, 1]], flagged);
            assert_eq!(at_jump[[1, 0]], flagged);
            assert_eq!(at_jump[[1, 2]], flagged);
            assert_eq!(at_jump[[2, 1]], group::SATURATED);
            assert_eq!(at_jump[[0, 0]], 0);
        }
    }

    #[test]
    fn uneven_resultants_are_compared_as_rates() {
        // 3 DN/s throughout, over 3, 3, 12, 3 and 3 s: no jump, though one difference is large.
        let pattern =
            ReadPattern::from_reads(&[vec![1], vec![2], vec![3], vec![7], vec![8], vec![9]], 3.0)
                .unwrap();
        let times = pattern.times().to_vec();
        let mut ramp = Ramp {
            data: Array3::from_shape_fn((6, 1, 1), |(g, _, _)| 3.0 * times[g] as f32),
            groupdq: Array3::zeros((6, 1, 1)),
            pixeldq: Array2::zeros((1, 1)),
        };
        let gain = Array2::from_elem((1, 1), 1.0);
        let read_noise = Array2::from_elem((1, 1), 0.1);
        ramp.run(&Jump::new(
            gain.view(),
            read_noise.view(),
            &pattern,
            JumpParameters::default(),
        ));
        assert_eq!(ramp.flags(0), [0; 6]);
    }

    #[test]
    fn pixels_without_a_gain_are_flagged_and_a_negative_one_is_used() {
        let mut ramp = Ramp {
            data: Array3::from_shape_fn((6, 1, 4), |(g, _, _)| if g < 3 { 0.0 } else { 500.0 }),
            groupdq: Array3::zeros((6, 1, 4)),
            pixeldq: Array2::zeros((1, 4)),
        };
        let gain = ndarray::arr2(&[[f32::NAN, 0.0, -1.0, 1.0]]);
        let read_noise = Array2::from_elem((1, 4), 2.0);
        let pattern = ReadPattern::evenly_spaced(6, 2.0, 1, None).unwrap();
        ramp.run(&Jump::new(
            gain.view(),
            read_noise.view(),
            &pattern,
            JumpParameters {
                flag_4_neighbors: false,
                ..JumpParameters::default()
            },
        ));
        let bad = pixel::NO_GAIN_VALUE | pixel::DO_NOT_USE;
        assert_eq!(ramp.pixeldq, ndarray::arr2(&[[bad, bad, bad, 0]]));
        assert_eq!(ramp.flags(0), [0; 6]);
        assert_eq!(ramp.flags(2), [0, 0, 0, JUMP, 0, 0]);
        assert_eq!(ramp.flags(3), [0, 0, 0, JUMP, 0, 0]);
    }
}
