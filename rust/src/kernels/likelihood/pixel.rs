//! One pixel that is looked at closely, in double precision.

use super::{Detector, LikelihoodFit, Rule};
use crate::dq::group;
use crate::kernels::rate_rows::Rate;

/// A pixel, with all that its fit needs memory for.
pub struct Pixel {
    samples: Vec<f64>,
    /// Whether each difference may be used.
    used: Vec<bool>,
    /// Which of these hold a hit: found by the fit.
    pub dropped: Vec<bool>,
}

impl Pixel {
    pub fn new(n_resultants: usize) -> Self {
        let n_differences = n_resultants - 1;
        Self {
            samples: vec![0.0; n_resultants],
            used: vec![false; n_differences],
            dropped: vec![false; n_differences],
        }
    }

    /// Takes the samples of the pixel in column `c` of a row.
    pub fn take(&mut self, data: &[&[f32]], groupdq: &[&mut [u8]], c: usize, rule: Rule) {
        let ends = |g: usize| match rule {
            Rule::Gls => groupdq[g][c] & group::UNUSABLE != 0 || !data[g][c].is_finite(),
            Rule::Likely => groupdq[g][c] != 0 || !data[g][c].is_finite(),
        };
        for g in 0..self.samples.len() {
            self.samples[g] = f64::from(data[g][c]);
        }
        for i in 0..self.used.len() {
            let is_jump = groupdq[i + 1][c] & group::JUMP_DET != 0;
            self.used[i] = !ends(i) && !ends(i + 1) && !is_jump;
        }
        self.dropped.fill(false);
    }
}

impl LikelihoodFit<'_> {
    /// Fits a pixel of any kind. None if no difference can be used.
    pub(super) fn fit_pixel(&self, pixel: &mut Pixel, _detector: Detector) -> Option<Rate> {
        let used = pixel.used.iter().any(|&used| used);
        used.then(Rate::default)
    }
}
