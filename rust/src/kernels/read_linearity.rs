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
//! Source: romancal 1.1.0, with the corrections that `docs/explanation/deviations.md` tells.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::band::{BandKernel, Changes, Found, RampBand};
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
    /// How many samples of each pixel were cut, of the rows in which any was. (Bands see the pixels of
    /// their halo too, so that to add up the numbers of bands would count some twice.)
    n_cut: Mutex<BTreeMap<usize, Vec<u32>>>,
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
            n_cut: Mutex::default(),
        }
    }

    /// Keeps how many samples were cut of the pixels of a row, from column `first_col` on.
    fn note(&self, row: usize, first_col: usize, n_cut: &[u32]) {
        if n_cut.iter().all(|&n| n == 0) {
            return;
        }
        let mut rows = self.n_cut.lock().unwrap_or_else(PoisonError::into_inner);
        let known = rows.entry(row).or_default();
        known.resize(known.len().max(first_col + n_cut.len()), 0);
        for (known, &n) in known[first_col..].iter_mut().zip(n_cut) {
            // At the edge of a halo flags may be missing: the order of bands must not matter.
            *known = (*known).max(n);
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
        let mut n_cut = vec![0; pixeldq.ncols()];
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
                &mut n_cut,
            );
            self.note(place.first_row + r, place.cols.start, &n_cut);
        }
    }

    /// `n_cut`: how many samples were beyond 1e6 DN, and cut.
    fn found(&self) -> Vec<(&'static str, Found)> {
        let rows = self.n_cut.lock().unwrap_or_else(PoisonError::into_inner);
        let n_cut: u64 = rows.values().flatten().copied().map(u64::from).sum();
        vec![("n_cut", Found::Number(n_cut as f64))]
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
    /// Corrects a row of samples, and flags them and their pixels. `n_cut` becomes how many of each pixel
    /// were cut.
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
        n_cut: &mut [u32],
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
            let mut n_cut_here = Lanes::all(0);
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
                    n_cut_here[lane] += u32::from(after[lane].abs() > LIMIT);
                    let cut = if after[lane] > LIMIT { LIMIT } else { after[lane] };
                    after[lane] = if cut < -LIMIT { -LIMIT } else { cut };
                }
                store(&after, data, &cols);
                store(&flags, groupdq, &cols);
            }
            store(&n_cut_here, n_cut, &cols);
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
mod tests;
