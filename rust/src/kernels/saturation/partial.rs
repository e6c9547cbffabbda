//! Resultants that are saturated in part: the average of reads some of which are saturated.
//!
//! Such a resultant may lie below the threshold, and then looks sound. Of resultant g be `m_g` the mean
//! of its read numbers and `l_g` the last of them. It is not to be used, DO_NOT_USE, where
//!
//! - resultant g + 1 is SATURATED, g is neither that nor DO_NOT_USE, and `data_g >= threshold m_g / l_g`:
//!   a ramp that grows evenly from the reset reaches the threshold by the last read of g if it is that
//!   high at the mean of them;
//! - g is the second of three resultants or more, the third is SATURATED and the second is not, though by
//!   the first alone the pixel would not saturate before the last read of the third,
//!   `data_0 / m_0 * l_2 < threshold`, and the second has grown by more than one of its reads at the
//!   threshold adds, `data_1 - data_0 > (threshold - data_0) / n_1`: a cosmic ray hit the pixel.
//!
//! It is not SATURATED, so that neither rule goes on from there to the resultant before. Where the
//! saturated area is grown, so is that of the first rule. `backup` is bolder: whatever comes so many
//! resultants before one that is SATURATED, is so too, but for resultants of a single read.
//!
//! Source: the saturation step of romancal 1.1.0.

use std::ops::Range;

use ndarray::{ArrayViewMut3, Zip};

use super::grow;
use crate::band::{Place, RampBand};
use crate::cadence::{ReadPattern, Reads};
use crate::dq::{group, pixel};
use crate::error::KernelError;
use crate::lanes::{LANES, Lanes, blocks, load, rows, rows_mut, store, vectorised};
use crate::reference::{Plane, Row};

/// What is done about resultants that are saturated in part.
#[derive(Clone, Copy, Default)]
pub struct Partial<'a> {
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
    /// By the threshold at the mean of the reads. Samples that are NaN are DO_NOT_USE besides.
    MeanRead,
}

impl Partial<'_> {
    /// Errs unless the reads are known that are asked for.
    pub(super) fn check(&self, n_resultants: usize) -> Result<(), KernelError> {
        match self.read_pattern {
            Some(pattern) => {
                pattern.check(n_resultants)?;
                match self.rule {
                    Rule::None => Ok(()),
                    Rule::MeanRead => pattern.own_reads().map(drop),
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
            Rule::None => n_pix_grow,
            // What is grown depends on flags that were grown before.
            Rule::MeanRead => n_pix_grow.saturating_mul(2),
        }
    }

    /// Flags the samples of a band in which those at the threshold are SATURATED already.
    pub(super) fn flag(&self, band: &mut RampBand<'_>, limits: Limits<'_>, n_pix_grow: usize) {
        let Some(pattern) = self.read_pattern else {
            return;
        };
        if self.rule == Rule::MeanRead {
            let reads = pattern.own_reads().expect("the reads were checked");
            flag_by_mean_read(band, limits, &reads, n_pix_grow);
        }
        let mut groupdq = band.groupdq.view_mut();
        // After as many repetitions as there are resultants nothing changes any more.
        for _ in 0..self.backup.min(pattern.n_resultants()) {
            back_up(&mut groupdq, pattern.n_reads());
        }
    }
}

/// The thresholds of all pixels, and which of them have none.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    pub threshold: Plane<'a, f32>,
    pub ref_dq: Plane<'a, u32>,
}

/// Those of a row.
pub(super) struct RowOfLimits<'a> {
    threshold: Row<'a, f32>,
    ref_dq: Row<'a, u32>,
}

impl<'a> Limits<'a> {
    pub fn row(&self, place: &Place, r: usize) -> RowOfLimits<'a> {
        RowOfLimits {
            threshold: self.threshold.row(place, r),
            ref_dq: self.ref_dq.row(place, r),
        }
    }
}

impl RowOfLimits<'_> {
    /// Of a block of columns: the thresholds, NaN where there is none, as nothing reaches that; and the
    /// flags of the reference, with NO_SAT_CHECK there.
    #[inline(always)]
    pub fn block(&self, cols: &Range<usize>) -> (Lanes, Lanes<u32>) {
        let mut limits = self.threshold.block(cols);
        let mut flags = self.ref_dq.block(cols);
        for lane in 0..LANES {
            let unchecked = limits[lane].is_nan() | (flags[lane] & pixel::NO_SAT_CHECK != 0);
            limits[lane] = if unchecked { f32::NAN } else { limits[lane] };
            flags[lane] |= if unchecked { pixel::NO_SAT_CHECK } else { 0 };
        }
        (limits, flags)
    }
}

fn flag_by_mean_read(
    band: &mut RampBand<'_>,
    limits: Limits<'_>,
    reads: &[Reads],
    n_pix_grow: usize,
) {
    let place = &band.place;
    let data = band.data.view();
    let mut groupdq = band.groupdq.view_mut();
    let n_rows = groupdq.dim().1;
    for r in 0..n_rows {
        for (samples, flags) in rows(data, r).iter().zip(rows_mut(&mut groupdq, r)) {
            flag_nan(samples, flags);
        }
    }
    let before = (n_pix_grow > 0).then(|| groupdq.to_owned());
    for r in 0..n_rows {
        let (samples, mut flags) = (rows(data, r), rows_mut(&mut groupdq, r));
        flag_last_row(&samples, &limits.row(place, r), reads, &mut flags);
    }
    if let Some(before) = before {
        for (mut plane, before) in groupdq.outer_iter_mut().zip(before.outer_iter()) {
            let is_new = |&after: &u8, &before: &u8| u32::from(after != before);
            let found = Zip::from(&plane).and(&before).map_collect(is_new);
            grow(&mut plane, &found, n_pix_grow, group::DO_NOT_USE);
        }
    }
    for r in 0..n_rows {
        let (samples, mut flags) = (rows(data, r), rows_mut(&mut groupdq, r));
        if let ([first, second, _, ..], [_, marked, third, ..]) = (&samples[..], &mut flags[..]) {
            flag_second_row(
                [first, second],
                &limits.row(place, r),
                reads,
                (marked, third),
            );
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

vectorised! {
    /// Flags the last resultant before one that is SATURATED.
    fn flag_last_row(
        data: &[&[f32]],
        limits: &RowOfLimits<'_>,
        reads: &[Reads],
        groupdq: &mut [&mut [u8]],
    ) {
        for cols in blocks(data[0].len()) {
            // In most blocks nothing saturates.
            let any = |flags: &[u8]| flags.iter().fold(0, |any, flags| any | flags);
            let all = groupdq.iter().fold(0, |all, flags| all | any(&flags[cols.clone()]));
            if all & group::SATURATED == 0 {
                continue;
            }
            let (limits, _) = limits.block(&cols);
            let limits = limits.map(f64::from);
            // Backwards: the flags of the resultant after the one that is looked at.
            let mut later = Lanes::all(0);
            let resultants = data.iter().zip(groupdq.iter_mut()).zip(reads).rev();
            for ((samples, groupdq), reads) in resultants {
                let samples = load(samples, &cols);
                let before = load(groupdq, &cols);
                let mut flags = before;
                let part = reads.mean / reads.last;
                // Of a single read nothing is saturated in part.
                if part < 1.0 {
                    for lane in 0..LANES {
                        let is_last = (later[lane] & group::SATURATED != 0)
                            & (before[lane] & group::UNUSABLE == 0)
                            & (f64::from(samples[lane]) >= limits[lane] * part);
                        flags[lane] |= if is_last { group::DO_NOT_USE } else { 0 };
                    }
                }
                store(&flags, groupdq, &cols);
                later = before;
            }
        }
    }
}

vectorised! {
    /// Flags the second resultant where a cosmic ray hit it and it is saturated in part.
    fn flag_second_row(
        [first, second]: [&[f32]; 2],
        limits: &RowOfLimits<'_>,
        reads: &[Reads],
        (flags_of_second, flags_of_third): (&mut [u8], &[u8]),
    ) {
        let (mean_of_first, last_of_third) = (reads[0].mean, reads[2].last);
        let n_of_second = reads[1].count as f32;
        for cols in blocks(first.len()) {
            let (mut flags, third) = (load(flags_of_second, &cols), load(flags_of_third, &cols));
            if third.iter().fold(0, |all, flags| all | flags) & group::SATURATED == 0 {
                continue;
            }
            let (limits, _) = limits.block(&cols);
            let (first, second) = (load(first, &cols), load(second, &cols));
            for lane in 0..LANES {
                let expected = f64::from(first[lane]) / mean_of_first * last_of_third;
                let step = (limits[lane] - first[lane]) / n_of_second;
                let is_hit = (third[lane] & group::SATURATED != 0)
                    & (flags[lane] & group::SATURATED == 0)
                    & (expected < f64::from(limits[lane]))
                    & (second[lane] - first[lane] > step);
                flags[lane] |= if is_hit { group::DO_NOT_USE } else { 0 };
            }
            store(&flags, flags_of_second, &cols);
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
    use ndarray::{Array2, Array3, ArrayView2};

    fn saturation<'a>(
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

    fn flags_of<const N: usize, const P: usize>(
        reads: &[Vec<i64>],
        pixels: [[f32; N]; P],
        backup: usize,
    ) -> [Vec<u8>; P] {
        let pattern = ReadPattern::from_reads(reads, 3.04).unwrap();
        let mut ramp = Ramp::of_pixels(&pixels);
        let (threshold, no_flags) = (Array2::from_elem((1, P), 1000.0), Array2::zeros((1, P)));
        let partial = Partial {
            rule: Rule::MeanRead,
            backup,
            read_pattern: Some(&pattern),
        };
        ramp.run(&saturation(&threshold, no_flags.view(), 0, partial));
        std::array::from_fn(|pixel| ramp.flags(pixel))
    }

    #[test]
    fn a_resultant_before_saturation_is_flagged_from_the_threshold_at_its_mean_read() {
        // Reads 3, 4, 5: from 1000 * 4 / 5 on. Not two in a row, nor one of a single read, nor one
        // that nothing SATURATED follows.
        let reads = [vec![1, 2], vec![3, 4, 5], vec![6], vec![7, 8]];
        let flags = flags_of(
            &reads,
            [
                [799.0, 799.9, 1000.0, 0.5],
                [760.0, 800.0, 1000.0, 2000.0],
                [900.0, 900.0, 999.0, 1000.0],
                [900.0, 900.0, 900.0, 999.0],
            ],
            0,
        );
        assert_eq!(flags, [[0, 0, 2, 2], [0, 1, 2, 2], [0, 0, 0, 2], [0; 4]]);
    }

    #[test]
    fn a_second_resultant_that_a_cosmic_ray_saturated_in_part_is_flagged() {
        // Of 4 reads. By the first, 10 DN, the pixel has 10 / 1 * 6 = 60 DN at the end of the third. A
        // read at the threshold adds (1000 - 10) / 4 = 247.5 DN. Not where the first rises so fast that
        // it saturates by itself, 200 / 1 * 6 = 1200 DN; nor where the third is not SATURATED.
        let reads = [vec![1], vec![2, 3, 4, 5], vec![6]];
        let flags = flags_of(
            &reads,
            [
                [10.0, 258.0, 1000.0],
                [10.0, 257.0, 1000.0],
                [200.0, 650.0, 1000.0],
                [10.0, 258.0, 999.0],
            ],
            0,
        );
        assert_eq!(flags, [[0, 1, 2], [0, 0, 2], [0, 0, 2], [0; 3]]);
    }

    #[test]
    fn backup_goes_back_as_far_as_resultants_average_reads() {
        let reads = [vec![1, 2], vec![3, 4], vec![5], vec![6, 7], vec![8]];
        let pixel = [1.0, 2.0, 3.0, 4.0, 1000.0];
        assert_eq!(flags_of(&reads, [pixel], 0), [[0, 0, 0, 0, 2]]);
        assert_eq!(flags_of(&reads, [pixel], 1), [[0, 0, 0, 2, 2]]);
        assert_eq!(flags_of(&reads, [pixel], usize::MAX), [[0, 0, 0, 2, 2]]);
        let reads: Vec<_> = (0..5).map(|g| vec![2 * g + 1, 2 * g + 2]).collect();
        assert_eq!(flags_of(&reads, [pixel], 2), [[0, 0, 2, 2, 2]]);
        assert_eq!(flags_of(&reads, [pixel], usize::MAX), [[2; 5]]);
    }

    #[test]
    fn nan_is_not_to_be_used_and_infinity_is_saturated() {
        let reads = [vec![1, 2], vec![3, 4]];
        let pixels = [[f32::NAN, 5.0], [5.0, f32::NAN], [f32::INFINITY, 5.0]];
        assert_eq!(flags_of(&reads, pixels, 0), [[1, 0], [0, 1], [2, 2]]);
    }

    #[test]
    fn pixels_without_a_threshold_are_not_saturated_in_part() {
        let pattern = ReadPattern::from_reads(&[vec![1, 2], vec![3, 4], vec![5]], 3.04).unwrap();
        let mut ramp = Ramp::of_pixels(&[[10.0, 70_000.0, 70_000.0]; 2]);
        ramp.groupdq[[2, 0, 0]] = group::SATURATED;
        ramp.groupdq[[2, 0, 1]] = group::SATURATED;
        let threshold = Array2::from_shape_vec((1, 2), vec![f32::NAN, 5.0]).unwrap();
        let ref_dq = Array2::from_shape_vec((1, 2), vec![0, pixel::NO_SAT_CHECK]).unwrap();
        let partial = Partial {
            rule: Rule::MeanRead,
            backup: 0,
            read_pattern: Some(&pattern),
        };
        ramp.run(&saturation(&threshold, ref_dq.view(), 0, partial));
        for col in 0..2 {
            assert_eq!(ramp.flags(col), [0, 0, 2]);
        }
    }

    #[test]
    fn what_is_flagged_beside_grown_saturation_is_grown_too_but_not_nan() {
        // Pixel 4 saturates in the second resultant, and by growth pixels 3 and 5. Of the pixels that are
        // SATURATED there, 5 has 800 DN before: flagged, and 4 and 6 with it. Pixel 0 is NaN.
        let pattern = ReadPattern::from_reads(&[vec![3, 4, 5], vec![6]], 3.04).unwrap();
        let mut ramp = Ramp {
            data: Array3::from_elem((2, 1, 8), 10.0),
            groupdq: Array3::zeros((2, 1, 8)),
            pixeldq: Array2::zeros((1, 8)),
        };
        ramp.data[[1, 0, 4]] = 1000.0;
        ramp.data[[0, 0, 5]] = 800.0;
        ramp.data[[0, 0, 7]] = 800.0;
        ramp.data[[0, 0, 0]] = f32::NAN;
        let partial = Partial {
            rule: Rule::MeanRead,
            backup: 0,
            read_pattern: Some(&pattern),
        };
        let (threshold, no_flags) = (Array2::from_elem((1, 8), 1000.0), Array2::zeros((1, 8)));
        let kernel = saturation(&threshold, no_flags.view(), 1, partial);
        ramp.run(&kernel);
        let first: Vec<_> = (0..8).map(|col| ramp.flags(col)[0]).collect();
        assert_eq!(first, [1, 0, 0, 0, 1, 1, 1, 0]);
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
