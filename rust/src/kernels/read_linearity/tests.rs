//! The correction read by read, with hand-computed values.

use super::*;
use crate::kernels::testing::Ramp;
use ndarray::{Array2, Array3, Axis, arr1};

/// Two reads in each of so many resultants.
fn pairs(n: i64) -> ReadPattern {
    let reads: Vec<_> = (0..n).map(|i| vec![2 * i + 1, 2 * i + 2]).collect();
    ReadPattern::from_reads(&reads, 3.04).unwrap()
}

/// The same coefficients for so many pixels.
fn coeffs(terms: &[f32], n_cols: usize) -> Array3<f32> {
    Array3::from_shape_fn((terms.len(), 1, n_cols), |(k, _, _)| terms[k])
}

/// L is x + 0.01 x^2 throughout.
const L: [f32; 3] = [0.0, 1.0, 0.01];

/// Runs with L and this inverse.
fn linearize(ramp: &mut Ramp, inverse: &[f32]) {
    let (n_resultants, _, n_cols) = ramp.data.dim();
    let pattern = pairs(n_resultants as i64);
    let (terms, inverse) = (coeffs(&L, n_cols), coeffs(inverse, n_cols));
    ramp.run(&ReadLinearity::new(
        terms.view().into(),
        Array2::zeros((1, n_cols)).view().into(),
        Some((inverse.view().into(), &pattern)),
        None,
    ));
}

#[test]
fn the_mean_of_the_reads_is_corrected_read_by_read() {
    // L(10) = 11, L(30) = 39, two reads apart: 14 DN a read.
    let mut ramp = Ramp::of_pixels(&[[10.0, 30.0]]);
    linearize(&mut ramp, &[0.0, 1.0]);
    // The reads are at 10 +- 7: L(10) + 0.01 x 7^2.
    assert_eq!(ramp.data[[0, 0, 0]], 11.49);
    assert_eq!(ramp.data[[1, 0, 0]], 39.49);
    // The inverse x - 0.01 x^2 of 4 and 18 is 3.84 and 14.76, so that they are at 10 +- 5.46; of
    // 32 and 46 it is 21.76 and 24.84.
    let mut ramp = Ramp::of_pixels(&[[10.0, 30.0]]);
    linearize(&mut ramp, &[0.0, 1.0, -0.01]);
    assert_eq!(ramp.data[[0, 0, 0]], 11.298_116);
    assert_eq!(ramp.data[[1, 0, 0]], 39.023_716);
}

/// The rate [DN/read] that a pixel was corrected with, of its samples of 10 DN.
fn rate(ramp: &Ramp, g: usize, col: usize) -> f64 {
    // L(10) + 0.01 (rate / 2)^2
    ((f64::from(ramp.data[[g, 0, col]]) - 11.0) * 400.0).sqrt()
}

#[test]
fn the_last_but_one_of_the_unsaturated_samples_sets_the_rate() {
    // L(10) = 11, L(20) = 24, L(30) = 39, L(40) = 56: 6.5, 7 and 7.5 DN a read from the first.
    let mut ramp = Ramp::of_pixels(&[[10.0, 20.0, 30.0, 40.0]; 4]);
    for (col, saturated) in [(1, 3..4), (2, 2..4), (3, 1..4)] {
        for g in saturated {
            ramp.groupdq[[g, 0, col]] = group::SATURATED;
        }
    }
    linearize(&mut ramp, &[0.0, 1.0]);
    // Of the last pixel, by the saturated sample as it is: (20 - 11) / 2.
    for (col, expected) in [7.0, 6.5, 6.5, 4.5].into_iter().enumerate() {
        assert!((rate(&ramp, 0, col) - expected).abs() < 1e-3);
    }
    assert_eq!(ramp.data[[1, 0, 3]], 20.0);
}

#[test]
fn samples_that_are_not_to_be_used_do_not_set_the_rate() {
    // A first sample that is dead, no number, or infinite; a second one among three.
    let mut ramp = Ramp::of_pixels(&[
        [-500.0, 10.0, 30.0, 70.0],
        [f32::NAN, 10.0, 30.0, 70.0],
        [f32::NEG_INFINITY, 10.0, 30.0, 70.0],
        [10.0, 900.0, 30.0, 70.0],
    ]);
    for (g, col) in [(0, 0), (1, 3)] {
        ramp.groupdq[[g, 0, col]] = group::DO_NOT_USE;
    }
    linearize(&mut ramp, &[0.0, 1.0]);
    // (39 - 11) / 2; over four reads.
    for (g, col, expected) in [(1, 0, 14.0), (1, 1, 14.0), (1, 2, 14.0), (0, 3, 7.0)] {
        assert!((rate(&ramp, g, col) - expected).abs() < 1e-3);
    }
    // They are corrected as the others are; NaN is flagged.
    assert_eq!(ramp.data[[0, 0, 0]], -500.0 + 2500.0 + 0.49);
    assert_eq!(ramp.flags(1), [group::DO_NOT_USE, 0, 0, 0]);
}

#[test]
fn a_partially_saturated_sample_sets_the_rate_of_a_single_good_one() {
    const UNUSED: u8 = group::DO_NOT_USE;
    const FLOOR: u8 = group::DO_NOT_USE | group::AD_FLOOR;
    const FULL: u8 = group::SATURATED;
    const BOTH: u8 = group::DO_NOT_USE | group::SATURATED;
    // Samples and flags, which sample is the good one, and the rate: L(20) = 24, L(30) = 39, two
    // reads from resultant to resultant; a saturated sample is taken as it is.
    let cases = [
        // It, and not the saturated one after it.
        ([10.0, 20.0, 90.0, 90.0], [0, UNUSED, FULL, FULL], 0, 6.5),
        ([10.0, 90.0, 20.0, 90.0], [0, FULL, UNUSED, FULL], 0, 3.25),
        ([90.0, 10.0, 30.0, 90.0], [FULL, 0, UNUSED, FULL], 1, 14.0),
        // The next one, before those after and before.
        ([0.0, 10.0, 20.0, 30.0], [UNUSED, 0, UNUSED, UNUSED], 1, 6.5),
        // The nearest before, where there is none after.
        ([9.0, 0.0, 10.0, 90.0], [UNUSED, UNUSED, 0, FULL], 2, 5.5),
        // None that is at the floor, saturated itself, or no number: the saturated one.
        (
            [10.0, 0.0, 90.0, 90.0],
            [0, FLOOR, FULL, FULL],
            0,
            79.0 / 4.0,
        ),
        (
            [10.0, 20.0, 90.0, 90.0],
            [0, BOTH, FULL, FULL],
            0,
            79.0 / 4.0,
        ),
        (
            [10.0, f32::NAN, 90.0, 90.0],
            [0, UNUSED, FULL, FULL],
            0,
            79.0 / 4.0,
        ),
        (
            [10.0, f32::INFINITY, 90.0, 90.0],
            [0, UNUSED, FULL, FULL],
            0,
            79.0 / 4.0,
        ),
        // Nor that one: no rate.
        ([10.0, 0.0, 0.0, 0.0], [0, FLOOR, FLOOR, FLOOR], 0, 0.0),
    ];
    for (samples, flags, good, expected) in cases {
        let mut ramp = Ramp::of_pixels(&[samples]);
        for (g, flags) in flags.into_iter().enumerate() {
            ramp.groupdq[[g, 0, 0]] = flags;
        }
        linearize(&mut ramp, &[0.0, 1.0]);
        let found = rate(&ramp, good, 0);
        assert!(
            (found - expected).abs() < 2e-3,
            "{samples:?} {flags:?}: {found}"
        );
    }
}

#[test]
fn a_hole_counts_as_romancal_counts_it() {
    // Of three unsaturated samples the last but one is looked for at the second place of all: the
    // saturated 20 as it is, (20 - 11) / 2.
    let mut ramp = Ramp::of_pixels(&[[10.0, 20.0, 30.0, 40.0]]);
    ramp.groupdq[[1, 0, 0]] = group::SATURATED;
    linearize(&mut ramp, &[0.0, 1.0]);
    assert!((rate(&ramp, 0, 0) - 4.5).abs() < 1e-3);
}

#[test]
fn a_single_resultant_has_no_rate() {
    let mut ramp = Ramp::of_pixels(&[[10.0]]);
    linearize(&mut ramp, &[0.0, 1.0, -0.01]);
    assert_eq!(ramp.data[[0, 0, 0]], 11.0);
}

#[test]
fn pixels_without_a_polynomial_are_flagged_and_left_alone_by_it() {
    let pattern = pairs(2);
    let mut ramp = Ramp::of_pixels(&[[10.0, 30.0]; 5]);
    let (mut terms, mut inverse) = (coeffs(&L, 5), coeffs(&[0.0, 0.5], 5));
    terms[[2, 0, 0]] = f32::NAN;
    terms[[1, 0, 1]] = 0.0;
    inverse[[0, 0, 2]] = f32::NAN;
    inverse[[1, 0, 3]] = 0.0;
    let mut ref_dq = Array2::from_elem((1, 5), 4);
    ref_dq[[0, 4]] = pixel::NO_LIN_CORR;
    ramp.run(&ReadLinearity::new(
        terms.view().into(),
        ref_dq.view().into(),
        Some((inverse.view().into(), &pattern)),
        None,
    ));
    // Without an inverse the reads are taken to be as far apart as the linear ones: +- 7 DN.
    let corrected = [10.0, 10.0, 11.49, 11.49, 10.0];
    assert_eq!(
        ramp.data.index_axis(Axis(0), 0),
        arr1(&corrected).insert_axis(Axis(0))
    );
    assert!(
        ramp.pixeldq
            .iter()
            .all(|flags| flags & pixel::NO_LIN_CORR != 0)
    );
    assert_eq!(ramp.pixeldq[[0, 0]], pixel::NO_LIN_CORR | 4);
}

#[test]
fn samples_out_of_range_are_cut_and_flagged() {
    let mut ramp = Ramp::of_pixels(&[[1e6, 1.1e6, 2000.0], [-10.0, -2e6, f32::NAN]]);
    ramp.groupdq[[1, 0, 0]] = group::SATURATED;
    let terms = coeffs(&[0.0, 1.0, 1.0], 2);
    let no_flags = Array2::zeros((1, 2));
    let (terms, no_flags) = (terms.view().into(), no_flags.view().into());
    let kernel = ReadLinearity::new(terms, no_flags, None, None);
    ramp.run(&kernel);
    // Of the first pixel all but 1e6 itself, which is saturated; NaN is not cut.
    assert_eq!(kernel.found(), [("n_cut", Found::Number(4.0))]);
    let cut = group::DO_NOT_USE;
    assert_eq!(ramp.flags(0), [cut, cut | group::SATURATED, cut]);
    assert_eq!(ramp.flags(1), [0, cut, cut]);
    let of_pixel = |col: usize| ramp.data.index_axis(Axis(2), col).iter().copied().collect();
    let pixels: [Vec<f32>; 2] = [of_pixel(0), of_pixel(1)];
    assert_eq!(pixels[0], [1e6; 3]);
    assert_eq!(pixels[1][..2], [90.0, 1e6]);
    assert!(pixels[1][2].is_nan());
}

#[test]
fn the_integral_nonlinearity_is_added_to_each_read() {
    // Reads at 10 +- 7; the correction is 0 below 10 and rises to 10 at 20.
    let (values, corrections) = (
        arr1(&[10.0, 20.0]),
        Array2::from_shape_vec((1, 2), vec![0.0, 10.0]),
    );
    let inl = IntegralNonlinearity::new(values.view(), corrections.unwrap().view()).unwrap();
    let pattern = pairs(2);
    let mut ramp = Ramp::of_pixels(&[[10.0, 30.0]]);
    let (terms, inverse) = (coeffs(&L, 1), coeffs(&[0.0, 1.0], 1));
    let no_flags = Array2::zeros((1, 1));
    ramp.run(&ReadLinearity::new(
        terms.view().into(),
        no_flags.view().into(),
        Some((inverse.view().into(), &pattern)),
        Some(&inl),
    ));
    // L(3) = 3.09, L(17 + 7) = 29.76; L(23 + 10) = 43.89, L(37 + 10) = 69.09.
    assert!((ramp.data[[0, 0, 0]] - 16.425).abs() < 1e-5);
    assert!((ramp.data[[1, 0, 0]] - 56.49).abs() < 1e-5);
}

#[test]
fn what_does_not_fit_is_told() {
    let (terms, inverse) = (coeffs(&L, 1), coeffs(&[1.0], 1));
    let no_flags = Array2::zeros((1, 1));
    let pattern = ReadPattern::new(vec![1.0, 2.0], vec![2, 2], 1.0).unwrap();
    let message = |inverse: &Array3<f32>, n_resultants| {
        let inverse = Some((inverse.view().into(), &pattern));
        let (terms, no_flags) = (terms.view().into(), no_flags.view().into());
        let kernel = ReadLinearity::new(terms, no_flags, inverse, None);
        kernel.check((n_resultants, 1, 1)).unwrap_err().to_string()
    };
    assert!(message(&inverse, 2).starts_with("inverse_coeffs: expected shape (n_coeffs,"));
    assert!(message(&terms, 3).starts_with("read_pattern: expected as many resultants"));
    assert!(message(&terms, 2).starts_with("read_pattern: expected one with a frame_time"));
}
