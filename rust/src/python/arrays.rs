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
    romancal_rs,
    ShapeError,
    PyValueError,
    "An array does not have the shape that the other arguments ask for."
);

/// An array that is only read.
pub fn read<'py, T: Element, D: Dimension>(
    argument: &str,
    object: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArray<'py, T, D>> {
    let array = typed::<T, D>(argument, object)?;
    array.try_readonly().map_err(|_| overlap(argument))
}

/// An array that is changed in place.
pub fn change<'py, T: Element, D: Dimension>(
    argument: &str,
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
    array.try_readwrite().map_err(|error| match error {
        BorrowError::NotWriteable => PyValueError::new_err(format!(
            "{argument}: expected an array that can be changed in place, got a read-only one"
        )),
        _ => overlap(argument),
    })
}

fn overlap(argument: &str) -> PyErr {
    PyValueError::new_err(format!(
        "{argument}: shares memory with another array of this call, or of one in another thread, \
         of which one is changed in place"
    ))
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
