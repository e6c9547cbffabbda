//! Resultants that are saturated in part: the average of reads some of which are saturated.
//!
//! Such a resultant may lie below the threshold, and then looks sound. Two rules find it: [`concave`],
//! after which it is SATURATED, and [`mean_read`], which has it DO_NOT_USE. With either, samples that
//! are NaN are DO_NOT_USE, and a cosmic ray is looked for in the [`second`] resultant. `backup` is bolder:
//! whatever comes so many resultants before one that is SATURATED, is so too, but for resultants of a
//! single read.
//!
//! Source of `backup`: the saturation step of romancal 1.1.0.

mod concave;
mod mean_read;
mod second;

use concave::Concave;
use ndarray::ArrayViewMut3;

use super::limits::Limits;
use crate::band::RampBand;
use crate::cadence::{ReadPattern, Reads};
use crate::dq::group;
use crate::error::KernelError;
use crate::lanes::{rows, rows_mut, vectorised};

/// What is done about resultants that are saturated in part.
#[derive(Clone, Copy, Default)]
pub struct Partial<'a> {
    /// Which resultants are looked at.
    pub rule: Rule,
    /// From how many resultants before is SATURATED set, where they average several reads.
    pub backup: usize,
    /// The reads of the resultants, without which neither is possible.
    pub read_pattern: Option<&'a ReadPattern>,
}

/// How they are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rule {
    /// Not at all, as in 2022.
    #[default]
    None,
    /// By the threshold at the mean of the reads.
    MeanRead,
    /// By the ramp before them, which goes on no faster than it rose.
    Concave,
}

impl Partial<'_> {
    /// Errs unless the reads are known that are asked for.
    pub(super) fn check(&self, n_resultants: usize) -> Result<(), KernelError> {
        match self.read_pattern {
            Some(pattern) => {
                pattern.check(n_resultants)?;
                match self.rule {
                    Rule::None => Ok(()),
                    Rule::MeanRead | Rule::Concave => pattern.own_reads().map(drop),
                }
            }
            None if self.rule == Rule::None && self.backup == 0 => Ok(()),
            None => Err(KernelError::value(
                "read_pattern",
                "one, where partial is not none, or backup not 0",
                "None",
            )),
        }
    }

    /// How many pixels around one decide, where the saturated area is grown by so many.
    pub(super) fn halo(&self, n_pix_grow: usize) -> usize {
        match self.rule {
            Rule::None | Rule::Concave => n_pix_grow,
            // What is grown depends on flags that were grown before.
            Rule::MeanRead => n_pix_grow.saturating_mul(2),
        }
    }

    /// The reads, if a rule goes by them.
    fn reads(&self) -> Option<Vec<Reads>> {
        let pattern = self.read_pattern.filter(|_| self.rule != Rule::None)?;
        Some(pattern.own_reads().expect("the reads were checked"))
    }

    /// Flags what is SATURATED besides the samples at the threshold, which are so already, and NaN.
    pub(super) fn flag_before_growth(&self, band: &mut RampBand<'_>, limits: Limits<'_>) {
        let Some(reads) = self.reads() else {
            return;
        };
        let place = &band.place;
        let data = band.data.view();
        let mut groupdq = band.groupdq.view_mut();
        let mut concave = (self.rule == Rule::Concave).then(|| Concave::new(&reads));
        for r in 0..groupdq.dim().1 {
            let (samples, mut flags) = (rows(data, r), rows_mut(&mut groupdq, r));
            for (samples, flags) in samples.iter().zip(&mut flags) {
                flag_nan(samples, flags);
            }
            if let Some(concave) = &mut concave {
                concave.flag(&samples, &limits.row(place, r), &mut flags);
            }
        }
    }

    /// Flags what depends on the saturated area as it was grown.
    pub(super) fn flag_after_growth(
        &self,
        band: &mut RampBand<'_>,
        limits: Limits<'_>,
        n_pix_grow: usize,
    ) {
        if let Some(reads) = self.reads() {
            if self.rule == Rule::MeanRead {
                mean_read::flag(band, limits, &reads, n_pix_grow);
            }
            second::flag(band, limits, &reads);
        }
        let Some(pattern) = self.read_pattern else {
            return;
        };
        let mut groupdq = band.groupdq.view_mut();
        // After as many repetitions as there are resultants nothing changes any more.
        for _ in 0..self.backup.min(pattern.n_resultants()) {
            back_up(&mut groupdq, pattern.n_reads());
        }
    }
}

vectorised! {
    fn flag_nan(samples: &[f32], flags: &mut [u8]) {
        for (sample, flags) in samples.iter().zip(flags) {
            *flags |= if sample.is_nan() { group::DO_NOT_USE } else { 0 };
        }
    }
}

/// Has resultants of several reads SATURATED where the next one is.
fn back_up(groupdq: &mut ArrayViewMut3<'_, u8>, n_reads: &[u32]) {
    for r in 0..groupdq.dim().1 {
        let mut rows = rows_mut(groupdq, r);
        for (g, _) in n_reads.iter().enumerate().filter(|&(_, &n)| n > 1) {
            if let [flags, next, ..] = &mut rows[g..] {
                add_saturated(flags, next);
            }
        }
    }
}

vectorised! {
    fn add_saturated(flags: &mut [u8], next: &[u8]) {
        for (flags, next) in flags.iter_mut().zip(next) {
            *flags |= next & group::SATURATED;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::saturation::Saturation;
    use crate::kernels::testing::Ramp;
    use ndarray::{Array2, ArrayView2};

    pub(super) fn saturation<'a>(
        threshold: &'a Array2<f32>,
        ref_dq: ArrayView2<'a, u32>,
        n_pix_grow: usize,
        partial: Partial<'a>,
    ) -> Saturation<'a> {
        Saturation {
            threshold: threshold.view().into(),
            ref_dq: ref_dq.into(),
            floor: 0.0,
            n_pix_grow,
            partial,
        }
    }

    pub(super) fn flags_of<const N: usize, const P: usize>(
        rule: Rule,
        reads: &[Vec<i64>],
        pixels: [[f32; N]; P],
        backup: usize,
    ) -> [Vec<u8>; P] {
        let pattern = ReadPattern::from_reads(reads, 3.04).unwrap();
        let mut ramp = Ramp::of_pixels(&pixels);
        let (threshold, no_flags) = (Array2::from_elem((1, P), 1000.0), Array2::zeros((1, P)));
        let partial = Partial {
            rule,
            backup,
            read_pattern: Some(&pattern),
        };
        ramp.run(&saturation(&threshold, no_flags.view(), 0, partial));
        std::array::from_fn(|pixel| ramp.flags(pixel))
    }

    #[test]
    fn backup_goes_back_as_far_as_resultants_average_reads() {
        let reads = [vec![1, 2], vec![3, 4], vec![5], vec![6, 7], vec![8]];
        let pixel = [1.0, 2.0, 3.0, 4.0, 1000.0];
        assert_eq!(
            flags_of(Rule::MeanRead, &reads, [pixel], 0),
            [[0, 0, 0, 0, 2]]
        );
        assert_eq!(
            flags_of(Rule::MeanRead, &reads, [pixel], 1),
            [[0, 0, 0, 2, 2]]
        );
        assert_eq!(
            flags_of(Rule::MeanRead, &reads, [pixel], usize::MAX),
            [[0, 0, 0, 2, 2]]
        );
        let reads: Vec<_> = (0..5).map(|g| vec![2 * g + 1, 2 * g + 2]).collect();
        assert_eq!(
            flags_of(Rule::MeanRead, &reads, [pixel], 2),
            [[0, 0, 2, 2, 2]]
        );
        assert_eq!(
            flags_of(Rule::MeanRead, &reads, [pixel], usize::MAX),
            [[2; 5]]
        );
    }

    #[test]
    fn nan_is_not_to_be_used_and_infinity_is_saturated() {
        let reads = [vec![1, 2], vec![3, 4]];
        let pixels = [[f32::NAN, 5.0], [5.0, f32::NAN], [f32::INFINITY, 5.0]];
        assert_eq!(
            flags_of(Rule::MeanRead, &reads, pixels, 0),
            [[1, 0], [0, 1], [2, 2]]
        );
    }

    #[test]
    fn without_the_reads_a_rule_is_refused() {
        let (threshold, no_flags) = (Array2::zeros((1, 1)), Array2::zeros((1, 1)));
        let unknown = ReadPattern::new(vec![1.0], vec![1], 1.0).unwrap();
        let known = unknown.clone().with_frame_time(1.0).unwrap();
        let message = |rule, backup, read_pattern| {
            let partial = Partial {
                rule,
                backup,
                read_pattern,
            };
            let kernel = saturation(&threshold, no_flags.view(), 0, partial);
            crate::band::BandKernel::check(&kernel, (1, 1, 1))
                .err()
                .map(|error| error.to_string())
        };
        let missing = "read_pattern: expected one, where partial is not none, or backup not 0";
        let has = |message: Option<String>, text| message.unwrap().starts_with(text);
        assert!(has(message(Rule::MeanRead, 0, None), missing));
        assert!(has(message(Rule::None, 1, None), missing));
        assert!(has(
            message(Rule::MeanRead, 0, Some(&unknown)),
            "read_pattern: expected one that knows the time of a read"
        ));
        assert_eq!(message(Rule::None, 0, None), None);
        assert_eq!(message(Rule::None, 1, Some(&unknown)), None);
        assert_eq!(message(Rule::MeanRead, 1, Some(&known)), None);
    }
}
