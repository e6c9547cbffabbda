//! By the ramp before: a steady rate with a ceiling is concave in time, as is the nonlinearity of the
//! pixel, so that it rises no faster after a resultant than before it.
//!
//! Of resultant g be `m_g` the mean of its read numbers and `l_g` the last of them. It is SATURATED if
//!
//! - it averages several reads, and is neither SATURATED nor unusable (DO_NOT_USE, AD_FLOOR);
//! - the next resultant was SATURATED before, or there is none. Unusable ones are passed over: they do
//!   not tell whether the ramp went on rising;
//! - the line through its anchor `(m_a, data_a)` and `(m_g, data_g)` is at the threshold by the last read,
//!   `data_a + (data_g - data_a) (l_g - m_a) / (m_g - m_a) >= threshold`.
//!
//! The anchor is the nearest usable sample before; where there is none, it is the reset, 0 DN at read 0.
//!
//! Whatever the pattern, this finds each usable resultant of which a read is at the full well, if the
//! threshold is no higher than that: the ramp lies above its chord from the anchor to the last read, so
//! that the mean of g lies above the chord at `m_g`, and the line above the full well at `l_g`. Any point
//! at or below the ramp will do for an anchor: an earlier sample, a reset at a level above 0 DN, and one
//! before, or within, which a cosmic ray came. Only a hit within g itself is not concave. The resultant
//! after g is at the full well throughout, so that what this rule flags says nothing of the one before.

use std::ops::Range;

use crate::cadence::Reads;
use crate::dq::group;
use crate::kernels::saturation::limits::RowOfLimits;
use crate::lanes::{LANES, Lanes, add_flags, blocks, flags_in, load, select, store, vectorised};

/// What makes a sample tell nothing of the ramp.
const UNUSABLE: u8 = group::UNUSABLE | group::AD_FLOOR;

/// Flags resultants that average these reads.
pub(super) struct Concave {
    resultants: Vec<Resultant>,
    /// Scratch: SATURATED where the line through a usable sample reaches the threshold.
    reaches: Vec<Lanes<u8>>,
}

impl Concave {
    pub fn new(reads: &[Reads]) -> Self {
        Self {
            resultants: reads.iter().map(Resultant::new).collect(),
            reaches: vec![Lanes::all(0); reads.len()],
        }
    }

    /// Flags the samples of a row in which those at the threshold are SATURATED already.
    pub fn flag(&mut self, data: &[&[f32]], limits: &RowOfLimits<'_>, groupdq: &mut [&mut [u8]]) {
        flag_row(data, limits, &self.resultants, &mut self.reaches, groupdq);
    }
}

/// The reads of a resultant.
#[derive(Clone, Copy)]
struct Resultant {
    mean: f32,
    last: f32,
    /// Whether it may be saturated in part: it averages several reads, after the reset.
    averages: bool,
}

impl Resultant {
    fn new(reads: &Reads) -> Self {
        Self {
            mean: reads.mean as f32,
            last: reads.last as f32,
            averages: reads.count > 1 && reads.mean > 0.0,
        }
    }

    /// Whether the line from an anchor through a sample is at the limit by the last read.
    #[inline(always)]
    fn reaches(self, limit: f32, sample: f32, (time, signal): (f32, f32)) -> bool {
        (sample - signal) * (self.last - time) >= (limit - signal) * (self.mean - time)
    }
}

vectorised! {
    fn flag_row(
        data: &[&[f32]],
        limits: &RowOfLimits<'_>,
        resultants: &[Resultant],
        reaches: &mut [Lanes<u8>],
        groupdq: &mut [&mut [u8]],
    ) {
        for cols in blocks(data[0].len()) {
            if flags_in(groupdq, &cols) & UNUSABLE == 0 {
                flag_last(data, limits, resultants, groupdq, &cols);
                continue;
            }
            let (limits, _) = limits.block(&cols);
            let (mut time, mut signal) = (Lanes::all(0.0), Lanes::all(0.0));
            let rows = data.iter().zip(groupdq.iter()).zip(resultants);
            for (((samples, flags), &resultant), reaches) in rows.zip(reaches.iter_mut()) {
                let (samples, flags) = (load(samples, &cols), load(flags, &cols));
                let (mut is_usable, mut there) = (Lanes::all(0), Lanes::all(0));
                for lane in 0..LANES {
                    is_usable[lane] = u32::from(flags[lane] & UNUSABLE == 0);
                }
                if resultant.averages {
                    for lane in 0..LANES {
                        let anchor = (time[lane], signal[lane]);
                        let is_there = resultant.reaches(limits[lane], samples[lane], anchor);
                        let reaches = is_there & (flags[lane] & UNUSABLE == 0);
                        there[lane] = if reaches { group::SATURATED } else { 0 };
                    }
                }
                *reaches = there;
                time = select(&is_usable, &Lanes::all(resultant.mean), &time);
                signal = select(&is_usable, &samples, &signal);
            }
            // SATURATED where what comes next is so, or nothing usable does.
            let mut end = Lanes::all(group::SATURATED);
            for (groupdq, reaches) in groupdq.iter_mut().zip(reaches.iter()).rev() {
                let before = load(groupdq, &cols);
                let mut flags = before;
                for lane in 0..LANES {
                    flags[lane] |= end[lane] & reaches[lane];
                }
                for lane in 0..LANES {
                    end[lane] &= if before[lane] & UNUSABLE != 0 { group::SATURATED } else { 0 };
                    end[lane] |= before[lane] & group::SATURATED;
                }
                store(&flags, groupdq, &cols);
            }
        }
    }
}

/// The same for a block in which all samples are usable: only the last can be flagged.
#[inline(always)]
fn flag_last(
    data: &[&[f32]],
    limits: &RowOfLimits<'_>,
    resultants: &[Resultant],
    groupdq: &mut [&mut [u8]],
    cols: &Range<usize>,
) {
    let ([.., samples], [.., resultant], [.., groupdq]) = (data, resultants, groupdq) else {
        return;
    };
    if !resultant.averages {
        return;
    }
    let (time, signal) = match (data, resultants) {
        ([.., before, _], [.., reads, _]) => (reads.mean, load(before, cols)),
        _ => (0.0, Lanes::all(0.0)),
    };
    let (limits, _) = limits.block(cols);
    let samples = load(samples, cols);
    let mut flags = Lanes::all(0);
    for lane in 0..LANES {
        let fills = resultant.reaches(limits[lane], samples[lane], (time, signal[lane]));
        flags[lane] = if fills { group::SATURATED } else { 0 };
    }
    add_flags(&flags, groupdq, cols);
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

    const FLOOR: u8 = group::AD_FLOOR | group::DO_NOT_USE;
    const NAN: f32 = f32::NAN;

    #[test]
    fn a_resultant_is_flagged_if_the_line_from_the_one_before_is_at_the_threshold_by_its_last_read()
    {
        // From read 2.5 through read 5 to read 6: 100 + (743 - 100) * 3.5 / 2.5 = 1000.2 DN, with 742: 998.8 DN.
        // A high level is no rise: 700 + 200 * 3.5 / 2.5 = 980 DN.
        let reads = [vec![1], vec![2, 3], vec![4, 5, 6], vec![7], vec![8, 9]];
        let flags = flags_of(
            Rule::Concave,
            &reads,
            [
                [50.0, 100.0, 743.0, 1000.0, 0.5],
                [50.0, 100.0, 742.0, 1000.0, 2000.0],
                [500.0, 700.0, 900.0, 1000.0, 1000.0],
            ],
            0,
        );
        assert_eq!(flags, [[0, 0, 2, 2, 2], [0, 0, 0, 2, 2], [0, 0, 0, 2, 2]]);
    }

    #[test]
    fn the_first_resultant_goes_by_the_reset() {
        // At read 1.5 of 2: 750 * 2 / 1.5 = 1000 DN.
        let reads = [vec![1, 2], vec![3]];
        let flags = flags_of(Rule::Concave, &reads, [[750.0, 1000.0], [749.0, 1000.0]], 0);
        assert_eq!(flags, [[2, 2], [0, 2]]);
        let flags = flags_of(Rule::Concave, &reads[..1], [[750.0], [749.0]], 0);
        assert_eq!(flags, [[2], [0]]);
    }

    #[test]
    fn the_last_resultant_is_looked_at_though_nothing_follows_it_if_it_averages() {
        // 400 + 450 * 2 / 1.5 = 1000 DN. Whether or not a pixel beside it has other samples flagged.
        let reads = [vec![1, 2], vec![3, 4, 5], vec![6], vec![7, 8]];
        let pixels = [[10.0, 20.0, 400.0, 850.0], [10.0, 20.0, 400.0, 849.0]];
        assert_eq!(
            flags_of(Rule::Concave, &reads, pixels, 0),
            [[0, 0, 0, 2], [0; 4]]
        );
        let beside = [pixels[0], pixels[1], [NAN, 20.0, 30.0, 1000.0]];
        let flags = flags_of(Rule::Concave, &reads, beside, 0);
        assert_eq!(flags, [[0, 0, 0, 2], [0; 4], [1, 0, 0, 2]]);
        let single = [vec![1, 2], vec![3, 4, 5], vec![6], vec![7]];
        let pixels = [[10.0, 20.0, 400.0, 999.0]];
        assert_eq!(flags_of(Rule::Concave, &single, pixels, 0), [[0; 4]]);
    }

    #[test]
    fn a_single_read_and_one_that_is_followed_by_an_unsaturated_sample_are_let_be() {
        let reads = [vec![1], vec![2, 3], vec![4]];
        let flags = flags_of(
            Rule::Concave,
            &reads,
            [[999.0, 1000.0, 1000.0], [0.5, 900.0, 900.0]],
            0,
        );
        assert_eq!(flags, [[0, 2, 2], [0; 3]]);
    }

    #[test]
    fn the_one_before_a_resultant_that_is_flagged_is_let_be() {
        // By the reset the first would have 755 * 2 / 1.5 DN; it starts at 650 DN.
        let reads = [vec![1, 2], vec![3, 4, 5], vec![6]];
        let flags = flags_of(Rule::Concave, &reads, [[755.0, 930.0, 1000.0]], 0);
        assert_eq!(flags, [[0, 2, 2]]);
    }

    #[test]
    fn samples_that_are_not_to_be_used_are_no_anchors() {
        // From read 1.5 through read 6.5 to read 7: 100 + 819 * 5.5 / 5 = 1000.9 DN, with 818: 999.8 DN. From
        // 0 DN at read 4: 900 * 3 / 2.5 = 1080 DN.
        let reads = [vec![1, 2], vec![3, 4, 5], vec![6, 7], vec![8]];
        let flags = flags_of(
            Rule::Concave,
            &reads,
            [
                [100.0, NAN, 919.0, 1000.0],
                [100.0, NAN, 918.0, 1000.0],
                [100.0, 0.0, 900.0, 1000.0],
                // By the reset: 929 * 7 / 6.5 = 1000.5 DN.
                [NAN, NAN, 929.0, 1000.0],
                [NAN, NAN, 928.0, 1000.0],
            ],
            0,
        );
        assert_eq!(
            flags,
            [
                [0, 1, 2, 2],
                [0, 1, 0, 2],
                [0, FLOOR, 0, 2],
                [1, 1, 2, 2],
                [1, 1, 0, 2]
            ]
        );
    }

    #[test]
    fn samples_that_are_not_to_be_used_are_passed_over_and_not_flagged() {
        // 400 + 500 * 3 / 2.5 = 1000 DN.
        let reads = [vec![1, 2], vec![3, 4, 5], vec![6, 7], vec![8]];
        let flags = flags_of(
            Rule::Concave,
            &reads,
            [[100.0, 743.0, NAN, 1000.0], [100.0, 400.0, 900.0, NAN]],
            0,
        );
        assert_eq!(flags, [[0, 2, 1, 2], [0, 0, 2, 1]]);
    }

    #[test]
    fn what_is_saturated_in_part_is_grown_but_not_where_saturation_was_grown_to() {
        // Pixel 4 is at the threshold in the second, and by read 5 of the first: 800 * 5 / 4 DN. Pixel 5 is
        // as high in the first, but not saturated after it. Pixel 0 is NaN.
        let pattern = ReadPattern::from_reads(&[vec![3, 4, 5], vec![6]], 3.04).unwrap();
        let mut ramp = Ramp {
            data: Array3::from_elem((2, 1, 8), 10.0),
            groupdq: Array3::zeros((2, 1, 8)),
            pixeldq: Array2::zeros((1, 8)),
        };
        ramp.data[[1, 0, 4]] = 1000.0;
        for col in [4, 5] {
            ramp.data[[0, 0, col]] = 800.0;
        }
        ramp.data[[0, 0, 0]] = NAN;
        let partial = Partial {
            rule: Rule::Concave,
            backup: 0,
            read_pattern: Some(&pattern),
        };
        let (threshold, no_flags) = (Array2::from_elem((1, 8), 1000.0), Array2::zeros((1, 8)));
        ramp.run(&saturation(&threshold, no_flags.view(), 1, partial));
        let of = |g: usize| -> Vec<_> { (0..8).map(|col| ramp.flags(col)[g]).collect() };
        assert_eq!(of(0), [1, 0, 0, 2, 2, 2, 0, 0]);
        assert_eq!(of(1), [0, 0, 0, 2, 2, 2, 0, 0]);
    }

    #[test]
    fn pixels_without_a_threshold_are_not_saturated_in_part() {
        let pattern = ReadPattern::from_reads(&[vec![1, 2], vec![3, 4], vec![5, 6]], 3.04).unwrap();
        let mut ramp = Ramp::of_pixels(&[[10.0, 70_000.0, f32::INFINITY]; 2]);
        ramp.groupdq[[2, 0, 0]] = group::SATURATED;
        let threshold = Array2::from_shape_vec((1, 2), vec![f32::NAN, 5.0]).unwrap();
        let ref_dq = Array2::from_shape_vec((1, 2), vec![0, pixel::NO_SAT_CHECK]).unwrap();
        let partial = Partial {
            rule: Rule::Concave,
            backup: 0,
            read_pattern: Some(&pattern),
        };
        ramp.run(&saturation(&threshold, ref_dq.view(), 0, partial));
        assert_eq!(ramp.flags(0), [0, 0, 2]);
        assert_eq!(ramp.flags(1), [0, 0, 0]);
    }
}
