//! Linearity: corrected counts are a polynomial of the observed ones.
//!
//! `F_c = c_0 + c_1 F + c_2 F^2 + ...`, per pixel, by Horner's scheme in f32 for every resultant
//! that is not SATURATED. A pixel is left alone, and flagged NO_LIN_CORR, if a coefficient is NaN,
//! its linear term is 0, or its reference says NO_LIN_CORR.
//!
//! Source: the manual's section 8.1.7.

use crate::band::{BandKernel, Changes, RampBand};
use crate::dq::{group, pixel};
use crate::error::{KernelError, shape_text};
use crate::lanes::{
    LANES, Lanes, VECTOR, add_flags, blocks, load, row_mut, rows, rows_mut, select, store,
    vectorised,
};
use crate::reference::{Cube, Plane, Row};

/// Corrects the samples for the detector's nonlinearity.
///
/// # Shapes
/// `coeffs` [DN^(1-k)]: (n_coeffs, n_rows, n_cols); `ref_dq`: (n_rows, n_cols) of the image.
pub struct Linearity<'a> {
    /// Coefficients of the polynomials [DN^(1-k)].
    pub coeffs: Cube<'a, f32>,
    /// Flags of the reference, which are added to those of the pixels.
    pub ref_dq: Plane<'a, u32>,
}

impl BandKernel for Linearity<'_> {
    fn name(&self) -> &'static str {
        "linearity"
    }

    fn changes(&self) -> Changes {
        Changes::DATA_AND_PIXELDQ
    }

    fn check(&self, (_, n_rows, n_cols): (usize, usize, usize)) -> Result<(), KernelError> {
        let n_coeffs = self.coeffs.shape()[0];
        if n_coeffs < 2 {
            return Err(KernelError::Shape {
                argument: "coeffs",
                expected: "(n_coeffs, n_rows, n_cols) with at least 2 coefficients".into(),
                received: shape_text(&self.coeffs.shape()),
            });
        }
        self.coeffs.check("coeffs", (n_coeffs, n_rows, n_cols))?;
        self.ref_dq.check("ref_dq", (n_rows, n_cols))
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        let place = &band.place;
        let groupdq = band.groupdq.view();
        let mut data = band.data.view_mut();
        let mut pixeldq = band.pixeldq.view_mut();
        let mut terms = vec![Lanes::all(0.0); self.coeffs.shape()[0]];
        for r in 0..pixeldq.nrows() {
            correct_row(
                &mut rows_mut(&mut data, r),
                &rows(groupdq, r),
                row_mut(pixeldq.view_mut(), r),
                &self.coeffs.rows(place, r),
                self.ref_dq.row(place, r),
                &mut terms,
            );
        }
    }
}

vectorised! {
    /// Corrects a row of samples, and flags its pixels. `terms`: memory for a block of coefficients.
    fn correct_row(
        data: &mut [&mut [f32]],
        groupdq: &[&[u8]],
        pixeldq: &mut [u32],
        coeffs: &[Row<'_, f32>],
        ref_dq: Row<'_, u32>,
        terms: &mut [Lanes],
    ) {
        for cols in blocks(pixeldq.len()) {
            let mut left_alone = Lanes::all(0);
            for (term, coeffs) in terms.iter_mut().zip(coeffs) {
                *term = coeffs.block(&cols);
                for lane in 0..LANES {
                    left_alone[lane] |= u32::from(term[lane].is_nan());
                }
            }
            let mut flags = ref_dq.block(&cols);
            for lane in 0..LANES {
                left_alone[lane] |= u32::from(terms[1][lane] == 0.0)
                    | u32::from(flags[lane] & pixel::NO_LIN_CORR != 0);
                flags[lane] |= if left_alone[lane] != 0 { pixel::NO_LIN_CORR } else { 0 };
            }
            add_flags(&flags, pixeldq, &cols);
            // Horner's scheme, from the highest power down.
            let (highest, lower) = terms.split_last().expect("there are two coefficients or more");
            for (samples, groupdq) in data.iter_mut().zip(groupdq) {
                let before = load(samples, &cols);
                let mut corrected = *highest;
                for (v, corrected) in corrected.vectors_mut().iter_mut().enumerate() {
                    let (before, mut sum) = (before.vectors()[v], *corrected);
                    for term in lower.iter().rev() {
                        let term = &term.vectors()[v];
                        for lane in 0..VECTOR {
                            sum[lane] = sum[lane] * before[lane] + term[lane];
                        }
                    }
                    *corrected = sum;
                }
                let flags = load(groupdq, &cols);
                let mut keep = left_alone;
                for lane in 0..LANES {
                    keep[lane] |= u32::from(flags[lane] & group::SATURATED);
                }
                store(&select(&keep, &before, &corrected), samples, &cols);
            }
        }
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
            coeffs: coeffs.view().into(),
            ref_dq: arr2(&[[8, 0, 0, pixel::NO_LIN_CORR]]).view().into(),
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
