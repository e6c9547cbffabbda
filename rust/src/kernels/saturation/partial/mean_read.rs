//! By the threshold at the mean of the reads.
//!
//! Of resultant g be `m_g` the mean of its read numbers and `l_g` the last of them. It is DO_NOT_USE
//! where resultant g + 1 is SATURATED, g is neither that nor DO_NOT_USE, and
//! `data_g >= threshold m_g / l_g`: a ramp that grows evenly from the reset reaches the threshold by the
//! last read of g if it is that high at the mean of them.
//!
//! It is not SATURATED, so that the rule does not go on from there to the resultant before. Where the
//! saturated area is grown, so are these flags.
//!
//! Source: the saturation step of romancal 1.1.0.

use ndarray::Zip;

use crate::band::RampBand;
use crate::cadence::Reads;
use crate::dq::group;
use crate::kernels::saturation::grow;
use crate::kernels::saturation::limits::{Limits, RowOfLimits};
use crate::lanes::{LANES, Lanes, blocks, flags_in, load, rows, rows_mut, store, vectorised};

/// Flags the samples of a band in which the saturated area was grown by so many pixels.
pub(super) fn flag(
    band: &mut RampBand<'_>,
    limits: Limits<'_>,
    reads: &[Reads],
    n_pix_grow: usize,
) {
    let place = &band.place;
    let data = band.data.view();
    let mut groupdq = band.groupdq.view_mut();
    let before = (n_pix_grow > 0).then(|| groupdq.to_owned());
    for r in 0..groupdq.dim().1 {
        let (samples, mut flags) = (rows(data, r), rows_mut(&mut groupdq, r));
        flag_row(&samples, &limits.row(place, r), reads, &mut flags);
    }
    if let Some(before) = before {
        for (mut plane, before) in groupdq.outer_iter_mut().zip(before.outer_iter()) {
            let is_new = |&after: &u8, &before: &u8| u32::from(after != before);
            let found = Zip::from(&plane).and(&before).map_collect(is_new);
            grow(&mut plane, &found, n_pix_grow, group::DO_NOT_USE);
        }
    }
}

vectorised! {
    /// Flags the last resultant before one that is SATURATED.
    fn flag_row(
        data: &[&[f32]],
        limits: &RowOfLimits<'_>,
        reads: &[Reads],
        groupdq: &mut [&mut [u8]],
    ) {
        for cols in blocks(data[0].len()) {
            // In most blocks nothing saturates.
            if flags_in(groupdq, &cols) & group::SATURATED == 0 {
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

#[cfg(test)]
mod tests {
    use super::super::tests::{flags_of, saturation};
    use super::super::{Partial, Rule};
    use super::*;
    use crate::cadence::ReadPattern;
    use crate::dq::pixel;
    use crate::kernels::testing::Ramp;
    use ndarray::{Array2, Array3};

    #[test]
    fn a_resultant_before_saturation_is_flagged_from_the_threshold_at_its_mean_read() {
        // Reads 3, 4, 5: from 1000 * 4 / 5 on. Not two in a row, nor one of a single read, nor one
        // that nothing SATURATED follows.
        let reads = [vec![1, 2], vec![3, 4, 5], vec![6], vec![7, 8]];
        let flags = flags_of(
            Rule::MeanRead,
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
}
