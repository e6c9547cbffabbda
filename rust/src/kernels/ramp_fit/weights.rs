//! Weights of the samples of a segment, and what follows from them for any pixel.
//!
//! ```text
//! w_i = n_i |(t_i - t_mid) / t_half|^P
//! ```
//!
//! with `t_mid` the middle between the segment's first and last time and `t_half` half the time
//! between them. P grows with the signal-to-noise ratio S (Fixsen et al. 2000, PASP 112, 1350):
//! samples that differ by photon noise only are best fitted through the ends of the segment.

use std::sync::OnceLock;

use crate::cadence::ReadPattern;

/// The largest S of each row of the table but the last.
const LARGEST_S: [f32; 5] = [5.0, 10.0, 20.0, 50.0, 100.0];
/// P of each row.
pub const POWERS: [f64; 6] = [0.0, 0.4, 1.0, 3.0, 6.0, 10.0];

/// The row of the table for a segment of this signal D and this read noise variance s^2 of its last
/// sample, both in electrons: S = D / sqrt(s^2 + D). S at a limit belongs to the lower row; without a
/// real S, or a positive one, it is the lowest. As a number that is whole.
#[inline(always)]
pub fn power_index(signal: f32, read_variance: f32) -> f32 {
    let mut index = 0.0;
    for largest in LARGEST_S {
        // S > largest, without a root and without a division.
        let above = signal * signal > largest * largest * (read_variance + signal);
        index += if above & (signal > 0.0) { 1.0 } else { 0.0 };
    }
    index
}

/// What a segment's times and weights give, for each P.
pub struct SegmentWeights {
    /// Time from its first to its last resultant [s].
    pub duration: f32,
    /// Read noise variance of its slope, for reads of variance 1.
    pub var_rnoise: f32,
    powers: Vec<LineWeights>,
}

/// A straight line fitted with the weights of one P is linear in the samples.
struct LineWeights {
    /// The slope is the sum of the samples times these; they add up to 0.
    slope: Vec<f32>,
    /// The value at time 0 is the sum of the samples times these.
    intercept: Vec<f64>,
    /// Standard errors of slope and intercept by the weights, for reads of variance 1.
    sigma_slope: f64,
    sigma_intercept: f64,
}

impl SegmentWeights {
    fn new(times: &[f64], n_reads: &[u32]) -> Self {
        let (first, last) = (times[0], times[times.len() - 1]);
        let (middle, half) = ((first + last) / 2.0, (last - first) / 2.0);
        let powers: Vec<_> = POWERS
            .iter()
            .map(|&power| {
                let weight = |(time, reads): (&f64, &u32)| {
                    // The middle sample counts for P = 0, since 0^0 is 1.
                    f64::from(*reads) * ((time - middle) / half).abs().powf(power)
                };
                LineWeights::new(
                    times,
                    &times.iter().zip(n_reads).map(weight).collect::<Vec<_>>(),
                )
            })
            .collect();
        Self {
            duration: (last - first) as f32,
            // With P = 0 the weights are the inverse variances of the samples.
            var_rnoise: (powers[0].sigma_slope * powers[0].sigma_slope) as f32,
            powers,
        }
    }

    /// The slope is the sum of the segment's samples times these, which add up to 0.
    pub fn slope_factors(&self, power: usize) -> &[f32] {
        &self.powers[power].slope
    }

    /// The fitted value at time 0 is the sum of the segment's samples times these.
    pub fn intercept_factors(&self, power: usize) -> &[f64] {
        &self.powers[power].intercept
    }

    /// Standard errors of slope and intercept by the weights, for reads of variance 1.
    pub fn sigmas(&self, power: usize) -> (f64, f64) {
        let line = &self.powers[power];
        (line.sigma_slope, line.sigma_intercept)
    }
}

impl LineWeights {
    fn new(times: &[f64], weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let mean = times.iter().zip(weights).map(|(t, w)| w * t).sum::<f64>() / total;
        let spread: f64 = times
            .iter()
            .zip(weights)
            .map(|(t, w)| w * (t - mean) * (t - mean))
            .sum();
        let slope: Vec<f64> = times
            .iter()
            .zip(weights)
            .map(|(t, w)| w * (t - mean) / spread)
            .collect();
        let intercept = weights
            .iter()
            .zip(&slope)
            .map(|(w, slope)| w / total - mean * slope)
            .collect();
        Self {
            slope: slope.into_iter().map(|factor| factor as f32).collect(),
            intercept,
            sigma_slope: (1.0 / spread).sqrt(),
            sigma_intercept: (1.0 / total + mean * mean / spread).sqrt(),
        }
    }
}

/// The weights of all segments of a read pattern, computed when one is first met: most pixels have
/// one segment, from the first to the last resultant, and a long ramp could have very many.
pub struct WeightTable {
    read_pattern: ReadPattern,
    segments: Vec<OnceLock<SegmentWeights>>,
}

impl WeightTable {
    pub fn new(read_pattern: &ReadPattern) -> Self {
        let n = read_pattern.n_resultants();
        Self {
            read_pattern: read_pattern.clone(),
            segments: (0..n * n).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The segment of resultants `first` to `last`, at least two.
    pub fn segment(&self, first: usize, last: usize) -> &SegmentWeights {
        let pattern = &self.read_pattern;
        self.segments[first * pattern.n_resultants() + last].get_or_init(|| {
            SegmentWeights::new(
                &pattern.times()[first..=last],
                &pattern.n_reads()[first..=last],
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_to_noise_ratio_at_a_limit_belongs_to_the_lower_row() {
        // Without read noise S is the root of the signal.
        let expected = [
            (24.0, 0.0),
            (25.0, 0.0),
            (26.0, 1.0),
            (100.0, 1.0),
            (101.0, 2.0),
        ];
        for (signal, row) in expected {
            assert_eq!(power_index(signal, 0.0), row);
        }
        assert_eq!(power_index(400.5, 0.0), 3.0);
        assert_eq!(power_index(2500.5, 0.0), 4.0);
        assert_eq!(power_index(10001.0, 0.0), 5.0);
        // 75 / sqrt(150 + 75) = 5.
        assert_eq!(power_index(75.0, 150.0), 0.0);
        // The root is not real.
        assert_eq!(power_index(-50.0, 10.0), 0.0);
    }

    #[test]
    fn weights_of_uneven_samples() {
        // Times 0, 1, 4 with 1, 2 and 3 reads; P = 1: |t - 2| / 2 times the reads is 1, 1, 3.
        let segment = SegmentWeights::new(&[0.0, 1.0, 4.0], &[1, 2, 3]);
        // Mean time 13 / 5, spread 169/25 + 64/25 + 3 * 49/25 = 76 / 5.
        let expected = [-13.0 / 76.0, -8.0 / 76.0, 21.0 / 76.0_f64];
        for (&factor, expected) in segment.slope_factors(2).iter().zip(expected) {
            assert_eq!(factor, expected as f32);
        }
        assert!((segment.sigmas(2).0 - (5.0_f64 / 76.0).sqrt()).abs() < 1e-15);
        // Uniform weights 1, 2, 3: mean time 14 / 6, spread 50 - 14^2 / 6.
        assert_eq!(segment.var_rnoise, (1.0 / (50.0 - 196.0 / 6.0_f64)) as f32);
        assert_eq!(segment.duration, 4.0);
    }

    #[test]
    fn the_intercept_is_the_value_at_time_zero() {
        let segment = SegmentWeights::new(&[3.0, 5.0, 9.0], &[2, 1, 4]);
        for power in 0..POWERS.len() {
            let line = [7.0 + 3.0 * 2.0, 7.0 + 5.0 * 2.0, 7.0 + 9.0 * 2.0];
            let sum = |factors: &[f64]| -> f64 {
                factors.iter().zip(line).map(|(factor, y)| factor * y).sum()
            };
            let slope: Vec<f64> = segment
                .slope_factors(power)
                .iter()
                .copied()
                .map(f64::from)
                .collect();
            assert!((sum(&slope) - 2.0).abs() < 1e-5);
            assert!((sum(segment.intercept_factors(power)) - 7.0).abs() < 1e-12);
        }
    }
}
