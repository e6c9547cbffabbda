//! The border of reference pixels: what is seen of it before any other pixel is corrected.

use std::ops::Range;

use ndarray::{Array2, Array3};

use super::Switches;
use super::spectra::BORDER;
use crate::band::{RampBand, part, part_mut};
use crate::dq::pixel;

/// The least share of samples that are valid, of all resultants.
pub fn least_share(is_valid: &Array3<bool>) -> f64 {
    let shares = is_valid.outer_iter().map(|of_resultant| {
        let n_valid = of_resultant.iter().filter(|&&is_valid| is_valid).count();
        n_valid as f64 / of_resultant.len() as f64
    });
    shares.fold(1.0, f64::min)
}

/// The four sides of the border; the corners belong to two of them.
pub struct Frame {
    pub left: Side,
    pub right: Side,
    pub top: Side,
    pub bottom: Side,
}

/// Pixels of one side.
pub struct Side {
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    /// As they were read [DN], those of bad pixels 0, (n_resultants, rows, columns).
    pub samples: Array3<f32>,
    /// Whether a pixel is flagged BAD_REF_PIXEL, (rows, columns).
    pub is_bad: Array2<bool>,
    /// Whether a sample tells anything; known once the side is settled.
    pub is_valid: Array3<bool>,
}

impl Frame {
    pub fn new((n_resultants, n_rows, n_cols): (usize, usize, usize)) -> Self {
        let side = |rows: Range<usize>, cols: Range<usize>| Side {
            samples: Array3::zeros((n_resultants, rows.len(), cols.len())),
            is_bad: Array2::default((rows.len(), cols.len())),
            is_valid: Array3::default((n_resultants, rows.len(), cols.len())),
            rows,
            cols,
        };
        Self {
            left: side(0..n_rows, 0..BORDER),
            right: side(0..n_rows, n_cols - BORDER..n_cols),
            top: side(0..BORDER, 0..n_cols),
            bottom: side(n_rows - BORDER..n_rows, 0..n_cols),
        }
    }

    pub fn sides_mut(&mut self) -> [&mut Side; 4] {
        [
            &mut self.left,
            &mut self.right,
            &mut self.top,
            &mut self.bottom,
        ]
    }
}

impl Side {
    /// Takes what of it there is in a piece of the image.
    pub fn look(&mut self, piece: &RampBand<'_>) {
        let (_, n_rows, _) = piece.shape();
        let place = &piece.place;
        let rows = common(&self.rows, &(place.first_row..place.first_row + n_rows));
        let cols = common(&self.cols, &place.cols);
        if rows.is_empty() || cols.is_empty() {
            return;
        }
        let own = (less(&rows, self.rows.start), less(&cols, self.cols.start));
        let seen = (less(&rows, place.first_row), less(&cols, place.cols.start));
        part_mut(self.samples.view_mut(), own.0.clone(), own.1.clone()).assign(&part(
            piece.data.view(),
            seen.0.clone(),
            seen.1.clone(),
        ));
        part_mut(self.is_bad.view_mut(), own.0, own.1).zip_mut_with(
            &part(piece.pixeldq.view(), seen.0, seen.1),
            |is_bad, flags| *is_bad = flags & pixel::BAD_REF_PIXEL != 0,
        );
    }

    /// Sets samples of bad pixels to 0, judges which are valid, and gives all without the mean of their
    /// pixel: 0 for those that are not valid.
    pub fn settle(&mut self, switches: &Switches) -> Array3<f32> {
        let mut deviations = Array3::zeros(self.samples.dim());
        let n_resultants = self.samples.dim().0;
        let mut samples = vec![0.0; n_resultants];
        let mut is_valid = vec![false; n_resultants];
        for ((r, c), &is_bad) in self.is_bad.indexed_iter() {
            for g in 0..n_resultants {
                if is_bad {
                    self.samples[[g, r, c]] = 0.0;
                }
                samples[g] = self.samples[[g, r, c]];
                is_valid[g] = !is_bad;
            }
            let mean = switches.mean(&samples, &mut is_valid);
            for g in 0..n_resultants {
                self.is_valid[[g, r, c]] = is_valid[g];
                if is_valid[g] {
                    deviations[[g, r, c]] = (f64::from(samples[g]) - mean) as f32;
                }
            }
        }
        deviations
    }
}

impl Switches {
    /// The mean of a pixel's valid samples, 0 if it is not to be removed. What is not finite is not valid.
    pub fn mean(&self, samples: &[f32], is_valid: &mut [bool]) -> f64 {
        if self.zero_is_missing {
            let mean = if self.remove_offset {
                mean_as_in_a_fit(samples)
            } else {
                0.0
            };
            for (is_valid, &sample) in is_valid.iter_mut().zip(samples) {
                *is_valid = sample.is_finite() && sample != mean;
            }
            return f64::from(mean);
        }
        let (mut n, mut sum) = (0, 0.0);
        for (is_valid, &sample) in is_valid.iter_mut().zip(samples) {
            *is_valid &= sample.is_finite();
            if *is_valid {
                n += 1;
                sum += f64::from(sample);
            }
        }
        if n == 0 || !self.remove_offset {
            return 0.0;
        }
        sum / f64::from(n)
    }

    /// Whether a count of the 33rd amplifier is there, given the mean of its resultants.
    pub fn is_valid_count(&self, count: f32, mean: f64) -> bool {
        if self.zero_is_missing {
            f64::from(count) != mean
        } else {
            count != 0.0
        }
    }
}

/// The mean of all samples, rounded as romancal rounds it: it fits a line, and takes its middle.
fn mean_as_in_a_fit(samples: &[f32]) -> f32 {
    let n = samples.len() as f32;
    let middle = (n - 1.0) / 2.0;
    let of_times: f32 = (0..samples.len())
        .map(|i| (i as f32 - middle) * (i as f32 - middle))
        .sum();
    let sum: f32 = samples.iter().sum();
    sum * of_times / (n * of_times)
}

/// What two ranges have in common.
pub fn common(one: &Range<usize>, other: &Range<usize>) -> Range<usize> {
    one.start.max(other.start)..one.end.min(other.end)
}

/// A range as counted from another first one.
pub fn less(range: &Range<usize>, first: usize) -> Range<usize> {
    range.start - first..range.end - first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_valid_samples() {
        let mut is_valid = [true, true, false, true];
        let mean = Switches::default().mean(&[4.0, f32::NAN, 100.0, 6.0], &mut is_valid);
        assert_eq!(mean, 5.0);
        assert_eq!(is_valid, [true, false, false, true]);
    }

    #[test]
    fn a_sample_that_equals_its_mean_is_missing_only_by_the_old_rule() {
        let samples = [9025.0, 9050.0, 9000.0];
        let mut is_valid = [true; 3];
        assert_eq!(Switches::default().mean(&samples, &mut is_valid), 9025.0);
        assert_eq!(is_valid, [true; 3]);
        let old = Switches {
            zero_is_missing: true,
            ..Switches::default()
        };
        assert_eq!(old.mean(&samples, &mut is_valid), 9025.0);
        assert_eq!(is_valid, [false, true, true]);
    }
}
