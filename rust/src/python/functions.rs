//! The kernels that change arrays in place.

use ndarray::{Array3, Ix1, Ix2, Ix3};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadwriteArray2, PyReadwriteArray3,
};
use pyo3::prelude::*;

use super::arrays::Arrays;
use super::detached::{detached, exception};
use super::read_pattern::ReadPattern;
use super::whole::Whole;
use crate::band::{BandArray, RampBand};
use crate::driver;
use crate::half;
use crate::kernels::dark::{Dark, DarkSignal};
use crate::kernels::flat::{self, Flat, RateImage};
use crate::kernels::jump::{Jump, JumpParameters};
use crate::kernels::linearity::Linearity;
use crate::kernels::saturation::Saturation;

#[pyfunction]
#[pyo3(signature = (
    data, groupdq, pixeldq, threshold, ref_dq, n_pix_grow_sat, floor, max_threads, band_rows,
))]
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
    n_pix_grow_sat: Whole,
    floor: f32,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<()> {
    let n_pix_grow = n_pix_grow_sat.at_least(
        0,
        "n_pix_grow_sat",
        "a number of pixels, from 0 to 2^63 - 1",
    )?;
    let mut arrays = Arrays::default();
    let data = arrays.read::<f32, Ix3>("data", data)?;
    let mut groupdq = arrays.change::<u8, Ix3>("groupdq", groupdq)?;
    let mut pixeldq = arrays.change::<u32, Ix2>("pixeldq", pixeldq)?;
    let threshold = arrays.reference::<f32, Ix2>("threshold", threshold)?;
    let ref_dq = arrays.reference::<u32, Ix2>("ref_dq", ref_dq)?;
    let kernel = Saturation {
        threshold: threshold.plane(),
        ref_dq: ref_dq.plane(),
        floor,
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
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<()> {
    let mut arrays = Arrays::default();
    let mut data = arrays.change::<f32, Ix3>("data", data)?;
    let groupdq = arrays.read::<u8, Ix3>("groupdq", groupdq)?;
    let mut pixeldq = arrays.change::<u32, Ix2>("pixeldq", pixeldq)?;
    let coeffs = arrays.reference::<f32, Ix3>("coeffs", coeffs)?;
    let ref_dq = arrays.reference::<u32, Ix2>("ref_dq", ref_dq)?;
    let kernel = Linearity {
        coeffs: coeffs.cube(),
        ref_dq: ref_dq.plane(),
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
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<()> {
    let mut arrays = Arrays::default();
    let data = arrays.change::<f32, Ix3>("data", data)?;
    let pixeldq = arrays.change::<u32, Ix2>("pixeldq", pixeldq)?;
    let dark = arrays.reference::<f32, Ix3>("dark", dark)?;
    let ref_dq = arrays.reference::<u32, Ix2>("ref_dq", ref_dq)?;
    let kernel = Dark {
        signal: DarkSignal::Accumulated(dark.cube()),
        ref_dq: ref_dq.plane(),
    };
    subtract(py, data, pixeldq, &kernel, max_threads, band_rows)
}

#[pyfunction]
#[pyo3(signature = (data, pixeldq, rate, ref_dq, read_pattern, max_threads, band_rows))]
#[expect(
    clippy::too_many_arguments,
    reason = "the arrays of a ramp and its reference"
)]
pub fn subtract_dark_rate(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    pixeldq: &Bound<'_, PyAny>,
    rate: &Bound<'_, PyAny>,
    ref_dq: &Bound<'_, PyAny>,
    read_pattern: PyRef<'_, ReadPattern>,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<()> {
    let mut arrays = Arrays::default();
    let data = arrays.change::<f32, Ix3>("data", data)?;
    let pixeldq = arrays.change::<u32, Ix2>("pixeldq", pixeldq)?;
    let rate = arrays.reference::<f32, Ix2>("rate", rate)?;
    let ref_dq = arrays.reference::<u32, Ix2>("ref_dq", ref_dq)?;
    let kernel = Dark {
        signal: DarkSignal::Rate(rate.plane(), read_pattern.0.times()),
        ref_dq: ref_dq.plane(),
    };
    subtract(py, data, pixeldq, &kernel, max_threads, band_rows)
}

fn subtract(
    py: Python<'_>,
    mut data: PyReadwriteArray3<'_, f32>,
    mut pixeldq: PyReadwriteArray2<'_, u32>,
    kernel: &Dark<'_>,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<()> {
    let data = data.as_array_mut();
    // The dark does not ask for the flags of samples.
    let no_flags = Array3::zeros((1, 1, data.dim().2));
    let mut ramp = RampBand {
        first_row: 0,
        groupdq: BandArray::Shared(
            no_flags
                .broadcast(data.dim())
                .expect("a row of as many columns as the data stands for all of its rows"),
        ),
        data: BandArray::InPlace(data),
        pixeldq: BandArray::InPlace(pixeldq.as_array_mut()),
    };
    detached(py, max_threads, band_rows, |execution| {
        driver::run(kernel, &mut ramp, execution)
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
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<()> {
    let mut arrays = Arrays::default();
    let data = arrays.read::<f32, Ix3>("data", data)?;
    let mut groupdq = arrays.change::<u8, Ix3>("groupdq", groupdq)?;
    let mut pixeldq = arrays.change::<u32, Ix2>("pixeldq", pixeldq)?;
    let gain = arrays.reference::<f32, Ix2>("gain", gain)?;
    let read_noise = arrays.reference::<f32, Ix2>("read_noise", read_noise)?;
    let kernel = Jump::new(
        gain.plane(),
        read_noise.plane(),
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
    data, dq, var_poisson, var_rnoise, flat, flat_err, flat_dq, dumo, max_threads, band_rows,
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
    dumo: Option<&Bound<'_, PyAny>>,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<(Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<f32>>)> {
    let mut arrays = Arrays::default();
    let mut data = arrays.change::<f32, Ix2>("data", data)?;
    let mut dq = arrays.change::<u32, Ix2>("dq", dq)?;
    let mut var_poisson = arrays.change::<f32, Ix2>("var_poisson", var_poisson)?;
    let mut var_rnoise = arrays.change::<f32, Ix2>("var_rnoise", var_rnoise)?;
    let mut dumo = dumo
        .map(|dumo| arrays.change::<f32, Ix2>("dumo", dumo))
        .transpose()?;
    let flat = arrays.reference::<f32, Ix2>("flat", flat)?;
    let flat_err = arrays.reference::<f32, Ix2>("flat_err", flat_err)?;
    let flat_dq = arrays.reference::<u32, Ix2>("flat_dq", flat_dq)?;
    let image = RateImage {
        data: data.as_array_mut(),
        dq: dq.as_array_mut(),
        var_poisson: var_poisson.as_array_mut(),
        var_rnoise: var_rnoise.as_array_mut(),
        dumo: dumo.as_mut().map(|dumo| dumo.as_array_mut()),
    };
    let flat = Flat {
        flat: flat.plane(),
        flat_err: flat_err.plane(),
        flat_dq: flat_dq.plane(),
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
pub fn to_half<'py>(
    py: Python<'py>,
    numbers: &Bound<'_, PyAny>,
) -> PyResult<Bound<'py, PyArray1<u16>>> {
    let mut arrays = Arrays::default();
    let numbers = arrays.read::<f32, Ix1>("numbers", numbers)?;
    let numbers = numbers.as_slice()?;
    let halves = PyArray1::zeros(py, numbers.len(), false);
    let mut bits = halves.try_readwrite()?;
    let bits = bits.as_slice_mut()?;
    detached(py, None, None, |execution| {
        half::to_half(numbers, bits, execution)
    })?;
    Ok(halves)
}

#[pyfunction]
pub fn num_threads() -> PyResult<usize> {
    driver::num_threads().map_err(exception)
}

#[pyfunction]
pub fn set_num_threads(threads: Option<Whole>) -> PyResult<()> {
    let threads = threads
        .map(|threads| threads.at_least(1, "threads", driver::THREADS_EXPECTED))
        .transpose()?;
    driver::set_num_threads(threads).map_err(exception)
}
