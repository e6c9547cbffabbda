//! The ramp fit and what it returns.

use ndarray::{Ix2, Ix3};
use numpy::{IntoPyArray, PyArray2, PyArray3};
use pyo3::prelude::*;

use super::arrays::Arrays;
use super::detached::detached;
use super::read_pattern::ReadPattern;
use super::whole::Whole;
use crate::band::{BandArray, RampBand};
use crate::kernels::ramp_fit::{self, RampFitResult, SegmentArrays};

/// The rate image of an exposure, each array (n_rows, n_cols).
///
/// Attributes
/// ----------
/// slope : ndarray, float32
///     Rate [DN/s].
/// dq : ndarray, uint32
///     Flags of each pixel: those of `pixeldq` and of all samples, but DO_NOT_USE of a sample only
///     where no sample could be used.
/// var_poisson, var_rnoise : ndarray, float32
///     Variance of the rate from photon noise and from read noise [(DN/s)^2].
/// err : ndarray, float32
///     Root of the sum of the two [DN/s].
/// chisq : ndarray, float32
///     Sum over the differences used of their deviation from the slope over their noise, squared.
/// dumo : ndarray, float32
///     Slope with uniform weights minus the slope with optimal weights [DN/s].
/// optional : SegmentFits or None
///     The fit of each segment, if asked for.
#[pyclass(frozen, get_all, module = "romancal_rs.kernels")]
pub struct RampFit {
    slope: Py<PyArray2<f32>>,
    dq: Py<PyArray2<u32>>,
    var_poisson: Py<PyArray2<f32>>,
    var_rnoise: Py<PyArray2<f32>>,
    err: Py<PyArray2<f32>>,
    chisq: Py<PyArray2<f32>>,
    dumo: Py<PyArray2<f32>>,
    optional: Option<Py<SegmentFits>>,
}

/// The fit of each segment of each pixel: (n_segments, n_rows, n_cols), float32.
///
/// The first axis is as long as the largest number of segments of a pixel, counting pixels without
/// gain or read noise too, and at least 1; a pixel with fewer has 0 in the rest.
///
/// Attributes
/// ----------
/// slope, sigslope : ndarray
///     Rate and its standard error from read noise by the weights of the fit [DN/s].
/// yint, sigyint : ndarray
///     Value of the line at time 0, and its standard error by the weights [DN].
/// weights : ndarray
///     ``1 / (var_poisson + var_rnoise)**2`` [(DN/s)^-4].
/// var_poisson, var_rnoise : ndarray
///     Variance of the rate from photon noise and from read noise [(DN/s)^2].
/// pedestal : ndarray, (n_rows, n_cols)
///     First sample minus the pixel's slope times the first mean time; 0 where the first sample
///     is saturated or the pixel could not be fitted [DN].
/// crmag : ndarray, (n_jumps, n_rows, n_cols)
///     Difference to the sample before, for each JUMP_DET sample of the pixel in turn, whatever its
///     other flags and also where the pixel could not be fitted [DN]; 0 where there is none, as
///     the sample is the first, or one of the two is NaN or infinite. The first axis is as long as
///     the largest number of jumps of a pixel, at least 1.
#[pyclass(frozen, get_all, module = "romancal_rs.kernels")]
pub struct SegmentFits {
    slope: Py<PyArray3<f32>>,
    sigslope: Py<PyArray3<f32>>,
    yint: Py<PyArray3<f32>>,
    sigyint: Py<PyArray3<f32>>,
    weights: Py<PyArray3<f32>>,
    var_poisson: Py<PyArray3<f32>>,
    var_rnoise: Py<PyArray3<f32>>,
    pedestal: Py<PyArray2<f32>>,
    crmag: Py<PyArray3<f32>>,
}

impl RampFit {
    fn new(py: Python<'_>, result: RampFitResult) -> PyResult<Self> {
        let optional = result
            .segments
            .map(|segments| Py::new(py, SegmentFits::new(py, segments)))
            .transpose()?;
        Ok(Self {
            slope: result.slope.into_pyarray(py).unbind(),
            dq: result.dq.into_pyarray(py).unbind(),
            var_poisson: result.var_poisson.into_pyarray(py).unbind(),
            var_rnoise: result.var_rnoise.into_pyarray(py).unbind(),
            err: result.err.into_pyarray(py).unbind(),
            chisq: result.chisq.into_pyarray(py).unbind(),
            dumo: result.dumo.into_pyarray(py).unbind(),
            optional,
        })
    }
}

impl SegmentFits {
    fn new(py: Python<'_>, segments: SegmentArrays) -> Self {
        Self {
            slope: segments.slope.into_pyarray(py).unbind(),
            sigslope: segments.sigslope.into_pyarray(py).unbind(),
            yint: segments.yint.into_pyarray(py).unbind(),
            sigyint: segments.sigyint.into_pyarray(py).unbind(),
            weights: segments.weights.into_pyarray(py).unbind(),
            var_poisson: segments.var_poisson.into_pyarray(py).unbind(),
            var_rnoise: segments.var_rnoise.into_pyarray(py).unbind(),
            pedestal: segments.pedestal.into_pyarray(py).unbind(),
            crmag: segments.crmag.into_pyarray(py).unbind(),
        }
    }
}

#[pyfunction]
#[pyo3(signature = (
    data, groupdq, pixeldq, gain, read_noise, read_pattern, optional, max_threads, band_rows,
))]
#[expect(
    clippy::too_many_arguments,
    reason = "the arrays of a ramp and its references"
)]
pub fn fit_ramps(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    groupdq: &Bound<'_, PyAny>,
    pixeldq: &Bound<'_, PyAny>,
    gain: &Bound<'_, PyAny>,
    read_noise: &Bound<'_, PyAny>,
    read_pattern: PyRef<'_, ReadPattern>,
    optional: bool,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<RampFit> {
    let mut arrays = Arrays::default();
    let data = arrays.read::<f32, Ix3>("data", data)?;
    let groupdq = arrays.read::<u8, Ix3>("groupdq", groupdq)?;
    let pixeldq = arrays.read::<u32, Ix2>("pixeldq", pixeldq)?;
    let gain = arrays.read::<f32, Ix2>("gain", gain)?;
    let read_noise = arrays.read::<f32, Ix2>("read_noise", read_noise)?;
    let fit = ramp_fit::RampFit::new(gain.as_array(), read_noise.as_array(), &read_pattern.0);
    let mut ramp = RampBand {
        first_row: 0,
        data: BandArray::Shared(data.as_array()),
        groupdq: BandArray::Shared(groupdq.as_array()),
        pixeldq: BandArray::Shared(pixeldq.as_array()),
    };
    let result = detached(py, max_threads, band_rows, |execution| {
        ramp_fit::fit_ramps(&fit, &mut ramp, optional, execution)
    })?;
    RampFit::new(py, result)
}
