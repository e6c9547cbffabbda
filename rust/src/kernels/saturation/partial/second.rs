//! A cosmic ray that saturates the second resultant in part: the ramp before it is but one sample, which
//! tells nothing of the step.
//!
//! Of resultant g be `m_g` the mean of its read numbers, `l_g` the last of them, `n_g` how many there
//! are. The second of three resultants or more is DO_NOT_USE where the third is SATURATED and the second
//! is not, though by the first alone the pixel would not saturate before the last read of the third,
//! `data_0 / m_0 * l_2 < threshold`, and the second has grown by more than one of its reads at the
//! threshold adds, `data_1 - data_0 > (threshold - data_0) / n_1`.
//!
//! These flags are not grown.
//!
//! Source: the saturation step of romancal 1.1.0.

use ndarray::Axis;

use crate::band::RampBand;
use crate::cadence::Reads;
use crate::dq::group;
use crate::kernels::saturation::limits::{Limits, RowOfLimits};
use crate::lanes::{LANES, blocks, flags_in, load, rows, rows_mut, store, vectorised};

/// Flags the second resultant of the pixels of a band.
pub(super) fn flag(band: &mut RampBand<'_>, limits: Limits<'_>, reads: &[Reads]) {
    if reads.len() < 3 {
        return;
    }
    let place = &band.place;
    let (data, _) = band.data.view().split_at(Axis(0), 2);
    let (mut groupdq, _) = band.groupdq.view_mut().split_at(Axis(0), 3);
    for r in 0..groupdq.dim().1 {
        let (samples, mut flags) = (rows(data, r), rows_mut(&mut groupdq, r));
        if let ([first, second], [_, marked, third]) = (&samples[..], &mut flags[..]) {
            flag_row(
                [first, second],
                &limits.row(place, r),
                reads,
                (marked, third),
            );
        }
    }
}

vectorised! {
    /// Flags the second resultant where a cosmic ray hit it and it is saturated in part.
    fn flag_row(
        [first, second]: [&[f32]; 2],
        limits: &RowOfLimits<'_>,
        reads: &[Reads],
        (flags_of_second, flags_of_third): (&mut [u8], &[u8]),
    ) {
        let (mean_of_first, last_of_third) = (reads[0].mean, reads[2].last);
        let n_of_second = reads[1].count as f32;
        for cols in blocks(first.len()) {
            if flags_in(&[flags_of_third], &cols) & group::SATURATED == 0 {
                continue;
            }
            let (mut flags, third) = (load(flags_of_second, &cols), load(flags_of_third, &cols));
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

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::super::tests::flags_of;

    #[test]
    fn a_second_resultant_that_a_cosmic_ray_saturated_in_part_is_flagged() {
        // Of 4 reads. By the first, 10 DN, the pixel has 10 / 1 * 6 = 60 DN at the end of the third. A
        // read at the threshold adds (1000 - 10) / 4 = 247.5 DN. Not where the first rises so fast that
        // it saturates by itself, 200 / 1 * 6 = 1200 DN; nor where the third is not SATURATED.
        let reads = [vec![1], vec![2, 3, 4, 5], vec![6]];
        let flags = flags_of(
            Rule::Concave,
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
}
