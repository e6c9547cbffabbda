//! Hand-computed values.

use super::*;
use crate::band::BandArray;
use crate::driver::Execution;
use crate::kernels::rate_rows::RATE_IMAGE;
use crate::kernels::testing::Ramp;
use crate::lanes::LANES;
use crate::planes::{Image, Quantity};
use ndarray::{Array2, Array3};

const JUMP: u8 = group::JUMP_DET;

/// Fits pixels of gain 2 and a read noise of 6 DN, 2 reads in each resultant, every 10 s.
fn fit<const N: usize>(pixels: &[([f32; N], [u8; N])]) -> Fitted {
    fit_with(pixels, 2.0, 6.0)
}

fn fit_with<const N: usize>(pixels: &[([f32; N], [u8; N])], gain: f32, read_noise: f32) -> Fitted {
    let samples: Vec<_> = pixels.iter().map(|pixel| pixel.0).collect();
    let mut ramp = Ramp::of_pixels(&samples);
    for ((g, _, c), flags) in ramp.groupdq.indexed_iter_mut() {
        *flags = pixels[c].1[g];
    }
    let gain = Array2::from_elem((1, pixels.len()), gain);
    let read_noise = Array2::from_elem((1, pixels.len()), read_noise);
    let pattern = ReadPattern::evenly_spaced(N, 10.0, 2, None).unwrap();
    let mut band = RampBand::of_image(
        BandArray::Shared(ramp.data.view()),
        BandArray::Shared(ramp.groupdq.view()),
        BandArray::Shared(ramp.pixeldq.view()),
    );
    let fit = RampFit::new(gain.view().into(), read_noise.view().into(), &pattern);
    let mut image = Image::zeros(&RATE_IMAGE, (1, pixels.len()));
    let segments = Execution::uninterrupted(|execution| {
        fit_ramps(&fit, &mut band, &mut image.planes(), true, execution)
    });
    Fitted {
        image: RateImage::of(&image),
        segments: segments.unwrap().unwrap(),
    }
}

/// The planes of a fit.
struct RateImage {
    slope: Array2<f32>,
    dq: Array2<u32>,
    var_poisson: Array2<f32>,
    var_rnoise: Array2<f32>,
    err: Array2<f32>,
    chisq: Array2<f32>,
    dumo: Array2<f32>,
}

impl RateImage {
    fn of(image: &Image) -> Self {
        let numbers = |quantity| image.numbers(quantity).to_owned();
        Self {
            slope: numbers(Quantity::Slope),
            dq: image.flags(Quantity::Dq).to_owned(),
            var_poisson: numbers(Quantity::VarPoisson),
            var_rnoise: numbers(Quantity::VarRnoise),
            err: numbers(Quantity::Err),
            chisq: numbers(Quantity::Chisq),
            dumo: numbers(Quantity::Dumo),
        }
    }
}

struct Fitted {
    image: RateImage,
    segments: SegmentArrays,
}

impl std::ops::Deref for Fitted {
    type Target = RateImage;

    fn deref(&self) -> &RateImage {
        &self.image
    }
}

fn near(value: f32, expected: f64) {
    let error = (f64::from(value) - expected).abs();
    assert!(error <= 1e-6 * expected.abs(), "{value} is not {expected}");
}

#[test]
fn a_faint_ramp_has_uniform_weights() {
    // Deviations from the mean time of -10, 0, 10 s: slope (10 x 15 - 10 x 5) / 200.
    // S = 20 / sqrt(2^2 6^2 / 2 + 20) is 2.1: P = 0.
    let result = fit(&[([5.0, 11.0, 15.0], [0; 3])]);
    near(result.slope[[0, 0]], 0.5);
    // 36 DN^2 over two reads and 200 s^2; a median rate of (0.6 + 0.4) / 2 over 20 s.
    near(result.var_rnoise[[0, 0]], 36.0 / 400.0);
    near(result.var_poisson[[0, 0]], 0.5 / (2.0 * 20.0));
    near(result.err[[0, 0]], (0.09_f64 + 0.0125).sqrt());
    assert_eq!(result.dumo[[0, 0]], 0.0);
    // Deviations of 1 and -1 DN; noise 0.5 x 10 / 2 + 36 (1/2 + 1/2) = 38.5 DN^2.
    near(result.chisq[[0, 0]], 2.0 / 38.5);
    // At time 0 the line is 15/2 s before the first resultant: 31/3 - 0.5 (17.5).
    let segments = &result.segments;
    near(segments.yint[[0, 0, 0]], 31.0 / 3.0 - 0.5 * 17.5);
    near(segments.pedestal[[0, 0]], 5.0 - 0.5 * 7.5);
    near(segments.sigslope[[0, 0, 0]], 0.3);
    near(segments.weights[[0, 0, 0]], 1.0 / (0.1025 * 0.1025));
}

#[test]
fn a_bright_ramp_is_fitted_through_its_ends() {
    // S = 10000 / sqrt(72 + 10000), not quite 100: P = 6. Weights 1, 1/729, 1/729, 1 at -15, -5, 5, 15 s (times 2 reads).
    let result = fit(&[([0.0, 2000.0, 3000.0, 5000.0], [0; 4])]);
    let inner = 1.0 / 729.0;
    let slope = (15.0 * 5000.0 + inner * 5.0 * 1000.0) / (450.0 + inner * 50.0);
    let uniform = (15.0 * 5000.0 + 5.0 * 1000.0) / 500.0;
    near(result.slope[[0, 0]], slope);
    assert!((f64::from(result.dumo[[0, 0]]) - (uniform - slope)).abs() < 1e-5);
}

#[test]
fn segments_are_weighted_with_their_variances() {
    // 1 DN/s over two samples, 2 DN/s over three after a jump. Rates 1, 2 and 2: median 2.
    let samples = [0.0, 10.0, 500.0, 520.0, 540.0];
    let result = fit(&[(samples, [0, 0, JUMP, 0, 0])]);
    let (poisson_2, poisson_3) = (2.0 / 20.0, 2.0 / 40.0);
    let (rnoise_2, rnoise_3) = (36.0 / 100.0, 36.0 / 400.0);
    let (w_2, w_3) = (1.0 / (poisson_2 + rnoise_2), 1.0 / (poisson_3 + rnoise_3));
    near(result.slope[[0, 0]], (w_2 + 2.0 * w_3) / (w_2 + w_3));
    near(
        result.var_poisson[[0, 0]],
        1.0 / (1.0 / poisson_2 + 1.0 / poisson_3),
    );
    near(
        result.var_rnoise[[0, 0]],
        1.0 / (1.0 / rnoise_2 + 1.0 / rnoise_3),
    );
    assert_eq!(result.dq[[0, 0]], u32::from(JUMP));
    let segments = &result.segments;
    near(segments.slope[[0, 0, 0]], 1.0);
    near(segments.slope[[1, 0, 0]], 2.0);
    near(segments.crmag[[0, 0, 0]], 490.0);
}

#[test]
fn a_single_usable_sample_is_divided_by_the_group_time() {
    let (bad, full) = (group::DO_NOT_USE, group::SATURATED);
    let result = fit(&[
        ([40.0, 900.0, 900.0], [0, full, full]),
        // Single samples only, of which the first usable one counts.
        ([40.0, 60.0, 900.0], [bad, 0, JUMP]),
        // A single sample and a pair: the pair.
        ([40.0, 60.0, 80.0], [0, JUMP, 0]),
    ]);
    near(result.slope[[0, 0]], 4.0);
    near(result.var_poisson[[0, 0]], 4.0 / 20.0);
    near(result.var_rnoise[[0, 0]], 36.0 / 100.0);
    assert_eq!(result.dq[[0, 0]], u32::from(full));
    near(result.slope[[0, 1]], 6.0);
    near(result.var_poisson[[0, 1]], 6.0 / 20.0);
    assert_eq!(result.dq[[0, 1]], u32::from(JUMP));
    near(result.slope[[0, 2]], 2.0);
}

#[test]
fn a_single_usable_sample_tells_no_rate_where_two_are_asked_for() {
    let full = group::SATURATED;
    let mut ramp = Ramp::of_pixels(&[
        [40.0, 900.0, 900.0],
        [40.0, 60.0, 900.0],
        [40.0, 60.0, 80.0],
        [40.0, 70.0, 900.0],
    ]);
    for (place, flags) in [
        ([1, 0, 0], full),
        ([2, 0, 0], full),
        ([0, 0, 1], group::DO_NOT_USE),
        ([2, 0, 1], JUMP),
        ([1, 0, 2], JUMP),
        ([2, 0, 3], full),
    ] {
        ramp.groupdq[place] |= flags;
    }
    let plane = Array2::from_elem((1, 4), 2.0);
    let pattern = ReadPattern::evenly_spaced(3, 10.0, 1, None).unwrap();
    let fit = RampFit::new(plane.view().into(), plane.view().into(), &pattern).of_two_samples();
    let mut band = RampBand::of_image(
        BandArray::Shared(ramp.data.view()),
        BandArray::Shared(ramp.groupdq.view()),
        BandArray::Shared(ramp.pixeldq.view()),
    );
    let mut image = Image::zeros(&RATE_IMAGE, (1, 4));
    Execution::uninterrupted(|execution| {
        fit_ramps(&fit, &mut band, &mut image.planes(), false, execution)
    })
    .unwrap();
    let slope = image.numbers(Quantity::Slope);
    let dq = image.flags(Quantity::Dq);
    for (col, rate, flags) in [
        (0, 0.0, u32::from(full) | pixel::DO_NOT_USE),
        (1, 0.0, u32::from(JUMP) | pixel::DO_NOT_USE),
        (2, 2.0, u32::from(JUMP)),
        (3, 3.0, u32::from(full)),
    ] {
        near(slope[[0, col]], rate);
        assert_eq!(dq[[0, col]], flags);
    }
}

#[test]
fn pixels_that_cannot_be_fitted_are_zero() {
    let none = pixel::DO_NOT_USE | pixel::NO_GAIN_VALUE;
    let full = group::SATURATED;
    let result = fit(&[([40.0, 50.0], [full; 2])]);
    assert_eq!(result.slope[[0, 0]], 0.0);
    assert_eq!(result.dq[[0, 0]], u32::from(full) | pixel::DO_NOT_USE);
    for (gain, read_noise, dq) in [
        (f32::NAN, 6.0, none),
        (0.0, 6.0, none),
        (-2.0, 6.0, none),
        (2.0, f32::NAN, pixel::DO_NOT_USE),
    ] {
        let result = fit_with(&[([40.0, 50.0], [0; 2])], gain, read_noise);
        assert_eq!(result.slope[[0, 0]], 0.0);
        assert_eq!(result.err[[0, 0]], 0.0);
        assert_eq!(result.dq[[0, 0]], dq);
    }
}

#[test]
fn a_transient_of_the_first_sample_is_no_outlier_of_the_pixel() {
    let result = fit(&[
        (
            [20.0, 40.0, 60.0],
            [group::WFI18_TRANSIENT | group::DO_NOT_USE, 0, 0],
        ),
        (
            [20.0, 40.0, 60.0],
            [group::WFI18_TRANSIENT, 0, group::AD_FLOOR],
        ),
    ]);
    assert_eq!(result.dq[[0, 0]], 0);
    assert_eq!(result.dq[[0, 1]], u32::from(group::AD_FLOOR));
}

#[test]
fn a_ramp_without_any_noise_has_the_slope_of_its_segments() {
    // No read noise and no signal: the variances are 0, and the weights would be infinite.
    let result = fit_with(&[([7.0, 7.0, 9.0, 9.0], [0, 0, JUMP, 0])], 2.0, 0.0);
    assert_eq!(result.slope[[0, 0]], 0.0);
    assert_eq!(result.err[[0, 0]], 0.0);
    assert_eq!(result.dq[[0, 0]], u32::from(JUMP));
}

#[test]
fn regular_pixels_get_the_same_bits_one_by_one() {
    let reads = [
        vec![1],
        vec![2, 3],
        vec![5],
        vec![6, 7, 8],
        vec![9],
        vec![11],
    ];
    let pattern = ReadPattern::from_reads(&reads, 3.0).unwrap();
    // Two blocks, of which the second is cut short; rates from below zero to the highest S.
    let n_cols = LANES + 21;
    let data = Array3::from_shape_fn((6, 1, n_cols), |(g, _, c)| {
        let wiggle = ((c * 7 + g * 13) % 11) as f32;
        wiggle + 0.2 * (c as f32 - 5.0) * (c as f32) * pattern.times()[g] as f32
    });
    let gain = Array2::from_shape_fn((1, n_cols), |(_, c)| 1.0 + c as f32 / 50.0);
    let read_noise = Array2::from_shape_fn((1, n_cols), |(_, c)| (c % 9) as f32);
    let (groupdq, pixeldq) = (Array3::zeros(data.dim()), Array2::zeros((1, n_cols)));
    let mut ramp = RampBand::of_image(
        BandArray::Shared(data.view()),
        BandArray::Shared(groupdq.view()),
        BandArray::Shared(pixeldq.view()),
    );
    let fit = RampFit::new(gain.view().into(), read_noise.view().into(), &pattern);
    let mut image = Image::zeros(&RATE_IMAGE, (1, n_cols));
    Execution::uninterrupted(|execution| {
        fit_ramps(&fit, &mut ramp, &mut image.planes(), false, execution)
    })
    .unwrap();
    let result = RateImage::of(&image);
    let mut pixel = Pixel::new(6);
    let mut powers = std::collections::BTreeSet::new();
    for c in 0..n_cols {
        let detector = Detector {
            gain: gain[[0, c]],
            read_noise: read_noise[[0, c]],
        };
        pixel.take(&rows(data.view(), 0), &rows(groupdq.view(), 0), c);
        let expected = fit.fit_pixel(&mut pixel, detector).unwrap();
        powers.insert(pixel.segments[0].power);
        let at = [0, c];
        let bits = |value: f32| value.to_bits();
        assert_eq!(result.slope[at].to_bits(), bits(expected.slope));
        assert_eq!(result.var_poisson[at].to_bits(), bits(expected.var_poisson));
        assert_eq!(result.var_rnoise[at].to_bits(), bits(expected.var_rnoise));
        assert_eq!(result.chisq[at].to_bits(), bits(expected.chisq));
        let dumo = expected.uniform_slope - expected.slope;
        assert_eq!(result.dumo[at].to_bits(), bits(dumo));
        let err = (expected.var_poisson + expected.var_rnoise).sqrt();
        assert_eq!(result.err[at].to_bits(), bits(err));
    }
    assert_eq!(powers.len(), 6);
}
