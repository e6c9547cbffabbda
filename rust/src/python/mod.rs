//! The bindings: the only files that import pyo3.
//!
//! They check what NumPy arrays come with (`arrays.rs`), run the work without the interpreter's
//! lock (`detached.rs`), and otherwise only pass arguments on. The documentation of the functions
//! is that of `romancal_rs.kernels`, which wraps them.

mod arrays;
mod chain;
mod detached;
mod fit;
mod functions;
mod kernel;
mod kernels;
mod read_pattern;
mod whole;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::chain::calibrate;
    #[pymodule_export]
    use super::fit::{Fit, fit_likelihood, fit_ramps, likelihood_fit, ramp_fit};
    #[pymodule_export]
    use super::functions::{
        apply_flat, divide_by_flat, excess_of_rows, fit_transient, image_statistics, num_threads,
        read_times, set_num_threads, smooth_variance, subtract_dark_from_image, to_half,
    };
    #[pymodule_export]
    use super::kernel::{Kernel, apply};
    #[pymodule_export]
    use super::read_pattern::ReadPattern;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::kernels::add_makers(module)
    }

    /// The commit that this was built from; empty where that is not known.
    #[pymodule_export]
    const REVISION: &str = match option_env!("ROMANCAL_RS_REVISION") {
        Some(revision) => revision,
        None => "",
    };
}
