//! Flat field: a rate image is divided by the relative response of its pixels.
//!
//! ```text
//! data' = data / flat,  dumo' = dumo / flat
//! var_poisson' = var_poisson / flat^2,  var_rnoise' = var_rnoise / flat^2
//! var_flat = (data' / flat)^2 flat_err^2
//! err = sqrt(var_poisson' + var_rnoise' + var_flat)
//! ```
//!
//! A flat that is NaN, infinite, zero or NO_FLAT_FIELD acts as 1 and sets NO_FLAT_FIELD; if its error
//! is not finite either, it adds no error. Any other flat divides, also a negative one, and its error
//! counts as it is. `dumo` is a difference of two rates, and divided as they are. Source: the manual's
//! section 8.1.5.

use crate::band::Place;
use crate::dq::pixel;
use crate::error::KernelError;
use crate::lanes::{LANES, Lanes, add_flags, blocks, load, store, vectorised};
use crate::planes::{ImageKernel, PlaneRows, Quantity};
use crate::reference::{Plane, Row};

/// Divides an image by a flat field, each array (n_rows, n_cols).
///
/// Changes the rate, its variances and, where there is one, `dumo`; fills `var_flat` and `err`, whatever
/// they held.
pub struct Flat<'a> {
    /// Relative response, and its standard error.
    pub flat: Plane<'a, f32>,
    pub flat_err: Plane<'a, f32>,
    pub flat_dq: Plane<'a, u32>,
}

impl ImageKernel for Flat<'_> {
    fn needs(&self) -> &'static [Quantity] {
        &[
            Quantity::Slope,
            Quantity::Dq,
            Quantity::VarPoisson,
            Quantity::VarRnoise,
            Quantity::VarFlat,
            Quantity::Err,
        ]
    }

    fn check(&self, shape: (usize, usize)) -> Result<(), KernelError> {
        self.flat.check("flat", shape)?;
        self.flat_err.check("flat_err", shape)?;
        self.flat_dq.check("flat_dq", shape)
    }

    fn apply(&self, place: &Place, r: usize, mut rows: PlaneRows<'_>) {
        let dumo = rows.take_numbers(Quantity::Dumo);
        let mut numbers = |quantity| rows.take_numbers(quantity).expect("it was checked");
        let mut image = ImageRow {
            data: numbers(Quantity::Slope),
            var_poisson: numbers(Quantity::VarPoisson),
            var_rnoise: numbers(Quantity::VarRnoise),
            var_flat: numbers(Quantity::VarFlat),
            err: numbers(Quantity::Err),
            dq: rows.take_flags(Quantity::Dq).expect("it was checked"),
            dumo,
        };
        let flat = FlatRow {
            flat: self.flat.row(place, r),
            flat_err: self.flat_err.row(place, r),
            flat_dq: self.flat_dq.row(place, r),
        };
        divide_row(flat, &mut image);
    }
}

vectorised! {
    /// Divides a row.
    fn divide_row(flat: FlatRow<'_>, image: &mut ImageRow<'_>) {
        for cols in blocks(image.data.len()) {
            let (mut response, flat_err) = (flat.flat.block(&cols), flat.flat_err.block(&cols));
            let mut flags = flat.flat_dq.block(&cols);
            let mut data = load(image.data, &cols);
            let mut var_poisson = load(image.var_poisson, &cols);
            let mut var_rnoise = load(image.var_rnoise, &cols);
            let (mut var_flat, mut err) = (Lanes::all(0.0), Lanes::all(0.0));
            for lane in 0..LANES {
                let unknown = !response[lane].is_finite()
                    | (response[lane] == 0.0)
                    | (flags[lane] & pixel::NO_FLAT_FIELD != 0);
                response[lane] = if unknown { 1.0 } else { response[lane] };
                flags[lane] |= if unknown { pixel::NO_FLAT_FIELD } else { 0 };
                data[lane] /= response[lane];
                // Twice, since the square of a small flat would be 0.
                var_poisson[lane] = var_poisson[lane] / response[lane] / response[lane];
                var_rnoise[lane] = var_rnoise[lane] / response[lane] / response[lane];
                let no_error = unknown & !flat_err[lane].is_finite();
                let relative = data[lane] / response[lane]
                    * if no_error { 0.0 } else { flat_err[lane] };
                var_flat[lane] = relative * relative;
                err[lane] = (var_poisson[lane] + var_rnoise[lane] + var_flat[lane]).sqrt();
            }
            add_flags(&flags, image.dq, &cols);
            store(&data, image.data, &cols);
            if let Some(row) = &mut image.dumo {
                let mut dumo = load(row, &cols);
                for lane in 0..LANES {
                    dumo[lane] /= response[lane];
                }
                store(&dumo, row, &cols);
            }
            store(&var_poisson, image.var_poisson, &cols);
            store(&var_rnoise, image.var_rnoise, &cols);
            store(&var_flat, image.var_flat, &cols);
            store(&err, image.err, &cols);
        }
    }
}

/// One row of a flat.
struct FlatRow<'a> {
    flat: Row<'a, f32>,
    flat_err: Row<'a, f32>,
    flat_dq: Row<'a, u32>,
}

/// One row of an image and of what is added to it.
struct ImageRow<'a> {
    data: &'a mut [f32],
    dq: &'a mut [u32],
    var_poisson: &'a mut [f32],
    var_rnoise: &'a mut [f32],
    var_flat: &'a mut [f32],
    err: &'a mut [f32],
    dumo: Option<&'a mut [f32]>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Execution;
    use crate::planes::{Planes, run_image};
    use ndarray::{Array2, arr2};

    /// Four pixels of an image, and the planes that a flat fills.
    struct Image {
        data: Array2<f32>,
        dumo: Array2<f32>,
        dq: Array2<u32>,
        var_poisson: Array2<f32>,
        var_rnoise: Array2<f32>,
        var_flat: Array2<f32>,
        err: Array2<f32>,
    }

    impl Image {
        fn of_pixels(data: [f32; 4], var_poisson: [f32; 4], var_rnoise: [f32; 4]) -> Self {
            Self {
                data: arr2(&[data]),
                dumo: arr2(&[[4.0; 4]]),
                dq: arr2(&[[1, 0, 0, 0]]),
                var_poisson: arr2(&[var_poisson]),
                var_rnoise: arr2(&[var_rnoise]),
                // What they held does not matter.
                var_flat: arr2(&[[f32::NAN; 4]]),
                err: arr2(&[[f32::NAN; 4]]),
            }
        }

        fn divide(&mut self, flat: [f32; 4], flat_err: [f32; 4], flat_dq: [u32; 4]) {
            let mut planes = Planes::default();
            planes.add_numbers(Quantity::Slope, self.data.view_mut());
            planes.add_numbers(Quantity::Dumo, self.dumo.view_mut());
            planes.add_flags(Quantity::Dq, self.dq.view_mut());
            planes.add_numbers(Quantity::VarPoisson, self.var_poisson.view_mut());
            planes.add_numbers(Quantity::VarRnoise, self.var_rnoise.view_mut());
            planes.add_numbers(Quantity::VarFlat, self.var_flat.view_mut());
            planes.add_numbers(Quantity::Err, self.err.view_mut());
            let (flat, flat_err, flat_dq) = (arr2(&[flat]), arr2(&[flat_err]), arr2(&[flat_dq]));
            let flat = Flat {
                flat: flat.view().into(),
                flat_err: flat_err.view().into(),
                flat_dq: flat_dq.view().into(),
            };
            Execution::uninterrupted(|execution| run_image(&flat, &mut planes, (1, 4), execution))
                .unwrap();
        }
    }

    #[test]
    fn infinite_small_and_negative_flats() {
        let mut image = Image::of_pixels(
            [8.0, 0.0, 8.0, 8.0],
            [4.0, 0.0, 4.0, 4.0],
            [5.0, 1e-30, 8.0, 8.0],
        );
        image.divide(
            [f32::INFINITY, 1e-30, -2.0, 2.0],
            [f32::INFINITY, 0.0, -0.5, f32::NAN],
            [0, 0, 0, 0],
        );
        assert_eq!(image.dq, arr2(&[[1 | pixel::NO_FLAT_FIELD, 0, 0, 0]]));
        assert_eq!(image.data, arr2(&[[8.0, 0.0, -4.0, 4.0]]));
        // The square of 1e-30 is 0 in float32: 0 / 0 would be NaN, and 1e-30 / 0 infinite.
        assert_eq!(image.var_poisson, arr2(&[[4.0, 0.0, 1.0, 1.0]]));
        assert!((image.var_rnoise[[0, 1]] / 1e30 - 1.0).abs() < 1e-6);
        assert_eq!(image.var_flat[[0, 0]], 0.0);
        assert_eq!(image.err[[0, 0]], 3.0);
        assert_eq!(image.err[[0, 2]], 2.0);
        assert!(image.var_flat[[0, 3]].is_nan() && image.err[[0, 3]].is_nan());
    }

    #[test]
    fn hand_computed_errors_and_unknown_flats() {
        let mut image = Image::of_pixels([8.0; 4], [4.0; 4], [8.0; 4]);
        image.divide(
            [2.0, f32::NAN, 0.0, 0.5],
            [0.5, f32::NAN, 0.25, 0.25],
            [16, 0, 0, pixel::NO_FLAT_FIELD],
        );
        // Divided by 2: var_flat = (4 / 2)^2 0.5^2 = 1, err = sqrt(1 + 2 + 1).
        assert_eq!(image.dumo, arr2(&[[2.0, 4.0, 4.0, 4.0]]));
        assert_eq!(image.data, arr2(&[[4.0, 8.0, 8.0, 8.0]]));
        assert_eq!(image.var_poisson, arr2(&[[1.0, 4.0, 4.0, 4.0]]));
        assert_eq!(image.var_rnoise, arr2(&[[2.0, 8.0, 8.0, 8.0]]));
        assert_eq!(image.var_flat, arr2(&[[1.0, 0.0, 4.0, 4.0]]));
        assert_eq!(image.err, arr2(&[[2.0, 12.0_f32.sqrt(), 4.0, 4.0]]));
        let none = pixel::NO_FLAT_FIELD;
        assert_eq!(image.dq, arr2(&[[17, none, none, none]]));
    }
}
