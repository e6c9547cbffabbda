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
//! A pixel of which only single samples are usable has the first of them, over the group time, as its
//! rate, in the slope and in the variance alike; or it counts as one without any
//! ([`RampFit::of_two_samples`]).
//! One with none, without gain, or without read noise has slope 0 and is DO_NOT_USE.
//!
//! Source: Fixsen et al. 2000, PASP 112, 1350; the manual's section 8.1.10, which this extends to
//! uneven read patterns.

mod outputs;
mod regular;
mod weights;

pub use outputs::{SegmentArrays, SegmentRows, fit_ramps};
use regular::{Block, fit_block};
use weights::{WeightTable, power_index};

use super::gain_is_known;
use super::rate_rows::{Rate, RateRows};
use crate::band::RampBand;
use crate::cadence::ReadPattern;
use crate::dq::{group, pixel};
use crate::lanes::{self, SortingNetwork, blocks, chosen, rows};
use crate::planes::Planes;
use crate::reference::Plane;

/// Fits the ramps of a band.
///
/// A fit is computed in single precision from differences of samples, so that its rounding is far
/// below the noise however bright the pixel is.
///
/// # Shapes
/// `gain` [e-/DN], `read_noise` [DN, of one read]: (n_rows, n_cols) of the image.
pub struct RampFit<'a> {
    gain: Plane<'a, f32>,
    read_noise: Plane<'a, f32>,
    read_pattern: &'a ReadPattern,
    group_time: f32,
    inverse_intervals: Vec<f32>,
    /// The differences of neighbouring resultants, gathered by what their noise depends on.
    kinds: Vec<DifferenceKind>,
    /// The place in `kinds` of each difference.
    kind_of: Vec<usize>,
    weights: WeightTable,
    network: SortingNetwork,
    /// Whether a rate may be that of a single sample.
    takes_lone_samples: bool,
}

/// Differences that have the same noise in a given pixel.
struct DifferenceKind {
    /// Their time [s].
    interval: f32,
    /// Their read noise variance, for reads of variance 1.
    read_variance: f32,
    /// Which they are.
    members: Vec<usize>,
}

/// Gain [e-/DN] and noise of one read [DN] of a pixel.
#[derive(Debug, Clone, Copy)]
struct Detector {
    gain: f32,
    read_noise: f32,
}

/// The fit of one pixel, in DN and seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct PixelFit {
    slope: f32,
    /// The same with uniform weights: those of the lowest signal-to-noise ratio.
    uniform_slope: f32,
    var_poisson: f32,
    var_rnoise: f32,
    chisq: f32,
}

/// The fit of one segment, in DN and seconds.
#[derive(Debug, Clone, Copy)]
struct SegmentFit {
    first: usize,
    last: usize,
    /// Which row of the table of weights it was fitted with.
    power: usize,
    slope: f32,
    uniform_slope: f32,
    var_poisson: f32,
    var_rnoise: f32,
    /// The read noise variance for a noise of 1 DN, the weight where there is no noise at all.
    geometry: f32,
}

impl<'a> RampFit<'a> {
    /// Makes the fit of the reference planes and the times.
    pub fn new(
        gain: Plane<'a, f32>,
        read_noise: Plane<'a, f32>,
        read_pattern: &'a ReadPattern,
    ) -> Self {
        let intervals = read_pattern.intervals();
        let kinds = DifferenceKind::gather(&intervals, &read_pattern.difference_variances());
        let mut kind_of = vec![0; intervals.len()];
        for (index, kind) in kinds.iter().enumerate() {
            for &member in &kind.members {
                kind_of[member] = index;
            }
        }
        Self {
            gain,
            read_noise,
            read_pattern,
            group_time: read_pattern.group_time() as f32,
            inverse_intervals: intervals.iter().map(|time| (1.0 / time) as f32).collect(),
            kinds,
            kind_of,
            weights: WeightTable::new(read_pattern),
            network: SortingNetwork::new(intervals.len()),
            takes_lone_samples: true,
        }
    }

    /// The same with rates of two samples or more: where samples hold a bias that is not known, a
    /// single one tells nothing.
    pub fn of_two_samples(self) -> Self {
        Self {
            takes_lone_samples: false,
            ..self
        }
    }

    /// Fits all pixels of a band. Column 0 of `out` is column `first_col` of the band, and pixel by
    /// pixel `segments`, if they are asked for, are those of the band.
    fn fit_band(
        &self,
        band: &RampBand<'_>,
        first_col: usize,
        out: &mut Planes<'_>,
        mut segments: Option<&mut SegmentRows<'_>>,
    ) {
        let (n_resultants, n_rows, n_cols) = band.shape();
        let mut block = Block::new(n_resultants);
        let mut pixel = Pixel::new(n_resultants);
        let mut fits = RateRows::new(n_cols);
        for r in 0..n_rows {
            let row = regular::FitRow {
                data: &rows(band.data.view(), r),
                groupdq: &rows(band.groupdq.view(), r),
                pixeldq: lanes::row(band.pixeldq.view(), r),
                gain: self.gain.row(&band.place, r),
                read_noise: self.read_noise.row(&band.place, r),
            };
            for cols in blocks(n_cols) {
                fit_block(self, &row, &cols, &mut block, &mut fits);
                let mut irregular = block.irregular;
                if segments.is_some() {
                    irregular.fill(1);
                }
                for lane in chosen(&irregular).take_while(|lane| *lane < cols.len()) {
                    let c = cols.start + lane;
                    let detector = Detector {
                        gain: block.gain[lane],
                        read_noise: block.read_noise[lane],
                    };
                    pixel.take(row.data, row.groupdq, c);
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
                    fits.put(c, dq, &fit.unwrap_or_default().into());
                    if let Some(segments) = &mut segments {
                        segments.put((r, c), self, &pixel, detector, fit.as_ref());
                    }
                }
            }
            fits.copy_into(out, r, first_col);
        }
    }

    /// Fits a pixel of any kind. None if it has no usable sample, or no two where it takes two.
    fn fit_pixel(&self, pixel: &mut Pixel, detector: Detector) -> Option<PixelFit> {
        pixel.find_segments();
        if !self.takes_lone_samples && pixel.runs.iter().all(|(first, last)| first == last) {
            pixel.runs.clear();
        }
        let rate = self.estimate_rate(pixel);
        pixel.segments.clear();
        for &run in &pixel.runs {
            let segment = self.fit_segment(run, &pixel.samples, rate, detector);
            pixel.segments.push(segment);
        }
        if pixel.segments.is_empty() {
            return None;
        }
        Some(self.combine(pixel, detector))
    }

    /// The median of the rates within segments; without any, the first usable sample over the group
    /// time, which then is the pixel's rate.
    fn estimate_rate(&self, pixel: &mut Pixel) -> f32 {
        pixel.rates.clear();
        for &(first, last) in &pixel.runs {
            for i in first..last {
                let difference = pixel.samples[i + 1] - pixel.samples[i];
                pixel.rates.push(difference * self.inverse_intervals[i]);
            }
        }
        let rates = &mut pixel.rates;
        if rates.is_empty() {
            return pixel
                .runs
                .first()
                .map_or(0.0, |&(first, _)| pixel.samples[first] / self.group_time);
        }
        rates.sort_unstable_by(f32::total_cmp);
        0.5 * (rates[(rates.len() - 1) / 2] + rates[rates.len() / 2])
    }

    fn fit_segment(
        &self,
        (first, last): (usize, usize),
        samples: &[f32],
        rate: f32,
        Detector { gain, read_noise }: Detector,
    ) -> SegmentFit {
        let read_variance = read_noise * read_noise;
        let n_last = self.read_pattern.n_reads()[last] as f32;
        if first == last {
            // The sample minus an imagined one, a group time earlier, of as many reads.
            let slope = samples[first] / self.group_time;
            let geometry = 2.0 / (n_last * self.group_time * self.group_time);
            return SegmentFit {
                first,
                last,
                power: 0,
                slope,
                uniform_slope: slope,
                var_poisson: photon_variance(rate, gain, self.group_time),
                var_rnoise: read_variance * geometry,
                geometry,
            };
        }
        let weights = self.weights.segment(first, last);
        let signal = gain * (samples[last] - samples[first]);
        let power = power_index(signal, gain * gain * read_variance / n_last) as usize;
        let slope_with = |power: usize| -> f32 {
            let factors = weights.slope_factors(power).iter().zip(&samples[first..]);
            factors.skip(1).fold(0.0, |sum, (factor, sample)| {
                sum + factor * (sample - samples[first])
            })
        };
        SegmentFit {
            first,
            last,
            power,
            slope: slope_with(power),
            uniform_slope: slope_with(0),
            var_poisson: photon_variance(rate, gain, weights.duration),
            var_rnoise: read_variance * weights.var_rnoise,
            geometry: weights.var_rnoise,
        }
    }

    /// The pixel's slope from those of its segments.
    fn combine(&self, pixel: &mut Pixel, detector: Detector) -> PixelFit {
        let mut fit = match pixel.segments[..] {
            [only] => PixelFit {
                slope: only.slope,
                uniform_slope: only.uniform_slope,
                var_poisson: only.var_poisson,
                var_rnoise: only.var_rnoise,
                chisq: 0.0,
            },
            _ => weighted_mean(&pixel.segments),
        };
        let samples = &pixel.samples;
        pixel.squares.fill(0.0);
        for &(first, last) in &pixel.runs {
            for i in first..last {
                let kind = self.kind_of[i];
                let deviation =
                    (samples[i + 1] - samples[i]) - fit.slope * self.kinds[kind].interval;
                pixel.squares[kind] += deviation * deviation;
            }
        }
        for (kind, &squares) in self.kinds.iter().zip(&pixel.squares) {
            fit.chisq += kind.chisq(squares, fit.slope, detector);
        }
        fit
    }

    /// The pixel's signal at time 0, from its first sample; 0 if that is saturated.
    fn pedestal(&self, pixel: &Pixel, fit: &PixelFit) -> f32 {
        let first = pixel.samples[0];
        if pixel.flags[0] & group::SATURATED != 0 || !first.is_finite() {
            return 0.0;
        }
        first - fit.slope * self.read_pattern.times()[0] as f32
    }
}

impl From<PixelFit> for Rate {
    fn from(fit: PixelFit) -> Self {
        Self {
            slope: fit.slope,
            var_poisson: fit.var_poisson,
            var_rnoise: fit.var_rnoise,
            err: (fit.var_poisson + fit.var_rnoise).sqrt(),
            chisq: fit.chisq,
            dumo: fit.uniform_slope - fit.slope,
        }
    }
}

impl DifferenceKind {
    fn gather(intervals: &[f64], read_variances: &[f64]) -> Vec<Self> {
        let mut kinds: Vec<Self> = Vec::new();
        for (i, (&interval, &read_variance)) in intervals.iter().zip(read_variances).enumerate() {
            let (interval, read_variance) = (interval as f32, read_variance as f32);
            let same =
                |kind: &&mut Self| kind.interval == interval && kind.read_variance == read_variance;
            match kinds.iter_mut().find(same) {
                Some(kind) => kind.members.push(i),
                None => kinds.push(Self {
                    interval,
                    read_variance,
                    members: vec![i],
                }),
            }
        }
        kinds
    }

    /// The squared deviations of differences of this kind over their noise.
    #[inline(always)]
    fn chisq(&self, squared_deviations: f32, slope: f32, detector: Detector) -> f32 {
        let read_variance = detector.read_noise * detector.read_noise;
        let variance =
            slope.abs() / detector.gain * self.interval + read_variance * self.read_variance;
        // Without noise there is nothing to measure a deviation by.
        if variance > 0.0 {
            squared_deviations / variance
        } else {
            0.0
        }
    }
}

/// Variance of a slope [(DN/s)^2] from the photons of a rate [DN/s] over a time [s].
#[inline(always)]
fn photon_variance(rate: f32, gain: f32, duration: f32) -> f32 {
    // A rate below zero has no photons to make noise.
    let rate = if rate > 0.0 { rate } else { 0.0 };
    rate / (gain * duration)
}

fn weighted_mean(segments: &[SegmentFit]) -> PixelFit {
    let (mut weights, mut slope, mut uniform_slope) = (0.0, 0.0, 0.0);
    let (mut poisson, mut rnoise) = (0.0, 0.0);
    for segment in segments {
        let (var_poisson, var_rnoise) = (
            f64::from(segment.var_poisson),
            f64::from(segment.var_rnoise),
        );
        let variance = var_rnoise + var_poisson;
        // All segments of a pixel have noise, or none has: then as for the faintest read noise.
        let weight = 1.0
            / if variance > 0.0 {
                variance
            } else {
                f64::from(segment.geometry)
            };
        weights += weight;
        slope += weight * f64::from(segment.slope);
        uniform_slope += weight * f64::from(segment.uniform_slope);
        poisson += 1.0 / var_poisson;
        rnoise += 1.0 / var_rnoise;
    }
    PixelFit {
        slope: (slope / weights) as f32,
        uniform_slope: (uniform_slope / weights) as f32,
        var_poisson: (1.0 / poisson) as f32,
        var_rnoise: (1.0 / rnoise) as f32,
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
    samples: Vec<f32>,
    flags: Vec<u8>,
    rates: Vec<f32>,
    /// First and last resultant of each segment that counts.
    runs: Vec<(usize, usize)>,
    segments: Vec<SegmentFit>,
    /// The squared deviations of the differences of each kind.
    squares: Vec<f32>,
}

impl Pixel {
    fn new(n_resultants: usize) -> Self {
        Self {
            samples: vec![0.0; n_resultants],
            flags: vec![0; n_resultants],
            rates: Vec::with_capacity(n_resultants),
            runs: Vec::with_capacity(n_resultants),
            segments: Vec::with_capacity(n_resultants),
            squares: vec![0.0; n_resultants - 1],
        }
    }

    /// Takes the samples of the pixel in column `c` of a row. One that is not a number is not
    /// usable.
    fn take(&mut self, data: &[&[f32]], groupdq: &[&[u8]], c: usize) {
        for (g, (sample, flags)) in self.samples.iter_mut().zip(&mut self.flags).enumerate() {
            *sample = data[g][c];
            *flags = groupdq[g][c];
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
    fn jumps(&self) -> impl Iterator<Item = f32> {
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
