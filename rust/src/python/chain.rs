//! The one pass from raw counts, or from a ramp, to the rate image.

use ndarray::{Ix2, Ix3};
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods, dtype};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::arrays::{Arrays, Reference};
use super::detached::{ArgumentError, ArgumentTypeError, detached_with_progress, exception};
use super::fit::{Fit, NewImage};
use super::kernel::{Kernel, found, make_all, nanoseconds, open_all};
use super::whole::Whole;
use crate::chain::{Chain, Source};
use crate::encoding::Encoding;
use crate::error::KernelError;

/// Raw counts, or samples.
enum Samples<'py> {
    Counts(Reference<'py, u16, Ix3>),
    Ramp(Reference<'py, f32, Ix3>),
}

impl<'py> Samples<'py> {
    fn borrow(arrays: &mut Arrays, object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        if let Ok(array) = object.cast::<PyUntypedArray>() {
            if array.dtype().is_equiv_to(&dtype::<f32>(py)) {
                return arrays.reference("raw", object).map(Self::Ramp);
            }
            if !array.dtype().is_equiv_to(&dtype::<u16>(py)) {
                return Err(ArgumentTypeError::new_err(format!(
                    "raw: expected dtype uint16 (counts) or float32 (a ramp), got {}",
                    array.dtype()
                )));
            }
        }
        arrays.reference("raw", object).map(Self::Counts)
    }
}

/// The planes of the image by name, whether there is a pixel that is not saturated, what took how many
/// nanoseconds: reading, each kernel, the fit; and what each kernel and the fit found.
#[pyfunction]
#[pyo3(signature = (
    raw, kernels, fit, groupdq, pixeldq, reference_read, offset, border, max_threads, band_rows,
    tile_cols, progress=None,
))]
#[expect(
    clippy::too_many_arguments,
    reason = "an exposure, and what it goes through"
)]
#[expect(clippy::type_complexity, reason = "four results")]
pub fn calibrate<'py>(
    py: Python<'py>,
    raw: &Bound<'py, PyAny>,
    kernels: Vec<PyRef<'py, Kernel>>,
    fit: &Fit,
    groupdq: Option<&Bound<'py, PyAny>>,
    pixeldq: Option<&Bound<'py, PyAny>>,
    reference_read: Option<&Bound<'py, PyAny>>,
    offset: f32,
    border: Whole,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
    tile_cols: Option<Whole>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<(
    Bound<'py, PyDict>,
    bool,
    Vec<(&'static str, u64)>,
    Vec<Bound<'py, PyDict>>,
)> {
    let border = border.at_least(0, "border", "a number of pixels, from 0 to 2^63 - 1")?;
    let mut arrays = Arrays::default();
    let samples = Samples::borrow(&mut arrays, raw)?;
    let is_encoded = reference_read.is_some() || offset != 0.0;
    if matches!(samples, Samples::Ramp(_)) && is_encoded {
        return Err(ArgumentError::new_err(
            "raw: expected dtype uint16, as a reference_read or an offset is of counts, got float32",
        ));
    }
    if !offset.is_finite() {
        return Err(exception(KernelError::value(
            "offset",
            "a finite number",
            offset,
        )));
    }
    let reference_read = reference_read
        .map(|read| arrays.reference::<u16, Ix2>("reference_read", read))
        .transpose()?;
    let groupdq = groupdq
        .map(|groupdq| arrays.reference::<u8, Ix3>("groupdq", groupdq))
        .transpose()?;
    let pixeldq = pixeldq
        .map(|pixeldq| arrays.reference::<u32, Ix2>("pixeldq", pixeldq))
        .transpose()?;
    let opened = open_all(py, &kernels, &mut arrays)?;
    let made = make_all(&opened);
    let opened_fit = fit.open(py, &mut arrays)?;
    let made_fit = opened_fit.fit()?;
    let encoding = Encoding {
        reference_read: reference_read.as_ref().map(Reference::plane),
        offset,
    };
    let (source, shape) = match &samples {
        Samples::Counts(raw) => (Source::Counts(raw.cube(), encoding), raw.cube().shape()),
        Samples::Ramp(data) => (Source::Samples(data.cube()), data.cube().shape()),
    };
    let chain = Chain {
        source,
        groupdq: groupdq.as_ref().map(Reference::cube),
        pixeldq: pixeldq.as_ref().map(Reference::plane),
        kernels: made.iter().map(|kernel| &**kernel).collect(),
        fit: &*made_fit,
        border,
    };
    let [_, n_rows, n_cols] = shape;
    let inside = |n: usize| n.saturating_sub(border.saturating_mul(2));
    let image = NewImage::new(py, chain.fit.makes(), [inside(n_rows), inside(n_cols)]);
    let report = image.fill(|out| {
        let how = (band_rows, tile_cols);
        detached_with_progress(py, max_threads, how, progress, |execution| {
            chain.run(out, execution)
        })
    })?;
    let mut took = vec![("read", nanoseconds(report.read))];
    let mut all_found = Vec::new();
    for (kernel, outcome) in chain.kernels.iter().zip(report.kernels) {
        took.push((kernel.name(), nanoseconds(outcome.took)));
        all_found.push(found(py, outcome.found)?);
    }
    took.push(("fit", nanoseconds(report.fit)));
    all_found.push(found(py, report.found)?);
    Ok((image.into_dict(py)?, report.unsaturated, took, all_found))
}
