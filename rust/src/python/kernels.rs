//! All kernels, as Python makes them. A new one is declared here, and nowhere else in this folder.

use ndarray::{Ix2, Ix3};
use pyo3::prelude::*;

use super::arrays::{Arrays, Reference};
use super::kernel::{Kernel, Opened, Recipe};
use super::read_pattern::ReadPattern;
use super::whole::Whole;
use crate::band::BandKernel;
use crate::cadence;
use crate::kernels::dark::{Dark, DarkSignal};
use crate::kernels::jump::{Jump, JumpParameters};
use crate::kernels::linearity::Linearity;
use crate::kernels::saturation::Saturation;

/// Declares the Python side of all kernels: for each the function that makes it, of arrays and of
/// parameters, each with its type here, that in Python, and what turns that into this; and how the
/// kernel is made of them.
macro_rules! kernels {
    ($($make:ident: {
        arrays { $($array:ident: $number:ty, $dims:ty;)* },
        parameters { $($parameter:ident: $type:ty = $given:ty, $read:expr;)* },
        |$open:ident| $build:expr
    })*) => {
        $(mod $make {
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
        })*

        /// Adds the functions that make kernels to the module.
        pub fn add_makers(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($make::$make, module)?)?;)*
            Ok(())
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

kernels! {
    saturation: {
        arrays { threshold: f32, Ix2; ref_dq: u32, Ix2; },
        parameters { n_pix_grow_sat: usize = Whole, pixels; floor: f32 = f32, given; },
        |open| Saturation {
            threshold: open.threshold.plane(),
            ref_dq: open.ref_dq.plane(),
            floor: open.made.floor,
            n_pix_grow: open.made.n_pix_grow_sat,
        }
    }

    linearity: {
        arrays { coeffs: f32, Ix3; ref_dq: u32, Ix2; },
        parameters { },
        |open| Linearity { coeffs: open.coeffs.cube(), ref_dq: open.ref_dq.plane() }
    }

    dark: {
        arrays { dark: f32, Ix3; ref_dq: u32, Ix2; },
        parameters { },
        |open| Dark {
            signal: DarkSignal::Accumulated(open.dark.cube()),
            ref_dq: open.ref_dq.plane(),
        }
    }

    dark_rate: {
        arrays { rate: f32, Ix2; ref_dq: u32, Ix2; },
        parameters { read_pattern: Py<ReadPattern> = Py<ReadPattern>, given; },
        |open| Dark {
            signal: DarkSignal::Rate(open.rate.plane(), pattern(&open.made.read_pattern).times()),
            ref_dq: open.ref_dq.plane(),
        }
    }

    jump: {
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
}
