//! NumPy arrays, borrowed: never copied, never cast, and refused by name if they do not fit.

use ndarray::{Dimension, Ix2, Ix3};
use numpy::{
    BorrowError, Element, PyArray, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray,
    PyReadwriteArray, PyUntypedArray, PyUntypedArrayMethods, dtype,
};
use pyo3::prelude::*;

use super::detached::{ArgumentError, ArgumentTypeError, ShapeError, exception};
use crate::error::{KernelError, shape_text};
use crate::reference::{Cube, Plane};

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
        let array = aligned(argument, typed::<T, D>(argument, object)?)?;
        self.register(Footprint::new(argument, false, array))?;
        array.try_readonly().map_err(|_| in_use_elsewhere(argument))
    }

    /// A reference array, which may lie at any address, as in a mapped file.
    pub fn reference<'py, T: Element, D: Dimension>(
        &mut self,
        argument: &'static str,
        object: &Bound<'py, PyAny>,
    ) -> PyResult<Reference<'py, T, D>> {
        let array = typed::<T, D>(argument, object)?;
        if is_aligned(array) {
            return self.read(argument, object).map(Reference::Numbers);
        }
        // Refused by NumPy unless the numbers of a row are next to each other.
        let bytes = object.call_method1("view", (dtype::<u8>(object.py()),));
        let bytes = bytes.map_err(|_| exception(not_in_c_order(argument, array.strides())))?;
        self.read(argument, &bytes).map(Reference::Bytes)
    }

    /// An array that is changed in place.
    pub fn change<'py, T: Element, D: Dimension>(
        &mut self,
        argument: &'static str,
        object: &Bound<'py, PyAny>,
    ) -> PyResult<PyReadwriteArray<'py, T, D>> {
        let array = aligned(argument, typed::<T, D>(argument, object)?)?;
        if !elements_are_distinct(array.shape(), array.strides(), size_of::<T>()) {
            return Err(ArgumentError::new_err(format!(
                "{argument}: expected an array in C order, to be changed in place, got strides of \
                 {:?} bytes",
                array.strides()
            )));
        }
        self.register(Footprint::new(argument, true, array))?;
        array.try_readwrite().map_err(|error| match error {
            BorrowError::NotWriteable => ArgumentError::new_err(format!(
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
            return Err(ArgumentError::new_err(format!(
                "{}: shares memory with {}, or lies between its rows; {changed} is changed in place",
                new.argument, other.argument
            )));
        }
        self.0.push(new);
        Ok(())
    }
}

/// A reference array of a call: its numbers, or their bytes where those are not aligned.
pub enum Reference<'py, T: Element, D: Dimension> {
    Numbers(PyReadonlyArray<'py, T, D>),
    Bytes(PyReadonlyArray<'py, u8, D>),
}

impl<T: Element> Reference<'_, T, Ix2> {
    pub fn plane(&self) -> Plane<'_, T> {
        match self {
            Self::Numbers(array) => Plane::Numbers(array.as_array()),
            Self::Bytes(bytes) => Plane::Bytes(bytes.as_array()),
        }
    }
}

impl<T: Element> Reference<'_, T, Ix3> {
    pub fn cube(&self) -> Cube<'_, T> {
        match self {
            Self::Numbers(array) => Cube::Numbers(array.as_array()),
            Self::Bytes(bytes) => Cube::Bytes(bytes.as_array()),
        }
    }
}

fn not_in_c_order(argument: &'static str, strides: &[isize]) -> KernelError {
    KernelError::Layout {
        argument,
        received: format!("{strides:?} bytes"),
    }
}

fn in_use_elsewhere(argument: &str) -> PyErr {
    ArgumentError::new_err(format!(
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
        return Err(ArgumentTypeError::new_err(format!(
            "{argument}: expected a NumPy array of {expected}, got {}",
            object.get_type().name()?
        )));
    };
    if !array.dtype().is_equiv_to(&expected) {
        return Err(ArgumentTypeError::new_err(format!(
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
    Ok(object.cast::<PyArray<T, D>>()?)
}

fn is_aligned<T: Element, D: Dimension>(array: &Bound<'_, PyArray<T, D>>) -> bool {
    let item = size_of::<T>() as isize;
    array.is_empty()
        || (array.data() as usize).is_multiple_of(align_of::<T>())
            && array.strides().iter().all(|stride| stride % item == 0)
}

fn aligned<'a, 'py, T: Element, D: Dimension>(
    argument: &str,
    array: &'a Bound<'py, PyArray<T, D>>,
) -> PyResult<&'a Bound<'py, PyArray<T, D>>> {
    if is_aligned(array) {
        return Ok(array);
    }
    Err(ArgumentError::new_err(format!(
        "{argument}: expected elements aligned in memory, got strides of {:?} bytes",
        array.strides()
    )))
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
