//! Dark current: what a pixel collects without light is subtracted, resultant by resultant.
//!
//! The reference holds either what has been collected by each resultant, or the rate, which is
//! multiplied with the resultant's mean time. A dark that is NaN counts as 0. A rate may as well be
//! subtracted from the rate image, as today's pipeline does: one that is not finite subtracts nothing
//! there, and the pixel is DO_NOT_USE and UNRELIABLE_DARK.
//!
//! Source: the manual's section 8.1.3; a rate is what today's DARK files hold.

use crate::band::{BandKernel, Changes, Place, RampBand};
use crate::dq::pixel;
use crate::error::KernelError;
use crate::lanes::{LANES, Lanes, add_flags, blocks, load, row_mut, rows_mut, store, vectorised};
use crate::planes::{ImageKernel, PlaneRows, Quantity};
use crate::reference::{Cube, Plane, Row};

/// Subtracts the dark.
///
/// # Shapes
/// `ref_dq`: (n_rows, n_cols) of the image.
pub struct Dark<'a> {
    /// What is subtracted.
    pub signal: DarkSignal<'a>,
    /// Flags of the reference, which are added to those of the pixels.
    pub ref_dq: Plane<'a, u32>,
}

/// What a pixel collects without light.
pub enum DarkSignal<'a> {
    /// In each resultant [DN], (n_resultants, n_rows, n_cols).
    Accumulated(Cube<'a, f32>),
    /// Per second [DN/s], (n_rows, n_cols), and the mean time of each resultant [s].
    Rate(Plane<'a, f32>, &'a [f64]),
}

impl BandKernel for Dark<'_> {
    fn name(&self) -> &'static str {
        "dark"
    }

    fn changes(&self) -> Changes {
        Changes::DATA_AND_PIXELDQ
    }

    fn check(&self, shape: (usize, usize, usize)) -> Result<(), KernelError> {
        let (n_resultants, n_rows, n_cols) = shape;
        match &self.signal {
            DarkSignal::Accumulated(dark) => dark.check("dark", shape)?,
            DarkSignal::Rate(rate, times) => {
                rate.check("rate", (n_rows, n_cols))?;
                if times.len() != n_resultants {
                    return Err(KernelError::value(
                        "read_pattern",
                        "as many resultants as data has",
                        format!("{} for {n_resultants}", times.len()),
                    ));
                }
            }
        }
        self.ref_dq.check("ref_dq", (n_rows, n_cols))
    }

    fn apply(&self, band: &mut RampBand<'_>) {
        let place = &band.place;
        let mut data = band.data.view_mut();
        let mut pixeldq = band.pixeldq.view_mut();
        for r in 0..pixeldq.nrows() {
            let mut samples = rows_mut(&mut data, r);
            match &self.signal {
                DarkSignal::Accumulated(dark) => {
                    for (samples, dark) in samples.iter_mut().zip(dark.rows(place, r)) {
                        subtract_row(samples, dark);
                    }
                }
                DarkSignal::Rate(rate, times) => {
                    subtract_rate_row(&mut samples, rate.row(place, r), times);
                }
            }
            let pixels = row_mut(pixeldq.view_mut(), r);
            let ref_dq = self.ref_dq.row(place, r);
            for cols in blocks(pixels.len()) {
                add_flags(&ref_dq.block(&cols), pixels, &cols);
            }
        }
    }
}

/// Subtracts the dark rate from a rate image. A difference that is not finite becomes 0, DO_NOT_USE.
///
/// # Shapes
/// `rate` [DN/s], `ref_dq`: (n_rows, n_cols) of the image.
pub struct ImageDark<'a> {
    /// What is subtracted [DN/s].
    pub rate: Plane<'a, f32>,
    /// Flags of the reference, which are added to those of the image.
    pub ref_dq: Plane<'a, u32>,
}

impl ImageKernel for ImageDark<'_> {
    fn needs(&self) -> &'static [Quantity] {
        &[Quantity::Slope, Quantity::Dq]
    }

    fn check(&self, shape: (usize, usize)) -> Result<(), KernelError> {
        self.rate.check("rate", shape)?;
        self.ref_dq.check("ref_dq", shape)
    }

    fn apply(&self, place: &Place, r: usize, mut rows: PlaneRows<'_>) {
        let slope = rows.take_numbers(Quantity::Slope).expect("it was checked");
        let dq = rows.take_flags(Quantity::Dq).expect("it was checked");
        subtract_from_image_row(
            slope,
            dq,
            self.rate.row(place, r),
            self.ref_dq.row(place, r),
        );
    }
}

vectorised! {
    /// Subtracts the dark rate from a row of an image.
    fn subtract_from_image_row(
        slope: &mut [f32],
        dq: &mut [u32],
        rate: Row<'_, f32>,
        ref_dq: Row<'_, u32>,
    ) {
        for cols in blocks(slope.len()) {
            let (rate, mut flags) = (rate.block(&cols), ref_dq.block(&cols));
            let mut block = load(slope, &cols);
            for lane in 0..LANES {
                let is_known = rate[lane].is_finite();
                let difference = block[lane] - if is_known { rate[lane] } else { 0.0 };
                let is_finite = difference.is_finite();
                block[lane] = if is_finite { difference } else { 0.0 };
                flags[lane] |= if is_known { 0 } else { UNKNOWN_RATE };
                flags[lane] |= if is_finite { 0 } else { pixel::DO_NOT_USE };
            }
            store(&block, slope, &cols);
            add_flags(&flags, dq, &cols);
        }
    }
}

/// What is said of a pixel of an image whose dark rate is not finite.
const UNKNOWN_RATE: u32 = pixel::DO_NOT_USE | pixel::UNRELIABLE_DARK;

vectorised! {
    /// Subtracts the dark from a row of samples of one resultant.
    fn subtract_row(samples: &mut [f32], dark: Row<'_, f32>) {
        for cols in blocks(samples.len()) {
            subtract(&dark.block(&cols), samples, &cols);
        }
    }
}

vectorised! {
    /// Subtracts rate times time from a row of samples of all resultants.
    fn subtract_rate_row(data: &mut [&mut [f32]], rate: Row<'_, f32>, times: &[f64]) {
        let Some(n_cols) = data.first().map(|samples| samples.len()) else {
            return;
        };
        for cols in blocks(n_cols) {
            let rate = rate.block(&cols);
            for (samples, &time) in data.iter_mut().zip(times) {
                subtract(&rate.map(|rate| rate * time as f32), samples, &cols);
            }
        }
    }
}

#[inline(always)]
fn subtract(dark: &Lanes, samples: &mut [f32], cols: &std::ops::Range<usize>) {
    let mut block = load(samples, cols);
    for lane in 0..LANES {
        block[lane] -= if dark[lane].is_nan() { 0.0 } else { dark[lane] };
    }
    store(&block, samples, cols);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Execution;
    use crate::kernels::testing::Ramp;
    use crate::planes::{Planes, run_image};
    use ndarray::{Array3, arr2};

    #[test]
    fn dark_is_subtracted_and_nan_is_no_dark() {
        let mut ramp = Ramp::of_pixels(&[[10.0, 20.0], [30.0, 40.0]]);
        ramp.pixeldq[[0, 1]] = 1;
        let dark = Array3::from_shape_vec((2, 1, 2), vec![1.0, 2.5, 3.0, f32::NAN]).unwrap();
        ramp.run(&Dark {
            signal: DarkSignal::Accumulated(dark.view().into()),
            ref_dq: arr2(&[[0, 2048]]).view().into(),
        });
        assert_eq!(
            ramp.data.into_raw_vec_and_offset().0,
            [9.0, 27.5, 17.0, 40.0]
        );
        assert_eq!(ramp.pixeldq, arr2(&[[0, 2049]]));
    }

    #[test]
    fn a_rate_is_taken_off_an_image_and_what_is_not_finite_is_flagged() {
        let mut slope = arr2(&[[3.0, 5.0, 7.0, f32::NAN, -3e38]]);
        let mut dq = arr2(&[[1, 2, 0, 16, 0]]);
        let mut planes = Planes::default();
        planes.add_numbers(Quantity::Slope, slope.view_mut());
        planes.add_flags(Quantity::Dq, dq.view_mut());
        let rate = arr2(&[[0.5, f32::NAN, f32::NEG_INFINITY, 0.5, 3e38]]);
        let ref_dq = arr2(&[[4, 0, 2048, 0, 0]]);
        let dark = ImageDark {
            rate: rate.view().into(),
            ref_dq: ref_dq.view().into(),
        };
        Execution::uninterrupted(|execution| run_image(&dark, &mut planes, (1, 5), execution))
            .unwrap();
        assert_eq!(slope, arr2(&[[2.5, 5.0, 7.0, 0.0, 0.0]]));
        let unknown = pixel::DO_NOT_USE | pixel::UNRELIABLE_DARK;
        assert_eq!(dq, arr2(&[[5, 2 | unknown, 2048 | unknown, 17, 1]]));
    }

    #[test]
    fn a_rate_is_multiplied_with_the_time() {
        let mut ramp = Ramp::of_pixels(&[[10.0, 20.0], [30.0, 40.0]]);
        let rate = arr2(&[[0.5, f32::NAN]]);
        ramp.run(&Dark {
            signal: DarkSignal::Rate(rate.view().into(), &[3.0, 8.0]),
            ref_dq: arr2(&[[4, 0]]).view().into(),
        });
        assert_eq!(
            ramp.data.into_raw_vec_and_offset().0,
            [8.5, 30.0, 16.0, 40.0]
        );
        assert_eq!(ramp.pixeldq, arr2(&[[4, 0]]));
    }
}
