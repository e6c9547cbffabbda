//! Kernels as Python objects: what they are made of, opened anew each time they run.

use ndarray::{Array3, Dimension, Ix2, Ix3};
use numpy::{Element, IntoPyArray, PyReadonlyArray, PyReadwriteArray};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::arrays::Arrays;
use super::detached::detached_with_progress;
use super::whole::Whole;
use crate::band::{BandArray, BandKernel, Changes, Found, RampBand};
use crate::driver;

/// A correction of a ramp: reference arrays and parameters.
///
/// Made by the functions of `romancal_rs.kernels`. The arrays are borrowed while it runs, not copied.
#[pyclass(frozen, module = "romancal_rs.kernels")]
pub struct Kernel {
    recipe: Box<dyn Recipe>,
    name: &'static str,
    changes: Changes,
}

#[pymethods]
impl Kernel {
    /// What it is called in messages.
    #[getter]
    fn name(&self) -> &'static str {
        self.name
    }

    /// Names of the arrays of a ramp that it changes: of ``data``, ``groupdq`` and ``pixeldq``.
    #[getter]
    fn changes(&self) -> Vec<&'static str> {
        self.changes.names().collect()
    }

    fn __repr__(&self) -> String {
        format!("<Kernel {}>", self.name)
    }
}

impl Kernel {
    /// Of a recipe; errs unless its arrays are of the right type.
    pub fn make(py: Python<'_>, recipe: impl Recipe + 'static) -> PyResult<Self> {
        let (name, changes) = {
            let opened = recipe.open(py, &mut Arrays::default())?;
            let kernel = opened.kernel();
            (kernel.name(), kernel.changes())
        };
        Ok(Self {
            recipe: Box::new(recipe),
            name,
            changes,
        })
    }

    /// Borrows its arrays.
    pub fn open<'py>(
        &'py self,
        py: Python<'py>,
        arrays: &mut Arrays,
    ) -> PyResult<Box<dyn Opened + 'py>> {
        self.recipe.open(py, arrays)
    }
}

/// What a kernel is made of, as Python gave it.
pub trait Recipe: Send + Sync {
    /// Borrows the arrays.
    fn open<'py>(
        &'py self,
        py: Python<'py>,
        arrays: &mut Arrays,
    ) -> PyResult<Box<dyn Opened + 'py>>;
}

/// Borrowed arrays, of which a kernel is made.
pub trait Opened {
    fn kernel(&self) -> Box<dyn BandKernel + '_>;
}

/// Borrows the arrays of all kernels.
pub fn open_all<'py>(
    py: Python<'py>,
    kernels: &'py [PyRef<'py, Kernel>],
    arrays: &mut Arrays,
) -> PyResult<Vec<Box<dyn Opened + 'py>>> {
    let kernels = kernels.iter();
    kernels.map(|kernel| kernel.open(py, arrays)).collect()
}

/// The kernels themselves.
pub fn make_all<'a>(opened: &'a [Box<dyn Opened + '_>]) -> Vec<Box<dyn BandKernel + 'a>> {
    opened.iter().map(|opened| opened.kernel()).collect()
}

/// An array of a ramp, which kernels change, or only read.
enum Lent<'py, T: Element, D: Dimension> {
    Read(PyReadonlyArray<'py, T, D>),
    Change(PyReadwriteArray<'py, T, D>),
}

impl<'py, T: Element, D: Dimension> Lent<'py, T, D> {
    fn new(
        arrays: &mut Arrays,
        argument: &'static str,
        object: &Bound<'py, PyAny>,
        changed: bool,
    ) -> PyResult<Self> {
        if changed {
            arrays.change(argument, object).map(Self::Change)
        } else {
            arrays.read(argument, object).map(Self::Read)
        }
    }

    fn lend(&mut self) -> BandArray<'_, T, D> {
        match self {
            Self::Read(array) => BandArray::Shared(array.as_array()),
            Self::Change(array) => BandArray::InPlace(array.as_array_mut()),
        }
    }
}

/// Takes a whole ramp through kernels, in place. `groupdq` may be left out where none asks for it.
/// Returns the nanoseconds that each took, and what it found.
#[pyfunction]
#[pyo3(signature = (kernels, data, groupdq, pixeldq, max_threads, band_rows, tile_cols, progress=None))]
#[expect(clippy::too_many_arguments, reason = "a ramp, and how to work on it")]
pub fn apply<'py>(
    py: Python<'py>,
    kernels: Vec<PyRef<'py, Kernel>>,
    data: &Bound<'py, PyAny>,
    groupdq: Option<&Bound<'py, PyAny>>,
    pixeldq: &Bound<'py, PyAny>,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
    tile_cols: Option<Whole>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Vec<(u64, Bound<'py, PyDict>)>> {
    let of_all = |all: Changes, kernel: &PyRef<'py, Kernel>| all.or(kernel.changes);
    let changes = kernels.iter().fold(Changes::default(), of_all);
    let mut arrays = Arrays::default();
    let mut data = Lent::<f32, Ix3>::new(&mut arrays, "data", data, changes.data)?;
    let mut groupdq = groupdq
        .map(|groupdq| Lent::<u8, Ix3>::new(&mut arrays, "groupdq", groupdq, changes.groupdq))
        .transpose()?;
    let mut pixeldq = Lent::<u32, Ix2>::new(&mut arrays, "pixeldq", pixeldq, changes.pixeldq)?;
    let opened = open_all(py, &kernels, &mut arrays)?;
    let made = make_all(&opened);
    let data = data.lend();
    let shape = data.view().dim();
    // A row of as many columns stands for all of those that nobody asks for.
    let no_flags = Array3::zeros((1, 1, shape.2));
    let mut ramp = RampBand::of_image(
        data,
        match &mut groupdq {
            Some(groupdq) => groupdq.lend(),
            None => BandArray::Shared(no_flags.broadcast(shape).expect("a row of as many columns")),
        },
        pixeldq.lend(),
    );
    let how = (band_rows, tile_cols);
    let outcomes = detached_with_progress(py, max_threads, how, progress, |execution| {
        let kernels: Vec<&dyn BandKernel> = made.iter().map(|kernel| &**kernel).collect();
        driver::run(&kernels, &mut ramp, execution)
    })?;
    outcomes
        .into_iter()
        .map(|outcome| Ok((nanoseconds(outcome.took), found(py, outcome.found)?)))
        .collect()
}

/// What a kernel found, by name.
pub fn found<'py>(
    py: Python<'py>,
    found: Vec<(&'static str, Found)>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, item) in found {
        match item {
            Found::Number(number) => dict.set_item(name, number),
            Found::Counts(counts) => dict.set_item(name, counts.into_pyarray(py)),
            Found::Samples(samples) => dict.set_item(name, samples.into_pyarray(py)),
            Found::Indices(indices) => dict.set_item(name, indices.into_pyarray(py)),
        }?;
    }
    Ok(dict)
}

pub fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
