//! Dark current: what a pixel collects without light is subtracted, resultant by resultant.
//!
//! A dark sample that is NaN counts as 0. Source: the manual's section 8.1.3.

use ndarray::{ArrayView2, ArrayView3};

use crate::band::{BandKernel, RampBand};
use crate::error::{KernelError, check_array};
use crate::lanes::{row, row_mut, vectorised};

/// Subtracts the dark.
///
/// # Shapes
/// `dark` [DN]: (n_resultants, n_rows, n_cols); `ref_dq`: (n_rows, n_cols) of the image.
pub struct Dark<'a> {
    pub dark: ArrayView3<'a, f32>,
    pub ref_dq: ArrayView2<'a, u32>,
}

impl BandKernel for Dark<'_> {
    fn check(
        &self,
        (n_resultants, n_rows, n_cols): (usize, usize, usize),
    ) -> Result<(), KernelError> {
        check_array("dark", &[n_resultants, n_rows, n_cols], &self.dark)?;
        check_array("ref_dq", &[n_rows, n_cols], &self.ref_dq)
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        let (_, n_rows, n_cols) = band.shape();
        let cols = 0..n_cols;
        let mut data = band.data.view_mut();
        let mut pixeldq = band.pixeldq.view_mut();
        for r in 0..n_rows {
            let image_row = band.first_row + r;
            for (mut samples, dark) in data.outer_iter_mut().zip(self.dark.outer_iter()) {
                let samples = row_mut(samples.view_mut(), r, &cols);
                subtract(samples, row(dark, image_row, &cols));
            }
            let pixels = row_mut(pixeldq.view_mut(), r, &cols);
            for (flags, reference) in pixels.iter_mut().zip(row(self.ref_dq, image_row, &cols)) {
                *flags |= reference;
            }
        }
    }
}

vectorised! {
    fn subtract(samples: &mut [f32], dark: &[f32]) {
        for (sample, &dark) in samples.iter_mut().zip(dark) {
            *sample -= if dark.is_nan() { 0.0 } else { dark };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::Ramp;
    use ndarray::{Array3, arr2};

    #[test]
    fn dark_is_subtracted_and_nan_is_no_dark() {
        let mut ramp = Ramp::of_pixels(&[[10.0, 20.0], [30.0, 40.0]]);
        ramp.pixeldq[[0, 1]] = 1;
        let dark = Array3::from_shape_vec((2, 1, 2), vec![1.0, 2.5, 3.0, f32::NAN]).unwrap();
        ramp.run(&Dark {
            dark: dark.view(),
            ref_dq: arr2(&[[0, 2048]]).view(),
        });
        assert_eq!(
            ramp.data.into_raw_vec_and_offset().0,
            [9.0, 27.5, 17.0, 40.0]
        );
        assert_eq!(ramp.pixeldq, arr2(&[[0, 2049]]));
    }
}
