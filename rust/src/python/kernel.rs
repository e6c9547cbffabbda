//! Kernels as Python objects: what they are made of, opened anew each time they run.

use ndarray::{Array3, Dimension, Ix2, Ix3};
use numpy::{Element, PyReadonlyArray, PyReadwriteArray};
use pyo3::prelude::*;

use super::arrays::{Arrays, Reference};
use super::detached::detached;
use super::read_pattern::ReadPattern;
use super::whole::Whole;
use crate::band::{BandArray, BandKernel, Changes, RampBand};
use crate::cadence;
use crate::driver;
use crate::kernels::dark::{Dark, DarkSignal};
use crate::kernels::jump::{Jump, JumpParameters};
use crate::kernels::linearity::Linearity;
use crate::kernels::saturation::Saturation;

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
    /// Errs unless the arrays are of the right type.
    fn make(py: Python<'_>, recipe: impl Recipe + 'static) -> PyResult<Self> {
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
trait Recipe: Send + Sync {
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

/// Declares the Python side of a kernel: the function that makes it, of arrays and of parameters,
/// each with its type here, that in Python, and what turns that into this; and how the kernel is made
/// of them.
macro_rules! kernel {
    (
        $make:ident,
        arrays { $($array:ident: $number:ty, $dims:ty;)* },
        parameters { $($parameter:ident: $type:ty = $given:ty, $read:expr;)* },
        |$open:ident| $build:expr
    ) => {
        pub mod $make {
            use super::*;

            struct Made {
                $($array: Py<PyAny>,)*
                $($parameter: $type,)*
            }

            struct Open<'py> {
                // Not every kernel has parameters, nor every one arrays.
                #[allow(dead_code)]
                made: &'py Made,
                $($array: Reference<'py, $number, $dims>,)*
            }

            impl Recipe for Made {
                #[allow(unused_variables)]
                fn open<'py>(
                    &'py self,
                    py: Python<'py>,
                    arrays: &mut Arrays,
                ) -> PyResult<Box<dyn Opened + 'py>> {
                    Ok(Box::new(Open {
                        made: self,
                        $($array: arrays.reference(stringify!($array), self.$array.bind(py))?,)*
                    }))
                }
            }

            impl Opened for Open<'_> {
                fn kernel(&self) -> Box<dyn BandKernel + '_> {
                    let $open = self;
                    Box::new($build)
                }
            }

            #[pyfunction]
            #[allow(clippy::too_many_arguments)]
            pub fn $make(
                py: Python<'_>,
                $($array: Py<PyAny>,)*
                $($parameter: $given,)*
            ) -> PyResult<Kernel> {
                Kernel::make(py, Made { $($array,)* $($parameter: ($read)($parameter)?,)* })
            }
        }
    };
}

fn pixels(number: Whole) -> PyResult<usize> {
    let expected = "a number of pixels, from 0 to 2^63 - 1";
    number.at_least(0, "n_pix_grow_sat", expected)
}

/// Of a parameter that is taken as it is given.
fn given<T>(value: T) -> PyResult<T> {
    Ok(value)
}

fn pattern(of: &Py<ReadPattern>) -> &cadence::ReadPattern {
    &of.get().0
}

kernel! {
    saturation,
    arrays { threshold: f32, Ix2; ref_dq: u32, Ix2; },
    parameters { n_pix_grow_sat: usize = Whole, pixels; floor: f32 = f32, given; },
    |open| Saturation {
        threshold: open.threshold.plane(),
        ref_dq: open.ref_dq.plane(),
        floor: open.made.floor,
        n_pix_grow: open.made.n_pix_grow_sat,
    }
}

kernel! {
    linearity,
    arrays { coeffs: f32, Ix3; ref_dq: u32, Ix2; },
    parameters { },
    |open| Linearity { coeffs: open.coeffs.cube(), ref_dq: open.ref_dq.plane() }
}

kernel! {
    dark,
    arrays { dark: f32, Ix3; ref_dq: u32, Ix2; },
    parameters { },
    |open| Dark {
        signal: DarkSignal::Accumulated(open.dark.cube()),
        ref_dq: open.ref_dq.plane(),
    }
}

kernel! {
    dark_rate,
    arrays { rate: f32, Ix2; ref_dq: u32, Ix2; },
    parameters { read_pattern: Py<ReadPattern> = Py<ReadPattern>, given; },
    |open| Dark {
        signal: DarkSignal::Rate(open.rate.plane(), pattern(&open.made.read_pattern).times()),
        ref_dq: open.ref_dq.plane(),
    }
}

kernel! {
    jump,
    arrays { gain: f32, Ix2; read_noise: f32, Ix2; },
    parameters {
        read_pattern: Py<ReadPattern> = Py<ReadPattern>, given;
        rejection_threshold: f64 = f64, given;
        three_group_rejection_threshold: f64 = f64, given;
        four_group_rejection_threshold: f64 = f64, given;
        flag_4_neighbors: bool = bool, given;
        max_jump_to_flag_neighbors: f64 = f64, given;
        min_jump_to_flag_neighbors: f64 = f64, given;
    },
    |open| Jump::new(
        open.gain.plane(),
        open.read_noise.plane(),
        pattern(&open.made.read_pattern),
        JumpParameters {
            rejection_threshold: open.made.rejection_threshold,
            three_group_rejection_threshold: open.made.three_group_rejection_threshold,
            four_group_rejection_threshold: open.made.four_group_rejection_threshold,
            flag_4_neighbors: open.made.flag_4_neighbors,
            max_jump_to_flag_neighbors: open.made.max_jump_to_flag_neighbors,
            min_jump_to_flag_neighbors: open.made.min_jump_to_flag_neighbors,
        },
    )
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
/// Returns the nanoseconds that each took.
#[pyfunction]
#[pyo3(signature = (kernels, data, groupdq, pixeldq, max_threads, band_rows, tile_cols))]
#[expect(clippy::too_many_arguments, reason = "a ramp, and how to work on it")]
pub fn apply(
    py: Python<'_>,
    kernels: Vec<PyRef<'_, Kernel>>,
    data: &Bound<'_, PyAny>,
    groupdq: Option<&Bound<'_, PyAny>>,
    pixeldq: &Bound<'_, PyAny>,
    max_threads: Option<Whole>,
    band_rows: Option<Whole>,
    tile_cols: Option<Whole>,
) -> PyResult<Vec<u64>> {
    let of_all = |all: Changes, kernel: &PyRef<'_, Kernel>| all.or(kernel.changes);
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
    let times = detached(py, max_threads, (band_rows, tile_cols), |execution| {
        let kernels: Vec<&dyn BandKernel> = made.iter().map(|kernel| &**kernel).collect();
        driver::run(&kernels, &mut ramp, execution)
    })?;
    Ok(times.into_iter().map(nanoseconds).collect())
}

pub fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
