//! Fits as Python objects, and the planes of an image that they make.

use ndarray::{Ix2, Ix3};
use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadwriteArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::arrays::{Arrays, Reference};
use super::detached::{detached, exception};
use super::read_pattern::ReadPattern;
use super::whole::Whole;
use crate::band::{BandArray, RampBand};
use crate::error::KernelError;
use crate::kernels::likelihood::{LikelihoodFit, Rule, Search};
use crate::kernels::ramp_fit::{RampFit, SegmentArrays, fit_ramps as fit_image};
use crate::kernels::rate_rows::RATE_IMAGE;
use crate::planes::{self, Planes, Quantity, run_fit};

/// A fit of ramps: reference arrays and parameters.
///
/// Made by the functions of `romancal_rs.kernels`. The arrays are borrowed while it runs, not copied.
#[pyclass(frozen, module = "romancal_rs.kernels")]
pub struct Fit(Box<dyn Recipe>);

#[pymethods]
impl Fit {
    fn __repr__(&self) -> String {
        format!("<Fit {}>", self.0.name())
    }
}

impl Fit {
    /// Borrows its arrays.
    pub fn open<'py>(
        &'py self,
        py: Python<'py>,
        arrays: &mut Arrays,
    ) -> PyResult<Box<dyn Opened + 'py>> {
        self.0.open(py, arrays)
    }
}

/// What a fit is made of, as Python gave it.
trait Recipe: Send + Sync {
    /// What it is called: as the function that makes it.
    fn name(&self) -> &'static str;

    /// Borrows the arrays.
    fn open<'py>(
        &'py self,
        py: Python<'py>,
        arrays: &mut Arrays,
    ) -> PyResult<Box<dyn Opened + 'py>>;
}

/// Borrowed arrays, of which a fit is made.
pub trait Opened {
    fn fit(&self) -> PyResult<Box<dyn planes::Fit + '_>>;
}

/// A fit of ramps by what it needs to know of the detector and the read-out.
struct MadeFit {
    gain: Py<PyAny>,
    read_noise: Py<PyAny>,
    read_pattern: Py<ReadPattern>,
    how: How,
}

struct OpenFit<'py> {
    gain: Reference<'py, f32, Ix2>,
    read_noise: Reference<'py, f32, Ix2>,
    read_pattern: &'py ReadPattern,
    how: How,
}

/// Which fit it is, with its parameters.
#[derive(Clone, Copy)]
enum How {
    Lines { lone_samples: bool },
    Likelihood(Search),
}

impl MadeFit {
    fn borrow<'py>(&'py self, py: Python<'py>, arrays: &mut Arrays) -> PyResult<OpenFit<'py>> {
        Ok(OpenFit {
            gain: arrays.reference("gain", self.gain.bind(py))?,
            read_noise: arrays.reference("read_noise", self.read_noise.bind(py))?,
            read_pattern: self.read_pattern.get(),
            how: self.how,
        })
    }

    /// What Python gets, unless an array or a parameter does not fit.
    fn checked(self, py: Python<'_>) -> PyResult<Fit> {
        self.borrow(py, &mut Arrays::default())?.fit()?;
        Ok(Fit(Box::new(self)))
    }
}

impl Recipe for MadeFit {
    fn name(&self) -> &'static str {
        match self.how {
            How::Lines { .. } => "ramp_fit",
            How::Likelihood(_) => "likelihood_fit",
        }
    }

    fn open<'py>(
        &'py self,
        py: Python<'py>,
        arrays: &mut Arrays,
    ) -> PyResult<Box<dyn Opened + 'py>> {
        Ok(Box::new(self.borrow(py, arrays)?))
    }
}

impl OpenFit<'_> {
    fn ramp_fit(&self, lone_samples: bool) -> RampFit<'_> {
        let (gain, read_noise) = (self.gain.plane(), self.read_noise.plane());
        let fit = RampFit::new(gain, read_noise, &self.read_pattern.0);
        if lone_samples {
            fit
        } else {
            fit.of_two_samples()
        }
    }
}

impl Opened for OpenFit<'_> {
    fn fit(&self) -> PyResult<Box<dyn planes::Fit + '_>> {
        match self.how {
            How::Lines { lone_samples } => Ok(Box::new(self.ramp_fit(lone_samples))),
            How::Likelihood(search) => {
                let (gain, read_noise) = (self.gain.plane(), self.read_noise.plane());
                let fit = LikelihoodFit::new(gain, read_noise, &self.read_pattern.0, search);
                Ok(Box::new(fit.map_err(exception)?))
            }
        }
    }
}

/// The fit by optimally weighted straight lines.
#[pyfunction]
pub fn ramp_fit(
    py: Python<'_>,
    gain: Py<PyAny>,
    read_noise: Py<PyAny>,
    read_pattern: Py<ReadPattern>,
    lone_samples: bool,
) -> PyResult<Fit> {
    let how = How::Lines { lone_samples };
    MadeFit {
        gain,
        read_noise,
        read_pattern,
        how,
    }
    .checked(py)
}

/// The parameters of a search for hits.
fn search(
    rule: &str,
    rejection_threshold: f64,
    find_jumps: bool,
    average_hits: bool,
    record_jumps: bool,
) -> PyResult<Search> {
    let rule = match rule {
        "gls" => Rule::Gls,
        "likely" => Rule::Likely,
        other => {
            let error = KernelError::value("rule", "gls or likely", other);
            return Err(exception(error));
        }
    };
    Ok(Search {
        rule,
        rejection_threshold,
        find_jumps,
        average_hits,
        record_jumps,
    })
}

/// The fit by likelihood.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "references and parameters")]
pub fn likelihood_fit(
    py: Python<'_>,
    gain: Py<PyAny>,
    read_noise: Py<PyAny>,
    read_pattern: Py<ReadPattern>,
    rule: &str,
    rejection_threshold: f64,
    find_jumps: bool,
    average_hits: bool,
    record_jumps: bool,
) -> PyResult<Fit> {
    let search = search(
        rule,
        rejection_threshold,
        find_jumps,
        average_hits,
        record_jumps,
    )?;
    MadeFit {
        gain,
        read_noise,
        read_pattern,
        how: How::Likelihood(search),
    }
    .checked(py)
}

/// The planes of the rate image by name; flags jumps in `groupdq`.
#[pyfunction]
#[pyo3(signature = (
    data, groupdq, pixeldq, gain, read_noise, read_pattern, rule, rejection_threshold, find_jumps,
    average_hits, max_threads, band_rows,
))]
#[expect(
    clippy::too_many_arguments,
    reason = "the arrays of a ramp and its references"
)]
pub fn fit_likelihood<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    groupdq: &Bound<'py, PyAny>,
    pixeldq: &Bound<'py, PyAny>,
    gain: Py<PyAny>,
    read_noise: Py<PyAny>,
    read_pattern: Py<ReadPattern>,
    rule: &str,
    rejection_threshold: f64,
    find_jumps: bool,
    average_hits: bool,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<Bound<'py, PyDict>> {
    let mut arrays = Arrays::default();
    let data = arrays.read::<f32, Ix3>("data", data)?;
    let mut groupdq = arrays.change::<u8, Ix3>("groupdq", groupdq)?;
    let pixeldq = arrays.read::<u32, Ix2>("pixeldq", pixeldq)?;
    let search = search(rule, rejection_threshold, find_jumps, average_hits, false)?;
    let made = MadeFit {
        gain,
        read_noise,
        read_pattern,
        how: How::Likelihood(search),
    };
    let opened = made.borrow(py, &mut arrays)?;
    let fit = opened.fit()?;
    let mut ramp = RampBand::of_image(
        BandArray::Shared(data.as_array()),
        BandArray::InPlace(groupdq.as_array_mut()),
        BandArray::Shared(pixeldq.as_array()),
    );
    let (_, n_rows, n_cols) = ramp.shape();
    let image = NewImage::new(py, &RATE_IMAGE, [n_rows, n_cols]);
    image.fill(|out| {
        detached(py, max_threads, (band_rows, None), |execution| {
            run_fit(&*fit, &mut ramp, out, execution)
        })
    })?;
    image.into_dict(py)
}

/// The planes of an image, made by NumPy: it asks the system for large pages, whose first use costs a
/// fraction of that of small ones.
pub struct NewImage<'py>(Vec<(Quantity, NewPlane<'py>)>);

enum NewPlane<'py> {
    Numbers(Bound<'py, PyArray2<f32>>),
    Flags(Bound<'py, PyArray2<u32>>),
}

enum Borrowed<'py> {
    Numbers(PyReadwriteArray2<'py, f32>),
    Flags(PyReadwriteArray2<'py, u32>),
}

impl<'py> NewImage<'py> {
    /// With these planes, (n_rows, n_cols), zero at first.
    pub fn new(py: Python<'py>, quantities: &[Quantity], shape: [usize; 2]) -> Self {
        let new = quantities.iter().map(|&quantity| {
            let plane = if quantity.is_flags() {
                NewPlane::Flags(PyArray2::zeros(py, shape, false))
            } else {
                NewPlane::Numbers(PyArray2::zeros(py, shape, false))
            };
            (quantity, plane)
        });
        Self(new.collect())
    }

    /// Has the planes filled by `work`.
    pub fn fill<R>(&self, work: impl FnOnce(&mut Planes<'_>) -> PyResult<R>) -> PyResult<R> {
        let mut borrowed = Vec::with_capacity(self.0.len());
        for (quantity, plane) in &self.0 {
            let plane = match plane {
                NewPlane::Numbers(array) => Borrowed::Numbers(array.try_readwrite()?),
                NewPlane::Flags(array) => Borrowed::Flags(array.try_readwrite()?),
            };
            borrowed.push((*quantity, plane));
        }
        let mut planes = Planes::default();
        for (quantity, plane) in &mut borrowed {
            match plane {
                Borrowed::Numbers(array) => planes.add_numbers(*quantity, array.as_array_mut()),
                Borrowed::Flags(array) => planes.add_flags(*quantity, array.as_array_mut()),
            }
        }
        work(&mut planes)
    }

    /// The planes by name.
    pub fn into_dict(self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let named = PyDict::new(py);
        for (quantity, plane) in self.0 {
            match plane {
                NewPlane::Numbers(array) => named.set_item(quantity.name(), array)?,
                NewPlane::Flags(array) => named.set_item(quantity.name(), array)?,
            }
        }
        Ok(named)
    }
}

fn segments_by_name<'py>(py: Python<'py>, segments: SegmentArrays) -> PyResult<Bound<'py, PyDict>> {
    let named = PyDict::new(py);
    named.set_item("slope", segments.slope.into_pyarray(py))?;
    named.set_item("sigslope", segments.sigslope.into_pyarray(py))?;
    named.set_item("yint", segments.yint.into_pyarray(py))?;
    named.set_item("sigyint", segments.sigyint.into_pyarray(py))?;
    named.set_item("weights", segments.weights.into_pyarray(py))?;
    named.set_item("var_poisson", segments.var_poisson.into_pyarray(py))?;
    named.set_item("var_rnoise", segments.var_rnoise.into_pyarray(py))?;
    named.set_item("pedestal", segments.pedestal.into_pyarray(py))?;
    named.set_item("crmag", segments.crmag.into_pyarray(py))?;
    Ok(named)
}

/// The planes of the rate image by name, and those of its segments where they are asked for.
#[pyfunction]
#[pyo3(signature = (
    data, groupdq, pixeldq, gain, read_noise, read_pattern, lone_samples, optional, max_threads,
    band_rows,
))]
#[expect(
    clippy::too_many_arguments,
    reason = "the arrays of a ramp and its references"
)]
pub fn fit_ramps<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    groupdq: &Bound<'py, PyAny>,
    pixeldq: &Bound<'py, PyAny>,
    gain: Py<PyAny>,
    read_noise: Py<PyAny>,
    read_pattern: Py<ReadPattern>,
    lone_samples: bool,
    optional: bool,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
) -> PyResult<(Bound<'py, PyDict>, Option<Bound<'py, PyDict>>)> {
    let mut arrays = Arrays::default();
    let data = arrays.read::<f32, Ix3>("data", data)?;
    let groupdq = arrays.read::<u8, Ix3>("groupdq", groupdq)?;
    let pixeldq = arrays.read::<u32, Ix2>("pixeldq", pixeldq)?;
    let made = MadeFit {
        gain,
        read_noise,
        read_pattern,
        how: How::Lines { lone_samples },
    };
    let opened = made.borrow(py, &mut arrays)?;
    let fit = opened.ramp_fit(lone_samples);
    let mut ramp = RampBand::of_image(
        BandArray::Shared(data.as_array()),
        BandArray::Shared(groupdq.as_array()),
        BandArray::Shared(pixeldq.as_array()),
    );
    let (_, n_rows, n_cols) = ramp.shape();
    let image = NewImage::new(py, &RATE_IMAGE, [n_rows, n_cols]);
    let segments = image.fill(|out| {
        detached(py, max_threads, (band_rows, None), |execution| {
            fit_image(&fit, &mut ramp, out, optional, execution)
        })
    })?;
    let segments = segments.map(|segments| segments_by_name(py, segments));
    Ok((image.into_dict(py)?, segments.transpose()?))
}
