//! The functions that are no kernels of ramps.

use ndarray::{Ix1, Ix2, Ix3};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use super::arrays::Arrays;
use super::detached::{detached, exception};
use super::read_pattern::ReadPattern;
use super::whole::Whole;
use crate::band::{BandArray, RampBand};
use crate::cadence::check_duration;
use crate::driver;
use crate::half;
use crate::kernels::dark::ImageDark;
use crate::kernels::flat::{Flat, Rules};
use crate::kernels::read_times::{DETECTOR_SIZE, Detector, ReadTimes};
use crate::kernels::smooth_variance::SmoothVariance;
use crate::kernels::statistics::{ImageStatistics, Rates};
use crate::kernels::wfi18_transient;
use crate::planes::{PlaneMut, Planes, Quantity, run_image};

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
    let shape = data.dims();
    let var_flat = PyArray2::zeros(py, shape, false);
    let err = PyArray2::zeros(py, shape, false);
    {
        let (mut var_flat, mut err) = (var_flat.try_readwrite()?, err.try_readwrite()?);
        let mut planes = Planes::default();
        let rate = PlaneMut::Numbers(data.as_array_mut());
        planes.add(Quantity::Slope, "data", rate);
        planes.add_flags(Quantity::Dq, dq.as_array_mut());
        planes.add_numbers(Quantity::VarPoisson, var_poisson.as_array_mut());
        planes.add_numbers(Quantity::VarRnoise, var_rnoise.as_array_mut());
        planes.add_numbers(Quantity::VarFlat, var_flat.as_array_mut());
        planes.add_numbers(Quantity::Err, err.as_array_mut());
        if let Some(dumo) = &mut dumo {
            planes.add_numbers(Quantity::Dumo, dumo.as_array_mut());
        }
        let flat = Flat {
            flat: flat.plane(),
            flat_err: flat_err.plane(),
            flat_dq: flat_dq.plane(),
            rules: Rules::Manual,
        };
        detached(py, max_threads, (band_rows, None), |execution| {
            run_image(&flat, &mut planes, (shape[0], shape[1]), execution)
        })?;
    }
    Ok((var_flat, err))
}

#[pyfunction]
#[pyo3(signature = (
    data, dq, err, var_poisson, flat, flat_err, flat_dq, var_rnoise, dumo, include_var_flat,
    max_threads, band_rows,
))]
#[expect(
    clippy::too_many_arguments,
    reason = "the arrays of an image and its reference"
)]
pub fn divide_by_flat<'py>(
    py: Python<'py>,
    data: &Bound<'_, PyAny>,
    dq: &Bound<'_, PyAny>,
    err: &Bound<'_, PyAny>,
    var_poisson: &Bound<'_, PyAny>,
    flat: &Bound<'_, PyAny>,
    flat_err: &Bound<'_, PyAny>,
    flat_dq: &Bound<'_, PyAny>,
    var_rnoise: Option<&Bound<'_, PyAny>>,
    dumo: Option<&Bound<'_, PyAny>>,
    include_var_flat: bool,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
    let mut arrays = Arrays::default();
    let mut data = arrays.change::<f32, Ix2>("data", data)?;
    let mut dq = arrays.change::<u32, Ix2>("dq", dq)?;
    let mut err = arrays.change::<f32, Ix2>("err", err)?;
    let mut var_poisson = arrays.change::<f32, Ix2>("var_poisson", var_poisson)?;
    let mut var_rnoise = var_rnoise
        .map(|var_rnoise| arrays.change::<f32, Ix2>("var_rnoise", var_rnoise))
        .transpose()?;
    let mut dumo = dumo
        .map(|dumo| arrays.change::<f32, Ix2>("dumo", dumo))
        .transpose()?;
    let flat = arrays.reference::<f32, Ix2>("flat", flat)?;
    let flat_err = arrays.reference::<f32, Ix2>("flat_err", flat_err)?;
    let flat_dq = arrays.reference::<u32, Ix2>("flat_dq", flat_dq)?;
    let shape = data.dims();
    let var_flat = include_var_flat.then(|| PyArray2::zeros(py, shape, false));
    {
        let mut var_flat = var_flat
            .as_ref()
            .map(|plane| plane.try_readwrite())
            .transpose()?;
        let mut planes = Planes::default();
        let rate = PlaneMut::Numbers(data.as_array_mut());
        planes.add(Quantity::Slope, "data", rate);
        planes.add_flags(Quantity::Dq, dq.as_array_mut());
        planes.add_numbers(Quantity::Err, err.as_array_mut());
        planes.add_numbers(Quantity::VarPoisson, var_poisson.as_array_mut());
        let optional = [
            (Quantity::VarRnoise, &mut var_rnoise),
            (Quantity::VarFlat, &mut var_flat),
            (Quantity::Dumo, &mut dumo),
        ];
        for (quantity, plane) in optional {
            if let Some(plane) = plane {
                planes.add_numbers(quantity, plane.as_array_mut());
            }
        }
        let flat = Flat {
            flat: flat.plane(),
            flat_err: flat_err.plane(),
            flat_dq: flat_dq.plane(),
            rules: Rules::Flight,
        };
        detached(py, max_threads, (band_rows, None), |execution| {
            run_image(&flat, &mut planes, (shape[0], shape[1]), execution)
        })?;
    }
    Ok(var_flat)
}

/// Median, robust standard deviation and share of the good pixels.
#[pyfunction]
#[pyo3(signature = (data, dq, err, max_threads, band_rows))]
pub fn image_statistics(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    dq: &Bound<'_, PyAny>,
    err: &Bound<'_, PyAny>,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<(f64, f64, f64)> {
    let mut arrays = Arrays::default();
    let data = arrays.reference::<f32, Ix2>("data", data)?;
    let dq = arrays.reference::<u32, Ix2>("dq", dq)?;
    let err = arrays.reference::<f32, Ix2>("err", err)?;
    let rates = Rates {
        data: data.plane(),
        dq: dq.plane(),
        err: err.plane(),
    };
    let found = detached(py, max_threads, (band_rows, None), |execution| {
        ImageStatistics::of(rates, execution)
    })?;
    Ok((found.median, found.rms, found.good_pixel_fraction))
}

#[pyfunction]
#[pyo3(signature = (data, dq, rate, ref_dq, max_threads, band_rows))]
pub fn subtract_dark_from_image(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    dq: &Bound<'_, PyAny>,
    rate: &Bound<'_, PyAny>,
    ref_dq: &Bound<'_, PyAny>,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<()> {
    let mut arrays = Arrays::default();
    let mut data = arrays.change::<f32, Ix2>("data", data)?;
    let mut dq = arrays.change::<u32, Ix2>("dq", dq)?;
    let rate = arrays.reference::<f32, Ix2>("rate", rate)?;
    let ref_dq = arrays.reference::<u32, Ix2>("ref_dq", ref_dq)?;
    let dark = ImageDark {
        rate: rate.plane(),
        ref_dq: ref_dq.plane(),
    };
    let data = data.as_array_mut();
    let shape = data.dim();
    let mut planes = Planes::default();
    planes.add(Quantity::Slope, "data", PlaneMut::Numbers(data));
    planes.add_flags(Quantity::Dq, dq.as_array_mut());
    detached(py, max_threads, (band_rows, None), |execution| {
        run_image(&dark, &mut planes, shape, execution)
    })
}

#[pyfunction]
#[pyo3(signature = (
    slope, dq, var_poisson, var_rnoise, err, gain, read_noise, read_pattern, max_threads, band_rows,
))]
#[expect(
    clippy::too_many_arguments,
    reason = "the arrays of an image and its references"
)]
pub fn smooth_variance(
    py: Python<'_>,
    slope: &Bound<'_, PyAny>,
    dq: &Bound<'_, PyAny>,
    var_poisson: &Bound<'_, PyAny>,
    var_rnoise: &Bound<'_, PyAny>,
    err: &Bound<'_, PyAny>,
    gain: &Bound<'_, PyAny>,
    read_noise: &Bound<'_, PyAny>,
    read_pattern: &ReadPattern,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<()> {
    let mut arrays = Arrays::default();
    let slope = arrays.reference::<f32, Ix2>("slope", slope)?;
    let dq = arrays.reference::<u32, Ix2>("dq", dq)?;
    let mut var_poisson = arrays.change::<f32, Ix2>("var_poisson", var_poisson)?;
    let mut var_rnoise = arrays.change::<f32, Ix2>("var_rnoise", var_rnoise)?;
    let mut err = arrays.change::<f32, Ix2>("err", err)?;
    let gain = arrays.reference::<f32, Ix2>("gain", gain)?;
    let read_noise = arrays.reference::<f32, Ix2>("read_noise", read_noise)?;
    let kernel = SmoothVariance::new(
        [slope.plane(), gain.plane(), read_noise.plane()],
        dq.plane(),
        &read_pattern.0,
    )
    .map_err(exception)?;
    let [n_rows, n_cols] = slope.plane().shape();
    let mut planes = Planes::default();
    planes.add_numbers(Quantity::VarPoisson, var_poisson.as_array_mut());
    planes.add_numbers(Quantity::VarRnoise, var_rnoise.as_array_mut());
    planes.add_numbers(Quantity::Err, err.as_array_mut());
    detached(py, max_threads, (band_rows, None), |execution| {
        run_image(&kernel, &mut planes, (n_rows, n_cols), execution)
    })
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
    detached(py, None, (None, None), |execution| {
        half::to_half(numbers, bits, execution)
    })?;
    Ok(halves)
}

/// When each row of a detector is read within a frame, and how much later its columns are [s].
#[pyfunction]
#[expect(clippy::type_complexity, reason = "two arrays")]
pub fn read_times<'py>(
    py: Python<'py>,
    detector: &str,
    frame_time: f64,
) -> PyResult<(Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>)> {
    let detector = Detector::named(detector).map_err(exception)?;
    check_duration("frame_time", frame_time).map_err(exception)?;
    let times = ReadTimes::new(detector, frame_time);
    Ok((
        PyArray1::from_iter(py, (0..DETECTOR_SIZE).map(|y| times.of_row(y))),
        PyArray1::from_iter(py, (0..DETECTOR_SIZE).map(|x| times.of_col(x))),
    ))
}

/// The parts of the correction of the WFI18 transient, to be looked at one by one: how much the first
/// resultant of each row inside the border has too much of [DN].
#[pyfunction]
pub fn excess_of_rows<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    groupdq: &Bound<'py, PyAny>,
    pixeldq: &Bound<'py, PyAny>,
    read_pattern: &ReadPattern,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let mut arrays = Arrays::default();
    let data = arrays.read::<f32, Ix3>("data", data)?;
    let groupdq = arrays.read::<u8, Ix3>("groupdq", groupdq)?;
    let pixeldq = arrays.read::<u32, Ix2>("pixeldq", pixeldq)?;
    let ramp = RampBand::of_image(
        BandArray::Shared(data.as_array()),
        BandArray::Shared(groupdq.as_array()),
        BandArray::Shared(pixeldq.as_array()),
    );
    let excess = wfi18_transient::excess_of_rows(&ramp, &read_pattern.0).map_err(exception)?;
    Ok(PyArray1::from_vec(py, excess))
}

/// And the fit of values at some times [s]: amplitudes, time constants and the rms of what it leaves.
#[pyfunction]
pub fn fit_transient(times: Vec<f64>, values: Vec<f64>) -> Option<([f64; 2], [f64; 2], f64)> {
    let fitted = wfi18_transient::fit(&times, &values)?;
    let transient = fitted.transient;
    Some((transient.amplitudes, transient.time_constants, fitted.rms))
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
