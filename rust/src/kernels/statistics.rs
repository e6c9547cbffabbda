//! Statistics of a rate image: median, spread and share of its good pixels.
//!
//! A pixel is good if its rate is finite, it is not DO_NOT_USE, and its error is positive. The spread is
//! the standard deviation that a normal distribution of the same median absolute deviation has:
//! 1.4826 times the median of `|rate - median|`, differences in single precision.
//!
//! Medians are exact, those of an even number the mean of the middle two. A sample of the pixels tells
//! between which two values the median almost surely lies. One look at the image then counts what lies
//! below them, and takes out the few that lie between, among which the middle ones are selected.
//!
//! Source: what romancal 1.1.0 writes as `meta.statistics`.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::band::Place;
use crate::dq::pixel;
use crate::driver::{Execution, for_each};
use crate::error::KernelError;
use crate::lanes::{LANES, Lanes, blocks, vectorised};
use crate::reference::{Plane, Row};
use crate::tiles::cut;

/// The standard deviation of a normal distribution over its median absolute deviation.
const SIGMA_OF_MAD: f64 = 1.482_602_218_505_602;

/// Pixels of a sample, about.
const SAMPLE: usize = 1 << 15;

/// A rate image, each array (n_rows, n_cols).
#[derive(Clone, Copy)]
pub struct Rates<'a> {
    /// Rates [DN/s].
    pub data: Plane<'a, f32>,
    /// Flags of the pixels.
    pub dq: Plane<'a, u32>,
    /// Standard errors of the rates [DN/s].
    pub err: Plane<'a, f32>,
}

/// The statistics of an image.
#[derive(Debug, Clone, Copy)]
pub struct ImageStatistics {
    /// Median of the good pixels [DN/s]; NaN if there is none.
    pub median: f64,
    /// Standard deviation, robust [DN/s]; NaN likewise.
    pub rms: f64,
    /// Share of the good pixels; 0 of an image without pixels.
    pub good_pixel_fraction: f64,
}

impl ImageStatistics {
    /// Those of an image.
    pub fn of(rates: Rates<'_>, execution: &mut Execution<'_>) -> Result<Self, KernelError> {
        let [n_rows, n_cols] = rates.data.shape();
        rates.data.check("data", (n_rows, n_cols))?;
        rates.dq.check("dq", (n_rows, n_cols))?;
        rates.err.check("err", (n_rows, n_cols))?;
        let sample = sample(&rates);
        let Some((median, n_good)) = median(rates, Measure::Rate, &sample, execution)? else {
            return Ok(Self {
                median: f64::NAN,
                rms: f64::NAN,
                good_pixel_fraction: 0.0,
            });
        };
        let deviation = Measure::DeviationFrom(median);
        let deviation = self::median(rates, deviation, &sample, execution)?;
        let deviation = deviation.map_or(f32::NAN, |(deviation, _)| deviation);
        Ok(Self {
            median: f64::from(median),
            rms: SIGMA_OF_MAD * f64::from(deviation),
            good_pixel_fraction: n_good as f64 / (n_rows * n_cols) as f64,
        })
    }
}

/// What of a pixel is measured.
#[derive(Clone, Copy)]
enum Measure {
    Rate,
    /// How far the rate is from this one.
    DeviationFrom(f32),
}

impl Measure {
    #[inline(always)]
    fn of(self, rate: f32) -> f32 {
        match self {
            Self::Rate => rate,
            Self::DeviationFrom(center) => (rate - center).abs(),
        }
    }
}

/// Whether a pixel counts.
#[inline(always)]
fn is_good(rate: f32, dq: u32, err: f32) -> bool {
    rate.is_finite() & (dq & pixel::DO_NOT_USE == 0) & (err > 0.0)
}

/// The rates of some good pixels, from all over the image.
fn sample(rates: &Rates<'_>) -> Vec<f32> {
    let [n_rows, n_cols] = rates.data.shape();
    let place = Place::of_image(n_cols);
    // Odd, so that it has no common factor with the channels of the read-out.
    let step = (n_rows * n_cols / SAMPLE) | 1;
    (0..n_rows * n_cols)
        .step_by(step)
        .filter_map(|index| {
            let (r, col) = (index / n_cols, index % n_cols);
            let rate = rates.data.row(&place, r).number(col);
            let dq = rates.dq.row(&place, r).number(col);
            is_good(rate, dq, rates.err.row(&place, r).number(col)).then_some(rate)
        })
        .collect()
}

/// The median of the good pixels, and how many these are; `None` if there is none.
fn median(
    rates: Rates<'_>,
    measure: Measure,
    sample: &[f32],
    execution: &mut Execution<'_>,
) -> Result<Option<(f32, usize)>, KernelError> {
    let sample = sample.iter().map(|rate| measure.of(*rate)).collect();
    let mut parts = split(rates, measure, likely_limits(sample), execution)?;
    if parts.n_good() == 0 {
        return Ok(None);
    }
    let mut middle = parts.middle();
    if middle.is_none() {
        // The sample was not like the whole: all are taken out.
        let limits = (f32::NEG_INFINITY, f32::INFINITY);
        parts = split(rates, measure, limits, execution)?;
        middle = parts.middle();
    }
    let (low, high) = middle.expect("nothing lies beyond infinity");
    // In double precision, as the sum may be too large for single.
    let mean = (f64::from(low) + f64::from(high)) / 2.0;
    Ok(Some((mean as f32, parts.n_good())))
}

/// Between which values the median of the whole lies, judged by that of a sample: six standard
/// deviations of its rank, sqrt(n) / 2, to both sides.
fn likely_limits(mut sample: Vec<f32>) -> (f32, f32) {
    let (middle, margin) = (sample.len() / 2, 3 * sample.len().isqrt());
    if margin >= middle {
        return (f32::NEG_INFINITY, f32::INFINITY);
    }
    let mut at = |rank| *sample.select_nth_unstable_by(rank, f32::total_cmp).1;
    (at(middle - margin), at(middle + margin))
}

/// The good pixels of an image by how they lie to two limits.
#[derive(Default)]
struct Parts {
    limits: (f32, f32),
    n_below: usize,
    n_at_low: usize,
    between: Vec<f32>,
    n_at_high: usize,
    n_above: usize,
}

impl Parts {
    fn n_good(&self) -> usize {
        self.n_below + self.n_at_low + self.between.len() + self.n_at_high + self.n_above
    }

    /// The middle two of all, or twice the middle one; `None` if they lie beyond the limits.
    fn middle(&mut self) -> Option<(f32, f32)> {
        let n = self.n_good();
        Some((self.of_rank((n - 1) / 2)?, self.of_rank(n / 2)?))
    }

    /// The value of some rank, from 0.
    fn of_rank(&mut self, rank: usize) -> Option<f32> {
        let mut rank = rank.checked_sub(self.n_below)?;
        if rank < self.n_at_low {
            return Some(self.limits.0);
        }
        rank -= self.n_at_low;
        if rank < self.between.len() {
            let (_, value, _) = self.between.select_nth_unstable_by(rank, f32::total_cmp);
            return Some(*value);
        }
        (rank - self.between.len() < self.n_at_high).then_some(self.limits.1)
    }

    fn add(&mut self, mut other: Self) {
        self.n_below += other.n_below;
        self.n_at_low += other.n_at_low;
        self.between.append(&mut other.between);
        self.n_at_high += other.n_at_high;
        self.n_above += other.n_above;
    }
}

/// Splits the good pixels by two limits.
fn split(
    rates: Rates<'_>,
    measure: Measure,
    limits: (f32, f32),
    execution: &mut Execution<'_>,
) -> Result<Parts, KernelError> {
    let [n_rows, n_cols] = rates.data.shape();
    let place = Place::of_image(n_cols);
    let new = || Parts {
        limits,
        ..Parts::default()
    };
    let total = Mutex::new(new());
    let split_band = |rows: Range<usize>| {
        let mut parts = new();
        for r in rows {
            let (data, dq) = (rates.data.row(&place, r), rates.dq.row(&place, r));
            split_row(
                data,
                dq,
                rates.err.row(&place, r),
                n_cols,
                measure,
                &mut parts,
            );
        }
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        total.add(parts);
    };
    let bands = cut(n_rows, execution.band_rows(1, n_cols));
    for_each(bands, split_band, execution)?;
    Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
}

vectorised! {
    /// Adds those of a row.
    fn split_row(
        data: Row<'_, f32>,
        dq: Row<'_, u32>,
        err: Row<'_, f32>,
        n_cols: usize,
        measure: Measure,
        parts: &mut Parts,
    ) {
        let (low, high) = parts.limits;
        // No closures or iterators over lanes: they would not be compiled like this function.
        let mut counts = [Lanes::all(0_u32); 4];
        for cols in blocks(n_cols) {
            let (mut values, dq, err) = (data.block(&cols), dq.block(&cols), err.block(&cols));
            let mut between = Lanes::all(0_u8);
            for lane in 0..LANES {
                // Columns beyond the row have an error of 0. NaN lies in no part.
                let good = is_good(values[lane], dq[lane], err[lane]);
                values[lane] = if good { measure.of(values[lane]) } else { f32::NAN };
            }
            for lane in 0..LANES {
                let value = values[lane];
                counts[0][lane] += u32::from(value < low);
                counts[1][lane] += u32::from(value == low);
                counts[2][lane] += u32::from((value == high) & (high != low));
                counts[3][lane] += u32::from(value > high);
            }
            for lane in 0..LANES {
                between[lane] = u8::from((low < values[lane]) & (values[lane] < high));
            }
            for (index, bytes) in between.as_chunks::<8>().0.iter().enumerate() {
                let mut word = u64::from_le_bytes(*bytes);
                while word != 0 {
                    let lane = 8 * index + word.trailing_zeros() as usize / 8;
                    parts.between.push(values[lane]);
                    word &= word - 1;
                }
            }
        }
        let [below, at_low, at_high, above] = counts.map(|lanes| lanes.iter().sum::<u32>() as usize);
        parts.n_below += below;
        parts.n_at_low += at_low;
        parts.n_at_high += at_high;
        parts.n_above += above;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, arr2};

    fn statistics(data: &Array2<f32>, dq: &Array2<u32>, err: &Array2<f32>) -> ImageStatistics {
        let rates = Rates {
            data: data.view().into(),
            dq: dq.view().into(),
            err: err.view().into(),
        };
        Execution::uninterrupted(|execution| ImageStatistics::of(rates, execution)).unwrap()
    }

    #[test]
    fn hand_computed_medians_of_good_pixels() {
        // Good are -3, 1, 2 and 7: their median is 1.5, the deviations 4.5, 0.5, 0.5 and 5.5.
        let data = arr2(&[[7.0, 100.0, f32::NAN, 1.0], [-3.0, 9.0, 2.0, f32::INFINITY]]);
        let dq = arr2(&[[2, 1, 0, 0], [0, 0, 4, 0]]);
        let err = arr2(&[[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]]);
        let found = statistics(&data, &dq, &err);
        assert_eq!(found.median, 1.5);
        assert_eq!(found.rms, SIGMA_OF_MAD * 2.5);
        assert_eq!(found.good_pixel_fraction, 0.5);
        let err = arr2(&[[f32::NAN; 4], [-1.0; 4]]);
        let none = statistics(&data, &dq, &err);
        assert!(none.median.is_nan() && none.rms.is_nan());
        assert_eq!(none.good_pixel_fraction, 0.0);
    }

    #[test]
    fn the_middle_two_may_be_far_from_each_other() {
        let (dq, err) = (arr2(&[[0; 4]]), arr2(&[[1.0_f32; 4]]));
        let found = statistics(&arr2(&[[3e38, -8.0, 3e38, -8.0]]), &dq, &err);
        assert_eq!(found.median, f64::from(1.5e38_f32));
        let found = statistics(&arr2(&[[3.4e38; 4]]), &dq, &err);
        assert_eq!(found.median, f64::from(3.4e38_f32));
        assert_eq!(found.rms, 0.0);
    }

    #[test]
    fn an_image_that_its_sample_does_not_show_has_its_median_all_the_same() {
        // A single column lies differently; the sample sees that column only.
        let (n_rows, n_cols) = (SAMPLE, 3);
        let data = Array2::from_shape_fn(
            (n_rows, n_cols),
            |(r, col)| {
                if col == 0 { -1.0 } else { r as f32 }
            },
        );
        let (dq, err) = (Array2::zeros(data.dim()), Array2::ones(data.dim()));
        let found = statistics(&data, &dq, &err);
        // Of 98304 numbers 32768 are -1, so that the middle two, of ranks 49151 and 49152, have ranks
        // 16383 and 16384 among the others, 0, 0, 1, 1, 2, 2 ...: 8191 and 8192.
        assert_eq!(found.median, 8191.5);
    }
}
