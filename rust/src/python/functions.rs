//! The kernels that change arrays in place.

use ndarray::{Array3, Ix2, Ix3};
use numpy::{IntoPyArray, PyArray2};
use pyo3::prelude::*;

use super::arrays::{change, read};
use super::detached::{detached, exception};
use super::read_pattern::ReadPattern;
use crate::band::{BandArray, RampBand};
use crate::driver;
use crate::error::KernelError;
use crate::kernels::dark::Dark;
use crate::kernels::flat::{self, Flat, RateImage};
use crate::kernels::jump::{Jump, JumpParameters};
use crate::kernels::linearity::Linearity;
use crate::kernels::saturation::Saturation;

#[pyfunction]
#[pyo3(signature = (data, groupdq, pixeldq, threshold, ref_dq, n_pix_grow_sat, max_threads, band_rows))]
#[expect(
    clippy::too_many_arguments,
    reason = "the arrays of a ramp and its reference"
)]
pub fn flag_saturation(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    groupdq: &Bound<'_, PyAny>,
    pixeldq: &Bound<'_, PyAny>,
    threshold: &Bound<'_, PyAny>,
    ref_dq: &Bound<'_, PyAny>,
    n_pix_grow_sat: i64,
    max_threads: Option<i64>,
    band_rows: Option<i64>,
) -> PyResult<()> {
    let n_pix_grow = usize::try_from(n_pix_grow_sat).map_err(|_| {
        let expected = "a number of pixels, at least 0";
        exception(KernelError::value(
            "n_pix_grow_sat",
            expected,
            n_pix_grow_sat,
        ))
    })?;
    let data = read::<f32, Ix3>("data", data)?;
    let mut groupdq = change::<u8, Ix3>("groupdq", groupdq)?;
    let mut pixeldq = change::<u32, Ix2>("pixeldq", pixeldq)?;
    let threshold = read::<f32, Ix2>("threshold", threshold)?;
    let ref_dq = read::<u32, Ix2>("ref_dq", ref_dq)?;
    let kernel = Saturation {
        threshold: threshold.as_array(),
        ref_dq: ref_dq.as_array(),
        n_pix_grow,
    };
    let mut ramp = RampBand {
        first_row: 0,
        data: BandArray::Shared(data.as_array()),
        groupdq: BandArray::InPlace(groupdq.as_array_mut()),
        pixeldq: BandArray::InPlace(pixeldq.as_array_mut()),
    };
    detached(py, max_threads, band_rows, |execution| {
        driver::run(&kernel, &mut ramp, execution)
    })
}

#[pyfunction]
#[pyo3(signature = (data, groupdq, pixeldq, coeffs, ref_dq, max_threads, band_rows))]
#[expect(
    clippy::too_many_arguments,
    reason = "the arrays of a ramp and its reference"
)]
pub fn correct_linearity(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    groupdq: &Bound<'_, PyAny>,
    pixeldq: &Bound<'_, PyAny>,
    coeffs: &Bound<'_, PyAny>,
    ref_dq: &Bound<'_, PyAny>,
    max_threads: Option<i64>,
    band_rows: Option<i64>,
) -> PyResult<()> {
    let mut data = change::<f32, Ix3>("data", data)?;
    let groupdq = read::<u8, Ix3>("groupdq", groupdq)?;
    let mut pixeldq = change::<u32, Ix2>("pixeldq", pixeldq)?;
    let coeffs = read::<f32, Ix3>("coeffs", coeffs)?;
    let ref_dq = read::<u32, Ix2>("ref_dq", ref_dq)?;
    let kernel = Linearity {
        coeffs: coeffs.as_array(),
        ref_dq: ref_dq.as_array(),
    };
    let mut ramp = RampBand {
        first_row: 0,
        data: BandArray::InPlace(data.as_array_mut()),
        groupdq: BandArray::Shared(groupdq.as_array()),
        pixeldq: BandArray::InPlace(pixeldq.as_array_mut()),
    };
    detached(py, max_threads, band_rows, |execution| {
        driver::run(&kernel, &mut ramp, execution)
    })
}

#[pyfunction]
#[pyo3(signature = (data, pixeldq, dark, ref_dq, max_threads, band_rows))]
pub fn subtract_dark(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    pixeldq: &Bound<'_, PyAny>,
    dark: &Bound<'_, PyAny>,
    ref_dq: &Bound<'_, PyAny>,
    max_threads: Option<i64>,
    band_rows: Option<i64>,
) -> PyResult<()> {
    let mut data = change::<f32, Ix3>("data", data)?;
    let mut pixeldq = change::<u32, Ix2>("pixeldq", pixeldq)?;
    let dark = read::<f32, Ix3>("dark", dark)?;
    let ref_dq = read::<u32, Ix2>("ref_dq", ref_dq)?;
    let kernel = Dark {
        dark: dark.as_array(),
        ref_dq: ref_dq.as_array(),
    };
    let data = data.as_array_mut();
    // The dark does not ask for the flags of samples: a row without flags stands for all rows.
    let no_flags = Array3::zeros((1, 1, data.dim().2));
    let mut ramp = RampBand {
        first_row: 0,
        groupdq: BandArray::Shared(no_flags.broadcast(data.dim()).unwrap_or(no_flags.view())),
        data: BandArray::InPlace(data),
        pixeldq: BandArray::InPlace(pixeldq.as_array_mut()),
    };
    detached(py, max_threads, band_rows, |execution| {
        driver::run(&kernel, &mut ramp, execution)
    })
}

#[pyfunction]
#[pyo3(signature = (
    data, groupdq, pixeldq, gain, read_noise, read_pattern, rejection_threshold,
    three_group_rejection_threshold, four_group_rejection_threshold, flag_4_neighbors,
    max_jump_to_flag_neighbors, min_jump_to_flag_neighbors, max_threads, band_rows,
))]
#[expect(
    clippy::too_many_arguments,
    reason = "a ramp, its references and the manual's parameters"
)]
pub fn detect_jumps(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    groupdq: &Bound<'_, PyAny>,
    pixeldq: &Bound<'_, PyAny>,
    gain: &Bound<'_, PyAny>,
    read_noise: &Bound<'_, PyAny>,
    read_pattern: PyRef<'_, ReadPattern>,
    rejection_threshold: f64,
    three_group_rejection_threshold: f64,
    four_group_rejection_threshold: f64,
    flag_4_neighbors: bool,
    max_jump_to_flag_neighbors: f64,
    min_jump_to_flag_neighbors: f64,
    max_threads: Option<i64>,
    band_rows: Option<i64>,
) -> PyResult<()> {
    let data = read::<f32, Ix3>("data", data)?;
    let mut groupdq = change::<u8, Ix3>("groupdq", groupdq)?;
    let mut pixeldq = change::<u32, Ix2>("pixeldq", pixeldq)?;
    let gain = read::<f32, Ix2>("gain", gain)?;
    let read_noise = read::<f32, Ix2>("read_noise", read_noise)?;
    let kernel = Jump::new(
        gain.as_array(),
        read_noise.as_array(),
        &read_pattern.0,
        JumpParameters {
            rejection_threshold,
            three_group_rejection_threshold,
            four_group_rejection_threshold,
            flag_4_neighbors,
            max_jump_to_flag_neighbors,
            min_jump_to_flag_neighbors,
        },
    );
    let mut ramp = RampBand {
        first_row: 0,
        data: BandArray::Shared(data.as_array()),
        groupdq: BandArray::InPlace(groupdq.as_array_mut()),
        pixeldq: BandArray::InPlace(pixeldq.as_array_mut()),
    };
    detached(py, max_threads, band_rows, |execution| {
        driver::run(&kernel, &mut ramp, execution)
    })
}

#[pyfunction]
#[pyo3(signature = (
    data, dq, var_poisson, var_rnoise, flat, flat_err, flat_dq, max_threads, band_rows,
))]
#[expect(
    clippy::too_many_arguments,
    reason = "the arrays of an image and its reference"
)]
#[expect(clippy::type_complexity, reason = "two arrays")]
pub fn apply_flat<'py>(
    py: Python<'py>,
    data: &Bound<'_, PyAny>,
    dq: &Bound<'_, PyAny>,
    var_poisson: &Bound<'_, PyAny>,
    var_rnoise: &Bound<'_, PyAny>,
    flat: &Bound<'_, PyAny>,
    flat_err: &Bound<'_, PyAny>,
    flat_dq: &Bound<'_, PyAny>,
    max_threads: Option<i64>,
    band_rows: Option<i64>,
) -> PyResult<(Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<f32>>)> {
    let mut data = change::<f32, Ix2>("data", data)?;
    let mut dq = change::<u32, Ix2>("dq", dq)?;
    let mut var_poisson = change::<f32, Ix2>("var_poisson", var_poisson)?;
    let mut var_rnoise = change::<f32, Ix2>("var_rnoise", var_rnoise)?;
    let flat = read::<f32, Ix2>("flat", flat)?;
    let flat_err = read::<f32, Ix2>("flat_err", flat_err)?;
    let flat_dq = read::<u32, Ix2>("flat_dq", flat_dq)?;
    let image = RateImage {
        data: data.as_array_mut(),
        dq: dq.as_array_mut(),
        var_poisson: var_poisson.as_array_mut(),
        var_rnoise: var_rnoise.as_array_mut(),
    };
    let flat = Flat {
        flat: flat.as_array(),
        flat_err: flat_err.as_array(),
        flat_dq: flat_dq.as_array(),
    };
    let errors = detached(py, max_threads, band_rows, |execution| {
        flat::apply_flat(image, &flat, execution)
    })?;
    Ok((
        errors.var_flat.into_pyarray(py),
        errors.err.into_pyarray(py),
    ))
}

#[pyfunction]
pub fn num_threads() -> PyResult<usize> {
    driver::num_threads().map_err(exception)
}

#[pyfunction]
pub fn set_num_threads(threads: Option<i64>) -> PyResult<()> {
    // What is too small for a usize is too small for the pool: 0 gives the same error.
    let threads = threads.map(|threads| usize::try_from(threads).unwrap_or(0));
    driver::set_num_threads(threads).map_err(exception)
}
