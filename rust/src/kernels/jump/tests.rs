//! Hand-computed values.

use super::*;
use crate::kernels::testing::Ramp;
use ndarray::{Array2, Array3};

const JUMP: u8 = group::JUMP_DET;

/// Jumps of ramps with gain 1 and a single-read noise of 2 DN: for evenly spaced single
/// reads and a rate of 8 DN per resultant the noise of a difference is sqrt(8 + 8) = 4.
fn find(ramp: &mut Ramp, parameters: JumpParameters) {
    let (n_resultants, n_rows, n_cols) = ramp.data.dim();
    let gain = Array2::from_elem((n_rows, n_cols), 1.0);
    let read_noise = Array2::from_elem((n_rows, n_cols), 2.0);
    let pattern = ReadPattern::evenly_spaced(n_resultants, 2.0, 1, None).unwrap();
    ramp.run(&Jump::new(
        gain.view().into(),
        read_noise.view().into(),
        &pattern,
        parameters,
    ));
}

/// A ramp from the differences between its resultants.
fn ramp_of<const N: usize>(differences: [f32; N]) -> Ramp {
    let mut data = Array3::from_elem((N + 1, 1, 1), 100.0);
    for (i, difference) in differences.iter().enumerate() {
        data[[i + 1, 0, 0]] = data[[i, 0, 0]] + difference;
    }
    Ramp {
        groupdq: Array3::zeros(data.dim()),
        pixeldq: Array2::zeros((1, 1)),
        data,
    }
}

#[test]
fn a_jump_is_more_than_four_sigma_above_the_median() {
    // 4 sigma are 16 DN: 24 is not above, 25 is.
    let mut at_threshold = ramp_of([8.0, 8.0, 24.0, 8.0, 8.0, 8.0]);
    find(&mut at_threshold, JumpParameters::default());
    assert_eq!(at_threshold.flags(0), [0; 7]);
    let mut above = ramp_of([8.0, 8.0, 25.0, 8.0, 8.0, 8.0]);
    find(&mut above, JumpParameters::default());
    assert_eq!(above.flags(0), [0, 0, 0, JUMP, 0, 0, 0]);
}

#[test]
fn jumps_are_found_one_after_the_other() {
    // In the first pass 500 is dropped and the median is 9: both 500 and 200 stand out.
    let mut ramp = ramp_of([500.0, 9.0, 9.0, 200.0, 9.0, 9.0]);
    find(&mut ramp, JumpParameters::default());
    assert_eq!(ramp.flags(0), [0, JUMP, 0, 0, JUMP, 0, 0]);
}

#[test]
fn short_ramps_have_their_own_medians_and_thresholds() {
    // Three differences: the median is 8, the threshold 5 sigma, 20 DN above it.
    let mut below = ramp_of([8.0, 28.0, 8.0]);
    find(&mut below, JumpParameters::default());
    assert_eq!(below.flags(0), [0; 4]);
    let mut above = ramp_of([8.0, 29.0, 8.0]);
    find(&mut above, JumpParameters::default());
    assert_eq!(above.flags(0), [0, 0, JUMP, 0]);
    // Two: the smaller in size, 6 sigma, 24 DN.
    let mut below = ramp_of([32.0, 8.0]);
    find(&mut below, JumpParameters::default());
    assert_eq!(below.flags(0), [0; 3]);
    let mut above = ramp_of([33.0, 8.0]);
    find(&mut above, JumpParameters::default());
    assert_eq!(above.flags(0), [0, JUMP, 0]);
    // One cannot be compared with anything.
    let mut pair = ramp_of([4000.0]);
    find(&mut pair, JumpParameters::default());
    assert_eq!(pair.flags(0), [0; 2]);
}

#[test]
fn differences_across_unusable_samples_do_not_count() {
    let mut ramp = ramp_of([9.0, 9.0, 900.0, 9.0, 9.0, 9.0, 9.0]);
    ramp.groupdq[[3, 0, 0]] = group::DO_NOT_USE;
    ramp.groupdq[[7, 0, 0]] = group::SATURATED;
    find(&mut ramp, JumpParameters::default());
    assert_eq!(
        ramp.flags(0),
        [0, 0, 0, group::DO_NOT_USE, 0, 0, 0, group::SATURATED]
    );
}

#[test]
fn neighbours_follow_a_jump_between_the_limits() {
    // 8 + 4 x ratio: ratios of 10 (not above the lower limit), 11, and 1000.
    for (difference, flagged) in [(48.0, 0), (52.0, JUMP), (4008.0, 0)] {
        let mut ramp = Ramp {
            data: Array3::from_shape_fn((7, 3, 3), |(g, _, _)| 8.0 * g as f32),
            groupdq: Array3::zeros((7, 3, 3)),
            pixeldq: Array2::zeros((3, 3)),
        };
        for g in 4..7 {
            ramp.data[[g, 1, 1]] += difference - 8.0;
        }
        ramp.groupdq[[4, 2, 1]] = group::SATURATED;
        find(&mut ramp, JumpParameters::default());
        let at_jump = ramp.groupdq.index_axis(ndarray::Axis(0), 4);
        assert_eq!(at_jump[[1, 1]], JUMP);
        assert_eq!(at_jump[[0, 1]], flagged);
        assert_eq!(at_jump[[1, 0]], flagged);
        assert_eq!(at_jump[[1, 2]], flagged);
        assert_eq!(at_jump[[2, 1]], group::SATURATED);
        assert_eq!(at_jump[[0, 0]], 0);
    }
}

#[test]
fn uneven_resultants_are_compared_as_rates() {
    // 3 DN/s throughout, over 3, 3, 12, 3 and 3 s: no jump, though one difference is large.
    let pattern =
        ReadPattern::from_reads(&[vec![1], vec![2], vec![3], vec![7], vec![8], vec![9]], 3.0)
            .unwrap();
    let times = pattern.times().to_vec();
    let mut ramp = Ramp {
        data: Array3::from_shape_fn((6, 1, 1), |(g, _, _)| 3.0 * times[g] as f32),
        groupdq: Array3::zeros((6, 1, 1)),
        pixeldq: Array2::zeros((1, 1)),
    };
    let gain = Array2::from_elem((1, 1), 1.0);
    let read_noise = Array2::from_elem((1, 1), 0.1);
    ramp.run(&Jump::new(
        gain.view().into(),
        read_noise.view().into(),
        &pattern,
        JumpParameters::default(),
    ));
    assert_eq!(ramp.flags(0), [0; 6]);
}

#[test]
fn pixels_without_a_gain_are_flagged_and_a_negative_one_is_used() {
    let mut ramp = Ramp {
        data: Array3::from_shape_fn((6, 1, 5), |(g, _, _)| if g < 3 { 0.0 } else { 500.0 }),
        groupdq: Array3::zeros((6, 1, 5)),
        pixeldq: Array2::zeros((1, 5)),
    };
    let gain = ndarray::arr2(&[[f32::NAN, 0.0, -1.0, 1.0, f32::INFINITY]]);
    let read_noise = Array2::from_elem((1, 5), 2.0);
    let pattern = ReadPattern::evenly_spaced(6, 2.0, 1, None).unwrap();
    ramp.run(&Jump::new(
        gain.view().into(),
        read_noise.view().into(),
        &pattern,
        JumpParameters {
            flag_4_neighbors: false,
            ..JumpParameters::default()
        },
    ));
    let bad = pixel::NO_GAIN_VALUE | pixel::DO_NOT_USE;
    assert_eq!(ramp.pixeldq, ndarray::arr2(&[[bad, bad, bad, 0, bad]]));
    assert_eq!(ramp.flags(0), [0; 6]);
    assert_eq!(ramp.flags(2), [0, 0, 0, JUMP, 0, 0]);
    assert_eq!(ramp.flags(3), [0, 0, 0, JUMP, 0, 0]);
    assert_eq!(ramp.flags(4), [0; 6]);
}

#[test]
fn an_infinite_sample_is_not_a_jump() {
    for infinity in [f32::INFINITY, f32::NEG_INFINITY] {
        for resultant in 0..7 {
            let mut ramp = ramp_of([8.0, 8.0, 9.0, 8.0, 8.0, 8.0]);
            ramp.data[[resultant, 0, 0]] = infinity;
            find(&mut ramp, JumpParameters::default());
            assert_eq!(ramp.flags(0), [0; 7]);
        }
        // Four differences are left, one of them a jump.
        let mut ramp = ramp_of([8.0, 8.0, 500.0, 8.0, 8.0, 8.0]);
        ramp.data[[5, 0, 0]] = infinity;
        find(&mut ramp, JumpParameters::default());
        assert_eq!(ramp.flags(0), [0, 0, 0, JUMP, 0, 0, 0]);
    }
}

#[test]
fn every_pixel_with_a_jump_is_a_suspect() {
    // Differences of all sizes about a threshold of 1 sigma, 4 to 8 of them, in 64 columns each.
    let mut state = 1_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((state >> 40) % 41) as f32 - 20.0
    };
    let (mut jumps, mut others) = (0, 0);
    for n_differences in (4..=8).cycle().take(500) {
        let mut ramp = Ramp {
            data: Array3::zeros((n_differences + 1, 1, LANES)),
            groupdq: Array3::zeros((n_differences + 1, 1, LANES)),
            pixeldq: Array2::zeros((1, LANES)),
        };
        for g in 0..n_differences {
            for c in 0..LANES {
                ramp.data[[g + 1, 0, c]] = ramp.data[[g, 0, c]] + random();
            }
        }
        let (gain, noise) = (Array2::ones((1, LANES)), Array2::from_elem((1, LANES), 9.0));
        let pattern = ReadPattern::evenly_spaced(n_differences + 1, 1.0, 1, None).unwrap();
        let parameters = JumpParameters {
            rejection_threshold: 1.0,
            flag_4_neighbors: false,
            ..JumpParameters::default()
        };
        let jump = Jump::new(
            gain.view().into(),
            noise.view().into(),
            &pattern,
            parameters,
        );
        ramp.run(&jump);
        for c in 0..LANES {
            let mut pixel = Memory::new(n_differences + 1).pixel;
            for g in 0..n_differences {
                let (before, after) = (ramp.data[[g, 0, c]], ramp.data[[g + 1, 0, c]]);
                pixel.differences[g] = f64::from(after) - f64::from(before);
            }
            let detector = PixelNoise {
                inverse_gain: 1.0,
                read_variance: 81.0,
            };
            jump.examine(&mut pixel, detector);
            let found: Vec<bool> = ramp.flags(c).iter().map(|&flags| flags == JUMP).collect();
            assert_eq!(found[1..], pixel.jumps);
            match pixel.jumps.contains(&true) {
                true => jumps += 1,
                false => others += 1,
            }
        }
    }
    assert!(jumps > 1000 && others > 1000, "{jumps} and {others}");
}

#[test]
fn the_screen_lets_no_jump_pass_whatever_the_numbers() {
    let mut state = 7_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let reads = [
        vec![1],
        vec![2, 3],
        vec![5],
        vec![6, 7, 8],
        vec![9],
        vec![30],
    ];
    let pattern = ReadPattern::from_reads(&reads, 3.0).unwrap();
    let n = reads.len();
    let (mut jumps, mut others) = (0, 0);
    for threshold in [0.0, 0.3, 4.0, 1e3, 1e300, f64::INFINITY]
        .into_iter()
        .cycle()
        .take(600)
    {
        let mut power_of_ten = |low: f64, high: f64| match (uniform() * 20.0) as u32 {
            0 => 0.0,
            1 => f32::NAN,
            2 => f32::INFINITY,
            3 => 3.0,
            _ => 10_f64.powf(low + (high - low) * uniform()) as f32,
        };
        let gain = Array2::from_shape_simple_fn((1, LANES), || power_of_ten(-20.0, 20.0));
        let noise = Array2::from_shape_simple_fn((1, LANES), || power_of_ten(-30.0, 20.0));
        // Differences near to each other, and far apart; small beside the samples, and large.
        let scale = Array2::from_shape_simple_fn((1, LANES), || power_of_ten(-10.0, 30.0));
        let spread = Array2::from_shape_simple_fn((1, LANES), || power_of_ten(-8.0, 3.0));
        let mut data = Array3::zeros((n, 1, LANES));
        for g in 1..n {
            for c in 0..LANES {
                let interval = pattern.times()[g] - pattern.times()[g - 1];
                let rate = scale[[0, c]] * (1.0 + spread[[0, c]] * (uniform() as f32 - 0.5));
                data[[g, 0, c]] = data[[g - 1, 0, c]] + rate * interval as f32;
            }
        }
        let parameters = JumpParameters {
            rejection_threshold: threshold,
            four_group_rejection_threshold: threshold,
            three_group_rejection_threshold: threshold,
            flag_4_neighbors: false,
            ..JumpParameters::default()
        };
        let jump = Jump::new(
            gain.view().into(),
            noise.view().into(),
            &pattern,
            parameters,
        );
        let mut ramp = Ramp {
            groupdq: Array3::zeros(data.dim()),
            pixeldq: Array2::zeros((1, LANES)),
            data,
        };
        ramp.run(&jump);
        let mut pixel = Memory::new(n).pixel;
        for c in 0..LANES {
            let mut no_flags = vec![vec![0; LANES]; n];
            let no_flags: Vec<&mut [u8]> = no_flags.iter_mut().map(Vec::as_mut_slice).collect();
            pixel.take(&rows(ramp.data.view(), 0), &no_flags, c);
            let read_noise = f64::from(noise[[0, c]]);
            let detector = PixelNoise {
                inverse_gain: inverse_size(f64::from(gain[[0, c]])),
                read_variance: read_noise * read_noise,
            };
            jump.examine(&mut pixel, detector);
            let found: Vec<bool> = ramp.flags(c).iter().map(|&flags| flags == JUMP).collect();
            assert_eq!(found[1..], pixel.jumps, "column {c}, threshold {threshold}");
            *(if pixel.jumps.contains(&true) {
                &mut jumps
            } else {
                &mut others
            }) += 1;
        }
    }
    assert!(jumps > 3000 && others > 3000, "{jumps} and {others}");
}
