//! NumPy arrays, borrowed: never copied, never cast, and refused by name if they do not fit.

use ndarray::Dimension;
use numpy::{
    BorrowError, Element, PyArray, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray,
    PyReadwriteArray, PyUntypedArray, PyUntypedArrayMethods, dtype,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::error::shape_text;

pyo3::create_exception!(
    romancal_rs.kernels,
    ShapeError,
    PyValueError,
    "An array does not have the shape that the other arguments ask for."
);

/// The arrays of a call, to find those that share memory: NumPy arrays that see the same bytes need
/// not have anything else in common (think of two made from one buffer).
#[derive(Default)]
pub struct Arrays(Vec<Footprint>);

impl Arrays {
    /// An array that is only read.
    pub fn read<'py, T: Element, D: Dimension>(
        &mut self,
        argument: &'static str,
        object: &Bound<'py, PyAny>,
    ) -> PyResult<PyReadonlyArray<'py, T, D>> {
        let array = typed::<T, D>(argument, object)?;
        self.register(Footprint::new(argument, false, array))?;
        array.try_readonly().map_err(|_| in_use_elsewhere(argument))
    }

    /// An array that is changed in place.
    pub fn change<'py, T: Element, D: Dimension>(
        &mut self,
        argument: &'static str,
        object: &Bound<'py, PyAny>,
    ) -> PyResult<PyReadwriteArray<'py, T, D>> {
        let array = typed::<T, D>(argument, object)?;
        if !elements_are_distinct(array.shape(), array.strides(), size_of::<T>()) {
            return Err(PyValueError::new_err(format!(
                "{argument}: expected an array in C order, to be changed in place, got strides of \
                 {:?} bytes",
                array.strides()
            )));
        }
        self.register(Footprint::new(argument, true, array))?;
        array.try_readwrite().map_err(|error| match error {
            BorrowError::NotWriteable => PyValueError::new_err(format!(
                "{argument}: expected an array that can be changed in place, got a read-only one"
            )),
            _ => in_use_elsewhere(argument),
        })
    }

    fn register(&mut self, new: Footprint) -> PyResult<()> {
        let conflict = self
            .0
            .iter()
            .find(|other| (other.changed || new.changed) && other.overlaps(&new));
        if let Some(other) = conflict {
            let changed = if new.changed {
                new.argument
            } else {
                other.argument
            };
            return Err(PyValueError::new_err(format!(
                "{}: shares memory with {}, or lies between its rows; {changed} is changed in place",
                new.argument, other.argument
            )));
        }
        self.0.push(new);
        Ok(())
    }
}

fn in_use_elsewhere(argument: &str) -> PyErr {
    PyValueError::new_err(format!(
        "{argument}: shares memory with an array of a call in another thread, of which one is \
         changed in place"
    ))
}

/// Where in memory the elements of an array lie.
struct Footprint {
    argument: &'static str,
    changed: bool,
    /// The first byte, and the one after the last.
    start: usize,
    end: usize,
    item: usize,
    /// Elements begin at whole multiples of this from each other; 0 for a single one.
    grid: usize,
}

impl Footprint {
    fn new<T: Element, D: Dimension>(
        argument: &'static str,
        changed: bool,
        array: &Bound<'_, PyArray<T, D>>,
    ) -> Self {
        let item = size_of::<T>();
        let (mut start, mut end, mut grid) = (array.data() as usize, array.data() as usize, 0);
        for (&length, &stride) in array.shape().iter().zip(array.strides()) {
            if length > 1 {
                let extent = stride.unsigned_abs() * (length - 1);
                if stride < 0 {
                    start -= extent;
                } else {
                    end += extent;
                }
                grid = gcd(grid, stride.unsigned_abs());
            }
        }
        Self {
            argument,
            changed,
            start,
            end: if array.is_empty() { start } else { end + item },
            item,
            grid,
        }
    }

    /// Whether elements of both may share a byte. Single columns of one table do not; of views that
    /// are interleaved in other ways it is not known, and they may.
    fn overlaps(&self, other: &Self) -> bool {
        let empty = self.start == self.end || other.start == other.end;
        if empty || self.end <= other.start || other.end <= self.start {
            return false;
        }
        let grid = gcd(self.grid, other.grid);
        if grid == 0 {
            return true;
        }
        let (first, second) = if self.start <= other.start {
            (self, other)
        } else {
            (other, self)
        };
        let offset = (second.start - first.start) % grid;
        offset < first.item || grid - offset < second.item
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn typed<'a, 'py, T: Element, D: Dimension>(
    argument: &str,
    object: &'a Bound<'py, PyAny>,
) -> PyResult<&'a Bound<'py, PyArray<T, D>>> {
    let expected = dtype::<T>(object.py());
    let Ok(array) = object.cast::<PyUntypedArray>() else {
        return Err(PyTypeError::new_err(format!(
            "{argument}: expected a NumPy array of {expected}, got {}",
            object.get_type().name()?
        )));
    };
    if !array.dtype().is_equiv_to(&expected) {
        return Err(PyTypeError::new_err(format!(
            "{argument}: expected dtype {expected}, got {}",
            array.dtype()
        )));
    }
    if D::NDIM != Some(array.ndim()) {
        return Err(ShapeError::new_err(format!(
            "{argument}: expected {} dimensions, got shape {}",
            D::NDIM.unwrap_or_default(),
            shape_text(array.shape())
        )));
    }
    let array = object.cast::<PyArray<T, D>>()?;
    let item = size_of::<T>() as isize;
    let aligned = (array.data() as usize).is_multiple_of(align_of::<T>())
        && array.strides().iter().all(|stride| stride % item == 0);
    if !aligned && !array.is_empty() {
        return Err(PyValueError::new_err(format!(
            "{argument}: expected elements aligned in memory, got strides of {:?} bytes",
            array.strides()
        )));
    }
    Ok(array)
}

/// Whether no two elements share memory: each axis steps over all of the next.
fn elements_are_distinct(shape: &[usize], strides: &[isize], item: usize) -> bool {
    if shape.contains(&0) {
        return true;
    }
    let mut extent = item;
    for (&length, &stride) in shape.iter().zip(strides).rev() {
        if length > 1 && stride.unsigned_abs() < extent {
            return false;
        }
        if length > 1 {
            extent += stride.unsigned_abs() * (length - 1);
        }
    }
    true
}
