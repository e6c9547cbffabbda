//! The bindings: the only files that import pyo3.
use pyo3::prelude::*;

#[pymodule]
mod _core {}
