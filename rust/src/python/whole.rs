//! Whole numbers from Python, which have no largest one.

use std::fmt;

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

use super::detached::exception;
use crate::error::KernelError;

/// An argument that has to be a whole number; the text of one that is too large for any use.
pub enum Whole {
    Number(i64),
    TooLarge(String),
}

impl FromPyObject<'_, '_> for Whole {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match object.extract() {
            Ok(number) => Ok(Self::Number(number)),
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
                // Python refuses to print numbers of thousands of digits.
                let text = object.str().map(|text| text.to_string());
                Ok(Self::TooLarge(text.unwrap_or_else(|_| {
                    "a number of thousands of digits".into()
                })))
            }
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::TooLarge(text) => text.fmt(formatter),
        }
    }
}

impl Whole {
    /// The number, or an error that says what was expected.
    pub fn at_least(
        &self,
        minimum: i64,
        argument: &'static str,
        expected: &'static str,
    ) -> PyResult<usize> {
        let number = match self {
            Self::Number(number) if *number >= minimum => usize::try_from(*number).ok(),
            _ => None,
        };
        number.ok_or_else(|| exception(KernelError::value(argument, expected, self)))
    }
}
