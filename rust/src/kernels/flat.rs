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

use ndarray::{Array2, ArrayViewMut2, Axis};

use crate::band::cut;
use crate::dq::pixel;
use crate::driver::{Execution, for_each};
use crate::error::{KernelError, check_array};
use crate::lanes::{LANES, Lanes, add_flags, blocks, load, row_mut, store, vectorised};
use crate::reference::{Plane, Row};

/// A rate image, to be changed in place; each (n_rows, n_cols).
pub struct RateImage<'a> {
    /// Rate [DN/s].
    pub data: ArrayViewMut2<'a, f32>,
    pub dq: ArrayViewMut2<'a, u32>,
    /// Variances of the rate [(DN/s)^2].
    pub var_poisson: ArrayViewMut2<'a, f32>,
    pub var_rnoise: ArrayViewMut2<'a, f32>,
    /// The slope with uniform weights minus `data` [DN/s], if there is one.
    pub dumo: Option<ArrayViewMut2<'a, f32>>,
}

/// A flat field; each (n_rows, n_cols).
pub struct Flat<'a> {
    /// Relative response, and its standard error.
    pub flat: Plane<'a, f32>,
    pub flat_err: Plane<'a, f32>,
    pub flat_dq: Plane<'a, u32>,
}

/// What dividing by a flat adds to an image.
pub struct FlatErrors {
    /// Variance from the error of the flat [(DN/s)^2].
    pub var_flat: Array2<f32>,
    /// Total error [DN/s].
    pub err: Array2<f32>,
}

/// Divides the image by the flat.
pub fn apply_flat(
    mut image: RateImage<'_>,
    flat: &Flat<'_>,
    execution: &mut Execution<'_>,
) -> Result<FlatErrors, KernelError> {
    let (n_rows, n_cols) = image.data.dim();
    let shape = [n_rows, n_cols];
    check_array("data", &shape, &image.data.view())?;
    check_array("dq", &shape, &image.dq.view())?;
    check_array("var_poisson", &shape, &image.var_poisson.view())?;
    check_array("var_rnoise", &shape, &image.var_rnoise.view())?;
    if let Some(dumo) = &image.dumo {
        check_array("dumo", &shape, &dumo.view())?;
    }
    flat.flat.check("flat", (n_rows, n_cols))?;
    flat.flat_err.check("flat_err", (n_rows, n_cols))?;
    flat.flat_dq.check("flat_dq", (n_rows, n_cols))?;
    let mut errors = FlatErrors {
        var_flat: Array2::zeros((n_rows, n_cols)),
        err: Array2::zeros((n_rows, n_cols)),
    };
    if n_rows == 0 || n_cols == 0 {
        return Ok(errors);
    }
    let height = execution.band_rows(1, n_cols);
    let mut bands = Vec::new();
    let mut dumo_chunks = image
        .dumo
        .as_mut()
        .map(|dumo| dumo.axis_chunks_iter_mut(Axis(0), height));
    let chunks = image
        .data
        .axis_chunks_iter_mut(Axis(0), height)
        .zip(image.dq.axis_chunks_iter_mut(Axis(0), height))
        .zip(image.var_poisson.axis_chunks_iter_mut(Axis(0), height))
        .zip(image.var_rnoise.axis_chunks_iter_mut(Axis(0), height))
        .zip(errors.var_flat.axis_chunks_iter_mut(Axis(0), height))
        .zip(errors.err.axis_chunks_iter_mut(Axis(0), height));
    for (rows, (((((data, dq), var_poisson), var_rnoise), var_flat), err)) in
        cut(n_rows, height).into_iter().zip(chunks)
    {
        let image = RateImage {
            data,
            dq,
            var_poisson,
            var_rnoise,
            dumo: dumo_chunks.as_mut().and_then(Iterator::next),
        };
        bands.push((rows.start, image, var_flat, err));
    }
    for_each(
        bands,
        |(first_row, mut image, mut var_flat, mut err)| {
            for r in 0..image.data.nrows() {
                divide_row(
                    FlatRow {
                        flat: flat.flat.row(first_row + r),
                        flat_err: flat.flat_err.row(first_row + r),
                        flat_dq: flat.flat_dq.row(first_row + r),
                    },
                    ImageRow {
                        data: row_mut(image.data.view_mut(), r),
                        dq: row_mut(image.dq.view_mut(), r),
                        var_poisson: row_mut(image.var_poisson.view_mut(), r),
                        var_rnoise: row_mut(image.var_rnoise.view_mut(), r),
                        var_flat: row_mut(var_flat.view_mut(), r),
                        err: row_mut(err.view_mut(), r),
                        dumo: image.dumo.as_mut().map(|dumo| row_mut(dumo.view_mut(), r)),
                    },
                );
            }
        },
        execution,
    )?;
    Ok(errors)
}

vectorised! {
    /// Divides a row.
    fn divide_row(flat: FlatRow<'_>, mut image: ImageRow<'_>) {
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
    use ndarray::arr2;

    #[test]
    fn infinite_small_and_negative_flats() {
        let mut data = arr2(&[[8.0, 0.0, 8.0, 8.0]]);
        let mut dq = arr2(&[[0, 0, 0, 0]]);
        let mut var_poisson = arr2(&[[4.0, 0.0, 4.0, 4.0]]);
        let mut var_rnoise = arr2(&[[5.0, 1e-30, 8.0, 8.0]]);
        let errors = Execution::uninterrupted(|execution| {
            apply_flat(
                RateImage {
                    data: data.view_mut(),
                    dq: dq.view_mut(),
                    var_poisson: var_poisson.view_mut(),
                    var_rnoise: var_rnoise.view_mut(),
                    dumo: None,
                },
                &Flat {
                    flat: arr2(&[[f32::INFINITY, 1e-30, -2.0, 2.0]]).view().into(),
                    flat_err: arr2(&[[f32::INFINITY, 0.0, -0.5, f32::NAN]]).view().into(),
                    flat_dq: arr2(&[[0, 0, 0, 0]]).view().into(),
                },
                execution,
            )
        })
        .unwrap();
        assert_eq!(dq, arr2(&[[pixel::NO_FLAT_FIELD, 0, 0, 0]]));
        assert_eq!(data, arr2(&[[8.0, 0.0, -4.0, 4.0]]));
        // The square of 1e-30 is 0 in float32: 0 / 0 would be NaN, and 1e-30 / 0 infinite.
        assert_eq!(var_poisson, arr2(&[[4.0, 0.0, 1.0, 1.0]]));
        assert!((var_rnoise[[0, 1]] / 1e30 - 1.0).abs() < 1e-6);
        assert_eq!(errors.var_flat[[0, 0]], 0.0);
        assert_eq!(errors.err[[0, 0]], 3.0);
        assert_eq!(errors.err[[0, 2]], 2.0);
        assert!(errors.var_flat[[0, 3]].is_nan() && errors.err[[0, 3]].is_nan());
    }

    #[test]
    fn hand_computed_errors_and_unknown_flats() {
        let mut data = arr2(&[[8.0, 8.0, 8.0, 8.0]]);
        let mut dumo = arr2(&[[4.0, 4.0, 4.0, 4.0]]);
        let mut dq = arr2(&[[1, 0, 0, 0]]);
        let mut var_poisson = arr2(&[[4.0, 4.0, 4.0, 4.0]]);
        let mut var_rnoise = arr2(&[[8.0, 8.0, 8.0, 8.0]]);
        let errors = Execution::uninterrupted(|execution| {
            apply_flat(
                RateImage {
                    data: data.view_mut(),
                    dq: dq.view_mut(),
                    var_poisson: var_poisson.view_mut(),
                    var_rnoise: var_rnoise.view_mut(),
                    dumo: Some(dumo.view_mut()),
                },
                &Flat {
                    flat: arr2(&[[2.0, f32::NAN, 0.0, 0.5]]).view().into(),
                    flat_err: arr2(&[[0.5, f32::NAN, 0.25, 0.25]]).view().into(),
                    flat_dq: arr2(&[[16, 0, 0, pixel::NO_FLAT_FIELD]]).view().into(),
                },
                execution,
            )
        })
        .unwrap();
        // Divided by 2: var_flat = (4 / 2)^2 0.5^2 = 1, err = sqrt(1 + 2 + 1).
        assert_eq!(dumo, arr2(&[[2.0, 4.0, 4.0, 4.0]]));
        assert_eq!(data, arr2(&[[4.0, 8.0, 8.0, 8.0]]));
        assert_eq!(var_poisson, arr2(&[[1.0, 4.0, 4.0, 4.0]]));
        assert_eq!(var_rnoise, arr2(&[[2.0, 8.0, 8.0, 8.0]]));
        assert_eq!(errors.var_flat, arr2(&[[1.0, 0.0, 4.0, 4.0]]));
        assert_eq!(errors.err, arr2(&[[2.0, 12.0_f32.sqrt(), 4.0, 4.0]]));
        let none = pixel::NO_FLAT_FIELD;
        assert_eq!(dq, arr2(&[[17, none, none, none]]));
    }
}
