//! What can be wrong with a call: which argument, what was expected, what came.

use ndarray::{ArrayView, Dimension};
use thiserror::Error;

/// An error of a kernel call. Pixels never cause one: a bad pixel is a data-quality flag.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KernelError {
    /// An array does not have the shape that the other arguments ask for.
    #[error("{argument}: expected shape {expected}, got {received}")]
    Shape {
        /// Name of the argument.
        argument: &'static str,
        /// What would be right.
        expected: String,
        /// What was given.
        received: String,
    },
    /// The elements of a row are not next to each other in memory.
    #[error(
        "{argument}: expected an array in C order (last axis contiguous), got strides of {received}"
    )]
    Layout {
        /// Name of the argument.
        argument: &'static str,
        /// What was given.
        received: String,
    },
    /// A parameter has a value that makes no sense.
    #[error("{argument}: expected {expected}, got {received}")]
    Value {
        /// Name of the argument.
        argument: &'static str,
        /// What would be right.
        expected: &'static str,
        /// What was given.
        received: String,
    },
    /// One of several kernels cannot work on what it was given.
    #[error("{kernel}: {error}")]
    InKernel {
        /// Name of the kernel.
        kernel: &'static str,
        /// What is wrong.
        error: Box<KernelError>,
    },
    /// The thread pool could not be started.
    #[error("cannot start the thread pool: {0}")]
    ThreadPool(String),
    /// Someone asked to stop; arrays changed in place are changed in part.
    #[error("interrupted; arrays that are changed in place are changed in part")]
    Interrupted,
}

impl KernelError {
    /// The error, as that of a kernel.
    pub fn of(self, kernel: &'static str) -> Self {
        Self::InKernel {
            kernel,
            error: Box::new(self),
        }
    }

    /// A parameter that should have been `expected`.
    pub fn value(
        argument: &'static str,
        expected: &'static str,
        received: impl std::fmt::Display,
    ) -> Self {
        Self::Value {
            argument,
            expected,
            received: received.to_string(),
        }
    }
}

/// Errs unless an array has this shape and rows that are contiguous in memory. Planes and rows
/// may be spaced, as in the trimmed view `data[:, 4:-4, 4:-4]`.
pub fn check_array<T, D: Dimension>(
    argument: &'static str,
    expected: &[usize],
    array: &ArrayView<'_, T, D>,
) -> Result<(), KernelError> {
    check_shape(argument, expected, array.shape())?;
    check_layout(argument, array)
}

/// Errs unless a shape is the expected one.
pub(crate) fn check_shape(
    argument: &'static str,
    expected: &[usize],
    received: &[usize],
) -> Result<(), KernelError> {
    if received == expected {
        return Ok(());
    }
    Err(KernelError::Shape {
        argument,
        expected: shape_text(expected),
        received: shape_text(received),
    })
}

/// Errs unless the rows of an array are contiguous in memory.
pub(crate) fn check_layout<T, D: Dimension>(
    argument: &'static str,
    array: &ArrayView<'_, T, D>,
) -> Result<(), KernelError> {
    let last = array.ndim() - 1;
    if array.len() > 1 && array.shape()[last] > 1 && array.strides()[last] != 1 {
        return Err(KernelError::Layout {
            argument,
            received: format!("{:?} elements", array.strides()),
        });
    }
    Ok(())
}

/// A shape as Python prints it.
pub fn shape_text(shape: &[usize]) -> String {
    match shape {
        [only] => format!("({only},)"),
        _ => {
            let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!("({})", lengths.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Axis, Slice};

    #[test]
    fn a_wrong_shape_names_the_argument_and_both_shapes() {
        let array = Array2::<u32>::zeros((8, 9));
        let error = check_array("pixeldq", &[9, 8], &array.view()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pixeldq: expected shape (9, 8), got (8, 9)"
        );
        assert_eq!(shape_text(&[3]), "(3,)");
    }

    #[test]
    fn rows_may_be_spaced_and_columns_may_not() {
        let array = Array2::<u32>::zeros((8, 9));
        let spaced = array.slice_axis(Axis(0), Slice::new(0, None, 2));
        let trimmed = spaced.slice_axis(Axis(1), Slice::from(1..8));
        assert!(check_array("a", &[4, 7], &trimmed).is_ok());
        assert!(check_array("a", &[9, 8], &array.t()).is_err());
    }
}
