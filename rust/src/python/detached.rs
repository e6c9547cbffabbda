//! The one way in which bindings do their work: without the interpreter's lock.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;

use super::whole::Whole;
use crate::driver::Execution;
use crate::error::KernelError;

mod errors {
    // Written in Python, where they belong to the one family of this package's errors.
    pyo3::import_exception!(romancal_rs.errors, ArgumentError);
    pyo3::import_exception!(romancal_rs.errors, ArgumentTypeError);
    pyo3::import_exception!(romancal_rs.errors, ShapeError);
    pyo3::import_exception!(romancal_rs.errors, ThreadPoolError);
}
use errors::ThreadPoolError;
pub use errors::{ArgumentError, ArgumentTypeError, ShapeError};

/// Runs `work` with the interpreter's lock released.
///
/// This thread looks for signals now and then, and ends the work with what their handlers raise:
/// KeyboardInterrupt for Ctrl-C. Errors become Python's; so does a panic, as RuntimeError.
pub fn detached<R: Send>(
    py: Python<'_>,
    max_threads: Option<Whole>,
    (band_rows, tile_cols): (Option<Whole>, Option<Whole>),
    work: impl FnOnce(&mut Execution<'_>) -> Result<R, KernelError> + Send,
) -> PyResult<R> {
    detached_with_progress(py, max_threads, (band_rows, tile_cols), None, work)
}

/// The same; `progress` is called a few times a second, in this thread, with the number of pixels that
/// are through. What it raises ends the work.
pub fn detached_with_progress<R: Send>(
    py: Python<'_>,
    max_threads: Option<Whole>,
    (band_rows, tile_cols): (Option<Whole>, Option<Whole>),
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&mut Execution<'_>) -> Result<R, KernelError> + Send,
) -> PyResult<R> {
    let max_threads = at_least_one("max_threads", max_threads)?;
    let band_rows = at_least_one("band_rows", band_rows)?;
    let tile_cols = at_least_one("tile_cols", tile_cols)?;
    let mut signal = None;
    let progress = progress.map(|progress| progress.clone().unbind());
    let done = AtomicUsize::new(0);
    let mut told = 0;
    let mut interrupt = || {
        if signal.is_some() {
            return true; // also while the work ends
        }
        let looked = Python::attach(|py| {
            py.check_signals()?;
            let now = done.load(Ordering::Relaxed);
            if let Some(progress) = &progress
                && now != told
            {
                told = now;
                progress.call1(py, (now,))?;
            }
            Ok(())
        });
        signal = looked.err();
        signal.is_some()
    };
    let result = py.detach(|| {
        catch_unwind(AssertUnwindSafe(|| {
            work(&mut Execution {
                max_threads,
                band_rows,
                tile_cols,
                interrupt: &mut interrupt,
                done: &done,
            })
        }))
    });
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if matches!(cause(&error), KernelError::Interrupted) => {
            Err(signal.unwrap_or_else(|| exception(error)))
        }
        Ok(Err(error)) => Err(exception(error)),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Err(PyRuntimeError::new_err(format!(
                "a kernel failed, which is an error of romancal-rs: {text}"
            )))
        }
    }
}

fn at_least_one(argument: &'static str, number: Option<Whole>) -> PyResult<Option<usize>> {
    number
        .map(|number| number.at_least(1, argument, "None or a number from 1 to 2^63 - 1"))
        .transpose()
}

/// What is wrong, whichever kernel found it.
fn cause(error: &KernelError) -> &KernelError {
    match error {
        KernelError::InKernel { error, .. } => cause(error),
        _ => error,
    }
}

/// The Python exception of an error.
pub fn exception(error: KernelError) -> PyErr {
    let text = error.to_string();
    match cause(&error) {
        KernelError::Shape { .. } => ShapeError::new_err(text),
        KernelError::Layout { .. } | KernelError::Value { .. } => ArgumentError::new_err(text),
        KernelError::ThreadPool(_) => ThreadPoolError::new_err(text),
        KernelError::Interrupted | KernelError::InKernel { .. } => {
            PyKeyboardInterrupt::new_err(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_runtime_error_with_its_message() {
        Python::initialize();
        Python::attach(|py| {
            let fall =
                |_: &mut Execution<'_>| -> Result<(), KernelError> { panic!("it {}", "fell") };
            let error = detached(py, None, (None, None), fall).unwrap_err();
            assert!(error.is_instance_of::<PyRuntimeError>(py));
            assert!(
                error
                    .to_string()
                    .ends_with("an error of romancal-rs: it fell")
            );
        });
    }
}
