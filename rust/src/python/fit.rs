//! The ramp fit and what it returns.

use ndarray::{Ix2, Ix3};
use numpy::{IntoPyArray, PyArray2, PyArray3, PyArrayMethods};
use pyo3::prelude::*;

use super::arrays::Arrays;
use super::detached::detached;
use super::read_pattern::ReadPattern;
use super::whole::Whole;
use crate::band::{BandArray, RampBand};
use crate::kernels::ramp_fit::{self, FitRows, SegmentArrays};

/// The rate image of an exposure, each array (n_rows, n_cols).
///
/// Attributes
/// ----------
/// slope : ndarray, float32
///     Rate [DN/s].
/// dq : ndarray, uint32
///     Flags of each pixel: those of `pixeldq` and of all samples, but DO_NOT_USE of a sample only
///     where no sample could be used, and WFI18_TRANSIENT of none.
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

/// The planes of a rate image, made by NumPy: it asks the system for large pages, whose first use
/// costs a fraction of that of small ones.
pub struct NewImage<'py> {
    slope: Bound<'py, PyArray2<f32>>,
    dq: Bound<'py, PyArray2<u32>>,
    var_poisson: Bound<'py, PyArray2<f32>>,
    var_rnoise: Bound<'py, PyArray2<f32>>,
    err: Bound<'py, PyArray2<f32>>,
    chisq: Bound<'py, PyArray2<f32>>,
    dumo: Bound<'py, PyArray2<f32>>,
}

impl<'py> NewImage<'py> {
    pub fn new(py: Python<'py>, n_rows: usize, n_cols: usize) -> Self {
        let shape = [n_rows, n_cols];
        let plane = || PyArray2::zeros(py, shape, false);
        Self {
            slope: plane(),
            dq: PyArray2::zeros(py, shape, false),
            var_poisson: plane(),
            var_rnoise: plane(),
            err: plane(),
            chisq: plane(),
            dumo: plane(),
        }
    }

    /// Has the planes filled by `work`.
    pub fn fill<R>(&self, work: impl FnOnce(&mut FitRows<'_>) -> PyResult<R>) -> PyResult<R> {
        let mut dq = self.dq.try_readwrite()?;
        let mut slope = self.slope.try_readwrite()?;
        let mut var_poisson = self.var_poisson.try_readwrite()?;
        let mut var_rnoise = self.var_rnoise.try_readwrite()?;
        let mut err = self.err.try_readwrite()?;
        let mut chisq = self.chisq.try_readwrite()?;
        let mut dumo = self.dumo.try_readwrite()?;
        work(&mut FitRows {
            slope: slope.as_array_mut(),
            dq: dq.as_array_mut(),
            var_poisson: var_poisson.as_array_mut(),
            var_rnoise: var_rnoise.as_array_mut(),
            err: err.as_array_mut(),
            chisq: chisq.as_array_mut(),
            dumo: dumo.as_array_mut(),
            segments: None,
        })
    }

    pub fn into_fit(self, py: Python<'_>, segments: Option<SegmentArrays>) -> PyResult<RampFit> {
        let optional = segments
            .map(|segments| Py::new(py, SegmentFits::new(py, segments)))
            .transpose()?;
        Ok(RampFit {
            slope: self.slope.unbind(),
            dq: self.dq.unbind(),
            var_poisson: self.var_poisson.unbind(),
            var_rnoise: self.var_rnoise.unbind(),
            err: self.err.unbind(),
            chisq: self.chisq.unbind(),
            dumo: self.dumo.unbind(),
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
    let gain = arrays.reference::<f32, Ix2>("gain", gain)?;
    let read_noise = arrays.reference::<f32, Ix2>("read_noise", read_noise)?;
    let fit = ramp_fit::RampFit::new(gain.plane(), read_noise.plane(), &read_pattern.0);
    let mut ramp = RampBand {
        first_row: 0,
        data: BandArray::Shared(data.as_array()),
        groupdq: BandArray::Shared(groupdq.as_array()),
        pixeldq: BandArray::Shared(pixeldq.as_array()),
    };
    let (_, n_rows, n_cols) = ramp.shape();
    let image = NewImage::new(py, n_rows, n_cols);
    let segments = image.fill(|out| {
        detached(py, max_threads, band_rows, |execution| {
            ramp_fit::fit_ramps(&fit, &mut ramp, out, optional, execution)
        })
    })?;
    image.into_fit(py, segments)
}
