//! Pixel kernels of romancal-rs: saturation, linearity, dark, jump detection, ramp fit, flat field.
//!
//! A ramp is a cube of detector samples, axes (resultant, row, column). A kernel (`kernels/`, one
//! file per algorithm) sees a band of its rows ([`band::RampBand`]) and never asks whether that is
//! the whole image; [`driver`] cuts an image into bands and runs them on all cores. Results do
//! not depend, not by one bit, on how the image was cut or on how many threads there were.
//!
//! The crate knows nothing of Python; the bindings (`python/`) are behind the feature `python`.
#![deny(unsafe_code)]
#![warn(missing_docs)]

#[forbid(unsafe_code)]
pub mod band;
#[forbid(unsafe_code)]
pub mod cadence;
#[forbid(unsafe_code)]
pub mod chain;
#[forbid(unsafe_code)]
pub mod dq;
#[forbid(unsafe_code)]
pub mod driver;
#[forbid(unsafe_code)]
pub mod encoding;
#[forbid(unsafe_code)]
pub mod error;
#[forbid(unsafe_code)]
pub mod half;
#[forbid(unsafe_code)]
pub mod kernels;
#[forbid(unsafe_code)]
mod lanes;
#[forbid(unsafe_code)]
pub mod planes;
#[forbid(unsafe_code)]
pub mod reference;
#[forbid(unsafe_code)]
pub mod survey;
#[forbid(unsafe_code)]
mod tiles;
// Only denied here: the macros of pyo3 write unsafe code of their own.
#[cfg(feature = "python")]
mod python;
