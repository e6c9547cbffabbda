//! Variances of a rate image from the mean rate of each pixel's neighbourhood.
//!
//! The noise of photons follows from the rate, for which there is only the measured one: a pixel whose
//! noise goes down is given too small an error, and one without signal, whose rate is below zero in half of
//! the cases, none for its photons. An average weighted by 1 / err^2 then comes out too low. The mean rate
//! of the 3 x 3 pixels around has a third of the noise, and only a ninth of it in common with the pixel's.
//!
//! With `V(p)` the variance of a rate whose photons have the variance p in a second, from all differences
//! of the read pattern, and `V_r` the part of it that is from read noise (`likelihood/tables.rs`),
//!
//! ```text
//! var = var V(p_mean) / V(p_own),  var_rnoise = var_rnoise V_r(p_mean) / V_r(p_own),
//! var_poisson = var - var_rnoise,  p = max(rate, 0) / gain
//! ```
//!
//! which for a pixel that was fitted by all of its differences is what its fit would have at the mean rate.
//! The mean is that of the pixels that are not DO_NOT_USE. Where it lies further than [`AGREEMENT`] standard
//! errors from the pixel's own rate, as on a star, the pixel keeps its variances. The standard error is that
//! at the mean rate: by its own, the pixels whose noise is furthest down would keep theirs.

use std::ops::Range;

use super::gain_is_known;
use super::likelihood::Tables;
use crate::band::Place;
use crate::cadence::ReadPattern;
use crate::dq::pixel;
use crate::error::KernelError;
use crate::lanes::{LANES, VECTOR, blocks, load, store, vectorised};
use crate::planes::{ImageKernel, PlaneRows, Quantity};
use crate::reference::{Plane, Row};

/// How far the mean rate may lie from the pixel's own [standard errors of the latter, at the mean rate].
const AGREEMENT: f32 = 3.0;

/// Changes the variances and the error of a rate image, each array (n_rows, n_cols).
pub struct SmoothVariance<'a> {
    /// The rate [DN/s].
    pub rate: Plane<'a, f32>,
    /// The flags of the pixels.
    pub dq: Plane<'a, u32>,
    /// Gain [e-/DN].
    pub gain: Plane<'a, f32>,
    /// Noise of one read [DN].
    pub read_noise: Plane<'a, f32>,
    tables: Tables,
}

impl<'a> SmoothVariance<'a> {
    /// Errs where a resultant has several reads, and the time of one is not known.
    pub fn new(
        [rate, gain, read_noise]: [Plane<'a, f32>; 3],
        dq: Plane<'a, u32>,
        read_pattern: &ReadPattern,
    ) -> Result<Self, KernelError> {
        let tables = Tables::new(read_pattern)?;
        if tables.n_differences() == 0 {
            return Err(KernelError::value(
                "read_pattern",
                "two resultants or more, as a rate is made of",
                "one",
            ));
        }
        Ok(Self {
            rate,
            dq,
            gain,
            read_noise,
            tables,
        })
    }

    /// The mean rate around each pixel of a row; its own where there is no other.
    fn mean_rates(&self, place: &Place, r: usize) -> Vec<f32> {
        let n_cols = place.cols.len();
        let own = place.first_row + r;
        let rows = own.saturating_sub(1)..(own + 2).min(self.rate.shape()[0]);
        // A column more on either side, for pixels at the edge.
        let (mut sums, mut counts) = (vec![0.0; n_cols + 2], vec![0.0; n_cols + 2]);
        for row in rows {
            let of_row = Place {
                first_row: row,
                cols: place.cols.clone(),
            };
            add_usable(
                &self.rate.row(&of_row, 0),
                &self.dq.row(&of_row, 0),
                (&mut sums[1..=n_cols], &mut counts[1..=n_cols]),
            );
        }
        let sums = sums
            .windows(3)
            .map(|around| around[0] + around[1] + around[2]);
        let counts = counts
            .windows(3)
            .map(|around| around[0] + around[1] + around[2]);
        sums.zip(counts)
            .map(|(sum, count): (f32, f32)| sum / count.max(1.0))
            .collect()
    }
}

vectorised! {
    /// Adds the rates of the usable pixels of a row, and counts them.
    fn add_usable(rate: &Row<'_, f32>, dq: &Row<'_, u32>, (sums, counts): (&mut [f32], &mut [f32])) {
        for cols in blocks(sums.len()) {
            let (rate, dq) = (rate.block(&cols), dq.block(&cols));
            let (mut sum, mut count) = (load(sums, &cols), load(counts, &cols));
            for lane in 0..LANES {
                let usable = (dq[lane] & pixel::DO_NOT_USE == 0) & rate[lane].is_finite();
                sum[lane] += if usable { rate[lane] } else { 0.0 };
                count[lane] += if usable { 1.0 } else { 0.0 };
            }
            store(&sum, sums, &cols);
            store(&count, counts, &cols);
        }
    }
}

impl ImageKernel for SmoothVariance<'_> {
    fn needs(&self) -> &'static [Quantity] {
        &[Quantity::VarPoisson, Quantity::VarRnoise, Quantity::Err]
    }

    fn check(&self, shape: (usize, usize)) -> Result<(), KernelError> {
        self.rate.check("slope", shape)?;
        self.dq.check("dq", shape)?;
        self.gain.check("gain", shape)?;
        self.read_noise.check("read_noise", shape)
    }

    fn apply(&self, place: &Place, r: usize, mut rows: PlaneRows<'_>) {
        let mut numbers = |quantity| rows.take_numbers(quantity).expect("it was checked");
        let mut variances = Variances {
            var_poisson: numbers(Quantity::VarPoisson),
            var_rnoise: numbers(Quantity::VarRnoise),
            err: numbers(Quantity::Err),
        };
        smooth_row(self, (place, r), &self.mean_rates(place, r), &mut variances);
    }
}

/// One row of what is changed.
struct Variances<'a> {
    var_poisson: &'a mut [f32],
    var_rnoise: &'a mut [f32],
    err: &'a mut [f32],
}

vectorised! {
    fn smooth_row(
        kernel: &SmoothVariance<'_>,
        (place, r): (&Place, usize),
        means: &[f32],
        variances: &mut Variances<'_>,
    ) {
        let mut memory = Sweep::new(&kernel.tables);
        for cols in blocks(means.len()) {
            smooth_block(kernel, (place, r), (means, &cols), variances, &mut memory);
        }
    }
}

#[inline(always)]
fn smooth_block(
    kernel: &SmoothVariance<'_>,
    (place, r): (&Place, usize),
    (means, cols): (&[f32], &Range<usize>),
    variances: &mut Variances<'_>,
    memory: &mut Sweep,
) {
    let (rate, dq) = (
        kernel.rate.row(place, r).block(cols),
        kernel.dq.row(place, r).block(cols),
    );
    let (gain, read_noise) = (
        kernel.gain.row(place, r).block(cols),
        kernel.read_noise.row(place, r).block(cols),
    );
    let means = load(means, cols);
    let mut var_poisson = load(variances.var_poisson, cols);
    let mut var_rnoise = load(variances.var_rnoise, cols);
    let mut err = load(variances.err, cols);
    for v in 0..rate.vectors().len() {
        let mut noise = [Noise::default(); VECTOR];
        for (lane, noise) in noise.iter_mut().enumerate() {
            let at = v * VECTOR + lane;
            let gain = if gain_is_known(gain[at]) {
                gain[at]
            } else {
                1.0
            };
            let photons = |rate: f32| if rate > 0.0 { rate / gain } else { 0.0 };
            *noise = Noise {
                own: photons(rate[at]),
                mean: photons(means[at]),
                reads: read_noise[at] * read_noise[at],
            };
        }
        let (own, own_reads) = memory.variances(noise.map(|n| n.own), noise.map(|n| n.reads));
        let (mean, mean_reads) = memory.variances(noise.map(|n| n.mean), noise.map(|n| n.reads));
        for lane in 0..VECTOR {
            let at = v * VECTOR + lane;
            let all = var_poisson[at] + var_rnoise[at];
            let apart = rate[at] - means[at];
            let new = all * (mean[lane] / own[lane]);
            let of_reads = var_rnoise[at] * (mean_reads[lane] / own_reads[lane]);
            // Without photons the two are the same, but for their rounding.
            let of_reads = if of_reads < new { of_reads } else { new };
            let agrees = (dq[at] & pixel::DO_NOT_USE == 0)
                & (apart * apart <= AGREEMENT * AGREEMENT * new)
                & new.is_finite();
            var_poisson[at] = if agrees {
                new - of_reads
            } else {
                var_poisson[at]
            };
            var_rnoise[at] = if agrees { of_reads } else { var_rnoise[at] };
            err[at] = if agrees { new.sqrt() } else { err[at] };
        }
    }
    store(&var_poisson, variances.var_poisson, cols);
    store(&var_rnoise, variances.var_rnoise, cols);
    store(&err, variances.err, cols);
}

/// Variances in a second of the photons of a pixel by its own rate and by the mean one [DN^2/s], and of one
/// of its reads [DN^2].
#[derive(Clone, Copy, Default)]
struct Noise {
    own: f32,
    mean: f32,
    reads: f32,
}

/// The sweep over the differences of a read pattern that gives the variance of a rate, for pixels of a
/// vector; see `likelihood.rs`.
struct Sweep {
    intervals: Vec<f32>,
    /// Variance and covariance with the next for photons and for reads of variance 1.
    variance: Vec<[f32; 2]>,
    covariance: Vec<[f32; 2]>,
    inverse_reads: Vec<f32>,
    /// Of each difference: what of the one before is taken off, and its weight before that of the next.
    factors: Vec<[f32; VECTOR]>,
    weights: Vec<[f32; VECTOR]>,
}

impl Sweep {
    fn new(tables: &Tables) -> Self {
        let pairs = |photons: &[f64], reads: &[f64]| -> Vec<[f32; 2]> {
            let both = photons.iter().zip(reads);
            both.map(|(&p, &r)| [p as f32, r as f32]).collect()
        };
        let zeros = vec![[0.0; VECTOR]; tables.n_differences()];
        Self {
            intervals: tables.intervals.iter().map(|&time| time as f32).collect(),
            variance: pairs(&tables.variance_of_photons, &tables.variance_of_reads),
            covariance: pairs(&tables.covariance_of_photons, &tables.covariance_of_reads),
            inverse_reads: tables.n_reads.iter().map(|&n| (1.0 / n) as f32).collect(),
            factors: zeros.clone(),
            weights: zeros,
        }
    }

    /// The variance of the rate, and the part of it that is from read noise.
    #[inline(always)]
    fn variances(
        &mut self,
        photons: [f32; VECTOR],
        reads: [f32; VECTOR],
    ) -> ([f32; VECTOR], [f32; VECTOR]) {
        let n = self.intervals.len();
        let mut information = [0.0; VECTOR];
        let (mut inverse, mut time) = ([0.0; VECTOR], [0.0; VECTOR]);
        for i in 0..n {
            let [of_photons, of_reads] = self.variance[i];
            let [shared_photons, shared_reads] = match i.checked_sub(1) {
                Some(before) => self.covariance[before],
                None => [0.0; 2],
            };
            for lane in 0..VECTOR {
                let shared = photons[lane] * shared_photons + reads[lane] * shared_reads;
                let factor = shared * inverse[lane];
                let variance =
                    photons[lane] * of_photons + reads[lane] * of_reads - shared * factor;
                time[lane] = self.intervals[i] - factor * time[lane];
                inverse[lane] = 1.0 / variance;
                self.factors[i][lane] = factor;
                self.weights[i][lane] = time[lane] * inverse[lane];
                information[lane] += time[lane] * time[lane] * inverse[lane];
            }
        }
        let (mut next, mut sum) = ([0.0; VECTOR], [0.0; VECTOR]);
        for i in (0..n).rev() {
            let factor = self.factors.get(i + 1).copied().unwrap_or_default();
            for lane in 0..VECTOR {
                let weight = self.weights[i][lane] - factor[lane] * next[lane];
                let of_sample = weight - next[lane];
                sum[lane] += of_sample * of_sample * self.inverse_reads[i + 1];
                next[lane] = weight;
            }
        }
        let mut of_reads = [0.0; VECTOR];
        for lane in 0..VECTOR {
            let variance = 1.0 / information[lane];
            let all = sum[lane] + next[lane] * next[lane] * self.inverse_reads[0];
            of_reads[lane] = reads[lane] * all * variance * variance;
            information[lane] = variance;
        }
        (information, of_reads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Execution;
    use crate::planes::{Planes, run_image};
    use ndarray::{Array2, arr2};

    const READ_VARIANCE: f64 = 23.04;

    /// Smooths an image of gain 2 and a read noise of 4.8 DN, taken in two single reads, 10 s apart: the
    /// variance is then (rate 10 s / gain + 2 READ_VARIANCE) / (10 s)^2, for whatever rate is told.
    fn smooth(rate: Array2<f32>, dq: Array2<u32>) -> [Array2<f32>; 3] {
        let shape = rate.dim();
        let pattern = ReadPattern::evenly_spaced(2, 10.0, 1, None).unwrap();
        let gain = Array2::from_elem(shape, 2.0);
        let read_noise = Array2::from_elem(shape, 4.8);
        let mut var_poisson = rate.mapv(|rate| rate.max(0.0) / 20.0);
        let mut var_rnoise = Array2::from_elem(shape, (2.0 * READ_VARIANCE / 100.0) as f32);
        let mut err = (&var_poisson + &var_rnoise).mapv(f32::sqrt);
        let kernel = SmoothVariance::new(
            [
                rate.view().into(),
                gain.view().into(),
                read_noise.view().into(),
            ],
            dq.view().into(),
            &pattern,
        );
        let mut planes = Planes::default();
        planes.add_numbers(Quantity::VarPoisson, var_poisson.view_mut());
        planes.add_numbers(Quantity::VarRnoise, var_rnoise.view_mut());
        planes.add_numbers(Quantity::Err, err.view_mut());
        Execution::uninterrupted(|execution| {
            run_image(&kernel.unwrap(), &mut planes, shape, execution)
        })
        .unwrap();
        [var_poisson, var_rnoise, err]
    }

    #[test]
    fn photon_noise_is_that_of_the_mean_rate_of_the_usable_neighbours() {
        // The mean of the upper left four is 1; the pixel in the corner is -0.5 itself.
        let rate = arr2(&[[-0.5, 1.5, 0.5], [1.5, 1.5, f32::NAN], [50.0, 1.0, 2.0]]);
        let mut dq = Array2::zeros((3, 3));
        dq[[2, 0]] = pixel::DO_NOT_USE;
        let [var_poisson, var_rnoise, err] = smooth(rate, dq);
        let close = |value: f32, expected: f64| {
            assert!(
                (f64::from(value) / expected - 1.0).abs() < 1e-5,
                "{value} {expected}"
            );
        };
        close(var_poisson[[0, 0]], 1.0 / 20.0);
        close(var_rnoise[[0, 0]], 2.0 * READ_VARIANCE / 100.0);
        close(
            err[[0, 0]],
            (1.0 / 20.0 + 2.0 * READ_VARIANCE / 100.0_f64).sqrt(),
        );
        // In the middle neither the pixel that is not to be used counts, nor the one without a rate.
        close(var_poisson[[1, 1]], 7.5 / 7.0 / 20.0);
        // That pixel keeps its own.
        close(var_poisson[[2, 0]], 50.0 / 20.0);
    }

    #[test]
    fn noise_downwards_is_smoothed_as_far_as_noise_upwards() {
        // The mean is 20 throughout, where three standard errors are 3.625. By the pixel's own rate they
        // would be 3.40 at 16.5 and 3.84 at 23.7.
        for (apart, smoothed) in [(-3.5, true), (3.5, true), (-3.7, false), (3.7, false)] {
            let own = 20.0 + apart;
            let mut rate = Array2::from_elem((3, 3), 20.0 - apart / 8.0);
            rate[[1, 1]] = own;
            let [var_poisson, ..] = smooth(rate, Array2::zeros((3, 3)));
            let expected = if smoothed { 1.0 } else { own / 20.0 };
            assert!((var_poisson[[1, 1]] - expected).abs() < 1e-5, "{apart}");
        }
    }

    #[test]
    fn a_star_keeps_its_noise_and_so_do_its_neighbours() {
        let mut rate = Array2::from_elem((5, 5), 1.0);
        rate[[2, 2]] = 1000.0;
        let [var_poisson, ..] = smooth(rate, Array2::zeros((5, 5)));
        assert_eq!(var_poisson[[2, 2]], 1000.0 / 20.0);
        assert_eq!(var_poisson[[1, 1]], 1.0 / 20.0);
    }
}
