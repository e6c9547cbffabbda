//! Linearity: corrected counts are a polynomial of the observed ones.
//!
//! `F_c = c_0 + c_1 F + c_2 F^2 + ...`, per pixel, by Horner's scheme in f32 for every resultant
//! that is not SATURATED. A pixel is left alone, and flagged NO_LIN_CORR, if a coefficient is NaN,
//! its linear term is 0, or its reference says NO_LIN_CORR.
//!
//! Source: the manual's section 8.1.7.

use ndarray::{ArrayView2, ArrayView3};

use crate::band::{BandKernel, RampBand};
use crate::dq::{group, pixel};
use crate::error::{KernelError, check_array, shape_text};
use crate::lanes::{LANES, blocks, row, row_mut, vectorised};

/// Corrects the samples for the detector's nonlinearity.
///
/// # Shapes
/// `coeffs` [DN^(1-k)]: (n_coeffs, n_rows, n_cols); `ref_dq`: (n_rows, n_cols) of the image.
pub struct Linearity<'a> {
    pub coeffs: ArrayView3<'a, f32>,
    pub ref_dq: ArrayView2<'a, u32>,
}

impl BandKernel for Linearity<'_> {
    fn check(&self, (_, n_rows, n_cols): (usize, usize, usize)) -> Result<(), KernelError> {
        let n_coeffs = self.coeffs.dim().0;
        if n_coeffs < 2 {
            return Err(KernelError::Shape {
                argument: "coeffs",
                expected: "(n_coeffs, n_rows, n_cols) with at least 2 coefficients".into(),
                received: shape_text(self.coeffs.shape()),
            });
        }
        check_array("coeffs", &[n_coeffs, n_rows, n_cols], &self.coeffs)?;
        check_array("ref_dq", &[n_rows, n_cols], &self.ref_dq)
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        let (_, n_rows, n_cols) = band.shape();
        let first_row = band.first_row;
        let groupdq = band.groupdq.view();
        let mut data = band.data.view_mut();
        let mut pixeldq = band.pixeldq.view_mut();
        let mut coeffs = vec![[0.0; LANES]; self.coeffs.dim().0];
        for r in 0..n_rows {
            for cols in blocks(n_cols) {
                for (lanes, term) in coeffs.iter_mut().zip(self.coeffs.outer_iter()) {
                    lanes[..cols.len()].copy_from_slice(row(term, first_row + r, &cols));
                }
                let ref_dq = row(self.ref_dq, first_row + r, &cols);
                let pixels = row_mut(pixeldq.view_mut(), r, &cols);
                let left_alone = flag_uncorrected(&coeffs, ref_dq, pixels);
                for (mut samples, flags) in data.outer_iter_mut().zip(groupdq.outer_iter()) {
                    let samples = row_mut(samples.view_mut(), r, &cols);
                    correct(samples, row(flags, r, &cols), &coeffs, &left_alone);
                }
            }
        }
    }
}

vectorised! {
    /// Flags the pixels of a block, and tells which cannot be corrected.
    fn flag_uncorrected(
        coeffs: &[[f32; LANES]],
        ref_dq: &[u32],
        pixeldq: &mut [u32],
    ) -> [bool; LANES] {
        let mut left_alone = [false; LANES];
        for term in coeffs {
            for lane in 0..LANES {
                left_alone[lane] |= term[lane].is_nan();
            }
        }
        for (lane, (flags, reference)) in pixeldq.iter_mut().zip(ref_dq).enumerate() {
            left_alone[lane] |=
                (coeffs[1][lane] == 0.0) | (reference & pixel::NO_LIN_CORR != 0);
            *flags |= reference | if left_alone[lane] { pixel::NO_LIN_CORR } else { 0 };
        }
        left_alone
    }
}

vectorised! {
    /// Corrects the samples of a block, but those that are saturated or `left_alone`.
    fn correct(
        samples: &mut [f32],
        flags: &[u8],
        coeffs: &[[f32; LANES]],
        left_alone: &[bool; LANES],
    ) {
        let (mut before, mut saturated) = ([0.0; LANES], [0; LANES]);
        before[..samples.len()].copy_from_slice(samples);
        saturated[..flags.len()].copy_from_slice(flags);
        // Horner's scheme, from the highest power down.
        let (highest, lower) = coeffs.split_last().expect("there are two coefficients or more");
        let mut corrected = *highest;
        for term in lower.iter().rev() {
            for lane in 0..LANES {
                corrected[lane] = corrected[lane] * before[lane] + term[lane];
            }
        }
        for lane in 0..LANES {
            let keep = left_alone[lane] | (saturated[lane] & group::SATURATED != 0);
            corrected[lane] = if keep { before[lane] } else { corrected[lane] };
        }
        samples.copy_from_slice(&corrected[..samples.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::Ramp;
    use ndarray::{Array3, Axis, arr2};

    #[test]
    fn the_polynomial_is_applied_unless_saturated_or_unknown() {
        let mut ramp = Ramp::of_pixels(&[[10.0, 20.0]; 4]);
        ramp.groupdq[[1, 0, 0]] = group::SATURATED;
        ramp.groupdq[[0, 0, 0]] = group::DO_NOT_USE;
        // 1 + 2 F + 0.5 F^2: 71 at 10 DN. Then a NaN term, no linear term, NO_LIN_CORR.
        let mut coeffs = Array3::zeros((3, 1, 4));
        for (k, value) in [1.0, 2.0, 0.5].into_iter().enumerate() {
            coeffs.index_axis_mut(Axis(0), k).fill(value);
        }
        coeffs[[2, 0, 1]] = f32::NAN;
        coeffs[[1, 0, 2]] = 0.0;
        ramp.run(&Linearity {
            coeffs: coeffs.view(),
            ref_dq: arr2(&[[8, 0, 0, pixel::NO_LIN_CORR]]).view(),
        });
        assert_eq!(ramp.data[[0, 0, 0]], 71.0);
        assert_eq!(ramp.data[[1, 0, 0]], 20.0);
        for c in 1..4 {
            assert_eq!(ramp.data[[0, 0, c]], 10.0);
            assert_eq!(ramp.pixeldq[[0, c]], pixel::NO_LIN_CORR);
        }
        assert_eq!(ramp.pixeldq[[0, 0]], 8);
    }
}
