//! Ramp fit: the rate of each pixel from its samples up the ramp.
//!
//! With samples `y_i` [DN] at times `t_i`, `n_i` reads each, `s` the noise of one read [DN] and
//! `g` the gain [e-/DN]:
//!
//! 1. A run of usable samples (neither SATURATED nor DO_NOT_USE, nor NaN) is a segment; a
//!    JUMP_DET sample starts a new one and belongs to it. Segments of one sample count only if
//!    there are no others.
//! 2. `rate` is the median of `(y_{i+1} - y_i) / (t_{i+1} - t_i)` over neighbours within segments.
//! 3. Each segment is fitted by a straight line with the weights of `weights.rs`, chosen by its
//!    signal-to-noise ratio `S = D / sqrt(g^2 s^2 / n_last + D)`, `D = g (y_last - y_first)`.
//! 4. `var_rnoise = s^2 / sum n_i (t_i - tbar)^2`, `var_poisson = rate / (g (t_last - t_first))`.
//! 5. The slope is the mean of the segments' slopes weighted with 1 / (var_rnoise + var_poisson);
//!    each variance is 1 / sum 1/variance, and `err` the root of the sum of the two.
//!
//! A pixel of which only single samples are usable has the first of them, over the group time.
//! One with none, without gain, or without read noise has slope 0 and is DO_NOT_USE.
//!
//! Source: Fixsen et al. 2000, PASP 112, 1350; the manual's section 8.1.10, which this extends to
//! uneven read patterns.

mod outputs;
mod regular;
mod weights;

use ndarray::{ArrayView2, ArrayView3};

pub use outputs::{FitRows, RampFitResult, SegmentArrays, SegmentRows, fit_ramps};
use regular::{Block, fit_block};
use weights::{WeightTable, power_index};

use super::gain_is_known;
use crate::band::RampBand;
use crate::cadence::ReadPattern;
use crate::dq::{group, pixel};
use crate::error::{KernelError, check_array};
use crate::lanes::{SortingNetwork, blocks, median_of_sorted};

/// Fits the ramps of a band.
///
/// # Shapes
/// `gain` [e-/DN], `read_noise` [DN, of one read]: (n_rows, n_cols) of the image.
pub struct RampFit<'a> {
    gain: ArrayView2<'a, f32>,
    read_noise: ArrayView2<'a, f32>,
    read_pattern: &'a ReadPattern,
    intervals: Vec<f64>,
    inverse_intervals: Vec<f64>,
    /// Read noise variance of each difference, for reads of variance 1.
    read_variances: Vec<f64>,
    weights: WeightTable,
    network: SortingNetwork,
}

/// Gain [e-/DN] and noise of one read [DN] of a pixel.
#[derive(Debug, Clone, Copy)]
struct Detector {
    gain: f64,
    read_noise: f64,
}

/// The fit of one pixel, in DN and seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct PixelFit {
    slope: f64,
    /// The same with uniform weights: those of the lowest signal-to-noise ratio.
    uniform_slope: f64,
    var_poisson: f64,
    var_rnoise: f64,
    chisq: f64,
}

/// The fit of one segment, in DN and seconds.
#[derive(Debug, Clone, Copy)]
struct SegmentFit {
    first: usize,
    last: usize,
    /// Which row of the table of weights it was fitted with.
    power: usize,
    slope: f64,
    uniform_slope: f64,
    var_poisson: f64,
    var_rnoise: f64,
    /// The read noise variance for a noise of 1 DN, the weight where there is no noise at all.
    geometry: f64,
}

impl<'a> RampFit<'a> {
    pub fn new(
        gain: ArrayView2<'a, f32>,
        read_noise: ArrayView2<'a, f32>,
        read_pattern: &'a ReadPattern,
    ) -> Self {
        let intervals = read_pattern.intervals();
        Self {
            gain,
            read_noise,
            read_pattern,
            inverse_intervals: intervals.iter().map(|interval| 1.0 / interval).collect(),
            read_variances: read_pattern.difference_variances(),
            weights: WeightTable::new(read_pattern),
            network: SortingNetwork::new(intervals.len()),
            intervals,
        }
    }

    /// Errs unless the references fit a ramp of this shape.
    pub fn check(
        &self,
        (n_resultants, n_rows, n_cols): (usize, usize, usize),
    ) -> Result<(), KernelError> {
        check_array("gain", &[n_rows, n_cols], &self.gain)?;
        check_array("read_noise", &[n_rows, n_cols], &self.read_noise)?;
        self.read_pattern.check(n_resultants)
    }

    /// Fits all pixels of a band.
    pub fn fit_band(&self, band: &RampBand<'_>, out: &mut FitRows<'_>) {
        let (n_resultants, n_rows, n_cols) = band.shape();
        let data = band.data.view();
        let groupdq = band.groupdq.view();
        let mut block = Block::new(n_resultants);
        let mut pixel = Pixel::new(n_resultants);
        for r in 0..n_rows {
            for cols in blocks(n_cols) {
                fit_block(self, band, r, &cols, &mut block, out);
                for lane in block.irregular_lanes(out.segments.is_some()) {
                    let at = (r, cols.start + lane);
                    let detector = Detector {
                        gain: block.gain[lane],
                        read_noise: block.read_noise[lane],
                    };
                    pixel.take(&data, &groupdq, at);
                    let fit = if detector.is_known() {
                        self.fit_pixel(&mut pixel, detector)
                    } else {
                        None
                    };
                    let mut dq = block.dq[lane];
                    if fit.is_none() {
                        dq |= pixel::DO_NOT_USE;
                    }
                    if !gain_is_known(detector.gain) {
                        dq |= pixel::NO_GAIN_VALUE;
                    }
                    out.put(at, dq, &fit.unwrap_or_default());
                    if let Some(segments) = &mut out.segments {
                        segments.put(at, self, &pixel, detector, fit.as_ref());
                    }
                }
            }
        }
    }

    /// Fits a pixel of any kind. None if it has no usable sample.
    fn fit_pixel(&self, pixel: &mut Pixel, detector: Detector) -> Option<PixelFit> {
        pixel.find_segments();
        let rate = self.estimate_rate(pixel);
        let samples = &pixel.samples;
        let sample = |g: usize| samples[g];
        pixel.segments.clear();
        for &run in &pixel.runs {
            let segment = self.fit_segment(run, sample, rate, detector);
            pixel.segments.push(segment);
        }
        if pixel.segments.is_empty() {
            return None;
        }
        Some(self.combine(&pixel.segments, sample, detector))
    }

    /// The median of the rates within segments; without any, the first sample over the group time.
    fn estimate_rate(&self, pixel: &mut Pixel) -> f64 {
        pixel.rates.clear();
        for &(first, last) in &pixel.runs {
            for i in first..last {
                let difference = pixel.samples[i + 1] - pixel.samples[i];
                pixel.rates.push(difference * self.inverse_intervals[i]);
            }
        }
        if pixel.rates.is_empty() {
            return if pixel.usable(0) {
                pixel.samples[0] / self.read_pattern.group_time()
            } else {
                0.0
            };
        }
        pixel.rates.sort_unstable_by(f64::total_cmp);
        median_of_sorted(&pixel.rates)
    }

    fn fit_segment(
        &self,
        (first, last): (usize, usize),
        sample: impl Fn(usize) -> f64,
        rate: f64,
        Detector { gain, read_noise }: Detector,
    ) -> SegmentFit {
        let read_variance = read_noise * read_noise;
        // A rate below zero has no photons to make noise.
        let rate = rate.max(0.0);
        let n_last = f64::from(self.read_pattern.n_reads()[last]);
        if first == last {
            // The sample minus an imagined one, a group time earlier, of as many reads.
            let group_time = self.read_pattern.group_time();
            let slope = sample(first) / group_time;
            let geometry = 2.0 / (n_last * group_time * group_time);
            return SegmentFit {
                first,
                last,
                power: 0,
                slope,
                uniform_slope: slope,
                var_poisson: rate / (gain * group_time),
                var_rnoise: read_variance * geometry,
                geometry,
            };
        }
        let weights = self.weights.segment(first, last);
        let signal = gain * (sample(last) - sample(first));
        let power = power_index(signal, gain * gain * read_variance / n_last);
        let slope_with = |power: usize| -> f64 {
            let factors = weights.slope_factors(power).iter().enumerate();
            factors.fold(0.0, |sum, (i, factor)| sum + factor * sample(first + i))
        };
        SegmentFit {
            first,
            last,
            power,
            slope: slope_with(power),
            uniform_slope: slope_with(0),
            var_poisson: rate / (gain * weights.duration),
            var_rnoise: read_variance * weights.var_rnoise,
            geometry: weights.var_rnoise,
        }
    }

    /// The pixel's slope from those of its segments.
    fn combine(
        &self,
        segments: &[SegmentFit],
        sample: impl Fn(usize) -> f64,
        detector: Detector,
    ) -> PixelFit {
        let mut fit = match segments {
            [only] => PixelFit {
                slope: only.slope,
                uniform_slope: only.uniform_slope,
                var_poisson: only.var_poisson,
                var_rnoise: only.var_rnoise,
                chisq: 0.0,
            },
            _ => weighted_mean(segments),
        };
        let read_variance = detector.read_noise * detector.read_noise;
        let photon_variance = fit.slope.abs() / detector.gain;
        for segment in segments {
            for i in segment.first..segment.last {
                let interval = self.intervals[i];
                let deviation = sample(i + 1) - sample(i) - fit.slope * interval;
                let variance = photon_variance * interval + read_variance * self.read_variances[i];
                // Without noise there is nothing to measure a deviation by.
                if variance > 0.0 {
                    fit.chisq += deviation * deviation / variance;
                }
            }
        }
        fit
    }

    /// The pixel's signal at time 0, from its first sample; 0 if that is saturated.
    fn pedestal(&self, pixel: &Pixel, fit: &PixelFit) -> f64 {
        let first = pixel.samples[0];
        if pixel.flags[0] & group::SATURATED != 0 || !first.is_finite() {
            return 0.0;
        }
        first - fit.slope * self.read_pattern.times()[0]
    }
}

fn weighted_mean(segments: &[SegmentFit]) -> PixelFit {
    let mut sum = PixelFit::default();
    let mut weights = 0.0;
    for segment in segments {
        let variance = segment.var_rnoise + segment.var_poisson;
        // All segments of a pixel have noise, or none has: then as for the faintest read noise.
        let weight = 1.0
            / if variance > 0.0 {
                variance
            } else {
                segment.geometry
            };
        weights += weight;
        sum.slope += weight * segment.slope;
        sum.uniform_slope += weight * segment.uniform_slope;
        sum.var_poisson += 1.0 / segment.var_poisson;
        sum.var_rnoise += 1.0 / segment.var_rnoise;
    }
    PixelFit {
        slope: sum.slope / weights,
        uniform_slope: sum.uniform_slope / weights,
        var_poisson: 1.0 / sum.var_poisson,
        var_rnoise: 1.0 / sum.var_rnoise,
        chisq: 0.0,
    }
}

impl Detector {
    fn is_known(self) -> bool {
        gain_is_known(self.gain) && self.read_noise.is_finite()
    }
}

/// One pixel that is looked at closely.
struct Pixel {
    samples: Vec<f64>,
    flags: Vec<u8>,
    rates: Vec<f64>,
    /// First and last resultant of each segment that counts.
    runs: Vec<(usize, usize)>,
    segments: Vec<SegmentFit>,
}

impl Pixel {
    fn new(n_resultants: usize) -> Self {
        Self {
            samples: vec![0.0; n_resultants],
            flags: vec![0; n_resultants],
            rates: Vec::with_capacity(n_resultants),
            runs: Vec::with_capacity(n_resultants),
            segments: Vec::with_capacity(n_resultants),
        }
    }

    /// Takes the samples of a pixel of a band. One that is not a number is not usable.
    fn take(
        &mut self,
        data: &ArrayView3<'_, f32>,
        groupdq: &ArrayView3<'_, u8>,
        (r, c): (usize, usize),
    ) {
        for (g, (sample, flags)) in self.samples.iter_mut().zip(&mut self.flags).enumerate() {
            *sample = f64::from(data[[g, r, c]]);
            *flags = groupdq[[g, r, c]];
            if !sample.is_finite() {
                *flags |= group::DO_NOT_USE;
            }
        }
        self.segments.clear();
    }

    fn usable(&self, resultant: usize) -> bool {
        self.flags[resultant] & group::UNUSABLE == 0
    }

    fn is_jump(&self, resultant: usize) -> bool {
        self.flags[resultant] & group::JUMP_DET != 0
    }

    /// The difference to the sample before, for each sample with a jump, whatever its other flags; 0
    /// where there is none, so that those of later jumps keep their places.
    fn jumps(&self) -> impl Iterator<Item = f64> {
        (0..self.samples.len())
            .filter(|&g| self.is_jump(g))
            .map(|g| match g.checked_sub(1) {
                Some(before) => self.samples[g] - self.samples[before],
                None => 0.0,
            })
            .map(|difference| {
                if difference.is_finite() {
                    difference
                } else {
                    0.0
                }
            })
    }

    fn find_segments(&mut self) {
        self.runs.clear();
        for g in 0..self.flags.len() {
            if !self.usable(g) {
                continue;
            }
            let goes_on = g > 0 && self.usable(g - 1) && !self.is_jump(g);
            match self.runs.last_mut() {
                Some(run) if goes_on => run.1 = g,
                _ => self.runs.push((g, g)),
            }
        }
        if self.runs.iter().any(|run| run.1 > run.0) {
            self.runs.retain(|run| run.1 > run.0);
        } else {
            self.runs.truncate(1);
        }
    }
}

#[cfg(test)]
mod tests;
