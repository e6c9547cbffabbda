//! Pixel kernels of romancal-rs.
#[cfg(feature = "python")]
mod python;
