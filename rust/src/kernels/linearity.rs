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
use crate::lanes::{LANES, blocks, row, row_mut};

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
        for r in 0..n_rows {
            for cols in blocks(n_cols) {
                let coeffs: Vec<&[f32]> = self
                    .coeffs
                    .outer_iter()
                    .map(|term| row(term, first_row + r, &cols))
                    .collect();
                let ref_dq = row(self.ref_dq, first_row + r, &cols);
                let mut left_alone = [false; LANES];
                let pixels = row_mut(pixeldq.view_mut(), r, &cols);
                for (lane, flags) in pixels.iter_mut().enumerate() {
                    left_alone[lane] = coeffs.iter().any(|term| term[lane].is_nan())
                        || coeffs[1][lane] == 0.0
                        || ref_dq[lane] & pixel::NO_LIN_CORR != 0;
                    *flags |= ref_dq[lane]
                        | if left_alone[lane] {
                            pixel::NO_LIN_CORR
                        } else {
                            0
                        };
                }
                for (mut samples, flags) in data.outer_iter_mut().zip(groupdq.outer_iter()) {
                    let samples = row_mut(samples.view_mut(), r, &cols);
                    correct(samples, row(flags, r, &cols), &coeffs, &left_alone);
                }
            }
        }
    }
}

/// Corrects the samples of a block, but those that are saturated or `left_alone`.
fn correct(samples: &mut [f32], flags: &[u8], coeffs: &[&[f32]], left_alone: &[bool; LANES]) {
    let mut corrected = [0.0; LANES];
    for (rank, term) in coeffs.iter().rev().enumerate() {
        for ((value, sample), coefficient) in corrected.iter_mut().zip(&*samples).zip(*term) {
            *value = if rank == 0 {
                *coefficient
            } else {
                *value * sample + coefficient
            };
        }
    }
    for (lane, (sample, flags)) in samples.iter_mut().zip(flags).enumerate() {
        let keep = left_alone[lane] || flags & group::SATURATED != 0;
        *sample = if keep { *sample } else { corrected[lane] };
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
