//! All kernels, as Python makes them. A new one is declared here, and nowhere else in this folder.

use ndarray::{Ix1, Ix2, Ix3};
use num_complex::Complex;
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods, dtype};
use pyo3::prelude::*;

use super::arrays::{Arrays, Reference};
use super::detached::{ArgumentTypeError, exception};
use super::kernel::{Kernel, Opened, Recipe};
use super::read_pattern::ReadPattern;
use super::whole::Whole;
use crate::band::BandKernel;
use crate::cadence;
use crate::error::KernelError;
use crate::kernels::dark::{Dark, DarkSignal};
use crate::kernels::dark_decay::{DarkDecay, Decay};
use crate::kernels::inl::IntegralNonlinearity;
use crate::kernels::jump::{Jump, JumpParameters};
use crate::kernels::linearity::Linearity;
use crate::kernels::read_linearity::ReadLinearity;
use crate::kernels::read_times::Detector;
use crate::kernels::refpix::{Channels, ReferencePixels, Switches};
use crate::kernels::saturation::{Partial, Rule, Saturation};
use crate::kernels::wfi18_transient::{Mode, Transient, Wfi18Transient};

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

fn resultants(number: Whole) -> PyResult<usize> {
    let expected = "a number of resultants, from 0 to 2^63 - 1";
    number.at_least(0, "backup", expected)
}

fn rule(name: String) -> PyResult<Rule> {
    match name.as_str() {
        "none" => Ok(Rule::None),
        "mean_read" => Ok(Rule::MeanRead),
        "concave" => Ok(Rule::Concave),
        _ => Err(exception(KernelError::value(
            "partial",
            "none, mean_read or concave",
            name,
        ))),
    }
}

fn named(name: String) -> PyResult<Detector> {
    Detector::named(&name).map_err(exception)
}

fn first_pixel((row, col): (Whole, Whole)) -> PyResult<(usize, usize)> {
    let expected = "a row and a column, from 0 to 2^63 - 1";
    Ok((
        row.at_least(0, "origin", expected)?,
        col.at_least(0, "origin", expected)?,
    ))
}

/// Rows are flagged, or the transient is fitted.
fn mask_or_fit(mask_rows: bool) -> PyResult<Mode> {
    Ok(if mask_rows { Mode::Mask } else { Mode::Fit })
}

/// Of a parameter that is taken as it is given.
fn given<T>(value: T) -> PyResult<T> {
    Ok(value)
}

/// A small table of real numbers of any dtype, in double precision.
fn real<'py>(argument: &str, table: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let Ok(array) = table.cast::<PyUntypedArray>() else {
        return Err(ArgumentTypeError::new_err(format!(
            "{argument}: expected a NumPy array of real numbers, got {}",
            table.get_type().name()?
        )));
    };
    if !matches!(array.dtype().kind(), b'f' | b'i' | b'u') {
        return Err(ArgumentTypeError::new_err(format!(
            "{argument}: expected an array of real numbers, got one of {}",
            array.dtype()
        )));
    }
    array.call_method1("astype", (dtype::<f64>(table.py()),))
}

/// Copies the nodes and the corrections of the channels.
fn table(
    inl: Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)>,
) -> PyResult<Option<IntegralNonlinearity>> {
    let Some((values, corrections)) = inl else {
        return Ok(None);
    };
    let mut arrays = Arrays::default();
    let values = arrays.read::<f64, Ix1>("values", &real("values", values)?)?;
    let corrections = real("corrections", corrections)?;
    let corrections = arrays.read::<f64, Ix2>("corrections", &corrections)?;
    IntegralNonlinearity::new(values.as_array(), corrections.as_array())
        .map(Some)
        .map_err(exception)
}

fn pattern(of: &Py<ReadPattern>) -> &cadence::ReadPattern {
    &of.get().0
}

kernels! {
    saturation: {
        arrays { threshold: f32, Ix2; ref_dq: u32, Ix2; },
        parameters {
            n_pix_grow_sat: usize = Whole, pixels;
            floor: f32 = f32, given;
            partial: Rule = String, rule;
            read_pattern: Option<Py<ReadPattern>> = Option<Py<ReadPattern>>, given;
            backup: usize = Whole, resultants;
        },
        |open| Saturation {
            threshold: open.threshold.plane(),
            ref_dq: open.ref_dq.plane(),
            floor: open.made.floor,
            n_pix_grow: open.made.n_pix_grow_sat,
            partial: Partial {
                rule: open.made.partial,
                backup: open.made.backup,
                read_pattern: open.made.read_pattern.as_ref().map(pattern),
            },
        }
    }

    linearity: {
        arrays { coeffs: f32, Ix3; ref_dq: u32, Ix2; },
        parameters { },
        |open| Linearity { coeffs: open.coeffs.cube(), ref_dq: open.ref_dq.plane() }
    }

    read_linearity: {
        arrays { coeffs: f32, Ix3; ref_dq: u32, Ix2; inverse_coeffs: f32, Ix3; },
        parameters {
            read_pattern: Py<ReadPattern> = Py<ReadPattern>, given;
            inl: Option<IntegralNonlinearity> = Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)>, table;
        },
        |open| ReadLinearity::new(
            open.coeffs.cube(),
            open.ref_dq.plane(),
            Some((open.inverse_coeffs.cube(), pattern(&open.made.read_pattern))),
            open.made.inl.as_ref(),
        )
    }

    resultant_linearity: {
        arrays { coeffs: f32, Ix3; ref_dq: u32, Ix2; },
        parameters {
            inl: Option<IntegralNonlinearity> = Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)>, table;
        },
        |open| ReadLinearity::new(
            open.coeffs.cube(),
            open.ref_dq.plane(),
            None,
            open.made.inl.as_ref(),
        )
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

    dark_decay: {
        arrays { },
        parameters {
            amplitude: f64 = f64, given;
            time_constant: f64 = f64, given;
            frame_time: f64 = f64, given;
            read_pattern: Py<ReadPattern> = Py<ReadPattern>, given;
            detector: Detector = String, named;
            origin: (usize, usize) = (Whole, Whole), first_pixel;
        },
        |open| DarkDecay::new(
            Decay { amplitude: open.made.amplitude, time_constant: open.made.time_constant },
            open.made.frame_time,
            pattern(&open.made.read_pattern),
            open.made.detector,
            open.made.origin,
        )
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

    refpix: {
        arrays {
            amp33: u16, Ix3; gamma: Complex<f64>, Ix2; zeta: Complex<f64>, Ix2;
            alpha: Complex<f64>, Ix2;
        },
        parameters {
            remove_offset: bool = bool, given;
            remove_trends: bool = bool, given;
            cosine_interpolate: bool = bool, given;
            fft_interpolate: bool = bool, given;
            zero_is_missing: bool = bool, given;
            width: usize = usize, given;
            gap_kernel: usize = usize, given;
        },
        |open| ReferencePixels {
            amp33: open.amp33.cube(),
            gamma: open.gamma.plane(),
            zeta: open.zeta.plane(),
            alpha: open.alpha.plane(),
            switches: Switches {
                remove_offset: open.made.remove_offset,
                remove_trends: open.made.remove_trends,
                cosine_interpolate: open.made.cosine_interpolate,
                fft_interpolate: open.made.fft_interpolate,
                zero_is_missing: open.made.zero_is_missing,
            },
            channels: Channels {
                width: open.made.width,
                gap_kernel: open.made.gap_kernel,
            },
        }
    }

    wfi18_transient: {
        arrays { },
        parameters {
            frame_time: f64 = f64, given;
            read_pattern: Py<ReadPattern> = Py<ReadPattern>, given;
            mask_rows: Mode = bool, mask_or_fit;
            origin: (usize, usize) = (Whole, Whole), first_pixel;
        },
        |open| Wfi18Transient {
            frame_time: open.made.frame_time,
            read_pattern: pattern(&open.made.read_pattern),
            mode: open.made.mask_rows,
            origin: open.made.origin,
        }
    }

    wfi18_known_transient: {
        arrays { },
        parameters {
            frame_time: f64 = f64, given;
            read_pattern: Py<ReadPattern> = Py<ReadPattern>, given;
            amplitudes: [f64; 2] = [f64; 2], given;
            time_constants: [f64; 2] = [f64; 2], given;
        },
        |open| Wfi18Transient {
            frame_time: open.made.frame_time,
            read_pattern: pattern(&open.made.read_pattern),
            mode: Mode::Subtract(Transient {
                amplitudes: open.made.amplitudes,
                time_constants: open.made.time_constants,
            }),
            origin: (0, 0),
        }
    }
}
