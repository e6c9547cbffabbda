//! One file per algorithm: its formula and source, the function, its tests.

pub mod dark;
pub mod dark_decay;
pub mod flat;
pub mod inl;
pub mod jump;
pub mod likelihood;
pub mod linearity;
pub mod ramp_fit;
pub mod rate_rows;
mod read_curve;
pub mod read_linearity;
pub mod read_times;
pub mod refpix;
pub mod saturation;
pub mod smooth_variance;
pub mod statistics;
#[cfg(test)]
mod testing;
pub mod wfi18_transient;

/// Whether a gain can be used: NaN, infinite and non-positive gains are flagged NO_GAIN_VALUE.
#[inline(always)]
fn gain_is_known(gain: f32) -> bool {
    // Without a branch, so that it vectorises.
    gain.is_finite() & (gain > 0.0)
}
