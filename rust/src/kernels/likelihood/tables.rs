//! What the likelihood fit has to know of a read pattern.
//!
//! Resultant i averages `N_i` reads at the times `t_ik`, whose mean is `tbar_i`. With
//! `tau_i = N_i^-2 sum_k (2 (N_i - k) + 1) t_ik`, k from 1, the noise of the differences
//! `D_i = R_{i+1} - R_i` of a pixel whose photons have the variance p in a second, and of which a read
//! has the variance s^2, is
//!
//! ```text
//! var D_i          = p (tau_i + tau_{i+1} - 2 tbar_i) + s^2 (1/N_i + 1/N_{i+1})
//! cov(D_i, D_{i+1}) = p (tbar_{i+1} - tau_{i+1})      - s^2 / N_{i+1}
//! ```
//!
//! and other differences have nothing in common. Source: Casertano 2022, STScI-000394; Kubik et al. 2016,
//! PASP 128, 104504; Brandt 2024, PASP 136, 045004.

use crate::cadence::ReadPattern;
use crate::error::KernelError;

/// The factors of the noise of differences; those of a pattern of n resultants have n - 1 of them.
#[derive(Debug, Clone)]
pub struct Tables {
    /// How many reads each resultant averages.
    pub n_reads: Vec<f64>,
    /// From each resultant to the next [s].
    pub intervals: Vec<f64>,
    /// Variance of each difference for photons of variance 1 in a second [s], and for reads of variance 1.
    pub variance_of_photons: Vec<f64>,
    pub variance_of_reads: Vec<f64>,
    /// Covariance of each difference with the next: one fewer.
    pub covariance_of_photons: Vec<f64>,
    pub covariance_of_reads: Vec<f64>,
    /// The weights with which samples make the slope of a straight line through all of them, each
    /// weighing as much as it has reads [1/s].
    pub uniform: Vec<f64>,
}

impl Tables {
    /// Errs where a resultant has several reads, and the time of one is not known.
    pub fn new(pattern: &ReadPattern) -> Result<Self, KernelError> {
        let n_reads: Vec<f64> = pattern.n_reads().iter().copied().map(f64::from).collect();
        let frame_time = match pattern.frame_time() {
            Some(frame_time) => frame_time,
            None if n_reads.iter().all(|&reads| reads == 1.0) => 0.0,
            None => pattern.own_reads().map(|_| 0.0)?,
        };
        // For reads that follow each other: tbar - tau.
        let ahead: Vec<f64> = n_reads
            .iter()
            .map(|n| frame_time * (n * n - 1.0) / (6.0 * n))
            .collect();
        let intervals = pattern.intervals();
        let variance_of_photons = intervals.iter().zip(ahead.windows(2));
        let variance_of_photons = variance_of_photons
            .map(|(interval, ahead)| interval - ahead[0] - ahead[1])
            .collect();
        let inner = 1..(n_reads.len().max(2) - 1);
        Ok(Self {
            uniform: uniform_weights(pattern.times(), &n_reads),
            variance_of_photons,
            variance_of_reads: pattern.difference_variances(),
            covariance_of_photons: ahead[inner.clone()].to_vec(),
            covariance_of_reads: n_reads[inner].iter().map(|n| -1.0 / n).collect(),
            intervals,
            n_reads,
        })
    }

    /// How many differences there are.
    pub fn n_differences(&self) -> usize {
        self.intervals.len()
    }
}

/// `N_i (t_i - tbar) / sum N (t - tbar)^2`; 0 where there is one sample only.
fn uniform_weights(times: &[f64], n_reads: &[f64]) -> Vec<f64> {
    let all: f64 = n_reads.iter().sum();
    let weighted = |values: &dyn Fn(f64) -> f64| -> f64 {
        let terms = times.iter().zip(n_reads);
        terms.map(|(&time, reads)| reads * values(time)).sum()
    };
    let mean = weighted(&|time| time) / all;
    let spread = weighted(&|time| (time - mean) * (time - mean));
    let inverse = if spread > 0.0 { 1.0 / spread } else { 0.0 };
    let terms = times.iter().zip(n_reads);
    terms
        .map(|(time, reads)| reads * (time - mean) * inverse)
        .collect()
}
