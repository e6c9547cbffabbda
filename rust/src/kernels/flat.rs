//! Flat field: a rate image is divided by the relative response of its pixels.
//!
//! ```text
//! data' = data / flat,  dumo' = dumo / flat
//! var_poisson' = var_poisson / flat^2,  var_rnoise' = var_rnoise / flat^2
//! var_flat = (data' / flat)^2 flat_err^2
//! err = sqrt(var_poisson' + var_rnoise' + var_flat)                    the manual
//! err' = err / flat,  or  sqrt((err / flat)^2 + var_flat)              flight
//! ```
//!
//! A flat that is NaN, infinite, zero or NO_FLAT_FIELD acts as 1 and sets NO_FLAT_FIELD. `dumo` is a
//! difference of two rates, and divided as they are. A pixel whose rate, error or variances are not
//! finite is DO_NOT_USE. For what else the rules differ in see [`Rules`]. Source: the manual's section
//! 8.1.5; for flight the flatfield step of romancal 1.1.0.

use std::ops::Range;

use crate::band::Place;
use crate::dq::pixel;
use crate::error::KernelError;
use crate::lanes::{LANES, Lanes, add_flags, blocks, load, select, store, vectorised};
use crate::planes::{ImageKernel, PlaneRows, Quantity};
use crate::reference::{Plane, Row};

/// Divides an image by a flat field, each array (n_rows, n_cols).
///
/// Changes the rate, its variances and, where there is one, `dumo`; by the rules of flight also `err`.
/// Fills `var_flat`, whatever it held, and by the manual's rules `err`.
pub struct Flat<'a> {
    /// Relative response.
    pub flat: Plane<'a, f32>,
    /// Standard error of the response.
    pub flat_err: Plane<'a, f32>,
    /// Flags of the flat, which are added to those of the image.
    pub flat_dq: Plane<'a, u32>,
    /// How errors are propagated, and what the flat may hold.
    pub rules: Rules,
}

/// By whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// The error is made of the three variances. A negative flat divides. A flat error counts as it is;
    /// only where the flat acts as 1, one that is not finite adds no error.
    Manual,
    /// The error is divided like the rate, and has the variance of the flat added where there is a
    /// plane for it. A negative flat acts as 1 too, and a flat error that is not finite adds no error.
    /// `var_rnoise` need not be there. What is not finite becomes 0, with all numbers of its pixel, as
    /// the fit leaves pixels that it cannot fit.
    Flight,
}

impl ImageKernel for Flat<'_> {
    fn needs(&self) -> &'static [Quantity] {
        const NEEDED: [Quantity; 6] = [
            Quantity::Slope,
            Quantity::Dq,
            Quantity::VarPoisson,
            Quantity::Err,
            Quantity::VarRnoise,
            Quantity::VarFlat,
        ];
        match self.rules {
            Rules::Manual => &NEEDED,
            Rules::Flight => &NEEDED[..4],
        }
    }

    fn check(&self, shape: (usize, usize)) -> Result<(), KernelError> {
        self.flat.check("flat", shape)?;
        self.flat_err.check("flat_err", shape)?;
        self.flat_dq.check("flat_dq", shape)
    }

    fn apply(&self, place: &Place, r: usize, mut rows: PlaneRows<'_>) {
        let dumo = rows.take_numbers(Quantity::Dumo);
        let var_rnoise = rows.take_numbers(Quantity::VarRnoise);
        let var_flat = rows.take_numbers(Quantity::VarFlat);
        let mut numbers = |quantity| rows.take_numbers(quantity).expect("it was checked");
        let mut image = ImageRow {
            data: numbers(Quantity::Slope),
            var_poisson: numbers(Quantity::VarPoisson),
            err: numbers(Quantity::Err),
            dq: rows.take_flags(Quantity::Dq).expect("it was checked"),
            var_rnoise,
            var_flat,
            dumo,
        };
        let flat = FlatRow {
            flat: self.flat.row(place, r),
            flat_err: self.flat_err.row(place, r),
            flat_dq: self.flat_dq.row(place, r),
        };
        divide_row(flat, self.rules, &mut image);
    }
}

vectorised! {
    /// Divides a row.
    fn divide_row(flat: FlatRow<'_>, rules: Rules, image: &mut ImageRow<'_>) {
        let in_flight = rules == Rules::Flight;
        let lowest = if in_flight { 0.0 } else { f32::NEG_INFINITY };
        for cols in blocks(image.data.len()) {
            let (mut response, mut flat_err) = (flat.flat.block(&cols), flat.flat_err.block(&cols));
            let mut flags = flat.flat_dq.block(&cols);
            for lane in 0..LANES {
                let unknown = !response[lane].is_finite()
                    | (response[lane] == 0.0)
                    | (response[lane] < lowest)
                    | (flags[lane] & pixel::NO_FLAT_FIELD != 0);
                let no_error = (unknown | in_flight) & !flat_err[lane].is_finite();
                response[lane] = if unknown { 1.0 } else { response[lane] };
                flat_err[lane] = if no_error { 0.0 } else { flat_err[lane] };
                flags[lane] |= if unknown { pixel::NO_FLAT_FIELD } else { 0 };
            }
            // Twice, since the square of a small flat would be 0.
            let divided_twice = |row: &[f32]| {
                let mut block = load(row, &cols);
                for lane in 0..LANES {
                    block[lane] = block[lane] / response[lane] / response[lane];
                }
                block
            };
            let mut data = load(image.data, &cols);
            for lane in 0..LANES {
                data[lane] /= response[lane];
            }
            let var_poisson = divided_twice(image.var_poisson);
            let var_rnoise = image.var_rnoise.as_deref().map(divided_twice);
            let var_rnoise = var_rnoise.unwrap_or(Lanes::all(0.0));
            let mut var_flat = Lanes::all(0.0);
            if image.var_flat.is_some() {
                for lane in 0..LANES {
                    let relative = data[lane] / response[lane] * flat_err[lane];
                    var_flat[lane] = relative * relative;
                }
            }
            let mut err = load(image.err, &cols);
            if !in_flight {
                for lane in 0..LANES {
                    err[lane] = (var_poisson[lane] + var_rnoise[lane] + var_flat[lane]).sqrt();
                }
            } else if image.var_flat.is_some() {
                for lane in 0..LANES {
                    let divided = err[lane] / response[lane];
                    err[lane] = (divided * divided + var_flat[lane]).sqrt();
                }
            } else {
                for lane in 0..LANES {
                    err[lane] /= response[lane];
                }
            }
            let mut kept = Lanes::all(u32::MAX);
            for lane in 0..LANES {
                let is_finite = data[lane].is_finite()
                    & err[lane].is_finite()
                    & var_poisson[lane].is_finite()
                    & var_rnoise[lane].is_finite()
                    & var_flat[lane].is_finite();
                flags[lane] |= if is_finite { 0 } else { pixel::DO_NOT_USE };
                kept[lane] = if is_finite | !in_flight { u32::MAX } else { 0 };
            }
            add_flags(&flags, image.dq, &cols);
            store_kept(&data, &kept, image.data, &cols);
            store_kept(&var_poisson, &kept, image.var_poisson, &cols);
            store_kept(&err, &kept, image.err, &cols);
            if let Some(row) = &mut image.var_rnoise {
                store_kept(&var_rnoise, &kept, row, &cols);
            }
            if let Some(row) = &mut image.var_flat {
                store_kept(&var_flat, &kept, row, &cols);
            }
            if let Some(row) = &mut image.dumo {
                let mut dumo = load(row, &cols);
                for lane in 0..LANES {
                    dumo[lane] /= response[lane];
                }
                store_kept(&dumo, &kept, row, &cols);
            }
        }
    }
}

/// Stores a block, with 0 in the lanes that are not kept.
#[inline(always)]
fn store_kept(block: &Lanes, kept: &Lanes<u32>, row: &mut [f32], cols: &Range<usize>) {
    store(&select(kept, block, &Lanes::all(0.0)), row, cols);
}

/// One row of a flat.
struct FlatRow<'a> {
    flat: Row<'a, f32>,
    flat_err: Row<'a, f32>,
    flat_dq: Row<'a, u32>,
}

/// One row of an image, and of what may be added to it.
struct ImageRow<'a> {
    data: &'a mut [f32],
    dq: &'a mut [u32],
    var_poisson: &'a mut [f32],
    err: &'a mut [f32],
    var_rnoise: Option<&'a mut [f32]>,
    var_flat: Option<&'a mut [f32]>,
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
            self.divide_by(Rules::Manual, true, flat, flat_err, flat_dq);
        }

        /// With or without planes of `var_flat` and `var_rnoise`.
        fn divide_by(
            &mut self,
            rules: Rules,
            all_variances: bool,
            flat: [f32; 4],
            flat_err: [f32; 4],
            flat_dq: [u32; 4],
        ) {
            let mut planes = Planes::default();
            planes.add_numbers(Quantity::Slope, self.data.view_mut());
            planes.add_numbers(Quantity::Dumo, self.dumo.view_mut());
            planes.add_flags(Quantity::Dq, self.dq.view_mut());
            planes.add_numbers(Quantity::VarPoisson, self.var_poisson.view_mut());
            if all_variances {
                planes.add_numbers(Quantity::VarRnoise, self.var_rnoise.view_mut());
                planes.add_numbers(Quantity::VarFlat, self.var_flat.view_mut());
            }
            planes.add_numbers(Quantity::Err, self.err.view_mut());
            let (flat, flat_err, flat_dq) = (arr2(&[flat]), arr2(&[flat_err]), arr2(&[flat_dq]));
            let flat = Flat {
                flat: flat.view().into(),
                flat_err: flat_err.view().into(),
                flat_dq: flat_dq.view().into(),
                rules,
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
        assert_eq!(
            image.dq,
            arr2(&[[1 | pixel::NO_FLAT_FIELD, 0, 0, pixel::DO_NOT_USE]])
        );
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

    #[test]
    fn in_flight_the_error_is_divided_and_only_positive_flats_divide() {
        let mut image = Image::of_pixels([8.0; 4], [4.0; 4], [8.0; 4]);
        image.err = arr2(&[[3.0, 3.0, 3.0, -3.0]]);
        let before = (image.var_rnoise.clone(), image.dumo.clone());
        let none = pixel::NO_FLAT_FIELD;
        let flat = [2.0, -2.0, f32::INFINITY, 2.0];
        image.divide_by(Rules::Flight, false, flat, [0.5; 4], [16, 0, 0, none]);
        assert_eq!(image.data, arr2(&[[4.0, 8.0, 8.0, 8.0]]));
        assert_eq!(image.err, arr2(&[[1.5, 3.0, 3.0, -3.0]]));
        assert_eq!(image.var_poisson, arr2(&[[1.0, 4.0, 4.0, 4.0]]));
        assert_eq!(image.dumo, arr2(&[[2.0, 4.0, 4.0, 4.0]]));
        assert_eq!(image.dq, arr2(&[[17, none, none, none]]));
        // There was no plane of them.
        assert_eq!(image.var_rnoise, before.0);
    }

    #[test]
    fn in_flight_the_variance_of_the_flat_is_added_where_its_error_is_known() {
        let mut image = Image::of_pixels([8.0; 4], [4.0; 4], [8.0; 4]);
        image.err = arr2(&[[6.0, 6.0, 3.0, 3.0]]);
        image.divide_by(
            Rules::Flight,
            true,
            [2.0, 2.0, f32::NAN, -1.0],
            [2.0, f32::NAN, 0.5, f32::INFINITY],
            [0; 4],
        );
        // (4 / 2 x 2)^2 = 16, sqrt(3^2 + 16) = 5; of the third (8 x 0.5)^2 = 16.
        assert_eq!(image.var_flat, arr2(&[[16.0, 0.0, 16.0, 0.0]]));
        assert_eq!(image.err, arr2(&[[5.0, 3.0, 5.0, 3.0]]));
        assert_eq!(image.var_rnoise, arr2(&[[2.0, 2.0, 8.0, 8.0]]));
    }

    #[test]
    fn in_flight_a_pixel_with_a_number_that_is_not_finite_is_0_and_not_to_be_used() {
        let mut image = Image::of_pixels([f32::NAN, 8.0, 8.0, 1e30], [4.0; 4], [8.0; 4]);
        image.err = arr2(&[[3.0, f32::INFINITY, 3.0, 3.0]]);
        image.divide_by(
            Rules::Flight,
            true,
            [2.0, 2.0, 2.0, 1e-30],
            [0.5; 4],
            [0; 4],
        );
        assert_eq!(image.dq, arr2(&[[1, 1, 0, 1]]));
        for plane in [
            &image.data,
            &image.err,
            &image.var_poisson,
            &image.var_rnoise,
        ] {
            let zeros: Vec<bool> = plane.iter().map(|number| *number == 0.0).collect();
            assert_eq!(zeros, [true, true, false, true]);
        }
        assert_eq!(image.var_flat, arr2(&[[0.0, 0.0, 1.0, 0.0]]));
        assert_eq!(image.dumo, arr2(&[[0.0, 0.0, 2.0, 0.0]]));
    }
}
