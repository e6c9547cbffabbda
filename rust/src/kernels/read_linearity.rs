//! Linearity, read by read: a resultant averages reads that the detector's nonlinearity bends each by
//! itself, so that the polynomial of the mean is not the mean of the polynomials.
//!
//! The reads of a resultant are not known, but how they lie about their mean is, from the rate of the
//! pixel. With the polynomials L (from measured to linear counts) and I (its inverse), the time t of a
//! read, counted in reads, and the samples `d` of a pixel:
//!
//! - the linear counts follow a line (see [`super::read_curve`]), so that the reads would be measured
//!   as `u_k = I(F + rate (t_k - t_F))`; moved so that their mean is the sample, these are
//!   `v_k = u_k + d - mean(u)`;
//! - each with the integral nonlinearity of its channel's converter (see [`super::inl`]);
//! - `d' = mean(L(v_k))`.
//!
//! A pixel is left as it is by L, or by I, and flagged NO_LIN_CORR, if a coefficient of it is NaN or its
//! linear term is 0; by both if the reference says NO_LIN_CORR. Samples that are SATURATED stay what
//! they are. Beyond 1e6 DN a sample is cut and flagged DO_NOT_USE, and so is one that is NaN.
//!
//! Source: romancal 1.1.0, with the corrections that `docs/deviations.md` tells.

use crate::band::{BandKernel, Changes, RampBand};
use crate::cadence::ReadPattern;
use crate::dq::{group, pixel};
use crate::error::{KernelError, shape_text};
use crate::kernels::inl::IntegralNonlinearity;
use crate::kernels::read_curve::{Line, Reads};
use crate::lanes::{
    LANES, Lanes, add_flags, blocks, load, row_mut, rows_mut, select, store, vectorised,
};
use crate::reference::{Cube, Plane, Row};

/// Columns whose reads are worked on together.
const PART: usize = 32;

/// What a sample is cut to, either way [DN].
const LIMIT: f32 = 1e6;

/// Corrects the samples for the detector's nonlinearity, read by read.
pub struct ReadLinearity<'a> {
    coeffs: Cube<'a, f32>,
    ref_dq: Plane<'a, u32>,
    inverse: Option<(Cube<'a, f32>, &'a ReadPattern)>,
    inl: Option<&'a IntegralNonlinearity>,
    /// Of each resultant; without an inverse one for all.
    reads: Vec<Reads>,
}

impl<'a> ReadLinearity<'a> {
    /// From the coefficients of L [DN^(1-k)], (n_coeffs, n_rows, n_cols) of the image, the flags of the
    /// reference, (n_rows, n_cols), and the coefficients of I, as many as it needs, with the reads of the
    /// resultants. Without an inverse each resultant is corrected as if it were one read.
    pub fn new(
        coeffs: Cube<'a, f32>,
        ref_dq: Plane<'a, u32>,
        inverse: Option<(Cube<'a, f32>, &'a ReadPattern)>,
        inl: Option<&'a IntegralNonlinearity>,
    ) -> Self {
        let reads = inverse.map_or_else(
            || vec![Reads::of(&[0.0], 0)],
            |(coeffs, read_pattern)| {
                let times = read_pattern.read_times().unwrap_or_default();
                let n_coeffs = coeffs.shape()[0];
                times
                    .iter()
                    .map(|times| Reads::of(times, n_coeffs))
                    .collect()
            },
        );
        Self {
            coeffs,
            ref_dq,
            inverse,
            inl,
            reads,
        }
    }
}

impl BandKernel for ReadLinearity<'_> {
    fn name(&self) -> &'static str {
        "linearity"
    }

    fn changes(&self) -> Changes {
        Changes {
            data: true,
            groupdq: true,
            pixeldq: true,
        }
    }

    fn check(&self, shape: (usize, usize, usize)) -> Result<(), KernelError> {
        let (n_resultants, n_rows, n_cols) = shape;
        check_coeffs("coeffs", self.coeffs, (n_rows, n_cols))?;
        self.ref_dq.check("ref_dq", (n_rows, n_cols))?;
        if let Some((coeffs, read_pattern)) = self.inverse {
            check_coeffs("inverse_coeffs", coeffs, (n_rows, n_cols))?;
            read_pattern.check(n_resultants)?;
            if self.reads.is_empty() {
                let expected = "one with a frame_time, as resultants have several reads";
                return Err(KernelError::value("read_pattern", expected, "none"));
            }
        }
        self.inl.map_or(Ok(()), |inl| inl.check(n_cols))
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        let place = &band.place;
        let mut data = band.data.view_mut();
        let mut groupdq = band.groupdq.view_mut();
        let mut pixeldq = band.pixeldq.view_mut();
        let inverse = self.inverse.map(|(coeffs, _)| coeffs);
        let most_reads = self.reads.iter().map(|reads| reads.weights.len()).max();
        let mut block = Block {
            terms: vec![Lanes::all(0.0); self.coeffs.shape()[0]],
            curve: vec![Lanes::all(0.0); inverse.map_or(0, |coeffs| coeffs.shape()[0])],
            samples: vec![Lanes::all(0.0); most_reads.unwrap_or_default()],
        };
        for r in 0..pixeldq.nrows() {
            correct_row(
                &mut rows_mut(&mut data, r),
                &mut rows_mut(&mut groupdq, r),
                row_mut(pixeldq.view_mut(), r),
                &self.coeffs.rows(place, r),
                &inverse.map_or_else(Vec::new, |coeffs| coeffs.rows(place, r)),
                self.ref_dq.row(place, r),
                self.inl.map(|inl| (inl, place.cols.start)),
                &self.reads,
                &mut block,
            );
        }
    }
}

fn check_coeffs(
    argument: &'static str,
    coeffs: Cube<'_, f32>,
    (n_rows, n_cols): (usize, usize),
) -> Result<(), KernelError> {
    let n_coeffs = coeffs.shape()[0];
    if n_coeffs < 2 {
        return Err(KernelError::Shape {
            argument,
            expected: "(n_coeffs, n_rows, n_cols) with at least 2 coefficients".into(),
            received: shape_text(&coeffs.shape()),
        });
    }
    coeffs.check(argument, (n_coeffs, n_rows, n_cols))
}

/// What is known of a block of columns.
struct Block {
    /// Coefficients of L.
    terms: Vec<Lanes<f64>>,
    /// Coefficients of I, and then those of the reads as a polynomial of time.
    curve: Vec<Lanes<f64>>,
    /// Memory for the reads of a resultant.
    samples: Vec<Lanes<f64>>,
}

vectorised! {
    /// Corrects a row of samples, and flags them and their pixels.
    #[expect(clippy::too_many_arguments, reason = "a row of the ramp and of each reference")]
    fn correct_row(
        data: &mut [&mut [f32]],
        groupdq: &mut [&mut [u8]],
        pixeldq: &mut [u32],
        coeffs: &[Row<'_, f32>],
        inverse: &[Row<'_, f32>],
        ref_dq: Row<'_, u32>,
        inl: Option<(&IntegralNonlinearity, usize)>,
        reads: &[Reads],
        block: &mut Block,
    ) {
        let Block { terms, curve, samples } = block;
        for cols in blocks(pixeldq.len()) {
            let mut flags = ref_dq.block(&cols);
            let mut is_flagged = Lanes::all(0);
            for lane in 0..LANES {
                is_flagged[lane] = u32::from(flags[lane] & pixel::NO_LIN_CORR != 0);
            }
            let replaced = load_terms(coeffs, terms, &is_flagged, &cols);
            let mut uncorrected = replaced;
            let mut unknown = Lanes::all(0.0);
            if !inverse.is_empty() {
                let replaced = load_terms(inverse, curve, &is_flagged, &cols);
                for lane in 0..LANES {
                    uncorrected[lane] |= replaced[lane];
                }
                let line = Line::of_samples(data, groupdq, terms, reads, &cols);
                unknown = line.expand(curve);
            }
            for lane in 0..LANES {
                flags[lane] |= if uncorrected[lane] != 0 { pixel::NO_LIN_CORR } else { 0 };
            }
            add_flags(&flags, pixeldq, &cols);

            let mut first_lines = Lanes::all(0);
            if let Some((inl, first_col)) = inl {
                for lane in 0..cols.len() {
                    first_lines[lane] = inl.first_line(first_col + cols.start + lane);
                }
            }
            for (g, (data, groupdq)) in data.iter_mut().zip(groupdq.iter_mut()).enumerate() {
                let reads = reads.get(g).unwrap_or(&reads[0]);
                let before = load(data, &cols);
                let mut flags = load(groupdq, &cols);
                let mut middle = Lanes::all(0.0);
                for lane in 0..LANES {
                    middle[lane] = f64::from(before[lane]) + unknown[lane];
                }
                let inl = inl.map(|(inl, _)| (inl, &first_lines));
                let curve = curve.get(1..).unwrap_or_default();
                let mean = mean_of_reads(&middle, reads, curve, terms, inl, samples);
                let mut corrected = Lanes::all(0.0);
                for lane in 0..LANES {
                    corrected[lane] = mean[lane] as f32;
                }
                let mut is_saturated = Lanes::all(0);
                for lane in 0..LANES {
                    is_saturated[lane] = u32::from(flags[lane] & group::SATURATED);
                }
                let mut after = select(&is_saturated, &before, &corrected);
                for lane in 0..LANES {
                    let is_good = after[lane].abs() <= LIMIT;
                    flags[lane] |= if is_good { 0 } else { group::DO_NOT_USE };
                    let cut = if after[lane] > LIMIT { LIMIT } else { after[lane] };
                    after[lane] = if cut < -LIMIT { -LIMIT } else { cut };
                }
                store(&after, data, &cols);
                store(&flags, groupdq, &cols);
            }
        }
    }
}

/// Loads the coefficients of a polynomial, and tells which lanes it leaves as they are: those that are
/// flagged, of which a coefficient is NaN, or without a linear term.
#[inline(always)]
fn load_terms(
    coeffs: &[Row<'_, f32>],
    terms: &mut [Lanes<f64>],
    is_flagged: &Lanes<u32>,
    cols: &std::ops::Range<usize>,
) -> Lanes<u32> {
    let mut replaced = *is_flagged;
    for (k, (term, coeffs)) in terms.iter_mut().zip(coeffs).enumerate() {
        let coeffs = coeffs.block(cols);
        for lane in 0..LANES {
            let is_absent = (k == 1) & (coeffs[lane] == 0.0);
            replaced[lane] |= u32::from(coeffs[lane].is_nan() | is_absent);
            term[lane] = f64::from(coeffs[lane]);
        }
    }
    for (k, term) in terms.iter_mut().enumerate() {
        let of_unity = if k == 1 { 1.0 } else { 0.0 };
        for lane in 0..LANES {
            term[lane] = if replaced[lane] != 0 {
                of_unity
            } else {
                term[lane]
            };
        }
    }
    replaced
}

/// The mean of the corrected reads of a resultant, which lie about `middle`. `memory` is for as many reads.
#[inline(always)]
fn mean_of_reads(
    middle: &Lanes<f64>,
    reads: &Reads,
    curve: &[Lanes<f64>],
    terms: &[Lanes<f64>],
    inl: Option<(&IntegralNonlinearity, &Lanes<u64>)>,
    memory: &mut [Lanes<f64>],
) -> Lanes<f64> {
    let samples = &mut memory[..reads.weights.len()];
    for (sample, weights) in samples.iter_mut().zip(&reads.weights) {
        // Of a single read all weights are 0.
        let weights = if reads.weights.len() > 1 {
            &weights[..]
        } else {
            &[]
        };
        for (part, sample) in parts_mut(sample).iter_mut().enumerate() {
            let mut sum = parts(middle)[part];
            for (weight, term) in weights.iter().zip(curve) {
                let term = &parts(term)[part];
                for lane in 0..PART {
                    sum[lane] += weight * term[lane];
                }
            }
            *sample = sum;
        }
    }
    if let Some((inl, first_lines)) = inl {
        inl.correct(samples, first_lines);
    }
    let (highest, lower) = terms
        .split_last()
        .expect("there are two coefficients or more");
    let mut mean = Lanes::all(0.0);
    for sample in samples {
        // Horner's scheme, from the highest power down.
        for (part, mean) in parts_mut(&mut mean).iter_mut().enumerate() {
            let (sample, mut sum) = (&parts(sample)[part], parts(highest)[part]);
            for term in lower.iter().rev() {
                let term = &parts(term)[part];
                for lane in 0..PART {
                    sum[lane] = sum[lane] * sample[lane] + term[lane];
                }
            }
            for lane in 0..PART {
                mean[lane] += sum[lane];
            }
        }
    }
    for lane in 0..LANES {
        mean[lane] *= reads.share;
    }
    mean
}

/// The parts of a block.
#[inline(always)]
fn parts<T>(lanes: &Lanes<T>) -> &[[T; PART]] {
    lanes.as_chunks().0
}

#[inline(always)]
fn parts_mut<T>(lanes: &mut Lanes<T>) -> &mut [[T; PART]] {
    lanes.as_chunks_mut().0
}

#[cfg(test)]
mod tests {
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
        // A first sample that is dead, or no number; a second one among three; all but one.
        let mut ramp = Ramp::of_pixels(&[
            [-500.0, 10.0, 30.0, 70.0],
            [f32::NAN, 10.0, 30.0, 70.0],
            [10.0, 900.0, 30.0, 70.0],
            [900.0, 10.0, 900.0, 900.0],
        ]);
        for (g, col) in [(0, 0), (1, 2), (0, 3), (2, 3), (3, 3)] {
            ramp.groupdq[[g, 0, col]] = group::DO_NOT_USE;
        }
        linearize(&mut ramp, &[0.0, 1.0]);
        // (39 - 11) / 2; over four reads; and 0.
        for (g, col, expected) in [(1, 0, 14.0), (1, 1, 14.0), (0, 2, 7.0), (1, 3, 0.0)] {
            assert!((rate(&ramp, g, col) - expected).abs() < 1e-3);
        }
        // They are corrected as the others are; NaN is flagged.
        assert_eq!(ramp.data[[0, 0, 0]], -500.0 + 2500.0 + 0.49);
        assert_eq!(ramp.flags(1), [group::DO_NOT_USE, 0, 0, 0]);
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
        ramp.run(&ReadLinearity::new(terms, no_flags, None, None));
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
            arr1(&[10, 20]),
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
}
